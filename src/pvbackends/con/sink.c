// SPDX-License-Identifier: MIT
/*
 * Output to a descriptor that may be slow or go away: stdout and the master side of a pty. Written
 * to in non-blocking mode straight from the history; when it takes no more, the loop says when it
 * does.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "con/con.h"

void con_sink_init(struct con_sink *s, struct pvb_console *c, void (*pump)(struct con_sink *s))
{
	*s = (struct con_sink){ .con = c, .pump = pump, .since = ev_now() };
}

static ssize_t put(const struct con_stream *s, const void *data, size_t len)
{
	ssize_t n = s->sock ? send(s->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) :
			      write(s->fd, data, len);

	return n < 0 ? -errno : n;
}

void con_stream_pump(struct con_sink *sink)
{
	struct con_stream *s = DOM_CONTAINER_OF(sink, struct con_stream, sink);
	uint32_t len;
	const void *data;
	bool moved = false;

	while (!sink->dead && s->fd >= 0 && ev_idle(&s->op) &&
	       (data = con_peek(sink, UINT32_MAX, &len))) {
		ssize_t n = put(s, data, len);

		if (n > 0) {
			con_taken(sink, (uint64_t)n);
			moved = true;
		} else if (n == 0 || n == -EAGAIN) {
			ev_poll(&s->op, s->fd, POLLOUT);
		} else if (n != -EINTR) {
			/* Nobody reads any more (EPIPE, EIO). A pty is revived when somebody opens it. */
			sink->dead = true;
			moved = true;
		}
	}
	if (moved)
		con_moved(sink);
}

static void stream_ready(struct ev_op *op, int res)
{
	struct con_stream *s = DOM_CONTAINER_OF(op, struct con_stream, op);

	if (res >= 0 || res == -ECANCELED)
		s->sink.pump(&s->sink);
	else
		s->sink.dead = true;
}

void con_stream_init(struct con_stream *s, struct pvb_console *c, struct ev_loop *l, int fd)
{
	int type;
	socklen_t len = sizeof(type);

	con_sink_init(&s->sink, c, con_stream_pump);
	ev_op_init(&s->op, l, stream_ready, con_group(c));
	s->fd = fd;
	s->sock = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}
