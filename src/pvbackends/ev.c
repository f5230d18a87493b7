// SPDX-License-Identifier: MIT
/*
 * The event loop: life cycle of ops, timers, calls from other threads. How requests reach the
 * kernel is the engines' matter (ev_uring.c, ev_poll.c).
 *
 * Timers are not requests: the loop keeps them in a list ordered by deadline and limits its wait
 * to the first one. Arming, moving and cancelling them costs no system call, and there are few.
 *
 * Completion passes through ev_complete() only. An op that reports once is idle before its callback
 * runs and is not touched after it, since the callback may free it. One that reports repeatedly
 * (ev_poll_multi, ev_event) stays armed; where the engine has forgotten it (an eventfd read is one
 * request per wake-up) it is `resting` during the callback and armed anew after it.
 *
 * A group that is closing waits for its list of ops to become empty, and is then told from the
 * loop, never from inside the call that emptied it, so that its owner may be freed there.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "domicile/ev.h"
#include "priv.h"

/* Turns without news for those who have no file ops in flight, after which ev_gather() is heard. */
#define LIVELY 16u

uint64_t ev_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* Groups. */

void ev_group_init(struct ev_group *g, struct ev_loop *l)
{
	*g = (struct ev_group){ .loop = l };
	dom_list_init(&g->ops);
	dom_list_init(&g->link);
}

static void group_check(struct ev_group *g)
{
	if (!g->idle || g->queued || !dom_list_empty(&g->ops))
		return;
	g->queued = true;
	dom_list_append(&g->loop->groups, &g->link);
}

void ev_group_close(struct ev_group *g, void (*idle)(struct ev_group *g))
{
	if (g->idle)
		return;
	g->idle = idle;
	dom_list_for_each_safe(pos, &g->ops)
		ev_cancel(DOM_CONTAINER_OF(pos, struct ev_op, member));
	group_check(g);
}

static void run_groups(struct ev_loop *l)
{
	while (!dom_list_empty(&l->groups)) {
		struct ev_group *g = DOM_CONTAINER_OF(l->groups.next, struct ev_group, link);

		dom_list_remove(&g->link);
		/* Its last callback may have armed something again; that is cancelled by now. */
		g->queued = false;
		if (dom_list_empty(&g->ops)) {
			g->queued = true;
			l->calls++;
			g->idle(g);
		}
	}
}

/* Ops. */

void ev_op_init(struct ev_op *op, struct ev_loop *l, ev_done_fn *done, struct ev_group *group)
{
	*op = (struct ev_op){ .done = done, .loop = l, .fd = -1 };
	op->group = group ? group : &l->loose;
	dom_list_init(&op->link);
	dom_list_init(&op->member);
}

/* True for kinds that report until they are cancelled. */
static bool repeats(const struct ev_op *op)
{
	return op->kind == EV_K_POLL_MULTI || op->kind == EV_K_EVENT;
}

static void set_armed(struct ev_op *op)
{
	op->state = EV_ARMED;
	op->resting = false;
	op->loop->armed++;
	op->loop->files += op->file;
	op->group->files += op->file;
	dom_list_append(&op->group->ops, &op->member);
}

static void set_idle(struct ev_op *op)
{
	dom_list_remove(&op->link);
	dom_list_remove(&op->member);
	op->state = EV_IDLE;
	op->loop->armed--;
	op->loop->files -= op->file;
	op->group->files -= op->file;
}

static void arm(struct ev_op *op)
{
	assert(op->state == EV_IDLE);
	set_armed(op);
	if (op->group->idle) {
		/* The owner is going away: a callback like any other, at once. */
		op->state = EV_CANCELLING;
		ev_complete_later(op, -ECANCELED);
	} else {
		op->loop->engine->arm(op->loop, op);
	}
}

void ev_complete_later(struct ev_op *op, int res)
{
	dom_list_remove(&op->link);
	op->resting = true;
	op->res = res;
	dom_list_append(&op->loop->completed, &op->link);
}

void ev_complete(struct ev_op *op, int res, bool more)
{
	struct ev_group *g = op->group;
	struct ev_loop *l = op->loop;

	if (repeats(op) && op->state == EV_CANCELLING) {
		if (more)
			return;
		res = -ECANCELED;
	}
	l->calls++;
	l->stats.completions++;
	if (!op->file && op->kind != EV_K_TIMER && !g->files)
		l->lively = LIVELY;
	if (!repeats(op) || res < 0) {
		set_idle(op);
		op->done(op, res);
		group_check(g);
		return;
	}
	op->resting = !more;
	op->done(op, res);
	if (op->state == EV_ARMED && op->resting) {
		op->resting = false;
		l->engine->arm(l, op);
	}
}

void ev_cancel(struct ev_op *op)
{
	if (op->state != EV_ARMED)
		return;
	op->state = EV_CANCELLING;
	if (!op->resting && op->kind != EV_K_TIMER)
		op->loop->engine->cancel(op->loop, op);
	else if (!op->resting || dom_list_empty(&op->link))
		ev_complete_later(op, -ECANCELED);
	/* else its result is known and its callback due already */
}

static void start(struct ev_op *op, enum ev_kind kind, int fd, const void *addr, uint32_t len,
		  uint64_t off)
{
	op->kind = (uint8_t)kind;
	op->fd = fd;
	op->addr = (void *)(uintptr_t)addr;
	op->len = len;
	op->off = off;
	op->file = off != EV_STREAM;
	arm(op);
}

void ev_read(struct ev_op *op, int fd, void *buf, uint32_t len, uint64_t off)
{
	start(op, EV_K_READ, fd, buf, len, off);
}

void ev_write(struct ev_op *op, int fd, const void *buf, uint32_t len, uint64_t off)
{
	start(op, EV_K_WRITE, fd, buf, len, off);
}

void ev_readv(struct ev_op *op, int fd, const struct iovec *iov, uint32_t n, uint64_t off)
{
	start(op, EV_K_READV, fd, iov, n, off);
}

void ev_writev(struct ev_op *op, int fd, const struct iovec *iov, uint32_t n, uint64_t off)
{
	start(op, EV_K_WRITEV, fd, iov, n, off);
}

int ev_loop_workers(struct ev_loop *l, int (*enter)(void *arg), void *arg)
{
	return l->engine->workers ? l->engine->workers(l, enter, arg) : 0;
}

void ev_file_register(struct ev_loop *l, int fd)
{
	if (l->engine->file && fd >= 0)
		l->engine->file(l, fd, true);
}

void ev_file_unregister(struct ev_loop *l, int fd)
{
	if (l->engine->file && fd >= 0)
		l->engine->file(l, fd, false);
}

void ev_fsync(struct ev_op *op, int fd, bool datasync)
{
	start(op, EV_K_FSYNC, fd, NULL, datasync, 0);
}

void ev_fallocate(struct ev_op *op, int fd, int mode, uint64_t off, uint64_t len)
{
	op->value = len;
	start(op, EV_K_FALLOCATE, fd, NULL, (uint32_t)mode, off);
}

void ev_poll(struct ev_op *op, int fd, uint32_t events)
{
	start(op, EV_K_POLL, fd, NULL, events, EV_STREAM);
}

void ev_poll_multi(struct ev_op *op, int fd, uint32_t events)
{
	start(op, EV_K_POLL_MULTI, fd, NULL, events, EV_STREAM);
}

void ev_accept(struct ev_op *op, int fd)
{
	start(op, EV_K_ACCEPT, fd, NULL, 0, EV_STREAM);
}

void ev_recv(struct ev_op *op, int fd, void *buf, uint32_t len)
{
	start(op, EV_K_RECV, fd, buf, len, EV_STREAM);
}

void ev_send(struct ev_op *op, int fd, const void *buf, uint32_t len)
{
	start(op, EV_K_SEND, fd, buf, len, EV_STREAM);
}

void ev_event(struct ev_op *op, int fd)
{
	start(op, EV_K_EVENT, fd, &op->value, sizeof(op->value), EV_STREAM);
}

/* Timers. */

void ev_timer(struct ev_op *op, uint64_t deadline)
{
	struct ev_loop *l = op->loop;
	struct dom_list *pos;

	assert(op->state == EV_IDLE || (op->state == EV_ARMED && op->kind == EV_K_TIMER));
	op->kind = EV_K_TIMER;
	op->off = deadline;
	op->file = false;
	if (op->state == EV_IDLE && op->group->idle) {
		arm(op);
		return;
	}
	if (op->state == EV_IDLE)
		set_armed(op);
	dom_list_remove(&op->link);
	pos = l->timers.prev;
	while (pos != &l->timers && DOM_CONTAINER_OF(pos, struct ev_op, link)->off > deadline)
		pos = pos->prev;
	dom_list_append(pos->next, &op->link);
}

static void run_timers(struct ev_loop *l)
{
	uint64_t now = 0;

	for (unsigned n = 0; n < EV_BUDGET && !dom_list_empty(&l->timers); n++) {
		struct ev_op *op = DOM_CONTAINER_OF(l->timers.next, struct ev_op, link);

		/* Those for the end of this turn, deadline 0, need no clock. */
		if (op->off > now)
			now = ev_now();
		if (op->off > now)
			return;
		ev_complete(op, 0, false);
	}
}

/* Calls from other threads. */

void ev_post(struct ev_loop *l, struct ev_post *p)
{
	struct ev_post *head = __atomic_load_n(&l->posts, __ATOMIC_RELAXED);
	uint64_t one = 1;

	if (__atomic_exchange_n(&p->queued, 1, __ATOMIC_ACQ_REL))
		return;
	do {
		p->next = head;
	} while (!__atomic_compare_exchange_n(&l->posts, &head, p, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
	/*
	 * Who finds the stack empty wakes the loop; those behind ride along. A post may run, and
	 * its owner be freed, before this write, which therefore touches only the loop.
	 */
	if (!head && write(l->wake_fd, &one, sizeof(one)) < 0)
		abort();
}

void ev_post_drain(struct ev_loop *l)
{
	struct ev_post *todo = NULL, *p;

	p = __atomic_exchange_n(&l->posts, NULL, __ATOMIC_ACQUIRE);
	while (p) {
		struct ev_post *next = p->next;

		p->next = todo;
		todo = p;
		p = next;
	}
	while (todo) {
		p = todo;
		todo = p->next;
		l->calls++;
		/* From here on a new post queues anew; what was written before an earlier one is seen. */
		__atomic_exchange_n(&p->queued, 0, __ATOMIC_ACQ_REL);
		p->fn(p);
	}
}

static void woken(struct ev_op *op, int res)
{
	if (res >= 0)
		ev_post_drain(op->loop);
}

/* Spinners. */

void ev_spin_add(struct ev_loop *l, struct ev_spinner *s)
{
	dom_list_append(&l->spinners, &s->link);
}

void ev_spin_remove(struct ev_spinner *s)
{
	if (s->link.next)
		dom_list_remove(&s->link);
}

/* Ask the active spinners for work; true if the loop must not sleep now. */
static bool spin(struct ev_loop *l)
{
	bool again = false;

	dom_list_for_each_safe(pos, &l->spinners) {
		struct ev_spinner *s = DOM_CONTAINER_OF(pos, struct ev_spinner, link);

		if (s->active) {
			s->active = s->poll(s);
			again |= s->active;
		}
	}
	return again;
}

/* The loop. */

static void run_completed(struct ev_loop *l)
{
	for (unsigned n = 0; n < EV_BUDGET && !dom_list_empty(&l->completed); n++) {
		struct ev_op *op = DOM_CONTAINER_OF(l->completed.next, struct ev_op, link);

		dom_list_remove(&op->link);
		ev_complete(op, op->res, false);
	}
}

static uint64_t wait_time(struct ev_loop *l, uint64_t deadline)
{
	uint64_t now;

	if (spin(l)) {
		l->stats.spins++;
		return 0;
	}
	if (!dom_list_empty(&l->completed) || !dom_list_empty(&l->groups))
		return 0;
	if (!dom_list_empty(&l->timers))
		deadline = DOM_MIN(deadline,
				   DOM_CONTAINER_OF(l->timers.next, struct ev_op, link)->off);
	if (deadline == EV_FOREVER)
		return EV_FOREVER;
	now = ev_now();
	return deadline > now ? deadline - now : 0;
}

void ev_gather(struct ev_group *g)
{
	if (g->gathered == g->loop->stats.turns)
		return;
	g->gathered = g->loop->stats.turns;
	g->loop->gathered += g->files;
}

/* How many results the loop may wait for. */
static unsigned wanted(struct ev_loop *l)
{
	bool all = l->gathered >= l->files;

	l->gathered = 0;
	if (l->lively) {
		l->lively--;
		return 1;
	}
	return all ? DOM_MAX(l->files / 3, 1u) : 1;
}

int ev_loop_turn(struct ev_loop *l, uint64_t deadline)
{
	uint64_t timeout;
	int r;

	l->calls = 0;
	l->stats.turns++;
	timeout = wait_time(l, deadline);
	r = l->engine->wait(l, timeout, wanted(l));
	if (r < 0)
		return r;
	run_completed(l);
	run_timers(l);
	run_groups(l);
	return (int)l->calls;
}

int ev_loop_run(struct ev_loop *l)
{
	int r = 0;

	l->stopped = false;
	while (!l->stopped && r >= 0)
		r = ev_loop_turn(l, EV_FOREVER);
	return r < 0 ? r : 0;
}

void ev_loop_stop(struct ev_loop *l)
{
	l->stopped = true;
}

unsigned ev_loop_armed(const struct ev_loop *l)
{
	return l->armed - !ev_idle(&l->wake);
}

void ev_loop_stats(const struct ev_loop *l, struct ev_stats *ret)
{
	*ret = l->stats;
}

const char *ev_loop_engine(const struct ev_loop *l)
{
	return l->engine->name;
}

static int choose_engine(struct ev_loop *l, const struct ev_config *cfg)
{
	static const struct ev_engine *const choices[][3] = {
		[EV_ENGINE_AUTO] = { &ev_uring, &ev_pollpool, NULL },
		[EV_ENGINE_URING] = { &ev_uring, NULL },
		[EV_ENGINE_POLL] = { &ev_pollpool, NULL },
	};
	int r = -EINVAL;

	for (unsigned i = 0; choices[cfg->engine][i]; i++) {
		l->engine = choices[cfg->engine][i];
		r = l->engine->init(l, cfg);
		if (r == 0)
			return 0;
	}
	l->engine = NULL;
	return r;
}

int ev_loop_new(const struct ev_config *cfg, struct ev_loop **ret, struct dom_err *err)
{
	struct ev_config c = cfg ? *cfg : (struct ev_config){ 0 };
	struct ev_loop *l;
	int r;

	c.entries = c.entries ? c.entries : 64;
	c.workers = c.workers ? c.workers : 4;
	if (c.engine > EV_ENGINE_POLL || c.entries > 4096 || (c.entries & (c.entries - 1)) ||
	    c.workers > 16)
		return dom_err_set(err, -EINVAL, "event loop: settings are out of range");
	l = calloc(1, sizeof(*l));
	if (!l)
		return dom_err_set(err, -ENOMEM, "event loop: out of memory");
	dom_list_init(&l->timers);
	dom_list_init(&l->completed);
	dom_list_init(&l->groups);
	dom_list_init(&l->spinners);
	ev_group_init(&l->loose, l);
	ev_op_init(&l->wake, l, woken, NULL);
	l->wake_fd = eventfd(0, EFD_CLOEXEC);
	r = l->wake_fd < 0 ? -errno : choose_engine(l, &c);
	if (r < 0) {
		if (l->wake_fd >= 0)
			close(l->wake_fd);
		free(l);
		return dom_err_set(err, r, "cannot make an event loop: %s%s", strerror(-r),
				   c.engine == EV_ENGINE_URING ?
				   "; see kernel.io_uring_disabled, or choose the poll engine" : "");
	}
	ev_event(&l->wake, l->wake_fd);
	*ret = l;
	return 0;
}

static void loose_idle(struct ev_group *g DOM_UNUSED)
{
}

void ev_loop_free(struct ev_loop *l)
{
	if (!l)
		return;
	ev_group_close(&l->loose, loose_idle);
	while (l->armed || !dom_list_empty(&l->groups))
		if (ev_loop_turn(l, EV_FOREVER) < 0)
			break;
	l->engine->fini(l);
	close(l->wake_fd);
	free(l);
}
