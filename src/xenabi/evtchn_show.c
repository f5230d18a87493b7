// SPDX-License-Identifier: MIT
/*
 * Event channels as a person wants to see them who asks why a guest waits.
 */
#include <stdio.h>

#include "priv.h"

static void show_kind(const struct xa_port *p, char *buf, size_t len)
{
	switch (p->state) {
	case XA_PORT_UNBOUND:
		snprintf(buf, len, "unbound, for domain %u", p->u.remote_dom);
		break;
	case XA_PORT_INTERDOMAIN:
		snprintf(buf, len, "to port %u of the same domain", p->u.remote_port);
		break;
	case XA_PORT_BACKEND:
		snprintf(buf, len, "to a back end");
		break;
	case XA_PORT_VIRQ:
		snprintf(buf, len, "virq %u", p->u.virq);
		break;
	case XA_PORT_IPI:
		snprintf(buf, len, "ipi");
		break;
	default:
		snprintf(buf, len, "reserved");
	}
}

bool xa_evtchn_show(struct xa_domain *d, evtchn_port_t port, char *buf, size_t len)
{
	const struct xa_port *p;
	char kind[48];
	bool used;

	xa_lock(&d->evtchn_lock);
	p = xa_port_get(d, port);
	used = p && p->state != XA_PORT_FREE && p->state != XA_PORT_RESERVED;
	if (used) {
		show_kind(p, kind, sizeof(kind));
		snprintf(buf, len, "port %u: %s, vcpu %u%s%s", port, kind, p->vcpu,
			 d->abi->is_pending(d, port, p) ? ", pending" : "",
			 d->abi->is_masked(d, port) ? ", masked" : "");
	}
	xa_unlock(&d->evtchn_lock);
	return used;
}

void xa_evtchn_show_vcpu(struct xa_vcpu *v, char *buf, size_t len)
{
	struct xa_domain *d = v->d;
	char poll[32] = "";

	xa_lock(&d->evtchn_lock);
	if (v->polling && v->poll_port)
		snprintf(poll, sizeof(poll), ", polls port %u", v->poll_port);
	else if (v->polling)
		snprintf(poll, sizeof(poll), ", polls ports");
	snprintf(buf, len, "vcpu %u: upcall%s%s%s", v->id,
		 v->info[XA_VCPU_INFO_PENDING] ? " pending" : " not pending",
		 v->info[XA_VCPU_INFO_MASK] ? ", masked" : "", poll);
	xa_unlock(&d->evtchn_lock);
}
