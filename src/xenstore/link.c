// SPDX-License-Identifier: MIT
/*
 * The link between a guest's ring and the daemon.
 *
 * Requests are kept, in order, until answered:
 *
 *	req:  |answered, dropped|  sent, unanswered  |  not sent yet  |
 *	                        0                  sent              len
 *
 * Replies come in the order of requests, so each reply that is not an event drops the first kept
 * request. After a restart of the daemon `sent` goes back to 0. Towards the guest only whole
 * messages are passed on; a half-received one is forgotten with the descriptor.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "domicile/base/fd.h"
#include "xenstore.h"

#define LINK_BUF 16384u

struct xsc_link {
	int fd;
	bool broken;			/* the guest announced a payload that is too long */
	size_t req_len, req_sent;
	size_t scan;			/* start of the last, maybe partial, request in req */
	size_t rsp_len;			/* bytes received */
	size_t rsp_whole;		/* of them, bytes of complete messages */
	char req[LINK_BUF], rsp[LINK_BUF];
};

int xsc_link_new(struct xsc_link **ret, int fd)
{
	struct xsc_link *l = calloc(1, sizeof(*l));

	if (!l) {
		close(fd);
		return -ENOMEM;
	}
	l->fd = fd;
	*ret = l;
	return 0;
}

void xsc_link_free(struct xsc_link *l)
{
	if (!l)
		return;
	dom_close_fd(&l->fd);
	free(l);
}

int xsc_link_fd(const struct xsc_link *l)
{
	return l->fd;
}

short xsc_link_events(const struct xsc_link *l)
{
	if (l->fd < 0)
		return 0;
	return (short)((l->rsp_len < LINK_BUF ? POLLIN : 0) |
		       (l->req_sent < l->req_len ? POLLOUT : 0));
}

/* Length of the message at @p, of which @len bytes are there; 0 if its header is not complete. */
static size_t message_len(const char *p, size_t len, struct xsd_sockmsg *hdr)
{
	if (len < sizeof(*hdr))
		return 0;
	memcpy(hdr, p, sizeof(*hdr));
	return sizeof(*hdr) + (size_t)hdr->len;
}

ssize_t xsc_link_put(struct xsc_link *l, const void *data, size_t len)
{
	struct xsd_sockmsg hdr;
	size_t n;

	if (l->broken)
		return -EPROTO;
	len = DOM_MIN(len, LINK_BUF - l->req_len);
	memcpy(l->req + l->req_len, data, len);
	l->req_len += len;
	while ((n = message_len(l->req + l->scan, l->req_len - l->scan, &hdr))) {
		if (hdr.len > XENSTORE_PAYLOAD_MAX) {
			l->broken = true;
			return -EPROTO;
		}
		if (n > l->req_len - l->scan)
			break;
		l->scan += n;
	}
	return (ssize_t)len;
}

size_t xsc_link_get(struct xsc_link *l, void *buf, size_t size)
{
	size_t n = DOM_MIN(size, l->rsp_whole);

	memcpy(buf, l->rsp, n);
	l->rsp_len -= n;
	l->rsp_whole -= n;
	memmove(l->rsp, l->rsp + n, l->rsp_len);
	return n;
}

/* The first kept request has its reply. */
static void answered(struct xsc_link *l)
{
	struct xsd_sockmsg hdr;
	size_t n = message_len(l->req, l->req_len, &hdr);

	if (!n || n > l->req_sent)
		return;		/* a reply to nothing: the daemon's mistake, not ours to spread */
	l->req_len -= n;
	l->req_sent -= n;
	l->scan -= n;
	memmove(l->req, l->req + n, l->req_len);
}

static int receive(struct xsc_link *l)
{
	struct xsd_sockmsg hdr;
	bool gone = false;
	ssize_t got;
	size_t n;

	while (l->rsp_len < LINK_BUF) {
		got = recv(l->fd, l->rsp + l->rsp_len, LINK_BUF - l->rsp_len, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			break;
		gone = got <= 0;
		if (gone)
			break;	/* what came before counts */
		l->rsp_len += (size_t)got;
	}
	while ((n = message_len(l->rsp + l->rsp_whole, l->rsp_len - l->rsp_whole, &hdr))) {
		if (hdr.len > XENSTORE_PAYLOAD_MAX)
			return -ECONNRESET;
		if (n > l->rsp_len - l->rsp_whole)
			break;
		l->rsp_whole += n;
		if (hdr.type != XS_WATCH_EVENT)
			answered(l);
	}
	return gone ? -ECONNRESET : 0;
}

static int transmit(struct xsc_link *l)
{
	while (l->req_sent < l->req_len && !l->broken) {
		ssize_t n = send(l->fd, l->req + l->req_sent, l->req_len - l->req_sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -ECONNRESET;
		l->req_sent += (size_t)n;
	}
	return 0;
}

static void detach(struct xsc_link *l)
{
	dom_close_fd(&l->fd);
	l->rsp_len = l->rsp_whole;
	l->req_sent = 0;
}

int xsc_link_run(struct xsc_link *l)
{
	int err = l->fd < 0 ? -ECONNRESET : transmit(l);

	if (!err)
		err = receive(l);
	else if (l->fd >= 0)
		receive(l);	/* replies that were on their way count */
	if (err)
		detach(l);
	return err;
}

void xsc_link_attach(struct xsc_link *l, int fd)
{
	detach(l);
	l->fd = fd;
}

void xsc_link_reset(struct xsc_link *l, int fd)
{
	dom_close_fd(&l->fd);
	l->fd = fd;
	l->broken = false;
	l->req_len = l->req_sent = l->scan = 0;
	l->rsp_len = l->rsp_whole = 0;
}
