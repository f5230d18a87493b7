// SPDX-License-Identifier: MIT
/*
 * hvm_op: parameters, and how a vCPU hears of events.
 *   ABI: xen/include/public/hvm/hvm_op.h, hvm/params.h
 */
#include "xenabi/hvm.h"

#include "priv.h"

/*
 * What a guest may do with its own parameters. Those that only a toolstack uses are -EPERM; numbers
 * that mean nothing, or nothing any more, are -EINVAL.
 *   ABI: xen/arch/x86/hvm/hvm.c (observable behaviour of Xen 4.17)
 */
enum { MAY_GET = 1, MAY_SET = 2, ONCE = 4, TOOLSTACK = 8 };
static const uint8_t param_rights[HVM_NR_PARAMS] = {
	[HVM_PARAM_CALLBACK_IRQ]	   = MAY_GET | MAY_SET,
	[HVM_PARAM_STORE_PFN]		   = MAY_GET | TOOLSTACK,
	[HVM_PARAM_STORE_EVTCHN]	   = MAY_GET | MAY_SET | ONCE,
	[HVM_PARAM_PAE_ENABLED]		   = TOOLSTACK,
	[HVM_PARAM_IOREQ_PFN]		   = TOOLSTACK,
	[HVM_PARAM_BUFIOREQ_PFN]	   = TOOLSTACK,
	[HVM_PARAM_VIRIDIAN]		   = TOOLSTACK,
	[HVM_PARAM_TIMER_MODE]		   = TOOLSTACK,
	[HVM_PARAM_HPET_ENABLED]	   = TOOLSTACK,
	[HVM_PARAM_IDENT_PT]		   = TOOLSTACK,
	[HVM_PARAM_DM_DOMAIN]		   = TOOLSTACK,
	[HVM_PARAM_ACPI_S_STATE]	   = TOOLSTACK,
	[HVM_PARAM_VM86_TSS]		   = MAY_GET | MAY_SET,
	[HVM_PARAM_VPT_ALIGN]		   = TOOLSTACK,
	[HVM_PARAM_CONSOLE_PFN]		   = MAY_GET | TOOLSTACK,
	[HVM_PARAM_CONSOLE_EVTCHN]	   = MAY_GET | MAY_SET | ONCE,
	[HVM_PARAM_ACPI_IOPORTS_LOCATION]  = MAY_GET | MAY_SET,
	[HVM_PARAM_NESTEDHVM]		   = TOOLSTACK,
	[HVM_PARAM_BUFIOREQ_EVTCHN]	   = TOOLSTACK,
	[HVM_PARAM_PAGING_RING_PFN]	   = TOOLSTACK,
	[HVM_PARAM_MONITOR_RING_PFN]	   = TOOLSTACK,
	[HVM_PARAM_SHARING_RING_PFN]	   = TOOLSTACK,
	[HVM_PARAM_TRIPLE_FAULT_REASON]	   = TOOLSTACK,
	[HVM_PARAM_IOREQ_SERVER_PFN]	   = TOOLSTACK,
	[HVM_PARAM_NR_IOREQ_SERVER_PAGES]  = TOOLSTACK,
	[HVM_PARAM_VM_GENERATION_ID_ADDR]  = MAY_GET | MAY_SET,
	[HVM_PARAM_ALTP2M]		   = MAY_GET | TOOLSTACK,
	[HVM_PARAM_X87_FIP_WIDTH]	   = MAY_GET | MAY_SET,
	[HVM_PARAM_VM86_TSS_SIZED]	   = MAY_GET | MAY_SET,
	[HVM_PARAM_MCA_CAP]		   = TOOLSTACK,
};

/* May parameter @index of domain @id be used for @what by its guest? */
static int check_param(const struct xa_domain *d, domid_t id, uint32_t index, unsigned what)
{
	int err;

	if (index >= HVM_NR_PARAMS)
		return -EINVAL;
	err = xa_check_self(d, id);
	if (err)
		return err;
	if (!param_rights[index])
		return -EINVAL;
	return param_rights[index] & what ? 0 : -EPERM;
}

/* Tell vCPUs that have been waiting for a way to be told. evtchn_lock held. */
static void deliver_waiting(struct xa_domain *d, struct xa_vcpu *only)
{
	for (unsigned i = 0; i < d->cfg.max_vcpus; i++) {
		struct xa_vcpu *v = &d->vcpus[i];
		struct xa_upcall how = xa_upcall_of(v);

		if ((!only || only == v) && how.kind != XA_UPCALL_NONE && xa_upcall_pending(v))
			d->plat->upcall(d->ctx, i, how);
	}
}

/*
 * HVM_PARAM_CALLBACK_IRQ: a vector for all vCPUs, without end-of-interrupt. The other kinds need an
 * interrupt controller that a PVH guest does not have; they are accepted as Xen does, and never
 * delivered. Linux writes GSI 1 when it uses per-vCPU vectors, so that one is not worth a word.
 */
static int64_t set_callback(struct xa_domain *d, const struct xa_call *call, uint64_t value)
{
	uint64_t type = value >> HVM_PARAM_CALLBACK_TYPE_SHIFT;
	struct xa_upcall how = { .kind = XA_UPCALL_NONE };
	int err;

	xa_latch_width(d, xa_is_32(call));
	if (type == HVM_PARAM_CALLBACK_TYPE_VECTOR && (uint8_t)value >= 0x10) {
		how.kind = XA_UPCALL_DOMAIN_VECTOR;
		how.vector = (uint8_t)value;
	} else if (value > 1) {
		xa_lock(&d->evtchn_lock);
		dom_log_guest(d->log, &d->rl, DOM_LOG_DEBUG,
			      "domain %u: event callback %#llx cannot be delivered", d->cfg.domid,
			      (unsigned long long)value);
		xa_unlock(&d->evtchn_lock);
	}
	err = d->plat->upcall_set(d->ctx, 0, how);
	if (err)
		return err;
	xa_lock(&d->evtchn_lock);
	d->upcall = how;
	d->params[HVM_PARAM_CALLBACK_IRQ] = value;
	deliver_waiting(d, NULL);
	xa_unlock(&d->evtchn_lock);
	return 0;
}

static int64_t hvmop_set_param(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct xen_hvm_param *a = arg;
	struct xa_domain *d = v->d;
	int64_t ret = check_param(d, a->domid, a->index, MAY_SET);

	if (ret)
		return ret;
	if (a->index == HVM_PARAM_CALLBACK_IRQ)
		return set_callback(d, call, a->value);
	xa_lock(&d->evtchn_lock);
	if ((param_rights[a->index] & ONCE) && d->params[a->index] &&
	    d->params[a->index] != a->value)
		ret = -EEXIST;
	else
		d->params[a->index] = a->value;
	xa_unlock(&d->evtchn_lock);
	return ret;
}

static int64_t hvmop_get_param(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct xen_hvm_param *a = arg;
	int err = check_param(v->d, a->domid, a->index, MAY_GET);

	(void)call;
	if (!err)
		a->value = xa_hvm_param_get(v->d, a->index);
	return err;
}

/*
 * HVMOP_flush_tlbs: the host offers no way to flush guest-virtual translations of another vCPU.
 * Saying so is safe: callers fall back to flushing by IPI. ABI: only a null argument is valid
 */
static int64_t hvmop_flush_tlbs(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)v;
	(void)arg;
	return call->arg[1] ? -EINVAL : -ENOSYS;
}

static int64_t hvmop_get_time(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)call;
	((struct xen_hvm_get_time *)arg)->now = v->d->plat->now(v->d->ctx);
	return 0;
}

static int64_t hvmop_xentrace(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct xen_hvm_xentrace *a = arg;

	(void)v;
	(void)call;
	return a->extra_bytes > sizeof(a->extra) || a->event >> 12 ? -EINVAL : 0;
}

static int64_t hvmop_get_mem_type(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct xen_hvm_get_mem_type *a = arg;
	int err = xa_check_self(v->d, a->domid);

	(void)call;
	if (err)
		return err;
	a->mem_type = xa_page_of(v->d, a->pfn) ? HVMMEM_ram_rw : HVMMEM_mmio_dm;
	return 0;
}

static int64_t hvmop_set_evtchn_upcall_vector(struct xa_vcpu *v, const struct xa_call *call,
					      void *arg)
{
	const struct xen_hvm_evtchn_upcall_vector *a = arg;
	struct xa_upcall how = { XA_UPCALL_VCPU_VECTOR, a->vector };
	struct xa_domain *d = v->d;
	struct xa_vcpu *t;
	int err;

	(void)call;
	if (a->vector < 0x10)
		return -EINVAL;
	t = xa_domain_vcpu(d, a->vcpu);
	if (!t)
		return -ENOENT;
	err = d->plat->upcall_set(d->ctx, t->id, how);
	if (err)
		return err;
	xa_lock(&d->evtchn_lock);
	t->upcall = how;
	deliver_waiting(d, t);
	xa_unlock(&d->evtchn_lock);
	return 0;
}

/* Nobody listens to requests of the guest for introspection. ABI: only a null argument is valid */
static int64_t hvmop_guest_request_vm_event(struct xa_vcpu *v, const struct xa_call *call,
					    void *arg)
{
	(void)v;
	(void)arg;
	return call->arg[1] ? -EINVAL : 0;
}

static const struct xa_op ops[] = {
	[HVMOP_set_param] = { "set_param", hvmop_set_param, XA_ARG(xen_hvm_param), .dir = XA_IN },
	[HVMOP_get_param] = { "get_param", hvmop_get_param,
		XA_ARG(xen_hvm_param), .dir = XA_INOUT },
	[HVMOP_set_pci_intx_level] = { "set_pci_intx_level" },
	[HVMOP_set_isa_irq_level] = { "set_isa_irq_level" },
	[HVMOP_set_pci_link_route] = { "set_pci_link_route" },
	[HVMOP_flush_tlbs] = { "flush_tlbs", hvmop_flush_tlbs },
	/* only with shadow paging */
	[HVMOP_pagetable_dying] = { "pagetable_dying" },
	[HVMOP_get_time] = { "get_time", hvmop_get_time, XA_ARG(xen_hvm_get_time), .dir = XA_OUT },
	[HVMOP_xentrace] = { "xentrace", hvmop_xentrace, XA_ARG(xen_hvm_xentrace), .dir = XA_IN },
	[HVMOP_get_mem_type] = { "get_mem_type", hvmop_get_mem_type,
		XA_ARG(xen_hvm_get_mem_type), .dir = XA_INOUT },
	[HVMOP_set_evtchn_upcall_vector] = { "set_evtchn_upcall_vector",
		hvmop_set_evtchn_upcall_vector, XA_ARG(xen_hvm_evtchn_upcall_vector), .dir = XA_IN },
	[HVMOP_guest_request_vm_event] = { "guest_request_vm_event", hvmop_guest_request_vm_event },
	[HVMOP_altp2m] = { "altp2m", .err = -EOPNOTSUPP },
};

const struct xa_family xa_hvm_ops = { ops, DOM_ARRAY_LEN(ops), .arg = 1 };
