// SPDX-License-Identifier: MIT
/*
 * netbench: what the way through the rings costs, beside plain reads and writes of a tap.
 *
 * Two taps in a network of their own: one is written and read by a loop of writev() and readv(), the
 * other by the network back end with a front end in the same thread. Slices of a batch of frames each
 * alternate between the two, so that both see the same machine; of each slice the CPU time of the work
 * alone is taken: not what the front end does, nor what brings frames to the tap.
 *
 *	tx	frames to the host; they are for another station, so the host drops them at once
 *	rx	frames from the host, sent to the tap through a packet socket
 *
 * usage: netbench CASE...	NAME:tx|rx:BYTES:GSO, GSO the segment size or 0
 * Prints one line per case: NAME key value ..., medians over ROUNDS (200) slices.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "fake_netfront.h"

#define ROUNDS_MAX 2000u
#define BATCH_MAX 128u
#define RING 256u		/* requests of a ring */

struct bench {
	char name[32];
	bool tx;
	unsigned bytes, gso, batch;
	struct fe_cut cut;		/* a frame in pages */
	struct ev_loop *loop;
	struct xa_domain *d;
	struct net_vif vif;
	struct net_queue *q;
	struct netfront fe;
	int raw, inject[2];		/* raw tap; packet sockets of the raw tap and of ours */
	unsigned page;			/* see next_page() */
	struct virtio_net_hdr hdr;
	uint8_t *frame;
};

static void die(const char *what)
{
	fprintf(stderr, "netbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void on_complain(struct net_vif *vif DOM_UNUSED, const char *what, int error)
{
	errno = -error;
	die(what);
}

static void on_lost(struct net_vif *vif DOM_UNUSED)
{
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Taps. */

static void if_up(const char *name)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr))
		die(name);
	ifr.ifr_flags |= IFF_UP | IFF_NOARP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		die(name);
	close(fd);
}

/* The host's IPv6 has nothing to say on our taps. */
static void be_quiet(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1", 1) != 1)
		die("disable_ipv6");
	if (fd >= 0)
		close(fd);
}

static int packet_socket(const char *name)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1, size = 64 << 20;

	/* Straight to the driver, with the header that says what is left to it. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)))
		die("packet socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return fd;
}

static int open_tap(const char *name)
{
	struct net_link l = { .ops = &net_link_tap, .nfds = 1 };
	const struct net_offload all = { true, true, true };

	l.fd[0] = pvb_tap_open(name);
	if (l.fd[0] < 0) {
		errno = -l.fd[0];
		die(name);
	}
	if_up(name);
	if (l.ops->start(&l, 1, &all) < 0)
		die(name);
	return l.fd[0];
}

static void make_frame(struct bench *b)
{
	uint8_t *f = b->frame;
	bool gso = b->gso;

	memset(f, 0x5a, b->bytes);
	memcpy(f, "\2\0\0\0\0\x63\2\0\0\0\0\x64\x08\x00\x45\0", 16);
	f[16] = (uint8_t)((b->bytes - 14) >> 8);
	f[17] = (uint8_t)(b->bytes - 14);
	f[20] = f[21] = 0;
	f[23] = 6;
	f[46] = 0x50;
	b->hdr = (struct virtio_net_hdr){ 0 };
	if (gso)
		b->hdr = (struct virtio_net_hdr){
			.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
			.hdr_len = 54, .gso_size = (uint16_t)b->gso, .csum_start = 34, .csum_offset = 16,
		};
}

/* Have a batch of frames wait in a tap. */
static void inject(struct bench *b, int fd)
{
	struct iovec iov[2] = { { &b->hdr, sizeof(b->hdr) }, { b->frame, b->bytes } };

	for (unsigned i = 0; i < b->batch; i++)
		if (writev(fd, iov, 2) < 0)
			die("inject");
}

/* Slices; each returns the CPU time of one frame in ns. */

/* The first page of the next frame: raw or not, as many in turn as a ring has, for the caches' sake. */
static unsigned next_page(struct bench *b, unsigned *at)
{
	unsigned first = *at + b->cut.n > RING ? 0 : *at;

	*at = first + b->cut.n;
	return FE_TX_PAGE + first;
}

static uint8_t *next_pages(struct bench *b, unsigned *at)
{
	return b->d->ram + next_page(b, at) * 4096ul;
}

static double raw_tx(struct bench *b)
{
	struct iovec iov[2] = { { &b->hdr, sizeof(b->hdr) }, { NULL, b->bytes } };
	unsigned at = b->page;
	uint64_t t0;

	/* As a guest, which has just made what it sends: a page at a time, like the front end. */
	for (unsigned i = 0; i < b->batch; i++) {
		uint8_t *to = next_pages(b, &at);

		for (unsigned k = 0; k < b->cut.n; k++)
			memcpy(to + k * 4096ul, b->frame + k * 4096ul, b->cut.len[k]);
	}
	t0 = cpu_ns();
	for (unsigned i = 0; i < b->batch; i++) {
		iov[1].iov_base = next_pages(b, &b->page);
		if (writev(b->raw, iov, 2) < 0)
			die("raw write");
	}
	return (double)(cpu_ns() - t0) / b->batch;
}

static double raw_rx(struct bench *b)
{
	struct virtio_net_hdr hdr;
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { NULL, NET_FRAME_MAX } };
	uint64_t t0;

	inject(b, b->inject[0]);
	t0 = cpu_ns();
	for (unsigned i = 0; i < b->batch; i++) {
		iov[1].iov_base = next_pages(b, &b->page);
		if (readv(b->raw, iov, 2) != (ssize_t)(b->bytes + sizeof(hdr)))
			die("raw read");
	}
	return (double)(cpu_ns() - t0) / b->batch;
}

static double ring_tx(struct bench *b)
{
	struct netif_extra_info gso = { .type = XEN_NETIF_EXTRA_TYPE_GSO };
	unsigned per = b->cut.n + (b->gso ? 1 : 0), got = 0;
	struct netif_tx_response rsp;
	uint64_t t0;

	gso.u.gso.type = XEN_NETIF_GSO_TYPE_TCPV4;
	gso.u.gso.size = (uint16_t)b->gso;
	for (unsigned i = 0; i < b->batch; i++) {
		b->fe.tx_page = next_page(b, &b->page);
		fe_tx_frame(&b->fe, b->frame, b->bytes, &b->cut, b->gso ? NETTXF_csum_blank : 0,
			    b->gso ? &gso : NULL);
	}
	fe_push(&b->fe, 0);
	t0 = cpu_ns();
	while (DOM_LOAD(fake_u32(b->d, 0, XA_RING_RSP_PROD)) != b->fe.tx_prod)
		ev_loop_turn(b->loop, EV_FOREVER);
	t0 = cpu_ns() - t0;
	while (fe_tx_response(&b->fe, &rsp)) {
		if (rsp.status != NETIF_RSP_OKAY && rsp.status != NETIF_RSP_NULL)
			die("ring: frame not sent");
		got++;
	}
	if (got != per * b->batch)
		die("ring: responses");
	return (double)t0 / b->batch;
}

static double ring_rx(struct bench *b)
{
	static struct fe_frame in;
	uint64_t want = b->vif.stats.rx_frames + b->batch, t0;

	fe_rx_give(&b->fe, RING - (b->fe.rx_prod - b->fe.rx_cons));
	while (ev_loop_turn(b->loop, 0) > 0)
		;
	inject(b, b->inject[1]);
	t0 = cpu_ns();
	while (b->vif.stats.rx_frames < want)
		ev_loop_turn(b->loop, EV_FOREVER);
	t0 = cpu_ns() - t0;
	for (unsigned i = 0; i < b->batch; i++)
		if (!fe_rx_frame(&b->fe, &in) || in.len != b->bytes)
			die("ring: frames");
	return (double)t0 / b->batch;
}

/* One case. */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *v, unsigned n, unsigned percent)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[(n - 1) * percent / 100];
}

static void run_case(struct bench *b, unsigned rounds)
{
	double raw[ROUNDS_MAX], ring[ROUNDS_MAX], diff[ROUNDS_MAX], ratio[ROUNDS_MAX];
	struct net_stats s0 = { 0 };
	struct ev_stats e0 = { 0 }, e1;
	uint64_t frames = 0;

	make_frame(b);
	b->cut = fe_cut_pages(b->bytes);
	b->batch = DOM_MIN(BATCH_MAX, RING / (b->cut.n + (b->gso ? 1 : 0)));
	/* The first slices warm up and do not count. */
	for (int i = -5; i < (int)rounds; i++) {
		unsigned at = i < 0 ? 0 : (unsigned)i;

		if (i == 0) {
			s0 = b->vif.stats;
			ev_loop_stats(b->loop, &e0);
		}
		raw[at] = b->tx ? raw_tx(b) : raw_rx(b);
		ring[at] = b->tx ? ring_tx(b) : ring_rx(b);
		diff[at] = ring[at] - raw[at];
		ratio[at] = raw[at] / ring[at];
		frames += i < 0 ? 0 : b->batch;
	}
	ev_loop_stats(b->loop, &e1);
	printf("%s raw_us %.3f ring_us %.3f diff_us %.3f speed %.3f kicks %.3f notifies %.3f enters %.3f\n",
	       b->name, quantile(raw, rounds, 50) / 1e3, quantile(ring, rounds, 50) / 1e3,
	       quantile(diff, rounds, 50) / 1e3, quantile(ratio, rounds, 50),
	       (double)(b->vif.stats.kicks - s0.kicks) / (double)frames,
	       (double)(b->vif.stats.notifies - s0.notifies) / (double)frames,
	       (double)(e1.enters - e0.enters) / (double)frames);
	fflush(stdout);
}

static void set_up(struct bench *b)
{
	struct net_queue_config cfg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
	b->raw = open_tap("raw0");
	b->inject[0] = packet_socket("raw0");
	b->d = fake_domain_new(FE_PAGES + 18);
	/* Of the same kind of memory as the guest's, for both ways. */
	b->frame = b->d->ram + FE_PAGES * 4096ul;
	if (ev_loop_new(NULL, &b->loop, NULL))
		die("ev_loop_new");
	b->vif = (struct net_vif){
		.loop = b->loop, .domain = b->d, .complain = on_complain, .lost = on_lost, .sg = true,
		.offload = { true, true, true }, .stall_ns = NET_STALL_NS, .drain_ns = NET_DRAIN_NS,
		.link = { .ops = &net_link_tap, .fd = { open_tap("ring0") }, .nfds = 1 },
	};
	b->inject[1] = packet_socket("ring0");
	fe_init(&b->fe, b->d);
	cfg = fe_config(&b->fe);
	if (net_queue_new(&b->vif, &cfg, &b->q))
		die("net_queue_new");
	b->vif.queue[0] = b->q;
	b->vif.nqueues = 1;
	b->fe.kick[0] = b->q->eventfd[0];
	b->fe.kick[1] = b->q->eventfd[1];
	net_queue_start(b->q);
}

int main(int argc, char **argv)
{
	const char *rounds = getenv("ROUNDS");
	struct bench b = { 0 };

	if (argc < 2) {
		fprintf(stderr, "usage: netbench CASE...\n");
		return 2;
	}
	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		fprintf(stderr, "netbench: no network namespace: %s\n", strerror(errno));
		return 77;
	}
	be_quiet();
	set_up(&b);
	for (int i = 1; i < argc; i++) {
		char way[3];

		if (sscanf(argv[i], "%31[^:]:%2[a-z]:%u:%u", b.name, way, &b.bytes, &b.gso) != 4 ||
		    b.bytes < 60 || b.bytes > 65535) {
			fprintf(stderr, "netbench: cannot understand case %s\n", argv[i]);
			return 2;
		}
		b.tx = !strcmp(way, "tx");
		run_case(&b, rounds ? DOM_MIN((unsigned)atoi(rounds), ROUNDS_MAX) : 200);
	}
	net_queue_free(b.q, NULL);
	ev_loop_free(b.loop);
	return 0;
}
