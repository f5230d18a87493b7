// SPDX-License-Identifier: MIT
/*
 * The back ends' side of the handshake that connects a device, for all kinds of devices.
 *
 *	toolstack	describes both ends, state 1 (Initialising) each
 *	back end	probe(): offers features, state 2 (InitWait)
 *	front end	writes ring and event channel, state 3 (Initialised)
 *	back end	connect(): state 4 (Connected)
 *	front end	reads the disk's size and so on, state 4
 *
 * A front end leaves by 5 (Closing) and 6 (Closed), which we follow; it may come back with 1, also
 * without having left, when its kernel was restarted. A toolstack detaches by online = 0 and state
 * = 5 in our directory, which the front end sees and leaves; when both are Closed it removes the
 * description. A description that is removed earlier ends the device at once.
 *
 * What the states are is read from the store whenever anything changed there, never taken from the
 * event: events are only hints. They are gathered per device and looked at most once a millisecond,
 * so that a guest that rewrites its nodes a million times costs little. Disconnecting may take
 * time, while requests are in flight; the device is `busy` then and looked at again afterwards.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/num.h"
#include "domicile/xsc.h"
#include "priv.h"
#include "xenabi/io_xenbus.h"

/* Limits. */
#define DEVS_MAX 256u			/* devices of a domain */
#define PASS_NS 1000000ull		/* between two looks at what changed */
#define RECONNECT_NS 100000000ull	/* between attempts to reach a store daemon that went away */

#define PVB_DRIVER(name) extern const struct pvb_driver name;
#include "drivers.def"
#undef PVB_DRIVER

static const struct pvb_driver *const drivers[] = {
#define PVB_DRIVER(name) &name,
#include "drivers.def"
#undef PVB_DRIVER
};

static void set_state(struct pvb_dev *dev, uint32_t state)
{
	int r;

	if (dev->state == state)
		return;
	dev->state = state;
	r = pvb_printf(dev, "state", "%u", state);
	if (r == -ENOENT)
		dev->gone = true;
	else if (r < 0)
		dev->dirty = true;
}

static uint32_t read_state(struct pvb_dev *dev, const char *dir)
{
	uint64_t state = XenbusStateUnknown;

	/* Whatever is no state is Unknown: the guest may write anything. */
	(void)pvb_read_uint(dev, dir, "state", XenbusStates - 1, &state);
	return (uint32_t)state;
}

/* Say why a device does not work, in the log and in its "error" node. */
static void report(struct pvb_dev *dev, const struct dom_err *err)
{
	struct pvb *p = dev->pvb;

	dom_log_guest(p->cfg.log, &p->limit, DOM_LOG_ERROR, "domain %u: %s %u: %s", p->cfg.domid,
		      dev->drv->kind, dev->id, err->msg);
	(void)pvb_printf(dev, "error", "%s", err->msg);
}

void pvb_fail(struct pvb_dev *dev, const struct dom_err *err)
{
	dev->failed = true;
	report(dev, err);
	set_state(dev, XenbusStateClosed);
}

/* Steps of one device. */

static void free_dev(struct pvb_dev *dev)
{
	dev->drv->remove(dev);
	dom_list_remove(&dev->link);
	dev->pvb->count--;
	free(dev->be);
	free(dev->fe);
	free(dev);
}

static void pvb_gone(struct ev_group *g)
{
	struct pvb *p = DOM_CONTAINER_OF(g, struct pvb, group);

	dom_list_for_each_safe(pos, &p->devs)
		free_dev(DOM_CONTAINER_OF(pos, struct pvb_dev, link));
	xsc_close(p->cfg.xs);
	if (p->cfg.gone)
		p->cfg.gone(p->cfg.arg);
	free(p);
}

static void schedule(struct pvb *p)
{
	if (ev_idle(&p->pass) && !p->stopping)
		ev_timer(&p->pass, p->next_pass);
}

/* Begin to disconnect if need be; true when that is done. */
static bool disconnect(struct pvb_dev *dev)
{
	if (dev->connected) {
		dev->connected = false;
		dev->busy = true;
		dev->drv->disconnect(dev);
	}
	return !dev->busy;
}

/* Once no device uses the guest's memory any more, end. */
static void finish_stop(struct pvb *p)
{
	dom_list_for_each(pos, &p->devs)
		if (DOM_CONTAINER_OF(pos, struct pvb_dev, link)->busy)
			return;
	ev_group_close(&p->group, pvb_gone);
}

void pvb_disconnected(struct pvb_dev *dev)
{
	dev->busy = false;
	dev->dirty = true;
	if (dev->pvb->stopping)
		finish_stop(dev->pvb);
	else
		schedule(dev->pvb);
}

static void step_wait(struct pvb_dev *dev DOM_UNUSED)
{
}

/* The front end is new, or starts over. */
static void step_initialising(struct pvb_dev *dev)
{
	if (disconnect(dev))
		set_state(dev, XenbusStateInitWait);
}

static void step_ready(struct pvb_dev *dev)
{
	struct dom_err err = { 0 };
	int r;

	if (dev->connected && dev->state == XenbusStateReconfigured)
		set_state(dev, XenbusStateConnected);
	if (dev->connected || dev->busy || dev->state == XenbusStateClosing)
		return;
	r = dev->drv->connect(dev, &err);
	if (r == -EAGAIN)
		return;
	dev->connected = true;
	if (r < 0) {
		report(dev, &err);
		disconnect(dev);
		set_state(dev, XenbusStateClosing);
		return;
	}
	set_state(dev, XenbusStateConnected);
}

/* The driver has looked at what is new. */
static void step_reconfiguring(struct pvb_dev *dev)
{
	if (dev->connected)
		set_state(dev, XenbusStateReconfigured);
}

static void step_closing(struct pvb_dev *dev)
{
	if (disconnect(dev) && dev->state != XenbusStateClosed)
		set_state(dev, XenbusStateClosing);
}

/* Closed, or its directory is gone. */
static void step_closed(struct pvb_dev *dev)
{
	uint64_t online = 0;

	if (!disconnect(dev))
		return;
	set_state(dev, XenbusStateClosed);
	(void)pvb_read_uint(dev, dev->be, "online", 1, &online);
	if (!online)
		dev->gone = true;
}

/* What the state of the front end asks us to do. */
static void (*const steps[XenbusStates])(struct pvb_dev *dev) = {
	[XenbusStateUnknown]		= step_closed,
	[XenbusStateInitialising]	= step_initialising,
	[XenbusStateInitWait]		= step_wait,
	[XenbusStateInitialised]	= step_ready,
	[XenbusStateConnected]		= step_ready,
	[XenbusStateClosing]		= step_closing,
	[XenbusStateClosed]		= step_closed,
	[XenbusStateReconfiguring]	= step_reconfiguring,
	[XenbusStateReconfigured]	= step_wait,
};

/* Watch the front end's state, and the nodes that the driver names. Our directory is the token. */
static int watch_front(struct pvb_dev *dev, struct dom_err *err)
{
	static const char *const none[] = { NULL };
	const char *const *more = dev->drv->watches ? dev->drv->watches : none;
	char path[PVB_PATH_SIZE];

	for (const char *key = "state"; key; key = *more++) {
		int r = pvb_join(path, dev->fe, key) ? xsc_watch(dev->pvb->cfg.xs, path, dev->be) :
						       -ENAMETOOLONG;

		if (r < 0 && r != -EEXIST)
			return dom_err_set(err, r, "cannot watch %s: %s", path, strerror(-r));
	}
	return 0;
}

static void unwatch_front(struct pvb_dev *dev)
{
	static const char *const none[] = { NULL };
	const char *const *more = dev->drv->watches ? dev->drv->watches : none;
	char path[PVB_PATH_SIZE];

	for (const char *key = "state"; key; key = *more++)
		if (pvb_join(path, dev->fe, key))
			(void)xsc_unwatch(dev->pvb->cfg.xs, path, dev->be);
}

/* The description is gone: end the device, with the watches on its front end. */
static void drop(struct pvb_dev *dev)
{
	dev->gone = true;
	if (!disconnect(dev))
		return;
	if (dev->fe)
		unwatch_front(dev);
	if (dev->renewed) {
		dev->pvb->rescan = true;
		schedule(dev->pvb);
	}
	free_dev(dev);
}

/*
 * Was the description removed and another one written before we looked? Then our state is again what
 * only a toolstack writes; of a device whose state we have not written yet it does not matter.
 */
static bool is_renewed(struct pvb_dev *dev)
{
	return dev->state > XenbusStateInitialising &&
	       read_state(dev, dev->be) == XenbusStateInitialising;
}

static int probe(struct pvb_dev *dev, struct dom_err *err)
{
	int r = pvb_read(dev, dev->be, "frontend", &dev->fe);

	if (r < 0)
		return dom_err_set(err, r, "cannot read %s/frontend: %s", dev->be, strerror(-r));
	r = dev->drv->probe(dev, err);
	if (r < 0)
		return r;
	if (!dev->waiting)
		set_state(dev, XenbusStateInitWait);
	return watch_front(dev, err);
}

static void look_at(struct pvb_dev *dev)
{
	dev->dirty = false;
	if (dev->busy)
		return;
	if (!dev->gone && is_renewed(dev))
		dev->gone = dev->renewed = true;
	if (!dev->gone && !dev->failed) {
		if (dev->drv->changed)
			dev->drv->changed(dev);
		if (!dev->failed && !dev->waiting)
			steps[read_state(dev, dev->fe)](dev);
	}
	if (dev->gone)
		drop(dev);
}

/* Devices. */

static struct pvb_dev *find(struct pvb *p, const struct pvb_driver *drv, unsigned id)
{
	dom_list_for_each(pos, &p->devs) {
		struct pvb_dev *dev = DOM_CONTAINER_OF(pos, struct pvb_dev, link);

		if (dev->drv == drv && dev->id == id)
			return dev;
	}
	return NULL;
}

static struct pvb_dev *add(struct pvb *p, const struct pvb_driver *drv, unsigned id)
{
	struct pvb_dev *dev = p->count < DEVS_MAX ? calloc(1, sizeof(*dev)) : NULL;

	if (!dev)
		return NULL;
	if (asprintf(&dev->be, "/local/domain/0/backend/%s/%u/%u", drv->kind, p->cfg.domid, id) < 0) {
		free(dev);
		return NULL;
	}
	dev->pvb = p;
	dev->drv = drv;
	dev->id = id;
	dev->dirty = true;
	dom_list_append(&p->devs, &dev->link);
	p->count++;
	return dev;
}

/* A device that has ended, and waits for the toolstack to remove its description. */
static bool is_over(struct pvb_dev *dev)
{
	uint64_t online = 0;

	(void)pvb_read_uint(dev, dev->be, "online", 1, &online);
	return !online && read_state(dev, dev->be) == XenbusStateClosed;
}

/*
 * A description that is new to us. One that is no good is remembered as such until it is removed.
 */
static int add_new(struct pvb *p, const struct pvb_driver *drv, unsigned id, struct dom_err *err)
{
	struct dom_err why = { 0 };
	struct pvb_dev *dev = add(p, drv, id);
	int r;

	if (!dev)
		return dom_err_set(err, -ENOMEM, "%s %u: too many devices, or no memory", drv->kind, id);
	if (is_over(dev)) {
		free_dev(dev);
		return 0;
	}
	r = probe(dev, &why);
	if (r < 0) {
		pvb_fail(dev, &why);
		return dom_err_set(err, r, "%s %u: %s", drv->kind, dev->id, why.msg);
	}
	return 0;
}

/* Find the devices of one kind that came and those that went. Returns the first failure. */
static int scan_kind(struct pvb *p, const struct pvb_driver *drv, struct dom_err *err)
{
	char path[PVB_PATH_SIZE], **names = NULL;
	unsigned count = 0;
	int r, first = 0;

	snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", drv->kind, p->cfg.domid);
	r = xsc_directory(p->cfg.xs, XSC_TX_NONE, path, &names, &count);
	if (r < 0 && r != -ENOENT)
		return dom_err_set(err, r, "cannot list %s: %s", path, strerror(-r));
	dom_list_for_each(pos, &p->devs) {
		struct pvb_dev *dev = DOM_CONTAINER_OF(pos, struct pvb_dev, link);

		if (dev->drv == drv)
			dev->gone = dev->dirty = true;
	}
	for (unsigned i = 0; i < count; i++) {
		struct pvb_dev *dev;
		uint64_t id;

		if (dom_parse_u64(names[i], UINT32_MAX, &id) < 0 || id < drv->first_id)
			continue;
		dev = find(p, drv, (unsigned)id);
		if (dev) {
			dev->gone = dev->renewed;
			continue;
		}
		r = add_new(p, drv, (unsigned)id, first ? NULL : err);
		first = first ? first : r;
	}
	free(names);
	return first;
}

static int scan(struct pvb *p, struct dom_err *err)
{
	int first = 0;

	p->rescan = false;
	for (unsigned i = 0; i < DOM_ARRAY_LEN(drivers); i++) {
		int r = scan_kind(p, drivers[i], first ? NULL : err);

		first = first ? first : r;
	}
	return first;
}

/* Events. */

/*
 * An event names what changed and, by its token, the watch: the kind for our directories, our
 * directory for a front end's state. Devices that are not known make a new scan necessary.
 */
static void on_event(struct pvb *p, const struct xsc_event *ev)
{
	bool known = false;

	dom_list_for_each(pos, &p->devs) {
		struct pvb_dev *dev = DOM_CONTAINER_OF(pos, struct pvb_dev, link);
		size_t n = strlen(dev->be);
		bool ours = !strncmp(ev->path, dev->be, n) && ev->path[n] == '/';

		if (ours || !strcmp(ev->token, dev->be)) {
			known = true;
			dev->dirty = true;
		}
	}
	p->rescan |= !known;
}

/* Events that are there. Every wait for a reply of the daemon may have taken in some. */
static void take_events(struct pvb *p)
{
	struct xsc_event ev;
	bool any = false;

	while (xsc_next_event(p->cfg.xs, 0, &ev) == 0) {
		on_event(p, &ev);
		any = true;
	}
	if (any)
		schedule(p);
}

static void on_pass(struct ev_op *op, int res)
{
	struct pvb *p = DOM_CONTAINER_OF(op, struct pvb, pass);

	if (res < 0 || p->stopping)
		return;
	p->next_pass = ev_now() + PASS_NS;
	if (p->rescan)
		(void)scan(p, NULL);	/* each failure was reported with its device */
	dom_list_for_each_safe(pos, &p->devs) {
		struct pvb_dev *dev = DOM_CONTAINER_OF(pos, struct pvb_dev, link);

		if (dev->dirty)
			look_at(dev);
	}
	take_events(p);
}

static void await_store(struct pvb *p)
{
	int fd = xsc_fd(p->cfg.xs);

	if (p->stopping)
		return;
	if (fd >= 0)
		ev_poll(&p->io, fd, POLLIN);
	else
		ev_timer(&p->retry, ev_now() + RECONNECT_NS);
}

static void on_io(struct ev_op *op, int res)
{
	struct pvb *p = DOM_CONTAINER_OF(op, struct pvb, io);

	if (res == -ECANCELED)
		return;
	(void)xsc_dispatch(p->cfg.xs);	/* a lost connection shows in xsc_fd() */
	take_events(p);
	await_store(p);
}

/* The daemon went away: when it is back, all watches fire, so that nothing is missed. */
static void on_retry(struct ev_op *op, int res)
{
	struct pvb *p = DOM_CONTAINER_OF(op, struct pvb, retry);

	if (res < 0)
		return;
	(void)xsc_reconnect(p->cfg.xs);
	p->rescan = true;
	schedule(p);
	take_events(p);
	await_store(p);
}

/* Life cycle. */

void pvb_free(struct pvb *p)
{
	if (!p)
		return;
	dom_list_for_each(pos, &p->devs)
		disconnect(DOM_CONTAINER_OF(pos, struct pvb_dev, link));
	p->stopping = true;
	finish_stop(p);
}

void pvb_reset(struct pvb *p)
{
	dom_list_for_each(pos, &p->devs) {
		struct pvb_dev *dev = DOM_CONTAINER_OF(pos, struct pvb_dev, link);
		char path[PVB_PATH_SIZE];

		disconnect(dev);
		if (dev->fe && pvb_join(path, dev->fe, "state"))
			(void)xsc_write(p->cfg.xs, XSC_TX_NONE, path, "1", 1);
		dev->dirty = true;
	}
	schedule(p);
}

int pvb_new(const struct pvb_config *cfg, struct pvb **ret, struct dom_err *err)
{
	struct pvb *p = calloc(1, sizeof(*p));
	char path[PVB_PATH_SIZE];
	int r = 0;

	if (!p) {
		xsc_close(cfg->xs);
		return dom_err_set(err, -ENOMEM, "back ends: out of memory");
	}
	p->cfg = *cfg;
	dom_list_init(&p->devs);
	ev_group_init(&p->group, cfg->loop);
	ev_op_init(&p->io, cfg->loop, on_io, &p->group);
	ev_op_init(&p->pass, cfg->loop, on_pass, &p->group);
	ev_op_init(&p->retry, cfg->loop, on_retry, &p->group);
	for (unsigned i = 0; i < DOM_ARRAY_LEN(drivers) && r == 0; i++) {
		snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", drivers[i]->kind,
			 cfg->domid);
		r = xsc_watch(cfg->xs, path, drivers[i]->kind);
		if (r < 0)
			dom_err_set(err, r, "cannot watch %s: %s", path, strerror(-r));
	}
	if (r == 0)
		r = scan(p, err);
	if (r < 0) {
		pvb_free(p);
		return r;
	}
	take_events(p);
	await_store(p);
	*ret = p;
	return 0;
}

bool pvb_drain(struct pvb *p)
{
	bool done = true;

	dom_list_for_each(pos, &p->devs) {
		struct pvb_dev *dev = DOM_CONTAINER_OF(pos, struct pvb_dev, link);

		if (dev->drv->drain && dev->priv)
			done &= dev->drv->drain(dev);
	}
	return done;
}

void pvb_count(struct pvb_dev_info *info, const char *name, uint64_t value)
{
	for (unsigned i = 0; i < PVB_DEV_COUNTERS - 1; i++) {
		if (info->counters[i].name)
			continue;
		info->counters[i].name = name;
		info->counters[i].value = value;
		return;
	}
}

void pvb_each(struct pvb *p, void (*fn)(void *arg, const struct pvb_dev_info *info), void *arg)
{
	dom_list_for_each(pos, &p->devs) {
		struct pvb_dev *dev = DOM_CONTAINER_OF(pos, struct pvb_dev, link);
		struct pvb_dev_info info = { .kind = dev->drv->kind, .id = dev->id,
					     .state = dev->state };

		if (dev->drv->info && dev->priv)
			dev->drv->info(dev, &info);
		fn(arg, &info);
	}
}
