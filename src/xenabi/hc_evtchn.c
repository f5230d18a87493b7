// SPDX-License-Identifier: MIT
/*
 * event_channel_op: the operations as the guest calls them, on top of evtchn.c.
 *   ABI: xen/include/public/event_channel.h
 */
#include "xenabi/event_channel.h"

#include "priv.h"

static int64_t evtchnop_alloc_unbound(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct evtchn_alloc_unbound *a = arg;
	int err = xa_check_self(v->d, a->dom);

	(void)call;
	return err ? err : xa_evtchn_alloc_unbound(v->d, a->remote_dom, &a->port);
}

static int64_t evtchnop_bind_interdomain(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct evtchn_bind_interdomain *a = arg;

	(void)call;
	switch (xa_check_self(v->d, a->remote_dom)) {
	case 0:
		return xa_evtchn_bind_self(v->d, a->remote_port, &a->local_port);
	case -EPERM:
		return -EINVAL;	/* domain 0 exists, but offers no ports */
	default:
		return -ESRCH;
	}
}

static int64_t evtchnop_bind_virq(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct evtchn_bind_virq *a = arg;

	(void)call;
	return xa_evtchn_bind_virq(v->d, a->virq, a->vcpu, &a->port);
}

static int64_t evtchnop_close(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)call;
	return xa_evtchn_close(v->d, ((struct evtchn_close *)arg)->port);
}

static int64_t evtchnop_send(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)call;
	return xa_evtchn_send(v->d, ((struct evtchn_send *)arg)->port);
}

static void port_status(const struct xa_domain *d, evtchn_port_t port, const struct xa_port *p,
			struct evtchn_status *s)
{
	switch (p->state) {
	case XA_PORT_UNBOUND:
		s->status = EVTCHNSTAT_unbound;
		s->u.unbound.dom = p->u.remote_dom;
		break;
	case XA_PORT_INTERDOMAIN:
		s->status = EVTCHNSTAT_interdomain;
		s->u.interdomain.dom = d->cfg.domid;
		s->u.interdomain.port = p->u.remote_port;
		break;
	case XA_PORT_BACKEND:
		/* Domain 0's port numbers are ours to invent. */
		s->status = EVTCHNSTAT_interdomain;
		s->u.interdomain.dom = 0;
		s->u.interdomain.port = port;
		break;
	case XA_PORT_VIRQ:
		s->status = EVTCHNSTAT_virq;
		s->u.virq = p->u.virq;
		break;
	case XA_PORT_IPI:
		s->status = EVTCHNSTAT_ipi;
		break;
	default:
		s->status = EVTCHNSTAT_closed;
	}
	s->vcpu = p->vcpu;
}

static int64_t evtchnop_status(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct evtchn_status *s = arg;
	const struct xa_port *p;
	int err = xa_check_self(v->d, s->dom);

	(void)call;
	if (err)
		return err;
	xa_lock(&v->d->evtchn_lock);
	p = xa_port_get(v->d, s->port);
	if (p)
		port_status(v->d, s->port, p, s);
	xa_unlock(&v->d->evtchn_lock);
	return p ? 0 : -EINVAL;
}

static int64_t evtchnop_bind_ipi(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct evtchn_bind_ipi *a = arg;

	(void)call;
	return xa_evtchn_bind_ipi(v->d, a->vcpu, &a->port);
}

static int64_t evtchnop_bind_vcpu(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct evtchn_bind_vcpu *a = arg;

	(void)call;
	return xa_evtchn_bind_vcpu(v->d, a->port, a->vcpu);
}

static int64_t evtchnop_unmask(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)call;
	return xa_evtchn_unmask(v->d, ((struct evtchn_unmask *)arg)->port);
}

static int64_t evtchnop_reset(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	int err = xa_check_self(v->d, ((struct evtchn_reset *)arg)->dom);

	(void)call;
	if (!err)
		xa_evtchn_reset(v->d);
	return err;
}

static int64_t evtchnop_init_control(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct evtchn_init_control *a = arg;
	struct xa_domain *d = v->d;
	int err;

	(void)call;
	if (d->cfg.events == XA_EVENTS_2L)
		return -ENOSYS;
	a->link_bits = EVTCHN_FIFO_LINK_BITS;
	if (!xa_domain_vcpu(d, a->vcpu))
		return -ENOENT;
	if (a->offset > XEN_PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) ||
	    a->offset % 8)
		return -EINVAL;
	xa_lock(&d->evtchn_lock);
	err = xa_fifo_init_control(d, a->vcpu, a->control_gfn, a->offset);
	xa_unlock(&d->evtchn_lock);
	return err;
}

static int64_t evtchnop_expand_array(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	int err;

	(void)call;
	if (v->d->cfg.events == XA_EVENTS_2L)
		return -ENOSYS;
	xa_lock(&v->d->evtchn_lock);
	err = xa_fifo_expand(v->d, ((struct evtchn_expand_array *)arg)->array_gfn);
	xa_unlock(&v->d->evtchn_lock);
	return err;
}

static int64_t evtchnop_set_priority(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct evtchn_set_priority *a = arg;

	(void)call;
	return xa_evtchn_set_priority(v->d, a->port, a->priority);
}

static const struct xa_op ops[] = {
	[EVTCHNOP_bind_interdomain] = { "bind_interdomain", evtchnop_bind_interdomain,
		XA_ARG(evtchn_bind_interdomain), .dir = XA_INOUT },
	[EVTCHNOP_bind_virq] = { "bind_virq", evtchnop_bind_virq,
		XA_ARG(evtchn_bind_virq), .dir = XA_INOUT },
	/* there are no physical interrupts */
	[EVTCHNOP_bind_pirq] = { "bind_pirq", .err = -EINVAL },
	[EVTCHNOP_close] = { "close", evtchnop_close, XA_ARG(evtchn_close), .dir = XA_IN },
	[EVTCHNOP_send] = { "send", evtchnop_send, XA_ARG(evtchn_send), .dir = XA_IN },
	[EVTCHNOP_status] = { "status", evtchnop_status, XA_ARG(evtchn_status), .dir = XA_INOUT },
	[EVTCHNOP_alloc_unbound] = { "alloc_unbound", evtchnop_alloc_unbound,
		XA_ARG(evtchn_alloc_unbound), .dir = XA_INOUT },
	[EVTCHNOP_bind_ipi] = { "bind_ipi", evtchnop_bind_ipi,
		XA_ARG(evtchn_bind_ipi), .dir = XA_INOUT },
	[EVTCHNOP_bind_vcpu] = { "bind_vcpu", evtchnop_bind_vcpu,
		XA_ARG(evtchn_bind_vcpu), .dir = XA_IN },
	[EVTCHNOP_unmask] = { "unmask", evtchnop_unmask, XA_ARG(evtchn_unmask), .dir = XA_IN },
	[EVTCHNOP_reset] = { "reset", evtchnop_reset, XA_ARG(evtchn_reset), .dir = XA_IN },
	[EVTCHNOP_init_control] = { "init_control", evtchnop_init_control,
		XA_ARG(evtchn_init_control), .dir = XA_INOUT },
	[EVTCHNOP_expand_array] = { "expand_array", evtchnop_expand_array,
		XA_ARG(evtchn_expand_array), .dir = XA_IN },
	[EVTCHNOP_set_priority] = { "set_priority", evtchnop_set_priority,
		XA_ARG(evtchn_set_priority), .dir = XA_IN },
};

const struct xa_family xa_evtchn_ops = { ops, DOM_ARRAY_LEN(ops), .arg = 1 };
