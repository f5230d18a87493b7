// SPDX-License-Identifier: MIT
/*
 * A client's watches, and the events that are queued until it takes them. Watches are remembered
 * here, so that a connection made again can set them again.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "domicile/base/num.h"
#include "client.h"

static struct xsc_watched *find_watch(struct xsc *xs, const char *path, const char *token)
{
	for (unsigned i = 0; i < xs->n_watches; i++)
		if (!strcmp(xs->watches[i].path, path) && !strcmp(xs->watches[i].token, token))
			return &xs->watches[i];
	return NULL;
}

static void drop_watch(struct xsc *xs, struct xsc_watched *w)
{
	free(w->path);
	free(w->token);
	*w = xs->watches[--xs->n_watches];
}

static int set_watch(struct xsc *xs, const char *path, const char *token, int depth)
{
	struct xsc_watched *w = realloc(xs->watches, (xs->n_watches + 1) * sizeof(*w));
	char text[12];
	struct xsc_piece p[3] = { { path, strlen(path) + 1 }, { token, strlen(token) + 1 },
		{ text, 0 } };
	int err;

	if (!w)
		return -ENOMEM;
	xs->watches = w;
	if (find_watch(xs, path, token))
		return -EEXIST;
	w += xs->n_watches;
	*w = (struct xsc_watched){ .path = strdup(path), .token = strdup(token), .depth = depth };
	xs->n_watches++;
	if (!w->path || !w->token) {
		drop_watch(xs, w);
		return -ENOMEM;
	}
	if (depth >= 0)
		p[2].len = (size_t)snprintf(text, sizeof(text), "%d", depth) + 1;
	err = xsc_call_pieces(xs, XSC_TX_NONE, XS_WATCH, p, 3, -1, NULL, NULL);
	/* Set by a re-connection inside the call, then once more. */
	if (err == -EEXIST)
		err = 0;
	if (err)
		drop_watch(xs, find_watch(xs, path, token));
	return err;
}

int xsc_watch(struct xsc *xs, const char *path, const char *token)
{
	return set_watch(xs, path, token, -1);
}

int xsc_watch_depth(struct xsc *xs, const char *path, const char *token, unsigned depth)
{
	return depth > INT32_MAX ? -EINVAL : set_watch(xs, path, token, (int)depth);
}

/* Is this event one of a watch on @path with @token? */
static bool belongs(const struct xsc_queued *e, const char *path, const char *token)
{
	size_t len = strlen(path);

	return !strcmp(e->path + e->token, token) && !strncmp(e->path, path, len) &&
	       (!e->path[len] || e->path[len] == '/' || !strcmp(path, "/"));
}

int xsc_unwatch(struct xsc *xs, const char *path, const char *token)
{
	struct xsc_piece p[2] = { { path, strlen(path) + 1 }, { token, strlen(token) + 1 } };
	struct xsc_watched *w = find_watch(xs, path, token);
	int err = xsc_call_pieces(xs, XSC_TX_NONE, XS_UNWATCH, p, 2, -1, NULL, NULL);
	struct xsc_queued **at = &xs->first;

	if (w)
		drop_watch(xs, w);
	while (*at) {
		struct xsc_queued *e = *at;

		if (!belongs(e, path, token)) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		xs->n_events--;
		free(e);
	}
	xs->last = at;
	return err;
}

int xsc_dispatch(struct xsc *xs)
{
	struct xsd_sockmsg hdr;
	int err;

	if (xs->fd < 0 && (!xs->reconnect_ms || xsc_reconnect(xs)))
		return -ECONNRESET;
	for (;;) {
		do
			err = xsc_take(xs, &hdr, NULL);
		while (err >= 0);
		if (err == -EAGAIN)
			err = xsc_receive(xs, MSG_DONTWAIT);
		if (err == -EAGAIN)
			return (int)xs->n_events;
		if (err)
			return err;
	}
}

int xsc_next_event(struct xsc *xs, int timeout_ms, struct xsc_event *ret)
{
	uint64_t end = xsc_now_ms() + (uint64_t)DOM_MAX(timeout_ms, 0);

	while (!xs->first) {
		struct pollfd pfd = { .events = POLLIN };
		int err, wait = timeout_ms;
		uint64_t now = xsc_now_ms();

		if (xs->fd < 0 && timeout_ms && xs->reconnect_ms && xsc_reconnect_wait(xs))
			return -ECONNRESET;
		err = xsc_dispatch(xs);
		if (err == -ECONNRESET && xs->reconnect_ms && timeout_ms)
			continue;
		if (err < 0)
			return err;
		if (err > 0)
			break;
		if (timeout_ms > 0)
			wait = now < end ? (int)(end - now) : 0;
		if (!wait)
			return -EAGAIN;
		pfd.fd = xs->fd;
		if (poll(&pfd, 1, wait) < 0 && errno != EINTR)
			return -errno;
	}
	free(xs->taken);
	xs->taken = xs->first;
	xs->first = xs->taken->next;
	if (!xs->first)
		xs->last = &xs->first;
	xs->n_events--;
	*ret = (struct xsc_event){ .path = xs->taken->path,
		.token = xs->taken->path + xs->taken->token };
	return 0;
}
