// SPDX-License-Identifier: MIT
/*
 * sched_op and set_timer_op: giving up the processor, waiting, ending the domain.
 *   ABI: xen/include/public/sched.h
 *
 * SCHEDOP_poll looks at its ports with evtchn_lock held, after announcing itself as a poller; who
 * makes a port pending afterwards holds the same lock, sees the poller and wakes it. A wake-up that
 * comes before the platform's wait() is not lost, by its contract. It is a poller until the platform
 * says that its wait is over, which may be long after the hypercall's end.
 */
#include "xenabi/sched.h"
#include "domicile/base/num.h"

#include "priv.h"

#define NS_PER_SECOND 1000000000ull

static int64_t schedop_yield(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)call;
	(void)arg;
	v->d->plat->yield(v->d->ctx, v->id);
	return 0;
}

static int64_t schedop_block(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)call;
	(void)arg;
	if (!xa_upcall_pending(v))
		v->d->plat->block(v->d->ctx, v->id);
	return 0;
}

static int64_t schedop_shutdown(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)call;
	xa_shutdown(v->d, ((struct sched_shutdown *)arg)->reason);
	return 0;
}

static int64_t schedop_shutdown_code(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct xa_domain *d = v->d;

	(void)call;
	xa_lock(&d->evtchn_lock);
	d->shutdown_code = (int)(((struct sched_shutdown *)arg)->reason & 0xff);
	xa_unlock(&d->evtchn_lock);
	return 0;
}

/* Does any of @n ports exist and wait for the guest? 1 or 0; -EINVAL: one does not exist. */
static int any_pending(struct xa_domain *d, const evtchn_port_t *ports, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct xa_port *p = xa_port_get(d, ports[i]);

		if (ports[i] >= d->max_ports)
			return -EINVAL;
		if (p && d->abi->is_pending(d, ports[i], p))
			return 1;
	}
	return 0;
}

static void set_polling(struct xa_vcpu *v, bool on)
{
	if (on && !v->polling)
		v->d->pollers++;
	else if (!on && v->polling)
		v->d->pollers--;
	v->polling = on;
}

void xa_poll_ended(struct xa_vcpu *v)
{
	xa_lock(&v->d->evtchn_lock);
	set_polling(v, false);
	xa_unlock(&v->d->evtchn_lock);
}

/*
 * ABI: a PV guest's poll ends with any event that it can take. A PVH guest's ends with the interrupt
 * that tells of it: the platform's wait() knows of those.
 */
static int64_t schedop_poll(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct sched_poll_64 *a = arg;
	evtchn_port_t ports[XA_MAX_POLL_PORTS];
	struct xa_domain *d = v->d;
	int found;

	(void)call;
	if (a->nr_ports > XA_MAX_POLL_PORTS)
		return -EINVAL;
	if (xa_copy_from(v, ports, (struct xa_gva){ a->ports }, a->nr_ports * sizeof(ports[0])))
		return -EFAULT;
	xa_lock(&d->evtchn_lock);
	v->poll_port = a->nr_ports == 1 ? ports[0] : 0;
	found = d->cfg.pv && xa_upcall_pending(v) ? 1 : any_pending(d, ports, a->nr_ports);
	/* With a call before in the same multicall it may wait already, for what nobody will tell now. */
	if (found && v->polling)
		d->plat->wake(d->ctx, v->id);
	set_polling(v, !found);
	xa_unlock(&d->evtchn_lock);

	if (!found)
		d->plat->wait(d->ctx, v->id, a->timeout);
	return found < 0 ? found : 0;
}

static int64_t schedop_remote_shutdown(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct sched_remote_shutdown *a = arg;

	(void)call;
	return a->domain_id == 0 || a->domain_id == v->d->cfg.domid ? -EPERM : -ESRCH;
}

/* Tell the platform the earliest watchdog. evtchn_lock held. */
static void watchdog_rearm(struct xa_domain *d)
{
	uint64_t first = 0;

	for (unsigned i = 0; i < XA_WATCHDOGS; i++)
		if (d->watchdog[i] && (!first || d->watchdog[i] < first))
			first = d->watchdog[i];
	d->plat->set_watchdog(d->ctx, first);
}

/* Start, restart or stop a watchdog; returns the id of a new one, 0, -EINVAL or -ENOSPC. */
static int64_t watchdog_set(struct xa_domain *d, uint32_t id, uint64_t deadline)
{
	if (id > XA_WATCHDOGS)
		return -EINVAL;
	if (id == 0) {
		uint32_t i = 0;

		if (!deadline)
			return -EINVAL;
		while (i < XA_WATCHDOGS && d->watchdog[i])
			i++;
		if (i == XA_WATCHDOGS)
			return -ENOSPC;
		d->watchdog[i] = deadline;
		return i + 1;
	}
	if (!d->watchdog[id - 1])
		return -EINVAL;
	d->watchdog[id - 1] = deadline;
	return 0;
}

static int64_t schedop_watchdog(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct sched_watchdog *a = arg;
	struct xa_domain *d = v->d;
	uint64_t deadline = 0;
	int64_t ret;

	(void)call;
	if (!d->plat->set_watchdog)
		return -ENOSYS;
	if (a->timeout)
		deadline = d->plat->now(d->ctx) + a->timeout * NS_PER_SECOND;
	xa_lock(&d->evtchn_lock);
	ret = watchdog_set(d, a->id, deadline);
	if (ret >= 0)
		watchdog_rearm(d);
	xa_unlock(&d->evtchn_lock);
	return ret;
}

void xa_watchdog_fired(struct xa_domain *d)
{
	uint64_t now = d->plat->now(d->ctx);
	bool expired = false;

	xa_lock(&d->evtchn_lock);
	for (unsigned i = 0; i < XA_WATCHDOGS; i++)
		expired |= d->watchdog[i] && d->watchdog[i] <= now;
	if (!expired && d->plat->set_watchdog)
		watchdog_rearm(d);
	xa_unlock(&d->evtchn_lock);
	/* Not the code that the guest may have set for its own shutdown: it did not come to it. */
	if (expired)
		d->plat->shutdown(d->ctx, SHUTDOWN_watchdog);
}

static const struct xa_field poll[] = {
	XA_FIELD(sched_poll, ports), XA_FIELD(sched_poll, nr_ports), XA_FIELD(sched_poll, timeout),
};

static const struct xa_op ops[] = {
	[SCHEDOP_yield] = { "yield", schedop_yield },
	[SCHEDOP_block] = { "block", schedop_block },
	[SCHEDOP_shutdown] = { "shutdown", schedop_shutdown, XA_ARG(sched_shutdown), .dir = XA_IN },
	[SCHEDOP_poll] = { "poll", schedop_poll, XA_ARG2(sched_poll, poll), .dir = XA_IN },
	[SCHEDOP_remote_shutdown] = { "remote_shutdown", schedop_remote_shutdown,
		XA_ARG(sched_remote_shutdown), .dir = XA_IN },
	[SCHEDOP_shutdown_code] = { "shutdown_code", schedop_shutdown_code,
		XA_ARG(sched_shutdown), .dir = XA_IN },
	[SCHEDOP_watchdog] = { "watchdog", schedop_watchdog, XA_ARG(sched_watchdog), .dir = XA_IN },
	[SCHEDOP_pin_override] = { "pin_override", .err = -EPERM },
};

const struct xa_family xa_sched_ops = { ops, DOM_ARRAY_LEN(ops), .arg = 1 };

/* Farther in the future than this is a mistake of old guests, see xa_set_timer_op(). */
#define TIMEOUT_MAX (1ull << 50)

/*
 * set_timer_op: the vCPU's single-shot timer. 32-bit guests pass the time in two arguments.
 * Deadlines that wrapped or are some 13 days away are set to 100 ms: guests as old as Linux 2.6
 * pass such when they have no timer or have work to do, and Xen treats both that way.
 *   ABI: xen/include/public/xen.h; xen/common/sched/core.c (observable behaviour)
 */
int64_t xa_set_timer_op(struct xa_vcpu *v, const struct xa_call *call, const struct xa_family *f)
{
	uint64_t deadline = xa_is_32(call) ? call->arg[0] | call->arg[1] << 32 : call->arg[0];
	uint64_t now = v->d->plat->now(v->d->ctx);

	(void)f;
	if ((int64_t)deadline < 0 || (deadline > now && deadline - now >= TIMEOUT_MAX))
		deadline = now + NS_PER_SECOND / 10;
	xa_timer_set_singleshot(v, deadline);
	return 0;
}
