// SPDX-License-Identifier: MIT
/*
 * Private declarations of the event loop and the back ends.
 */
#ifndef PVB_PRIV_H
#define PVB_PRIV_H

#include "domicile/ev.h"

/* What an op waits for; the engines have one table row for each. */
enum ev_kind {
	EV_K_NONE,
	EV_K_READ,
	EV_K_WRITE,
	EV_K_READV,
	EV_K_WRITEV,
	EV_K_FSYNC,
	EV_K_FALLOCATE,
	EV_K_POLL,
	EV_K_POLL_MULTI,
	EV_K_ACCEPT,
	EV_K_RECV,
	EV_K_SEND,
	EV_K_EVENT,
	EV_K_TIMER,	/* the loop's own; no engine sees it */
	EV_KINDS,
};

/* How requests reach the kernel. An engine keeps its state in loop->eng. */
struct ev_engine {
	const char *name;

	/* Allocate loop->eng. Returns 0 or -errno; must leave nothing behind on failure. */
	int (*init)(struct ev_loop *l, const struct ev_config *cfg);
	void (*fini)(struct ev_loop *l);

	/* Begin @op. Never fails: trouble is reported through ev_complete() in a later wait(). */
	void (*arm)(struct ev_loop *l, struct ev_op *op);

	/* End @op early; its completion is still reported. */
	void (*cancel)(struct ev_loop *l, struct ev_op *op);

	/*
	 * Submit what was armed and wait for completions for at most @timeout_ns (0: do not wait,
	 * EV_FOREVER), then pass up to EV_BUDGET of them to ev_complete(). Returns 0 or -errno.
	 */
	int (*wait)(struct ev_loop *l, uint64_t timeout_ns);
};

extern const struct ev_engine ev_uring, ev_pollpool;

struct ev_loop {
	const struct ev_engine *engine;
	void *eng;
	struct dom_list timers;		/* ops by deadline, earliest first */
	struct dom_list completed;	/* ops whose res is known, callback due */
	struct dom_list groups;		/* closing groups without ops, idle() due */
	struct dom_list spinners;
	struct ev_post *posts;		/* stack of posts from other threads; atomic */
	struct ev_group loose;		/* of ops without a group of their own */
	struct ev_op wake;		/* eventfd behind ev_post() */
	int wake_fd;
	unsigned armed;			/* ops that are not idle, wake included */
	unsigned calls;			/* callbacks run in this turn */
	bool stopped;
	struct ev_stats stats;
};

/**
 * ev_complete - an engine has a result for @op: run its callback
 * @more: the engine keeps @op and will report again
 */
void ev_complete(struct ev_op *op, int res, bool more);

/** ev_complete_later - like ev_complete(), but at the loop's next opportunity */
void ev_complete_later(struct ev_op *op, int res);

#endif
