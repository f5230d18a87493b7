// SPDX-License-Identifier: MIT
/*
 * Links that are stream sockets: a user-mode network such as passt, which needs no privilege. Each
 * frame is preceded by its length, 4 bytes, most significant first; checksums are complete and no
 * frame is larger than the 16 bits that a length of an Ethernet frame has there.
 *   ABI: the "stream" network devices of QEMU; passt(1)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "domicile/base/once.h"
#include "net/net.h"

#define LENGTH 4u
#define FRAME_MAX 65535u
#define IN_SIZE (2u * (LENGTH + FRAME_MAX))

struct stream {
	uint8_t out[LENGTH + FRAME_MAX];
	size_t out_at, out_end;		/* what is left to be sent */
	size_t in_at, in_end;		/* what was received and not yet taken */
	uint8_t in[IN_SIZE];
};

static int stream_start(struct net_link *l, unsigned queues DOM_UNUSED,
			const struct net_offload *off DOM_UNUSED)
{
	/* Kept over reconnects of the guest: a frame that was begun has to be ended. */
	if (!l->priv)
		l->priv = calloc(1, sizeof(struct stream));
	return l->priv ? 0 : -ENOMEM;
}

static int error_of(ssize_t n)
{
	if (n == 0)
		return -EPIPE;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return -EAGAIN;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

static bool stream_unsent(struct net_link *l)
{
	const struct stream *s = l->priv;

	return s->out_at < s->out_end;
}

static int stream_resume(struct net_link *l)
{
	struct stream *s = l->priv;

	while (s->out_at < s->out_end) {
		ssize_t n = send(l->fd[0], s->out + s->out_at, s->out_end - s->out_at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_of(n) == -EAGAIN ? 0 : error_of(n);
		s->out_at += (size_t)n;
	}
	return 0;
}

static int stream_send(struct net_link *l, unsigned queue DOM_UNUSED, const struct iovec *iov,
		       unsigned n, size_t len)
{
	const struct virtio_net_hdr *hdr = iov[0].iov_base;
	struct stream *s = l->priv;
	uint32_t prefix = htonl((uint32_t)len);
	size_t at = LENGTH;

	if (len > FRAME_MAX)
		return -EINVAL;
	memcpy(s->out, &prefix, LENGTH);
	for (unsigned i = 1; i < n; i++) {
		dom_copy_once(s->out + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM &&
	    net_csum_fill(s->out + LENGTH, len, hdr->csum_start, hdr->csum_offset) < 0)
		return -EINVAL;
	s->out_at = 0;
	s->out_end = at;
	return stream_resume(l);
}

/* Have at least @want bytes in the buffer, which is large enough for them. */
static int more(struct net_link *l, size_t want)
{
	struct stream *s = l->priv;

	while (s->in_end - s->in_at < want) {
		ssize_t n;

		if (s->in_at + want > IN_SIZE || s->in_at == s->in_end) {
			memmove(s->in, s->in + s->in_at, s->in_end - s->in_at);
			s->in_end -= s->in_at;
			s->in_at = 0;
		}
		n = recv(l->fd[0], s->in + s->in_end, IN_SIZE - s->in_end, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_of(n);
		s->in_end += (size_t)n;
	}
	return 0;
}

static int stream_recv(struct net_link *l, unsigned queue DOM_UNUSED, const struct iovec *iov,
		       unsigned n)
{
	struct stream *s = l->priv;
	size_t len, at = 0;
	uint32_t prefix;
	int r = more(l, LENGTH);

	if (r < 0)
		return r;
	memcpy(&prefix, s->in + s->in_at, LENGTH);
	len = ntohl(prefix);
	if (len > FRAME_MAX)
		return -EPIPE;		/* where the next frame begins is unknown */
	r = more(l, LENGTH + len);
	if (r < 0)
		return r;
	s->in_at += LENGTH;
	memset(iov[0].iov_base, 0, iov[0].iov_len);
	for (unsigned i = 1; i < n && at < len; i++) {
		size_t part = DOM_MIN(iov[i].iov_len, len - at);

		memcpy(iov[i].iov_base, s->in + s->in_at + at, part);
		at += part;
	}
	s->in_at += len;
	return (int)(sizeof(struct virtio_net_hdr) + at);
}

const struct net_link_ops net_link_stream = {
	.name = "stream",
	.start = stream_start,
	.send = stream_send,
	.recv = stream_recv,
	.unsent = stream_unsent,
	.resume = stream_resume,
};
