// SPDX-License-Identifier: MIT
/*
 * A socket in the file system at which one program at a time talks to the guest, as QEMU's does for
 * a channel with connection=socket. The next one is accepted when the former has left; output that
 * comes meanwhile is kept as far as the history reaches.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "con/con.h"

#define BACKLOG 4
#define LEAVE_NS 1000000ull	/* between looks at whether the former peer's ops are idle */
#define RETRY_NS 100000000ull	/* before the next accept, when one failed */

/* Nobody is connected: output stays in the history. */
static void sock_pump(struct con_sink *sink)
{
	struct con_sock *s = DOM_CONTAINER_OF(sink, struct con_sock, out.sink);

	if (!s->attached)
		return;
	con_stream_pump(sink);
	/* EPIPE: the peer has just left, POLLHUP is on its way. */
	sink->dead = false;
}

static void attach(struct con_sock *s, int fd)
{
	s->attached = true;
	s->out.fd = s->in.fd = fd;
	s->out.sock = true;
	s->out.sink.lossy = false;
	s->out.sink.since = ev_now();
	ev_poll(&s->hup, fd, 0);
	sock_pump(&s->out.sink);
	con_moved(&s->out.sink);
	con_feed(s->in.con);
}

static void detach(struct con_sock *s)
{
	s->attached = false;
	s->out.sink.lossy = true;
	s->in.fd = -1;
	s->in.len = 0;
	ev_cancel(&s->in.op);
	ev_cancel(&s->out.op);
}

static void on_hup(struct ev_op *op, int res)
{
	struct con_sock *s = DOM_CONTAINER_OF(op, struct con_sock, hup);

	if (res == -ECANCELED)
		return;
	detach(s);
	/* The guest may have waited for the peer. */
	con_moved(&s->out.sink);
	ev_timer(&s->leave, 0);
}

/* The descriptor is in use until both ops are idle. */
static void on_leave(struct ev_op *op, int res)
{
	struct con_sock *s = DOM_CONTAINER_OF(op, struct con_sock, leave);

	if (res < 0)
		return;
	if (!ev_idle(&s->in.op) || !ev_idle(&s->out.op)) {
		ev_timer(&s->leave, ev_now() + LEAVE_NS);
		return;
	}
	dom_close_fd(&s->out.fd);
	ev_accept(&s->accept, s->listen);
}

static void on_accept(struct ev_op *op, int res)
{
	struct con_sock *s = DOM_CONTAINER_OF(op, struct con_sock, accept);

	if (res >= 0)
		attach(s, res);
	else if (res != -ECANCELED)
		ev_timer(&s->leave, ev_now() + RETRY_NS);
}

/* Remove what a former life left: a socket, nothing else. */
static void remove_socket(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd DOM_CLEANUP_FD = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t mask;
	int r = 0;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (fd < 0)
		return -errno;
	remove_socket(path);
	/* Not even for a moment may others connect. */
	mask = umask(0177);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, BACKLOG) < 0)
		r = -errno;
	umask(mask);
	return r ? r : dom_fd_steal(&fd);
}

int con_sock_open(struct con_sock *s, struct pvb_console *c, struct ev_loop *l, const char *path,
		  struct dom_err *err)
{
	con_stream_init(&s->out, c, l, -1);
	con_source_init(&s->in, c, l, -1);
	s->out.sink.pump = sock_pump;
	s->out.sink.lossy = true;
	ev_op_init(&s->accept, l, on_accept, con_group(c));
	ev_op_init(&s->hup, l, on_hup, con_group(c));
	ev_op_init(&s->leave, l, on_leave, con_group(c));
	s->listen = listen_at(path);
	if (s->listen < 0)
		return dom_err_set(err, s->listen, "cannot listen at %s: %s", path,
				   strerror(-s->listen));
	ev_accept(&s->accept, s->listen);
	return 0;
}

void con_sock_close(struct con_sock *s)
{
	s->in.fd = -1;
	dom_close_fd(&s->out.fd);
	dom_close_fd(&s->listen);
}
