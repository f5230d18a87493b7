// SPDX-License-Identifier: MIT
/*
 * Links that are taps: an interface of the host whose other end is a descriptor per queue. With
 * IFF_VNET_HDR each frame is preceded by a struct virtio_net_hdr, which says that its checksum is
 * missing or that it is to be cut into segments, in either direction.
 */
#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "domicile/base/fd.h"
#include "net/net.h"

int pvb_tap_open(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	int fd DOM_CLEANUP_FD = dom_open("/dev/net/tun", O_RDWR | O_NONBLOCK, 0);

	if (fd < 0)
		return fd;
	if (strlen(name) >= sizeof(ifr.ifr_name))
		return -ENAMETOOLONG;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	return dom_fd_steal(&fd);
}

/*
 * The kernel spreads frames over the queues that are attached, so those that nobody reads must not
 * be. What is attached, or detached, already says EINVAL, and so does a tap of a single queue.
 */
static int attach(int fd, bool on)
{
	struct ifreq ifr = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(fd, TUNSETQUEUE, &ifr) < 0 && errno != EINVAL ? -errno : 0;
}

static void tap_carrier(struct net_link *l, bool on)
{
	int value = on;

	/* Not known to kernels before 5.0, which do without. */
	(void)ioctl(l->fd[0], TUNSETCARRIER, &value);
}

/* Frames from before belong to nobody. */
static void flush(int fd)
{
	uint8_t byte[16];

	for (unsigned i = 0; i < 4096 && read(fd, byte, sizeof(byte)) >= 0; i++)
		;
}

static int tap_start(struct net_link *l, unsigned queues, const struct net_offload *off)
{
	unsigned long flags = !off->csum ? 0 : TUN_F_CSUM | (off->tso4 ? TUN_F_TSO4 : 0) |
					       (off->tso6 ? TUN_F_TSO6 : 0);
	int r;

	for (unsigned i = 0; i < l->nfds; i++) {
		r = attach(l->fd[i], i < queues);
		if (r < 0)
			return r;
	}
	if (ioctl(l->fd[0], TUNSETOFFLOAD, flags) < 0)
		return -errno;
	for (unsigned i = 0; i < queues; i++)
		flush(l->fd[i]);
	tap_carrier(l, true);
	return 0;
}

static void tap_stop(struct net_link *l)
{
	tap_carrier(l, false);
}

static int tap_send(struct net_link *l, unsigned queue, const struct iovec *iov, unsigned n,
		    size_t len DOM_UNUSED)
{
	ssize_t r;

	do {
		r = writev(l->fd[queue], iov, (int)n);
	} while (r < 0 && errno == EINTR);
	/* A host that is behind with its work loses frames, as a wire does. */
	return r >= 0 ? 0 : errno == EAGAIN ? -ENOBUFS : -errno;
}

static int tap_recv(struct net_link *l, unsigned queue, const struct iovec *iov, unsigned n)
{
	ssize_t r;

	do {
		r = readv(l->fd[queue], iov, (int)n);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : (int)r;
}

const struct net_link_ops net_link_tap = {
	.name = "tap",
	.offload = true,
	.start = tap_start,
	.stop = tap_stop,
	.send = tap_send,
	.recv = tap_recv,
	.carrier = tap_carrier,
};

/* Links of all kinds. */

static const struct net_link_ops *kind_of(int fd)
{
	struct ifreq ifr;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	if (S_ISSOCK(st.st_mode))
		return &net_link_stream;
	if (ioctl(fd, TUNGETIFF, &ifr) < 0 || !(ifr.ifr_flags & IFF_VNET_HDR))
		return NULL;
	return &net_link_tap;
}

int net_link_open(struct pvb_dev *dev, const char *ifname, const char *passt,
		  struct net_link *ret)
{
	struct net_link l = { 0 };
	int fd = pvb_open_net(dev, ifname, passt, 0);

	if (fd < 0)
		return fd;
	l.fd[l.nfds++] = fd;
	l.ops = kind_of(fd);
	while (l.ops == &net_link_tap && l.nfds < NET_MAX_QUEUES) {
		fd = pvb_open_net(dev, ifname, passt, l.nfds);
		if (fd < 0)
			break;
		l.fd[l.nfds++] = fd;
	}
	*ret = l;
	if (!l.ops) {
		net_link_close(ret);
		return -EINVAL;
	}
	return 0;
}

void net_link_close(struct net_link *l)
{
	if (l->ops && l->ops->stop && l->nfds)
		l->ops->stop(l);
	for (unsigned i = 0; i < l->nfds; i++)
		close(l->fd[i]);
	free(l->priv);
	*l = (struct net_link){ 0 };
}
