// SPDX-License-Identifier: MIT
/*
 * Event channels: the ports of a domain, who is at their other end, and their delivery up to the
 * vCPU. How pending events are written into guest memory is the affair of the two formats,
 * evtchn_2l.c and evtchn_fifo.c.
 *
 * A port whose other end is a back end of Domicile carries that back end's eventfd; towards the
 * guest it looks like an interdomain channel to domain 0. Ports between two domains do not exist,
 * so one lock per domain covers everything.
 *
 * The eventfd is written with the lock held, because only so can xa_evtchn_close_backend() promise
 * that no write follows it. It is non-blocking: a full counter has been signalled already.
 */
#include <stdlib.h>
#include <unistd.h>

#include "domicile/base/cc.h"

#include "priv.h"

/* Per-vCPU interrupts; all others are the domain's. ABI: xen/include/public/xen.h */
static bool virq_is_per_vcpu(uint32_t virq)
{
	return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF ||
	       virq == VIRQ_XENPMU;
}

void xa_evtchn_limit_changed(struct xa_domain *d)
{
	d->max_ports = DOM_MIN(d->cfg.max_evtchn, d->abi->limit(d));
}

/* The record of @port whether or not the present format can express it; NULL if there is none. */
static struct xa_port *port_record(struct xa_domain *d, evtchn_port_t port)
{
	struct xa_port *bucket = d->buckets[port / XA_PORTS_PER_BUCKET];

	return bucket ? &bucket[port % XA_PORTS_PER_BUCKET] : NULL;
}

struct xa_port *xa_port_get(struct xa_domain *d, evtchn_port_t port)
{
	return port < d->max_ports ? port_record(d, port) : NULL;
}

/* The lowest free port and its record; -ENOSPC, -ENOMEM. */
static int port_alloc(struct xa_domain *d, struct xa_port **ret, evtchn_port_t *ret_port)
{
	for (evtchn_port_t port = d->next_free; port < d->max_ports; port++) {
		struct xa_port **bucket = &d->buckets[port / XA_PORTS_PER_BUCKET];
		struct xa_port *p;

		if (!*bucket) {
			*bucket = calloc(XA_PORTS_PER_BUCKET, sizeof(**bucket));
			if (!*bucket)
				return -ENOMEM;
		}
		p = &(*bucket)[port % XA_PORTS_PER_BUCKET];
		if (p->state != XA_PORT_FREE || d->abi->is_busy(d, port))
			continue;
		p->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
		p->vcpu = 0;
		p->held = false;
		/* Busy ports are skipped, not passed: they may be free at the next look. */
		if (port == d->next_free)
			d->next_free = port + 1;
		*ret = p;
		*ret_port = port;
		return 0;
	}
	return -ENOSPC;
}

static void route_changed(struct xa_domain *d, evtchn_port_t port, const struct xa_port *p)
{
	struct xa_port_route r = { .kind = XA_ROUTE_NONE };

	if (p->state == XA_PORT_BACKEND) {
		r = (struct xa_port_route){ .kind = XA_ROUTE_EVENTFD, .eventfd = p->u.eventfd };
	} else if (d->abi == &xa_evtchn_2l && p->state == XA_PORT_IPI) {
		r = (struct xa_port_route){ .kind = XA_ROUTE_LOCAL, .vcpu = p->vcpu, .port = port };
	} else if (d->abi == &xa_evtchn_2l && p->state == XA_PORT_INTERDOMAIN) {
		const struct xa_port *q = xa_port_get(d, p->u.remote_port);

		if (q)
			r = (struct xa_port_route){ .kind = XA_ROUTE_LOCAL, .vcpu = q->vcpu,
						    .port = p->u.remote_port };
	}
	d->plat->port_route(d->ctx, port, &r);
}

static void timer_port_changed(struct xa_domain *d, const struct xa_vcpu *v)
{
	/* A host that delivers by itself knows only the 2-level format. */
	d->plat->timer_port(d->ctx, v->id, d->abi == &xa_evtchn_2l ? v->virq_port[VIRQ_TIMER] : 0);
}

void xa_routes_changed(struct xa_domain *d)
{
	for (evtchn_port_t port = 1; port < d->max_ports; port++) {
		const struct xa_port *p = xa_port_get(d, port);

		if (!p) {
			port |= XA_PORTS_PER_BUCKET - 1;
			continue;
		}
		if (p->state == XA_PORT_IPI || p->state == XA_PORT_INTERDOMAIN)
			route_changed(d, port, p);
	}
	for (unsigned i = 0; i < d->cfg.max_vcpus; i++)
		if (d->vcpus[i].virq_port[VIRQ_TIMER])
			timer_port_changed(d, &d->vcpus[i]);
}

struct xa_upcall xa_upcall_of(const struct xa_vcpu *v)
{
	return v->upcall.kind != XA_UPCALL_NONE ? v->upcall : v->d->upcall;
}

void xa_mark_pending(struct xa_vcpu *v)
{
	struct xa_upcall how = xa_upcall_of(v);

	if (__atomic_exchange_n(&v->info[XA_VCPU_INFO_PENDING], 1, __ATOMIC_SEQ_CST))
		return;
	/*
	 * A PV kernel that masks events looks for them when it unmasks them; but it does so without a
	 * barrier, as on Xen, and might miss one that came in between, were there no interrupt.
	 */
	if (how.kind != XA_UPCALL_NONE)
		v->d->plat->upcall(v->d->ctx, v->id, how);
	if (v->polling)
		v->d->plat->wake(v->d->ctx, v->id);
}

void xa_port_wake_pollers(struct xa_domain *d, evtchn_port_t port)
{
	if (DOM_LIKELY(!d->pollers))
		return;
	for (unsigned i = 0; i < d->cfg.max_vcpus; i++) {
		struct xa_vcpu *v = &d->vcpus[i];

		if (v->polling && (!v->poll_port || v->poll_port == port))
			d->plat->wake(d->ctx, i);
	}
}

/*
 * Make @port pending. A port that was made while the format had more room (the guest changed its
 * width since) cannot be expressed any more and stays silent.
 */
static void raise_port(struct xa_domain *d, evtchn_port_t port)
{
	struct xa_port *p = xa_port_get(d, port);

	if (p)
		d->abi->set_pending(d, port, p);
}

static void kick_backend(int fd)
{
	uint64_t one = 1;

	/* EAGAIN: the counter is full, so the back end has been told; nothing else can be done. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

int xa_evtchn_send(struct xa_domain *d, evtchn_port_t port)
{
	struct xa_port *p;
	int ret = 0;

	xa_lock(&d->evtchn_lock);
	p = xa_port_get(d, port);
	switch (p ? p->state : XA_PORT_FREE) {
	case XA_PORT_IPI:
		d->abi->set_pending(d, port, p);
		break;
	case XA_PORT_BACKEND:
		kick_backend(p->u.eventfd);
		break;
	case XA_PORT_INTERDOMAIN:
		raise_port(d, p->u.remote_port);
		break;
	case XA_PORT_UNBOUND:
		break;	/* nobody listens yet: dropped */
	default:
		ret = -EINVAL;
	}
	xa_unlock(&d->evtchn_lock);
	return ret;
}

/* Free @port, which is in use; its other end falls back to unbound. */
static void port_close(struct xa_domain *d, evtchn_port_t port, struct xa_port *p)
{
	if (p->state == XA_PORT_INTERDOMAIN && p->u.remote_port != port) {
		struct xa_port *q = port_record(d, p->u.remote_port);

		q->state = XA_PORT_UNBOUND;
		q->u.remote_dom = d->cfg.domid;
		route_changed(d, p->u.remote_port, q);
	}
	d->abi->clear_pending(d, port, p);
	if (p->state == XA_PORT_VIRQ) {
		struct xa_vcpu *v = &d->vcpus[virq_is_per_vcpu(p->u.virq) ? p->vcpu : 0];

		v->virq_port[p->u.virq] = 0;
		if (p->u.virq == VIRQ_TIMER)
			timer_port_changed(d, v);
	}
	p->state = XA_PORT_FREE;
	p->vcpu = 0;
	p->held = false;
	if (port < d->next_free)
		d->next_free = port;
	route_changed(d, port, p);
}

int xa_evtchn_close(struct xa_domain *d, evtchn_port_t port)
{
	struct xa_port *p;
	int ret = -EINVAL;

	xa_lock(&d->evtchn_lock);
	p = xa_port_get(d, port);
	if (p && p->state != XA_PORT_FREE && p->state != XA_PORT_RESERVED) {
		port_close(d, port, p);
		ret = 0;
	}
	xa_unlock(&d->evtchn_lock);
	return ret;
}

int xa_evtchn_alloc_unbound(struct xa_domain *d, domid_t remote, evtchn_port_t *ret)
{
	struct xa_port *p;
	int err;

	xa_lock(&d->evtchn_lock);
	err = port_alloc(d, &p, ret);
	if (!err) {
		p->state = XA_PORT_UNBOUND;
		p->u.remote_dom = remote == DOMID_SELF ? d->cfg.domid : remote;
	}
	xa_unlock(&d->evtchn_lock);
	return err;
}

int xa_evtchn_bind_self(struct xa_domain *d, evtchn_port_t remote, evtchn_port_t *ret)
{
	struct xa_port *p, *q;
	evtchn_port_t port;
	int err;

	xa_lock(&d->evtchn_lock);
	err = port_alloc(d, &p, &port);
	if (err)
		goto out;
	err = -EINVAL;
	q = xa_port_get(d, remote);
	if (!q || q->state != XA_PORT_UNBOUND || q->u.remote_dom != d->cfg.domid) {
		/* The port was only looked up, not taken. */
		d->next_free = port < d->next_free ? port : d->next_free;
		goto out;
	}
	p->state = q->state = XA_PORT_INTERDOMAIN;
	p->u.remote_port = remote;
	q->u.remote_port = port;
	route_changed(d, port, p);
	route_changed(d, remote, q);
	/* Events sent to the unbound end were dropped: let the new end look. */
	raise_port(d, port);
	*ret = port;
	err = 0;
out:
	xa_unlock(&d->evtchn_lock);
	return err;
}

int xa_evtchn_bind_virq(struct xa_domain *d, uint32_t virq, uint32_t vcpu, evtchn_port_t *ret)
{
	struct xa_vcpu *v;
	struct xa_port *p;
	int err;

	if (virq >= NR_VIRQS || (!virq_is_per_vcpu(virq) && vcpu != 0))
		return -EINVAL;
	v = xa_domain_vcpu(d, vcpu);
	if (!v)
		return -ENOENT;
	xa_lock(&d->evtchn_lock);
	err = v->virq_port[virq] ? -EEXIST : port_alloc(d, &p, ret);
	if (!err) {
		p->state = XA_PORT_VIRQ;
		p->vcpu = (uint16_t)vcpu;
		p->u.virq = virq;
		v->virq_port[virq] = *ret;
		if (virq == VIRQ_TIMER)
			timer_port_changed(d, v);
	}
	xa_unlock(&d->evtchn_lock);
	return err;
}

int xa_evtchn_bind_ipi(struct xa_domain *d, uint32_t vcpu, evtchn_port_t *ret)
{
	struct xa_port *p;
	int err;

	if (!xa_domain_vcpu(d, vcpu))
		return -ENOENT;
	xa_lock(&d->evtchn_lock);
	err = port_alloc(d, &p, ret);
	if (!err) {
		p->state = XA_PORT_IPI;
		p->vcpu = (uint16_t)vcpu;
		route_changed(d, *ret, p);
	}
	xa_unlock(&d->evtchn_lock);
	return err;
}

static bool may_move(const struct xa_port *p)
{
	switch (p->state) {
	case XA_PORT_UNBOUND:
	case XA_PORT_INTERDOMAIN:
	case XA_PORT_BACKEND:
		return true;
	case XA_PORT_VIRQ:
		return !virq_is_per_vcpu(p->u.virq);
	default:
		return false;
	}
}

int xa_evtchn_bind_vcpu(struct xa_domain *d, evtchn_port_t port, uint32_t vcpu)
{
	struct xa_port *p;
	int err = -EINVAL;

	if (!xa_domain_vcpu(d, vcpu))
		return -ENOENT;
	xa_lock(&d->evtchn_lock);
	p = xa_port_get(d, port);
	if (p && may_move(p)) {
		p->vcpu = (uint16_t)vcpu;
		/* A host that delivers for the other end must learn where this one is now. */
		if (p->state == XA_PORT_INTERDOMAIN)
			route_changed(d, p->u.remote_port, port_record(d, p->u.remote_port));
		err = 0;
	}
	xa_unlock(&d->evtchn_lock);
	return err;
}

int xa_evtchn_unmask(struct xa_domain *d, evtchn_port_t port)
{
	struct xa_port *p;

	xa_lock(&d->evtchn_lock);
	p = xa_port_get(d, port);
	if (p)
		d->abi->unmask(d, port, p);
	xa_unlock(&d->evtchn_lock);
	return p ? 0 : -EINVAL;
}

int xa_evtchn_set_priority(struct xa_domain *d, evtchn_port_t port, uint32_t priority)
{
	struct xa_port *p;
	int err = -EINVAL;

	xa_lock(&d->evtchn_lock);
	p = xa_port_get(d, port);
	if (p)
		err = d->abi->set_priority(d, p, priority);
	xa_unlock(&d->evtchn_lock);
	return err;
}

/* Close everything and go back to the 2-level format. evtchn_lock held. */
static void reset_locked(struct xa_domain *d)
{
	for (evtchn_port_t port = 1; port < EVTCHN_FIFO_NR_CHANNELS; port++) {
		struct xa_port *p = port_record(d, port);

		if (!p)
			port |= XA_PORTS_PER_BUCKET - 1;
		else if (p->state != XA_PORT_FREE)
			port_close(d, port, p);
	}
	xa_fifo_fini(d);
}

void xa_evtchn_reset(struct xa_domain *d)
{
	xa_lock(&d->evtchn_lock);
	reset_locked(d);
	xa_unlock(&d->evtchn_lock);
}

int xa_evtchn_init(struct xa_domain *d)
{
	d->abi = &xa_evtchn_2l;
	xa_evtchn_limit_changed(d);
	d->next_free = 1;
	d->buckets[0] = calloc(XA_PORTS_PER_BUCKET, sizeof(*d->buckets[0]));
	if (!d->buckets[0])
		return -ENOMEM;
	d->buckets[0][0].state = XA_PORT_RESERVED;
	return 0;
}

void xa_evtchn_fini(struct xa_domain *d)
{
	for (unsigned i = 0; i < XA_PORT_BUCKETS; i++)
		free(d->buckets[i]);
}

int xa_evtchn_alloc_backend(struct xa_domain *d, int eventfd, evtchn_port_t *ret_port)
{
	struct xa_port *p;
	int err;

	xa_lock(&d->evtchn_lock);
	err = port_alloc(d, &p, ret_port);
	if (!err) {
		p->state = XA_PORT_BACKEND;
		p->u.eventfd = eventfd;
		route_changed(d, *ret_port, p);
	}
	xa_unlock(&d->evtchn_lock);
	return err;
}

int xa_evtchn_bind_backend(struct xa_domain *d, evtchn_port_t port, int eventfd)
{
	struct xa_port *p;
	int err = -EINVAL;

	xa_lock(&d->evtchn_lock);
	p = xa_port_get(d, port);
	if (p && p->state == XA_PORT_UNBOUND && p->u.remote_dom == 0) {
		p->state = XA_PORT_BACKEND;
		p->u.eventfd = eventfd;
		route_changed(d, port, p);
		/* What the guest sent before was dropped: let the back end look. */
		kick_backend(eventfd);
		err = 0;
	}
	xa_unlock(&d->evtchn_lock);
	return err;
}

void xa_evtchn_close_backend(struct xa_domain *d, evtchn_port_t port)
{
	struct xa_port *p;

	xa_lock(&d->evtchn_lock);
	p = xa_port_get(d, port);
	if (p && p->state == XA_PORT_BACKEND) {
		p->state = XA_PORT_UNBOUND;
		p->u.remote_dom = 0;
		route_changed(d, port, p);
	}
	xa_unlock(&d->evtchn_lock);
}

int xa_evtchn_notify(struct xa_domain *d, evtchn_port_t port)
{
	struct xa_port *p;
	int err = -EINVAL;

	xa_lock(&d->evtchn_lock);
	p = xa_port_get(d, port);
	if (p && p->state == XA_PORT_BACKEND) {
		raise_port(d, port);
		err = 0;
	}
	xa_unlock(&d->evtchn_lock);
	return err;
}

void xa_raise_virq(struct xa_vcpu *v, unsigned virq)
{
	struct xa_domain *d = v->d;
	evtchn_port_t port;

	if (virq >= NR_VIRQS)
		return;
	xa_lock(&d->evtchn_lock);
	port = d->vcpus[virq_is_per_vcpu(virq) ? v->id : 0].virq_port[virq];
	if (port)
		raise_port(d, port);
	xa_unlock(&d->evtchn_lock);
}

bool xa_upcall_pending(struct xa_vcpu *v)
{
	uint8_t *info = __atomic_load_n(&v->info, __ATOMIC_ACQUIRE);

	if (!__atomic_load_n(&info[XA_VCPU_INFO_PENDING], __ATOMIC_SEQ_CST))
		return false;
	return !v->d->cfg.pv || !__atomic_load_n(&info[XA_VCPU_INFO_MASK], __ATOMIC_SEQ_CST);
}
