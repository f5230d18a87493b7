// SPDX-License-Identifier: MIT
/*
 * A pseudo terminal that people attach to and leave (xl console, screen, minicom).
 *
 * Whether somebody has the slave side open decides if the guest waits for slow output. The kernel
 * tells of the last close (POLLHUP on the master side) but not of an open, so an inotify watch on
 * the slave's name does. After either, the master side is asked; events are only hints, so none can
 * be missed for good. Where inotify is exhausted the slave side is kept open by us: then nobody
 * knows, and output that is not read in time is lost.
 *
 * When the master side is closed the kernel throws away what nobody has read yet. So at a guest's end we
 * ask, by a slave side of our own, whether something is left. That side cannot be had by path, since a
 * confined process has none; the master side gives it, where that was opened in the directory of
 * terminals, which is for root. Elsewhere the last words are as safe as the reader is quick.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "con/con.h"

#define MASTER "/dev/pts/ptmx"

static bool hung_up(const struct con_pty *p)
{
	struct pollfd fd = { .fd = p->out.fd };

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR));
}

/* Nobody reads: output stays in the history. */
static void pty_pump(struct con_sink *s)
{
	struct con_pty *p = DOM_CONTAINER_OF(s, struct con_pty, out.sink);

	if (!p->attached)
		return;
	con_stream_pump(s);
	/* EIO: the reader has just left, POLLHUP is on its way. */
	s->dead = false;
}

/* Follow who has the slave side open. */
static void set_attached(struct con_pty *p, bool attached)
{
	struct con_sink *s = &p->out.sink;

	p->attached = attached;
	s->lossy = !attached;
	s->since = ev_now();
	p->in.fd = attached ? p->out.fd : -1;
	if (attached) {
		if (ev_idle(&p->hup))
			ev_poll(&p->hup, p->out.fd, 0);
	} else {
		ev_cancel(&p->in.op);
		ev_cancel(&p->out.op);
		p->in.len = 0;
	}
	pty_pump(s);
	con_moved(s);
	con_feed(s->con);
}

static void pty_hup(struct ev_op *op, int res)
{
	struct con_pty *p = DOM_CONTAINER_OF(op, struct con_pty, hup);

	if (res >= 0)
		set_attached(p, !hung_up(p));
}

static void pty_opened(struct ev_op *op, int res)
{
	struct con_pty *p = DOM_CONTAINER_OF(op, struct con_pty, watch);
	char events[sizeof(struct inotify_event) + NAME_MAX + 1];

	if (res < 0)
		return;
	while (read(p->notify, events, sizeof(events)) > 0)
		;
	if (!p->attached && !hung_up(p))
		set_attached(p, true);
}

/* A link is replaced in one step, so that whoever looks finds the old or the new one. */
static int make_link(const char *target, const char *link, struct dom_err *err)
{
	char tmp[4096];

	if (snprintf(tmp, sizeof(tmp), "%s.new", link) >= (int)sizeof(tmp))
		return dom_err_set(err, -ENAMETOOLONG, "name of the console link %s is too long", link);
	unlink(tmp);
	if (symlink(target, tmp) < 0 || rename(tmp, link) < 0)
		return dom_err_set(err, -errno, "cannot make the console link %s: %s", link,
				   strerror(errno));
	return 0;
}

/* Watch for somebody who opens the slave side. */
static int watch(struct con_pty *p)
{
	p->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (p->notify >= 0 && inotify_add_watch(p->notify, p->name, IN_OPEN) >= 0) {
		ev_poll_multi(&p->watch, p->notify, POLLIN);
		return 0;
	}
	dom_close_fd(&p->notify);
	p->slave = dom_open(p->name, O_RDWR | O_NOCTTY, 0);
	if (p->slave < 0)
		return p->slave;
	p->attached = true;
	p->in.fd = p->out.fd;
	return 0;
}

static int open_master(void)
{
	const int flags = O_RDWR | O_NOCTTY | O_NONBLOCK;
	int fd = dom_open(MASTER, flags, 0);

	if (fd < 0)
		fd = posix_openpt(flags | O_CLOEXEC);
	return fd;
}

bool con_pty_unread(const struct con_pty *p)
{
	struct pollfd slave = { .events = POLLIN };
	bool unread;

	if (!p->attached || p->notify < 0)
		return false;
	slave.fd = ioctl(p->out.fd, TIOCGPTPEER, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (slave.fd < 0)
		return false;
	/* Unlike FIONREAD it waits for what is on its way from our side. */
	unread = poll(&slave, 1, 0) == 1 && (slave.revents & POLLIN);
	close(slave.fd);
	return unread;
}

int con_pty_open(struct con_pty *p, struct pvb_console *c, struct ev_loop *l, const char *link,
		 struct dom_err *err)
{
	int fd = open_master();
	struct termios raw;
	int r;

	con_stream_init(&p->out, c, l, fd);
	con_source_init(&p->in, c, l, -1);
	ev_op_init(&p->watch, l, pty_opened, con_group(c));
	ev_op_init(&p->hup, l, pty_hup, con_group(c));
	p->out.sink.pump = pty_pump;
	p->out.sink.lossy = true;
	p->notify = p->slave = -1;
	if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0 ||
	    ptsname_r(fd, p->name, sizeof(p->name)) || tcgetattr(fd, &raw) < 0)
		return dom_err_set(err, -errno, "cannot make a pseudo terminal: %s", strerror(errno));
	/* Without this the slave side would echo output back as the guest's input. */
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return dom_err_set(err, -errno, "cannot set up %s: %s", p->name, strerror(errno));
	r = watch(p);
	if (r < 0)
		return dom_err_set(err, r, "cannot use %s: %s", p->name, strerror(-r));
	if (!link)
		return 0;
	p->link = strdup(link);
	if (!p->link)
		return dom_err_set(err, -ENOMEM, "console: out of memory");
	return make_link(p->name, link, err);
}

void con_pty_close(struct con_pty *p)
{
	if (p->link)
		unlink(p->link);
	free(p->link);
	p->link = NULL;
	p->in.fd = -1;
	dom_close_fd(&p->notify);
	dom_close_fd(&p->slave);
	dom_close_fd(&p->out.fd);
}
