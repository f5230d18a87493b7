// SPDX-License-Identifier: MIT
/*
 * Private declarations of the event loop and the back ends.
 */
#ifndef PVB_PRIV_H
#define PVB_PRIV_H

#include "domicile/base/log.h"
#include "domicile/ev.h"
#include "domicile/pvb.h"
#include "domicile/xa_guest.h"

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
	 * Submit what was armed and wait for @want completions (or one, if that is all it can) for at
	 * most @timeout_ns (0: do not wait, EV_FOREVER), then pass up to EV_BUDGET of them to
	 * ev_complete(). Returns 0 or -errno.
	 */
	int (*wait)(struct ev_loop *l, uint64_t timeout_ns, unsigned want);

	/* ev_loop_workers(); NULL without workers. */
	int (*workers)(struct ev_loop *l, int (*enter)(void *arg), void *arg);

	/* Many requests will name @fd, or (!@on) no more; NULL where that makes no difference. */
	void (*file)(struct ev_loop *l, int fd, bool on);
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
	unsigned files;			/* of these, those of files */
	unsigned gathered;		/* of these, those whose owners would wait for several */
	unsigned lively;		/* turns until ev_gather() is heard again */
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

/*
 * Devices described in the store. A driver serves all devices of one kind; xenbus.c tells it when,
 * and keeps the "state" nodes.
 */
struct pvb_dev;

struct pvb_driver {
	const char *kind;		/* directory in the store: "vbd" */
	unsigned first_id;		/* lower ones are served by somebody else */

	/*
	 * A device was described: read its configuration, write the features we offer. dev->priv is
	 * the driver's. With dev->waiting set, the front end is not told to go on (InitWait) until
	 * changed() has cleared it. Returns 0 or -errno, named in @err.
	 */
	int (*probe)(struct pvb_dev *dev, struct dom_err *err);

	/*
	 * The front end has written its parameters: map its rings and serve it. Returns 0; -EAGAIN to
	 * be asked again when the description changes; -errno named in @err, and disconnect() is
	 * called.
	 */
	int (*connect)(struct pvb_dev *dev, struct dom_err *err);

	/*
	 * Stop serving. When the guest's memory is used no more, now or later, it calls
	 * pvb_disconnected().
	 */
	void (*disconnect)(struct pvb_dev *dev);

	/* The description may have changed, connected or not; may be NULL. May call pvb_fail(). */
	void (*changed)(struct pvb_dev *dev);

	/* Nodes of the front end that changed() wants to know of, ended by NULL; may be NULL. */
	const char *const *watches;

	/* The device is gone; not connected. Frees dev->priv, which may be NULL. */
	void (*remove)(struct pvb_dev *dev);

	/*
	 * The guest has ended: pass on what it left. Returns whether that is done; if not, it is
	 * called again after a turn of the loop. May be NULL.
	 */
	bool (*drain)(struct pvb_dev *dev);

	/* Add what people want to know, with pvb_count(); may be NULL. */
	void (*info)(const struct pvb_dev *dev, struct pvb_dev_info *info);
};

/* All devices of a domain; xenbus.c's, but that devices find their surroundings here. */
struct pvb {
	struct pvb_config cfg;
	struct ev_group group;
	struct ev_op io, pass, retry;
	struct dom_ratelimit limit;
	struct dom_list devs;
	unsigned count;
	bool rescan;			/* devices may have come or gone */
	bool stopping;
	uint64_t next_pass;
};

struct pvb_dev {
	struct pvb *pvb;
	const struct pvb_driver *drv;
	struct dom_list link;		/* in pvb->devs */
	unsigned id;
	char *be, *fe;			/* directories of our end and of the front end */
	uint32_t state;			/* of our end, as we last wrote it */
	bool dirty;			/* something changed in the store */
	bool waiting;			/* set and cleared by the driver: not ready for a front end */
	bool failed;			/* probe() failed; waits for its removal */
	bool connected;			/* connect() done, disconnect() not begun */
	bool busy;			/* disconnect() begun, pvb_disconnected() not yet called */
	bool gone;			/* its description was removed */
	bool renewed;			/* and another one is in its place */
	void *priv;
};

/** pvb_disconnected - the driver has stopped using the guest's memory. Loop's thread. */
void pvb_disconnected(struct pvb_dev *dev);

/** pvb_fail - a device that is not connected turns out to be no good; waits for its removal */
void pvb_fail(struct pvb_dev *dev, const struct dom_err *err);

/** pvb_count - add a counter to what people are shown; @name lives as long as the program */
void pvb_count(struct pvb_dev_info *info, const char *name, uint64_t value);

/* What drivers use of their surroundings. */
struct pvb_env {
	struct ev_loop *loop;
	struct xa_domain *domain;
	domid_t domid;
	const struct dom_log *log;
	struct dom_ratelimit *limit;
};
struct pvb_env pvb_env(struct pvb_dev *dev);
int pvb_open(struct pvb_dev *dev, const char *path, int flags);
bool pvb_ask_server(struct pvb_dev *dev);
int pvb_open_net(struct pvb_dev *dev, const char *ifname, const char *passt, unsigned queue);

/* pvb_join: the path of node @key in @dir; false when it has no room in PVB_PATH_SIZE bytes. */
#define PVB_PATH_SIZE 512
bool pvb_join(char *buf, const char *dir, const char *key);

/*
 * Nodes of a device. Those of the front end are written by the guest: any bytes, any time.
 * pvb_read: value as a string, to be freed; -ENOENT. pvb_read_uint: *ret unchanged on failure;
 * -EINVAL for what is not a number up to @max.
 */
int pvb_read(struct pvb_dev *dev, const char *dir, const char *key, char **ret);
int pvb_read_uint(struct pvb_dev *dev, const char *dir, const char *key, uint64_t max,
		  uint64_t *ret);
/* pvb_write_front: write a node of the front end's directory that is for everybody to read */
int pvb_write_front(struct pvb_dev *dev, const char *key, const char *value);
DOM_PRINTF(3, 4)
int pvb_printf(struct pvb_dev *dev, const char *key, const char *fmt, ...);

/** pvb_map_all - xa_grants_map(), but all of them or none */
static inline int pvb_map_all(struct xa_domain *d, const grant_ref_t *refs, unsigned n, bool write,
			      void **ret_pages)
{
	int r = xa_grants_map(d, refs, n, write, ret_pages);

	for (unsigned i = 0; r < 0 && i < n; i++)
		if (ret_pages[i])
			xa_grant_unmap(d, refs[i], write);
	return r;
}

#endif
