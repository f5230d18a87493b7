// SPDX-License-Identifier: MIT
/*
 * The connection of a tool, the toolstack or a VMM to the daemon: made, lost, made again.
 *
 * Every blocking call is one xsc_exchange(). A lost connection shows as -ECONNRESET in one place,
 * xsc_call_pieces(), which is also the only one that re-connects.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "client.h"

uint64_t xsc_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

const char *xsc_default_path(char *buf, size_t size)
{
	const char *path = getenv("XENSTORED_PATH"), *dir = getenv("XENSTORED_RUNDIR");

	if (path && *path)
		snprintf(buf, size, "%s", path);
	else
		snprintf(buf, size, "%s/socket", dir && *dir ? dir : "/run/xenstored");
	return buf;
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd DOM_CLEANUP_FD = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	return dom_fd_steal(&fd);
}

int xsc_open(struct xsc **ret, const char *path, struct dom_err *err)
{
	struct xsc *xs = calloc(1, sizeof(*xs));

	if (!xs)
		return dom_err_set(err, -ENOMEM, "out of memory");
	xs->last = &xs->first;
	xs->generation = 1;
	if (path)
		snprintf(xs->path, sizeof(xs->path), "%s", path);
	else
		xsc_default_path(xs->path, sizeof(xs->path));
	xs->fd = path && strlen(path) >= sizeof(xs->path) ? -ENAMETOOLONG : connect_to(xs->path);
	if (xs->fd < 0) {
		int code = dom_err_set(err, xs->fd,
				       "cannot reach xenstored at %s: %s; is domicile-xenstored running?",
				       xs->path, strerror(-xs->fd));

		xs->fd = -1;
		xsc_close(xs);
		return code;
	}
	*ret = xs;
	return 0;
}

void xsc_close(struct xsc *xs)
{
	struct xsc_queued *next;

	if (!xs)
		return;
	xsc_lost(xs);
	for (struct xsc_queued *e = xs->first; e; e = next) {
		next = e->next;
		free(e);
	}
	for (unsigned i = 0; i < xs->n_watches; i++) {
		free(xs->watches[i].path);
		free(xs->watches[i].token);
	}
	free(xs->watches);
	free(xs->taken);
	free(xs->rx);
	free(xs);
}

int xsc_fd(const struct xsc *xs)
{
	return xs->fd;
}

unsigned xsc_generation(const struct xsc *xs)
{
	return xs->generation;
}

void xsc_set_reconnect(struct xsc *xs, int timeout_ms)
{
	xs->reconnect_ms = timeout_ms;
}

int xsc_reconnect(struct xsc *xs)
{
	int fd;

	if (xs->fd >= 0)
		return 0;
	fd = connect_to(xs->path);
	if (fd < 0)
		return fd;
	xs->fd = fd;
	xs->generation++;
	for (unsigned i = 0; i < xs->n_watches; i++) {
		const struct xsc_watched *w = &xs->watches[i];
		char depth[12];
		struct xsc_piece p[3] = { { w->path, strlen(w->path) + 1 },
			{ w->token, strlen(w->token) + 1 }, { depth, 0 } };

		if (w->depth >= 0)
			p[2].len = (size_t)snprintf(depth, sizeof(depth), "%d", w->depth) + 1;
		if (xsc_exchange(xs, 0, XS_WATCH, p, 3, -1, NULL, NULL) == -ECONNRESET)
			return -ECONNRESET;
	}
	return 0;
}

int xsc_reconnect_wait(struct xsc *xs)
{
	uint64_t end = xsc_now_ms() + (uint64_t)xs->reconnect_ms;

	while (xsc_reconnect(xs)) {
		if (!xs->reconnect_ms || xsc_now_ms() >= end)
			return -ECONNRESET;
		poll(NULL, 0, 10);
	}
	return 0;
}

int xsc_call_pieces(struct xsc *xs, xsc_tx tx, uint32_t type, const struct xsc_piece *p, unsigned n,
		    int pass_fd, char **ret, size_t *ret_len)
{
	size_t len = 0;
	int err;

	for (unsigned i = 0; i < n; i++)
		len += p[i].len;
	if (len > XENSTORE_PAYLOAD_MAX)
		return -EMSGSIZE;
	for (;;) {
		if (tx && (unsigned)(tx >> 32) != xs->generation)
			return -EAGAIN;
		err = xsc_exchange(xs, (uint32_t)tx, type, p, n, pass_fd, ret, ret_len);
		if (err != -ECONNRESET || !xs->reconnect_ms)
			return err;
		err = xsc_reconnect_wait(xs);
		if (err)
			return err;
	}
}

int xsc_call(struct xsc *xs, xsc_tx tx, uint32_t type, const void *payload, size_t len, char **ret,
	     size_t *ret_len)
{
	struct xsc_piece p = { payload, len };

	return xsc_call_pieces(xs, tx, type, &p, 1, -1, ret, ret_len);
}

int xsc_call_path(struct xsc *xs, xsc_tx tx, uint32_t type, const char *path, char **ret,
		  size_t *ret_len)
{
	return xsc_call(xs, tx, type, path, strlen(path) + 1, ret, ret_len);
}
