// SPDX-License-Identifier: MIT
/*
 * The loop: waits, gives everybody who is ready one turn, and lets new clients in.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "xsd.h"

#define EVENTS_MAX 64
#define ACCEPT_MAX 16	/* new clients a round */

int xsd_loop_init(struct xsd *s)
{
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	return s->epoll < 0 ? -errno : 0;
}

int xsd_loop_add(struct xsd *s, int fd, uint32_t events, void *ptr)
{
	struct epoll_event ev = { .events = events, .data.ptr = ptr };

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static void accept_clients(struct xsd *s, int listener)
{
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		if (!xsd_conn_new(s, fd, xsd_dom_peek(s, 0))) {
			dom_log(&s->log, DOM_LOG_WARN, "a client was turned away: out of memory");
			close(fd);
		}
	}
}

static int *find_listener(struct xsd *s, void *ptr)
{
	for (unsigned i = 0; i < s->n_listeners; i++)
		if (ptr == &s->listeners[i])
			return &s->listeners[i];
	return NULL;
}

static void bury(struct xsd *s)
{
	dom_list_for_each_safe(l, &s->graves)
		free(DOM_CONTAINER_OF(l, struct xsd_conn, all));
	dom_list_init(&s->graves);
}

/* One turn for each connection that still had requests when the round began. */
static void work_ready(struct xsd *s)
{
	struct dom_list turn;

	if (dom_list_empty(&s->ready))
		return;
	turn = s->ready;
	turn.next->prev = turn.prev->next = &turn;
	dom_list_init(&s->ready);
	while (!dom_list_empty(&turn)) {
		struct xsd_conn *c = DOM_CONTAINER_OF(turn.next, struct xsd_conn, ready);

		dom_list_remove(&c->ready);
		xsd_conn_work(s, c);
	}
}

void xsd_loop_round(struct xsd *s, int timeout_ms)
{
	struct epoll_event ev[EVENTS_MAX];
	int n;

	if (!dom_list_empty(&s->ready) || !dom_list_empty(&s->dirty) || xsd_state_step(s))
		timeout_ms = 0;
	n = epoll_wait(s->epoll, ev, EVENTS_MAX, timeout_ms);
	work_ready(s);
	for (int i = 0; i < n; i++) {
		struct xsd_conn *c = ev[i].data.ptr;
		int *listener = find_listener(s, c);

		if (listener) {
			accept_clients(s, *listener);
		} else if (ev[i].data.ptr == s) {
			s->stop = true;
		} else if (!c->dead) {
			if (ev[i].events & EPOLLOUT)
				xsd_conn_flush(s, c);
			if (!c->dead && (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
				xsd_conn_input(s, c);
		}
	}
	while (!dom_list_empty(&s->dirty))
		xsd_conn_flush(s, DOM_CONTAINER_OF(s->dirty.next, struct xsd_conn, dirty));
	if (!dom_list_empty(&s->graves))
		bury(s);
	if (s->live_update.start)
		xsd_live_start(s);
}

void xsd_loop_fini(struct xsd *s)
{
	bury(s);
	dom_close_fd(&s->epoll);
}
