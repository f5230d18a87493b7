// SPDX-License-Identifier: MIT
/*
 * The event loop of an I/O thread. Anything that is awaited is a struct ev_op embedded in its
 * owner: a read, a write, readiness of a descriptor, a point in time. The loop starts it, waits,
 * and calls the op's function with the result.
 *
 * Rules
 *   - Everything here belongs to the loop's thread, the one that called ev_loop_new(), except
 *     ev_post(). Callbacks run on that thread only, one after the other, never inside the call that
 *     armed the op.
 *   - An op is idle, armed or being cancelled. It may be armed only while idle (a timer also while
 *     armed: it moves). When its function is called for the last time it is idle already, so that
 *     the function may arm it again or free its owner.
 *   - The memory of an op that is not idle, and the buffers it points to, belong to the loop, also
 *     after ev_cancel(): wait for the callback. Owners of several ops use a struct ev_group.
 *   - Requests that one turn of the loop makes are given to the kernel in one system call, which
 *     also waits for the next completion. At most EV_BUDGET callbacks run per turn and kind of
 *     source, so that a busy device cannot starve the others.
 *   - Descriptors stay their owners'. Close one only after the ops on it are idle.
 *
 * Two engines: "io_uring", and "poll" (poll plus worker threads for files) for hosts where io_uring
 * is disabled. They are chosen when the loop is made and look alike from outside.
 */
#ifndef DOMICILE_EV_H
#define DOMICILE_EV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "domicile/base/err.h"
#include "domicile/base/list.h"

struct ev_loop;
struct ev_op;
struct ev_group;

/* Callbacks of each kind that one turn of a loop runs at most. */
#define EV_BUDGET 64u

/* Offset of ev_read() and its likes for descriptors without positions: sockets, ttys, pipes. */
#define EV_STREAM UINT64_MAX

/* Deadline of ev_loop_turn(): wait as long as it takes. */
#define EV_FOREVER UINT64_MAX

/**
 * ev_done_fn - an op has a result
 * @res: >= 0 success, its meaning depends on the kind of op; negative errno, -ECANCELED after
 *       ev_cancel() unless the op was faster
 */
typedef void ev_done_fn(struct ev_op *op, int res);

enum ev_state { EV_IDLE, EV_ARMED, EV_CANCELLING };

/** struct ev_op - one thing awaited; all fields are private once ev_op_init() was called */
struct ev_op {
	ev_done_fn *done;
	struct ev_loop *loop;
	struct ev_group *group;
	struct dom_list link;		/* the loop's or the engine's list that the op waits in */
	struct dom_list member;		/* in group->ops while not idle */
	uint8_t kind;			/* enum ev_kind */
	uint8_t state;			/* enum ev_state */
	bool resting;			/* armed, but the engine does not know of it now */
	bool file;			/* waits for a file, not for somebody */
	int fd;
	int res;			/* result while in the loop's list of completed ops */
	uint32_t len;			/* bytes, iovecs, events, mode */
	uint32_t slot;			/* poll engine: place in its table */
	void *addr;			/* buffer or iovec array */
	uint64_t off;			/* offset, deadline */
	uint64_t value;			/* eventfd counter, length of fallocate, time of arming */
};

/** struct ev_group - the ops of one owner, which end together; private */
struct ev_group {
	struct ev_loop *loop;
	struct dom_list ops;		/* those that are not idle */
	struct dom_list link;		/* in the loop's list of groups that came to rest */
	unsigned files;			/* of the ops, those of files */
	uint64_t gathered;		/* turn of the last ev_gather() */
	void (*idle)(struct ev_group *g);	/* set once closing */
	bool queued;
};

/** struct ev_post - a call from another thread; embedded in its owner */
struct ev_post {
	void (*fn)(struct ev_post *p);	/* runs on the loop's thread */
	struct ev_post *next;		/* private */
	uint8_t queued;			/* private, atomic */
};

/** enum ev_engine_choice - which engine ev_loop_new() may take */
enum ev_engine_choice {
	EV_ENGINE_AUTO,		/* io_uring where the host allows it, poll elsewhere */
	EV_ENGINE_URING,
	EV_ENGINE_POLL,
};

/** struct ev_config - what ev_loop_new() is told */
struct ev_config {
	enum ev_engine_choice engine;
	unsigned entries;		/* requests per submission, 0: 64; a power of two <= 4096 */
	unsigned workers;		/* threads that may block on files, 0: 4; <= 16 */
	bool workers_later;		/* they start with ev_loop_workers(); file ops wait for them */
};

/** struct ev_stats - work done since ev_loop_new() */
struct ev_stats {
	uint64_t turns;		/* passes of the loop */
	uint64_t enters;	/* system calls made for waiting and submitting */
	uint64_t submits;	/* requests given to the kernel */
	uint64_t completions;	/* results received */
	uint64_t spins;		/* passes that polled instead of sleeping */
};

/**
 * ev_loop_new - make a loop that belongs to the calling thread
 * @cfg:  NULL for defaults
 * @err:  receives a sentence on failure; may be NULL
 *
 * Returns 0; -EPERM or -ENOSYS when EV_ENGINE_URING is demanded and the host forbids io_uring or
 * lacks a feature it needs; -ENOMEM, -EMFILE, -EINVAL. With EV_ENGINE_AUTO any failure of io_uring
 * leads to the poll engine.
 */
int ev_loop_new(const struct ev_config *cfg, struct ev_loop **ret, struct dom_err *err);

/**
 * ev_loop_workers - start the threads that ev_config.workers_later held back
 * @enter: called by each of them first, for example to confine it; 0 or -errno. May be NULL
 *
 * Returns when all have entered: 0; the error of one that could not; -EAGAIN when threads cannot be
 * made. Nothing to do with an engine that has none.
 */
int ev_loop_workers(struct ev_loop *l, int (*enter)(void *arg), void *arg);

/**
 * ev_loop_free - cancel ops without group, run callbacks until all is idle, free
 *
 * All groups with armed ops must be closing; they are told. No thread may ev_post() any more. NULL
 * is accepted.
 */
void ev_loop_free(struct ev_loop *l);

/** ev_loop_engine - "io_uring" or "poll" */
const char *ev_loop_engine(const struct ev_loop *l);

/**
 * ev_loop_run - turn until ev_loop_stop(); returns 0, or the error that makes waiting impossible
 */
int ev_loop_run(struct ev_loop *l);

/** ev_loop_stop - make ev_loop_run() return after the current turn. Loop's thread. */
void ev_loop_stop(struct ev_loop *l);

/**
 * ev_loop_turn - one turn: submit, wait until something happens or @deadline, run callbacks
 * @deadline: CLOCK_MONOTONIC ns; 0 does not wait, EV_FOREVER waits as long as it takes
 *
 * Not from a callback. Returns the number of callbacks run, or a negative errno.
 */
int ev_loop_turn(struct ev_loop *l, uint64_t deadline);

/** ev_loop_armed - number of ops that are not idle, the loop's own excluded */
unsigned ev_loop_armed(const struct ev_loop *l);

/** ev_loop_stats - copy the counters */
void ev_loop_stats(const struct ev_loop *l, struct ev_stats *ret);

/** ev_now - CLOCK_MONOTONIC in ns. Any thread. */
uint64_t ev_now(void);

/**
 * ev_op_init - prepare an op; it is idle then
 * @done:  called with each result
 * @group: of the same loop, or NULL
 */
void ev_op_init(struct ev_op *op, struct ev_loop *l, ev_done_fn *done, struct ev_group *group);

/** ev_idle - is @op idle? Then its memory may be reused. */
static inline bool ev_idle(const struct ev_op *op)
{
	return op->state == EV_IDLE;
}

/** ev_active - will @op report what it waits for? Not when it is idle or was cancelled. */
static inline bool ev_active(const struct ev_op *op)
{
	return op->state == EV_ARMED;
}

/*
 * Files. @off is a byte offset; res is the number of bytes, which may be fewer than asked for.
 * With EV_STREAM the op waits until the descriptor is ready; such a descriptor must be in
 * blocking mode (the loop does the waiting), else res may be -EAGAIN.
 */
void ev_read(struct ev_op *op, int fd, void *buf, uint32_t len, uint64_t off);
void ev_write(struct ev_op *op, int fd, const void *buf, uint32_t len, uint64_t off);

/** ev_readv, ev_writev - @iov and what it points to stay valid until the callback; @n <= 1024 */
void ev_readv(struct ev_op *op, int fd, const struct iovec *iov, uint32_t n, uint64_t off);
void ev_writev(struct ev_op *op, int fd, const struct iovec *iov, uint32_t n, uint64_t off);

/**
 * ev_file_register, ev_file_unregister - @fd is a file that many ops will name, or no longer
 *
 * Makes them cheaper where the engine can do something about it. Unregister before closing: a
 * descriptor of the same number would be taken for the file. -1 is accepted, and a file that is not
 * registered.
 */
void ev_file_register(struct ev_loop *l, int fd);
void ev_file_unregister(struct ev_loop *l, int fd);

/** ev_fsync - make written data durable, with fdatasync() if @datasync; res is 0 */
void ev_fsync(struct ev_op *op, int fd, bool datasync);

/** ev_fallocate - fallocate(2); @mode is FALLOC_FL_*; res is 0 */
void ev_fallocate(struct ev_op *op, int fd, int mode, uint64_t off, uint64_t len);

/**
 * ev_poll - wait until one of @events (POLLIN, ...) is there; res is the events, POLLHUP and
 * POLLERR always count
 */
void ev_poll(struct ev_op *op, int fd, uint32_t events);

/**
 * ev_poll_multi - like ev_poll(), but the op stays armed and reports again and again
 *
 * The callback must consume what was reported, until -EAGAIN: readiness that stays is reported once
 * or often, as the engine likes. On POLLHUP and POLLERR, which cannot be consumed, cancel. A
 * negative res is the last report.
 */
void ev_poll_multi(struct ev_op *op, int fd, uint32_t events);

/** ev_accept - accept a connection; res is a close-on-exec descriptor, the callback's to close */
void ev_accept(struct ev_op *op, int fd);

/**
 * ev_recv, ev_send - recv(2) and send(2) on a stream socket; res is bytes, 0 of recv end of file
 */
void ev_recv(struct ev_op *op, int fd, void *buf, uint32_t len);
void ev_send(struct ev_op *op, int fd, const void *buf, uint32_t len);

/**
 * ev_event - serve an eventfd: the op stays armed, each report is a wake-up
 *
 * The counter is read through the engine, so that a wake-up costs one system call. res is the
 * counter, clipped to INT_MAX. @fd must not be EFD_NONBLOCK. A negative res is the last report.
 */
void ev_event(struct ev_op *op, int fd);

/** ev_timer - call at @deadline, CLOCK_MONOTONIC ns; moves an armed timer; res is 0 */
void ev_timer(struct ev_op *op, uint64_t deadline);

/**
 * ev_cancel - end an op early; an idle one stays idle
 *
 * The callback still comes, once, with -ECANCELED or the result of an op that was faster.
 */
void ev_cancel(struct ev_op *op);

/**
 * ev_gather - let the loop sleep until a third of the file ops of @g have results
 *
 * For the next sleep only. It ends earlier with the first timer: have one armed that says how long that
 * may take. Without effect while other groups, too, have file ops in flight; while ops of groups without
 * any report, other than timers (somebody waits for an answer then); with an engine that cannot do it.
 */
void ev_gather(struct ev_group *g);

/** ev_group_init - an empty group of ops of @l */
void ev_group_init(struct ev_group *g, struct ev_loop *l);

/**
 * ev_group_close - cancel all ops of the group, then call @idle once, from the loop
 *
 * Callbacks of the ops still come before that. Ops that are armed meanwhile are cancelled at
 * once. @idle may free the group's owner. Calling it again does nothing.
 */
void ev_group_close(struct ev_group *g, void (*idle)(struct ev_group *g));

/** ev_post_init - @fn will run on the loop's thread */
static inline void ev_post_init(struct ev_post *p, void (*fn)(struct ev_post *p))
{
	*p = (struct ev_post){ .fn = fn };
}

/**
 * ev_post - run p->fn on the loop's thread soon
 *
 * Any thread, no lock, at most one write(2). While a post is queued, posting it again does nothing:
 * the one call that comes sees all that was written before either. @p must stay valid until it ran.
 */
void ev_post(struct ev_loop *l, struct ev_post *p);

/**
 * ev_post_drain - run what has been posted up to now
 *
 * For an owner about to free itself with its posts, when nobody can post them any more. Loop's
 * thread.
 */
void ev_post_drain(struct ev_loop *l);

/**
 * struct ev_spinner - work that is polled for before the loop sleeps
 *
 * Used by devices at low queue depth, to save the sleep of either side between two requests.
 */
struct ev_spinner {
	/*
	 * Look for work and do it. True to be asked again before the loop sleeps; false to be left
	 * alone until `active` is set again. Must give up in the end.
	 */
	bool (*poll)(struct ev_spinner *s);
	bool active;
	struct dom_list link;	/* private */
};

/**
 * ev_spin_add, ev_spin_remove - make the loop ask @s while it is active; remove twice is harmless
 */
void ev_spin_add(struct ev_loop *l, struct ev_spinner *s);
void ev_spin_remove(struct ev_spinner *s);

#endif
