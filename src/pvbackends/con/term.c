// SPDX-License-Identifier: MIT
/*
 * The terminal, pipes or files that the process was started with. They are shared with other
 * processes (the shell), so their mode is not changed: they are opened anew for non-blocking use.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>

#include "con/con.h"

/*
 * A descriptor of our own for @fd. Sockets cannot be opened anew and need no mode. Regular files
 * keep their position and share it, so that output of others before and after stays in order.
 */
static int own_fd(int fd, int flags)
{
	char path[32];
	struct stat st;
	int own;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		own = dom_open(path, flags | O_NONBLOCK | O_NOCTTY, 0);
		if (own >= 0)
			return own;
	}
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return own < 0 ? -errno : own;
}

static int set_raw(struct con_term *t, int fd)
{
	struct termios raw, *saved;

	if (!isatty(fd))
		return 0;
	saved = malloc(sizeof(*saved));
	if (!saved)
		return -ENOMEM;
	if (tcgetattr(fd, saved) < 0) {
		free(saved);
		return -errno;
	}
	raw = *saved;
	cfmakeraw(&raw);
	t->saved = saved;
	return tcsetattr(fd, TCSADRAIN, &raw) < 0 ? -errno : 0;
}

int con_term_open(struct con_term *t, struct pvb_console *c, struct ev_loop *l,
		  const struct pvb_console_config *cfg, struct dom_err *err)
{
	int in = cfg->in_fd >= 0 ? own_fd(cfg->in_fd, O_RDONLY) : -1;
	int out = cfg->out_fd >= 0 ? own_fd(cfg->out_fd, O_WRONLY) : -1;
	int r;

	con_source_init(&t->in, c, l, in);
	con_stream_init(&t->out, c, l, out);
	t->out.sink.dead = out < 0;
	if ((cfg->in_fd >= 0 && in < 0) || (cfg->out_fd >= 0 && out < 0))
		return dom_err_set(err, in < 0 ? in : out, "cannot use standard %s as console: %s",
				   in < 0 ? "input" : "output", strerror(in < 0 ? -in : -out));
	r = in >= 0 ? set_raw(t, in) : 0;
	if (r < 0)
		return dom_err_set(err, r, "cannot set the mode of the terminal: %s", strerror(-r));
	t->in.escape = t->saved && !cfg->no_escape;
	return 0;
}

void con_term_restore(struct con_term *t)
{
	if (t->saved)
		tcsetattr(t->in.fd, TCSADRAIN, t->saved);
	free(t->saved);
	t->saved = NULL;
}

void con_term_close(struct con_term *t)
{
	con_term_restore(t);
	dom_close_fd(&t->in.fd);
	dom_close_fd(&t->out.fd);
}
