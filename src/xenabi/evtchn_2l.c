// SPDX-License-Identifier: MIT
/*
 * The 2-level format of pending events: a pending and a mask bit per port in shared_info, and per
 * vCPU a word that says which words of the pending bitmap to look at. Words are as wide as the
 * guest, which limits it to 64*64 or 32*32 ports.
 *   ABI: xen/include/public/xen.h (struct shared_info, struct vcpu_info)
 *
 * The guest reads in the opposite order from that in which we write: pending bit, selector bit,
 * upcall flag; it clears flag, selector, pending. Each step here is done only if the one before
 * changed something, so an event that the guest has not looked at yet costs one atomic operation.
 */
#include "priv.h"

static unsigned limit_2l(const struct xa_domain *d)
{
	return d->shared_32 ? EVTCHN_2L_NR_CHANNELS_32 : EVTCHN_2L_NR_CHANNELS_64;
}

/*
 * Both widths are bitmaps in little-endian order: bit n is at the same place whether words have 32
 * or 64 bits, and only the words' number and the selector differ.
 */
static uint64_t *pending_map(const struct xa_domain *d)
{
	return (uint64_t *)(d->shared + XA_SHARED_INFO_PENDING);
}

static uint64_t *mask_map(const struct xa_domain *d)
{
	return (uint64_t *)(d->shared +
			    (d->shared_32 ? XA_SHARED_INFO_MASK_32 : XA_SHARED_INFO_MASK_64));
}

/* Set the selector bit of @port; returns its former value. */
static bool select_port(const struct xa_domain *d, struct xa_vcpu *v, evtchn_port_t port)
{
	if (d->shared_32) {
		uint32_t *sel = (uint32_t *)(v->info + XA_VCPU_INFO_SEL_32);

		return __atomic_fetch_or(sel, 1u << port / 32, __ATOMIC_SEQ_CST) >> port / 32 & 1;
	}
	return dom_shared_set_bit((uint64_t *)(v->info + XA_VCPU_INFO_SEL_64), port / 64);
}

static void set_pending_2l(struct xa_domain *d, evtchn_port_t port, struct xa_port *p)
{
	struct xa_vcpu *v = &d->vcpus[p->vcpu];

	if (d->plat->raise_masked && dom_shared_test_bit(mask_map(d), port) &&
	    d->plat->raise_masked(d->ctx, v->id, port)) {
		xa_port_wake_pollers(d, port);
		return;
	}
	if (dom_shared_set_bit(pending_map(d), port))
		return;
	if (!dom_shared_test_bit(mask_map(d), port) && !select_port(d, v, port))
		xa_mark_pending(v);
	xa_port_wake_pollers(d, port);
}

static void clear_pending_2l(struct xa_domain *d, evtchn_port_t port, struct xa_port *p)
{
	(void)p;
	if (port < limit_2l(d))
		dom_shared_clear_bit(pending_map(d), port);
}

static void unmask_2l(struct xa_domain *d, evtchn_port_t port, struct xa_port *p)
{
	struct xa_vcpu *v = &d->vcpus[p->vcpu];

	if (dom_shared_clear_bit(mask_map(d), port) && dom_shared_test_bit(pending_map(d), port) &&
	    !select_port(d, v, port))
		xa_mark_pending(v);
}

static bool is_pending_2l(struct xa_domain *d, evtchn_port_t port, const struct xa_port *p)
{
	(void)p;
	return dom_shared_test_bit(pending_map(d), port);
}

static bool is_masked_2l(struct xa_domain *d, evtchn_port_t port)
{
	return dom_shared_test_bit(mask_map(d), port);
}

static bool is_busy_2l(struct xa_domain *d, evtchn_port_t port)
{
	(void)d;
	(void)port;
	return false;
}

static int set_priority_2l(struct xa_domain *d, struct xa_port *p, uint32_t priority)
{
	(void)d;
	(void)p;
	(void)priority;
	return -ENOSYS;
}

const struct xa_evtchn_abi xa_evtchn_2l = {
	.limit = limit_2l,
	.set_pending = set_pending_2l,
	.clear_pending = clear_pending_2l,
	.unmask = unmask_2l,
	.is_pending = is_pending_2l,
	.is_masked = is_masked_2l,
	.is_busy = is_busy_2l,
	.set_priority = set_priority_2l,
};
