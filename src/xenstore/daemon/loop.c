// SPDX-License-Identifier: MIT
/*
 * The loop: waits, gives out turns, and lets new clients in.
 *
 * Everybody who comes with a request and owes nothing has a turn in this round. Those who want
 * more than a turn, or still pay for an earlier one, share what a round has to give in the order
 * of their last turns; then the loop looks who has come meanwhile. So a client with a request now
 * and then waits for a round at most, whatever others are doing, and those who keep the daemon
 * busy share the rest.
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
#define ROUND_WORK 512	/* nodes, replies and events for those on xsd.later */

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

static void next_turn(struct xsd *s, struct dom_list *queue)
{
	struct xsd_conn *c = DOM_CONTAINER_OF(queue->next, struct xsd_conn, ready);

	dom_list_remove(&c->ready);
	xsd_conn_turn(s, c);
}

static void serve(struct xsd *s)
{
	uint64_t begin = s->work;
	struct dom_list mark;

	/* Each that is on xsd.later now, once at most. */
	dom_list_append(&s->later, &mark);
	while (!dom_list_empty(&s->ready))
		next_turn(s, &s->ready);
	while (s->later.next != &mark && s->work - begin < ROUND_WORK)
		next_turn(s, &s->later);
	dom_list_remove(&mark);
	if (!dom_list_empty(&s->telling))
		xsd_txn_tell(s, false);
	if (!dom_list_empty(&s->fans))
		xsd_fan_run(s, false);
}

static void dispatch(struct xsd *s, const struct epoll_event *ev)
{
	int *listener = find_listener(s, ev->data.ptr);
	struct xsd_conn *c = ev->data.ptr;

	if (listener)
		accept_clients(s, *listener);
	else if (ev->data.ptr == s)
		s->stop = true;
	else if (!c->dead)
		xsd_conn_event(s, c, ev->events);
}

static bool has_work(const struct xsd *s)
{
	return !dom_list_empty(&s->ready) || !dom_list_empty(&s->later) ||
	       !dom_list_empty(&s->telling) || !dom_list_empty(&s->fans);
}

void xsd_loop_round(struct xsd *s, int timeout_ms)
{
	struct epoll_event ev[EVENTS_MAX];
	int wait = dom_list_empty(&s->held) ? -1 : xsd_release_held(s), n;

	if (wait >= 0 && (timeout_ms < 0 || wait < timeout_ms))
		timeout_ms = wait;
	if (has_work(s) || !dom_list_empty(&s->dirty) || xsd_snapshot_step(s))
		timeout_ms = 0;
	n = epoll_wait(s->epoll, ev, EVENTS_MAX, timeout_ms);
	for (int i = 0; i < n; i++)
		dispatch(s, &ev[i]);
	if (has_work(s))
		serve(s);
	if (!dom_list_empty(&s->guest_txns))
		xsd_txn_trim(s);
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
