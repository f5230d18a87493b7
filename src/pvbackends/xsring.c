// SPDX-License-Identifier: MIT
/*
 * The guest's xenstore ring: a page with two byte rings, bridged to the store daemon.
 *
 * Bytes pass through a struct xsc_link, which keeps requests until they are answered. When the
 * daemon goes away, the link is given a new descriptor as soon as the daemon is back, and the guest
 * notices nothing but a delay. Each direction is bounded: by the ring and by the link's buffers. A
 * guest that does not take its replies stops being read.
 *
 * A guest that breaks the protocol (impossible indices, a payload too long) finds the reason in the
 * error field and is served no more until it asks for a fresh connection; the daemon forgets its
 * watches and transactions at once. Only that guest is affected.
 *
 * Interrupts: each time replies were added, since the guest waits for nothing else; after taking
 * requests by the rule that con/console.c explains, for a guest that waits for space.
 *
 *   ABI: xen/include/public/io/xs_wire.h; rules: docs/misc/xenstore-ring.txt
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/once.h"
#include "domicile/pvb.h"
#include "domicile/xsc.h"
#include "xenabi/io_xs.h"

/* Passes over the ring per wake-up while there is progress; then the loop has its turn. */
#define ROUNDS 8

/* Pause between attempts to reach the daemon: first, and at most. */
#define RETRY_MIN_NS 20000000ull
#define RETRY_MAX_NS 1000000000ull

/*
 * Fresh connections are made at most this often: each costs the daemon work, for all its clients.
 */
#define FRESH_PAUSE_NS 100000000ull

#define FEATURES (XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR | \
		  XENSTORE_SERVER_FEATURE_WATCHDEPTH | XENSTORE_SERVER_FEATURE_DOMID_ANY)

/* What a new descriptor from the daemon is for. */
enum need {
	NEED_NONE,	/* connected */
	NEED_ATTACH,	/* the daemon went away: go on where we were */
	NEED_FRESH,	/* start over without watches and transactions */
};

struct pvb_xsring {
	struct ev_loop *loop;
	struct xa_domain *domain;
	domid_t domid;
	const struct dom_log *log;
	struct dom_ratelimit limit;
	struct ev_group group;
	int (*introduce)(void *arg, int *ret_fd);
	void *arg;
	uint32_t features;

	struct pvb_ring ring;
	uint8_t *page;			/* the guest's; NULL: none */
	uint32_t req_cons, rsp_prod;	/* ours; the guest's copies are write-only to us */
	uint32_t told_cons;		/* req_cons at the last interrupt */
	bool failed;			/* the guest broke the protocol */

	struct xsc_link *link;
	enum need need;
	uint64_t pause;			/* ns until the next attempt */
	uint64_t fresh_at;		/* time from which on a fresh connection may be made */
	short waiting;			/* events that `io` waits for */
	struct ev_op kick, io, retry, more;
	struct pvb_xsring_stats stats;
};

static uint32_t *field(const struct pvb_xsring *x, unsigned offset)
{
	return (uint32_t *)(void *)(x->page + offset);
}

static void notify(struct pvb_xsring *x)
{
	x->told_cons = x->req_cons;
	x->stats.notifies++;
	/* It fails when the guest has closed its end; then nobody listens. */
	(void)xa_evtchn_notify(x->domain, x->ring.port);
}

/* The daemon. */

static void reset_indices(struct pvb_xsring *x)
{
	static const unsigned indices[] = { XENSTORE_RING_REQ_CONS, XENSTORE_RING_REQ_PROD,
					    XENSTORE_RING_RSP_CONS, XENSTORE_RING_RSP_PROD };

	for (unsigned i = 0; i < DOM_ARRAY_LEN(indices); i++)
		DOM_STORE(field(x, indices[i]), 0);
	x->req_cons = x->rsp_prod = x->told_cons = 0;
}

/* The guest asked for a fresh connection, and now it has one. */
static void answer_reconnect(struct pvb_xsring *x)
{
	x->failed = false;
	x->stats.reconnects++;
	reset_indices(x);
	DOM_STORE(field(x, XENSTORE_RING_ERROR), XENSTORE_ERROR_NONE);
	DOM_STORE_RELEASE(field(x, XENSTORE_RING_CONNECTION), XENSTORE_CONNECTED);
	notify(x);
}

/* Get a descriptor for what is needed; later again if the daemon cannot be reached. */
static int connect_daemon(struct pvb_xsring *x)
{
	int fd, r = x->introduce(x->arg, &fd);

	if (r < 0) {
		ev_timer(&x->retry, ev_now() + x->pause);
		x->pause = DOM_MIN(x->pause * 2, RETRY_MAX_NS);
		return r;
	}
	ev_cancel(&x->io);
	if (x->need == NEED_FRESH)
		xsc_link_reset(x->link, fd);
	else
		xsc_link_attach(x->link, fd);
	x->need = NEED_NONE;
	x->pause = RETRY_MIN_NS;
	return 0;
}

static void start_over(struct pvb_xsring *x)
{
	uint64_t now = ev_now();

	x->need = NEED_FRESH;
	x->pause = RETRY_MIN_NS;
	if (now < x->fresh_at) {
		ev_timer(&x->retry, x->fresh_at);
	} else {
		x->fresh_at = now + FRESH_PAUSE_NS;
		connect_daemon(x);
	}
}

static void lost_daemon(struct pvb_xsring *x)
{
	ev_cancel(&x->io);
	x->stats.daemon_restarts++;
	x->need = NEED_ATTACH;
	x->pause = RETRY_MIN_NS;
	ev_timer(&x->retry, ev_now() + x->pause);
}

/* Be told when the daemon has something, or takes something again. */
static void wait_for_daemon(struct pvb_xsring *x)
{
	short events = x->need || x->failed ? 0 : xsc_link_events(x->link);

	if (ev_idle(&x->io) && events) {
		x->waiting = events;
		ev_poll(&x->io, xsc_link_fd(x->link), (uint32_t)events);
	} else if (!ev_idle(&x->io) && (events & ~x->waiting)) {
		ev_cancel(&x->io);	/* its callback comes here again */
	}
}

/* The guest. */

static void fail(struct pvb_xsring *x, uint32_t error, const char *what)
{
	x->failed = true;
	x->stats.errors++;
	dom_log_guest(x->log, &x->limit, DOM_LOG_WARN,
		      "domain %u: xenstore ring: %s, it is not served until the guest reconnects",
		      x->domid, what);
	DOM_STORE_RELEASE(field(x, XENSTORE_RING_ERROR), error);
	notify(x);
	start_over(x);
}

static uint32_t take_requests(struct pvb_xsring *x)
{
	uint32_t used = DOM_LOAD_ACQUIRE(field(x, XENSTORE_RING_REQ_PROD)) - x->req_cons;
	uint32_t at = MASK_XENSTORE_IDX(x->req_cons);
	uint32_t straight = DOM_MIN(used, XENSTORE_RING_SIZE - at);
	uint8_t buf[XENSTORE_RING_SIZE];
	ssize_t n;

	if (used > XENSTORE_RING_SIZE) {
		fail(x, XENSTORE_ERROR_RINGIDX, "impossible request indices");
		return 0;
	}
	dom_copy_once(buf, x->page + XENSTORE_RING_REQ + at, straight);
	dom_copy_once(buf + straight, x->page + XENSTORE_RING_REQ, used - straight);
	n = xsc_link_put(x->link, buf, used);
	if (n < 0) {
		fail(x, XENSTORE_ERROR_PROTO, "a request is too long");
		return 0;
	}
	if (n == 0)
		return 0;
	x->req_cons += (uint32_t)n;
	x->stats.req_bytes += (uint64_t)n;
	DOM_STORE_RELEASE(field(x, XENSTORE_RING_REQ_CONS), x->req_cons);
	if (x->req_cons - x->told_cons > XENSTORE_RING_SIZE / 2)
		notify(x);
	return (uint32_t)n;
}

static uint32_t give_replies(struct pvb_xsring *x)
{
	uint32_t used = x->rsp_prod - DOM_LOAD_ACQUIRE(field(x, XENSTORE_RING_RSP_CONS));
	uint8_t buf[XENSTORE_RING_SIZE];
	uint32_t n;

	if (used > XENSTORE_RING_SIZE) {
		fail(x, XENSTORE_ERROR_RINGIDX, "impossible reply indices");
		return 0;
	}
	n = (uint32_t)xsc_link_get(x->link, buf, XENSTORE_RING_SIZE - used);
	if (n == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		DOM_STORE(x->page + XENSTORE_RING_RSP + MASK_XENSTORE_IDX(x->rsp_prod + i), buf[i]);
	x->rsp_prod += n;
	x->stats.rsp_bytes += n;
	DOM_STORE_RELEASE(field(x, XENSTORE_RING_RSP_PROD), x->rsp_prod);
	notify(x);
	return n;
}

/* One pass in both directions; returns the bytes moved between ring and link. */
static uint32_t exchange(struct pvb_xsring *x)
{
	uint32_t n = take_requests(x);

	if (!x->failed && !x->need && xsc_link_run(x->link) < 0)
		lost_daemon(x);
	if (!x->failed)
		n += give_replies(x);
	return n;
}

static void serve(struct pvb_xsring *x)
{
	unsigned rounds = 0;

	if (!x->page || x->group.idle)
		return;
	if (DOM_LOAD_ACQUIRE(field(x, XENSTORE_RING_CONNECTION)) == XENSTORE_RECONNECT) {
		if (x->need != NEED_FRESH)
			start_over(x);
		if (x->need == NEED_NONE)
			answer_reconnect(x);
		else
			return;
	}
	while (!x->failed && rounds < ROUNDS && exchange(x))
		rounds++;
	if (rounds == ROUNDS)
		ev_timer(&x->more, 0);
	wait_for_daemon(x);
}

static void on_kick(struct ev_op *op, int res)
{
	struct pvb_xsring *x = DOM_CONTAINER_OF(op, struct pvb_xsring, kick);

	if (res < 0)
		return;
	x->stats.kicks++;
	serve(x);
}

static void on_io(struct ev_op *op, int res DOM_UNUSED)
{
	serve(DOM_CONTAINER_OF(op, struct pvb_xsring, io));
}

static void on_more(struct ev_op *op, int res DOM_UNUSED)
{
	serve(DOM_CONTAINER_OF(op, struct pvb_xsring, more));
}

static void on_retry(struct ev_op *op, int res)
{
	struct pvb_xsring *x = DOM_CONTAINER_OF(op, struct pvb_xsring, retry);

	if (res < 0 || !x->need)
		return;
	if (x->need == NEED_FRESH)
		x->fresh_at = ev_now() + FRESH_PAUSE_NS;
	if (connect_daemon(x) == 0 && x->page) {
		if (DOM_LOAD_ACQUIRE(field(x, XENSTORE_RING_CONNECTION)) == XENSTORE_RECONNECT)
			answer_reconnect(x);
		serve(x);
	}
}

/* Life cycle. */

static int use_ring(struct pvb_xsring *x, const struct pvb_ring *ring)
{
	x->ring = *ring;
	x->page = xa_guest_page(x->domain, ring->gfn);
	if (!x->page)
		return -EINVAL;
	x->req_cons = x->told_cons = DOM_LOAD(field(x, XENSTORE_RING_REQ_CONS));
	x->rsp_prod = DOM_LOAD(field(x, XENSTORE_RING_RSP_PROD));
	x->failed = false;
	DOM_STORE(field(x, XENSTORE_RING_ERROR), XENSTORE_ERROR_NONE);
	DOM_STORE(field(x, XENSTORE_RING_CONNECTION), XENSTORE_CONNECTED);
	DOM_STORE_RELEASE(field(x, XENSTORE_RING_SERVER_FEATURES), x->features);
	return 0;
}

int pvb_xsring_reset(struct pvb_xsring *x, const struct pvb_ring *ring)
{
	int r = ring->eventfd == x->ring.eventfd ? use_ring(x, ring) : -EINVAL;

	if (r < 0)
		return r;
	start_over(x);
	serve(x);
	return 0;
}

static void xsring_gone(struct ev_group *g)
{
	struct pvb_xsring *x = DOM_CONTAINER_OF(g, struct pvb_xsring, group);

	xsc_link_free(x->link);
	free(x);
}

void pvb_xsring_free(struct pvb_xsring *x)
{
	if (!x)
		return;
	/* The last requests of the guest's life: a toolstack may wait for what they say. */
	serve(x);
	x->page = NULL;
	ev_group_close(&x->group, xsring_gone);
}

int pvb_xsring_new(const struct pvb_xsring_config *cfg, struct pvb_xsring **ret,
		   struct dom_err *err)
{
	struct pvb_xsring *x = calloc(1, sizeof(*x));
	int fd, r;

	if (!x)
		return dom_err_set(err, -ENOMEM, "xenstore ring: out of memory");
	x->loop = cfg->loop;
	x->domain = cfg->domain;
	x->domid = cfg->domid;
	x->log = cfg->log;
	x->introduce = cfg->introduce;
	x->arg = cfg->arg;
	x->features = FEATURES & ~cfg->features_off;
	x->pause = RETRY_MIN_NS;
	r = use_ring(x, &cfg->ring);
	if (r < 0) {
		free(x);
		return dom_err_set(err, r, "xenstore ring: no memory behind guest frame %#llx",
				   (unsigned long long)cfg->ring.gfn.v);
	}
	r = x->introduce(x->arg, &fd);
	if (r == 0)
		r = xsc_link_new(&x->link, fd);
	if (r < 0) {
		free(x);
		return dom_err_set(err, r, "cannot introduce domain %u to xenstored: %s", cfg->domid,
				   strerror(-r));
	}
	ev_group_init(&x->group, x->loop);
	ev_op_init(&x->kick, x->loop, on_kick, &x->group);
	ev_op_init(&x->io, x->loop, on_io, &x->group);
	ev_op_init(&x->retry, x->loop, on_retry, &x->group);
	ev_op_init(&x->more, x->loop, on_more, &x->group);
	ev_event(&x->kick, x->ring.eventfd);
	serve(x);
	*ret = x;
	return 0;
}

void pvb_xsring_stats(const struct pvb_xsring *x, struct pvb_xsring_stats *ret)
{
	*ret = x->stats;
}
