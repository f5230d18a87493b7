// SPDX-License-Identifier: MIT
/*
 * Messages of a client over its connection as it is: a request in pieces goes out, and messages are
 * taken in until its reply is there. Events met on the way are queued; xsc_lost() is the one place
 * where a connection ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"
#include "client.h"

#define RX_STEP 4096u

int xsc_lost(struct xsc *xs)
{
	dom_close_fd(&xs->fd);
	xs->rx_len = 0;
	return -ECONNRESET;
}

int xsc_receive(struct xsc *xs, int flags)
{
	ssize_t n;

	if (xs->rx_cap - xs->rx_len < RX_STEP) {
		size_t cap = xs->rx_cap ? xs->rx_cap * 2 : RX_STEP * 2;
		char *rx = realloc(xs->rx, cap);

		if (!rx)
			return -ENOMEM;
		xs->rx = rx;
		xs->rx_cap = cap;
	}
	do
		n = recv(xs->fd, xs->rx + xs->rx_len, xs->rx_cap - xs->rx_len, flags);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -EAGAIN;
	if (n <= 0)
		return xsc_lost(xs);
	xs->rx_len += (size_t)n;
	return 0;
}

static int queue_event(struct xsc *xs, const char *payload, size_t len)
{
	const char *str[2];
	struct xsc_queued *e;

	if (xsc_wire_strings(payload, len, str, 2) < 2)
		return 0;	/* not an event we could report */
	e = malloc(sizeof(*e) + len);
	if (!e)
		return -ENOMEM;
	e->next = NULL;
	e->token = (size_t)(str[1] - payload);
	memcpy(e->path, payload, len);
	*xs->last = e;
	xs->last = &e->next;
	xs->n_events++;
	return 0;
}

int xsc_take(struct xsc *xs, struct xsd_sockmsg *hdr, char **ret)
{
	size_t len;
	int result = 1;
	char *copy;

	if (xs->rx_len < sizeof(*hdr))
		return -EAGAIN;
	memcpy(hdr, xs->rx, sizeof(*hdr));
	if (hdr->len > XENSTORE_PAYLOAD_MAX)
		return xsc_lost(xs);
	len = sizeof(*hdr) + hdr->len;
	if (xs->rx_len < len)
		return -EAGAIN;
	if (hdr->type == XS_WATCH_EVENT) {
		result = queue_event(xs, xs->rx + sizeof(*hdr), hdr->len);
	} else if (ret) {
		copy = malloc(hdr->len + 1u);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, xs->rx + sizeof(*hdr), hdr->len);
		copy[hdr->len] = 0;
		*ret = copy;
	}
	if (result < 0)
		return result;
	xs->rx_len -= len;
	memmove(xs->rx, xs->rx + len, xs->rx_len);
	return result;
}

static int transmit(struct xsc *xs, struct xsd_sockmsg *hdr, const struct xsc_piece *p, unsigned n,
		    int pass_fd)
{
	char ctl[CMSG_SPACE(sizeof(int))] DOM_ALIGNED(8) = { 0 };
	struct iovec iov[6] = { { .iov_base = hdr, .iov_len = sizeof(*hdr) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n + 1 };

	for (unsigned i = 0; i < n; i++)
		iov[i + 1] = (struct iovec){ .iov_base = (void *)(uintptr_t)p[i].data,
			.iov_len = p[i].len };
	if (pass_fd >= 0) {
		struct cmsghdr *c = (struct cmsghdr *)(void *)ctl;

		msg.msg_control = ctl;
		msg.msg_controllen = sizeof(ctl);
		c->cmsg_len = CMSG_LEN(sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(pass_fd));
	}
	while (msg.msg_iovlen) {
		ssize_t sent = sendmsg(xs->fd, &msg, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return xsc_lost(xs);
		msg.msg_controllen = 0;
		while (msg.msg_iovlen && (size_t)sent >= msg.msg_iov->iov_len) {
			sent -= (ssize_t)msg.msg_iov->iov_len;
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		if (msg.msg_iovlen) {
			msg.msg_iov->iov_base = (char *)msg.msg_iov->iov_base + sent;
			msg.msg_iov->iov_len -= (size_t)sent;
		}
	}
	return 0;
}

int xsc_exchange(struct xsc *xs, uint32_t tx, uint32_t type, const struct xsc_piece *p, unsigned n,
		 int pass_fd, char **ret, size_t *ret_len)
{
	struct xsd_sockmsg hdr = { .type = type, .req_id = ++xs->last_id, .tx_id = tx }, in;
	char *reply DOM_CLEANUP_FREE = NULL;
	int err;

	for (unsigned i = 0; i < n; i++)
		hdr.len += (uint32_t)p[i].len;
	if (xs->fd < 0)
		return -ECONNRESET;
	err = transmit(xs, &hdr, p, n, pass_fd);
	while (!err) {
		int got = xsc_take(xs, &in, &reply);

		if (got > 0 && in.req_id == hdr.req_id)
			break;
		if (got > 0)
			dom_free_ptr(&reply);
		err = got == -EAGAIN ? xsc_receive(xs, 0) : DOM_MIN(got, 0);
	}
	if (err)
		return err;
	if (in.type == XS_ERROR)
		return xsc_wire_error_code(reply, in.len);
	if (in.type != type)
		return -EIO;
	if (ret) {
		*ret = reply;
		reply = NULL;
	}
	if (ret_len)
		*ret_len = in.len;
	return 0;
}
