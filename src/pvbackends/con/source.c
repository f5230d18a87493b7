// SPDX-License-Identifier: MIT
/*
 * Input from a terminal or pty. A source is read only as far as the guest takes its input, so that
 * whoever types or pastes is slowed down; except a terminal with an escape key, which is always
 * read, and loses what has no room, so that ^] works when the guest hangs.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "con/con.h"

#define ESCAPE 0x1d	/* ^] */

/* Take @n bytes that were read to @data; false when the user wants to leave. */
static bool take(struct con_source *s, const uint8_t *data, size_t n)
{
	const uint8_t *esc = s->escape ? memchr(data, ESCAPE, n) : NULL;
	size_t len = esc ? (size_t)(esc - data) : n;

	len = DOM_MIN(len, sizeof(s->buf) - s->len);
	memcpy(s->buf + s->len, data, len);
	s->len += (unsigned)len;
	return !esc;
}

static void source_ready(struct ev_op *op, int res)
{
	struct con_source *s = DOM_CONTAINER_OF(op, struct con_source, op);
	size_t room = s->escape ? sizeof(s->buf) : sizeof(s->buf) - s->len;
	uint8_t buf[sizeof(s->buf)];
	ssize_t n;

	if (res == -ECANCELED)
		con_feed(s->con);	/* a pty may have been opened again meanwhile */
	if (res < 0 || s->fd < 0)
		return;
	n = read(s->fd, buf, room);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return;		/* end of input: not armed again */
	if (n > 0 && !take(s, buf, (size_t)n))
		con_quit(s->con);
	con_feed(s->con);
}

void con_source_wait(struct con_source *s)
{
	if (s->fd >= 0 && ev_idle(&s->op) && (s->escape || s->len == 0))
		ev_poll(&s->op, s->fd, POLLIN);
}

void con_source_init(struct con_source *s, struct pvb_console *c, struct ev_loop *l, int fd)
{
	s->con = c;
	s->fd = fd;
	ev_op_init(&s->op, l, source_ready, con_group(c));
}
