// SPDX-License-Identifier: MIT
/*
 * vcpu_op: starting and stopping vCPUs, their timers and the areas they share with the guest.
 *   ABI: xen/include/public/vcpu.h, hvm/hvm_vcpu.h
 */
#include <string.h>

#include "xenabi/sched.h"
#include "xenabi/vcpu.h"

#include "priv.h"

#define NS_PER_MS 1000000ull

/* The vCPU that the call is about; the family's check made sure that it exists. */
static struct xa_vcpu *target(struct xa_vcpu *v, const struct xa_call *call)
{
	return xa_domain_vcpu(v->d, (unsigned)call->arg[1]);
}

static int64_t check_vcpu(struct xa_vcpu *v, const struct xa_call *call)
{
	return call->arg[1] < v->d->cfg.max_vcpus ? 0 : -ENOENT;
}

static bool is_down(const struct xa_vcpu *v)
{
	return __atomic_load_n(&v->down, __ATOMIC_SEQ_CST);
}

/* Registers that cannot be entered with. ABI: xen/arch/x86/hvm/domain.c (observable behaviour) */
static int context_32(const struct vcpu_hvm_x86_32 *r, struct xa_vcpu_start *s)
{
	*s = (struct xa_vcpu_start){
		.rax = r->eax, .rcx = r->ecx, .rdx = r->edx, .rbx = r->ebx,
		.rsp = r->esp, .rbp = r->ebp, .rsi = r->esi, .rdi = r->edi,
		.rip = r->eip, .rflags = r->eflags,
		.cr0 = r->cr0, .cr3 = r->cr3, .cr4 = r->cr4, .efer = r->efer,
		.cs = { r->cs_base, r->cs_limit, r->cs_ar },
		.ds = { r->ds_base, r->ds_limit, r->ds_ar },
		.ss = { r->ss_base, r->ss_limit, r->ss_ar },
		.es = { r->es_base, r->es_limit, r->es_ar },
		.tr = { r->tr_base, r->tr_limit, r->tr_ar },
	};
	/* Code that is present, data and stack present or unusable, and eip inside of cs. */
	if (!(r->cs_ar & 0x80) || !(r->cs_ar & 0x18) || r->eip > r->cs_limit)
		return -EINVAL;
	if (!(r->ss_ar & 0x80) || (r->efer & (1u << 10)))
		return -EINVAL;
	return 0;
}

static int context_64(const struct vcpu_hvm_x86_64 *r, struct xa_vcpu_start *s)
{
	*s = (struct xa_vcpu_start){
		.mode64 = true,
		.rax = r->rax, .rcx = r->rcx, .rdx = r->rdx, .rbx = r->rbx,
		.rsp = r->rsp, .rbp = r->rbp, .rsi = r->rsi, .rdi = r->rdi,
		.rip = r->rip, .rflags = r->rflags,
		.cr0 = r->cr0, .cr3 = r->cr3, .cr4 = r->cr4, .efer = r->efer,
	};
	/* Long mode means paging, PAE, and EFER.LME with LMA. */
	if (!(r->cr0 & (1ull << 31)) || !(r->cr4 & (1u << 5)) || (r->efer & 0x500) != 0x500)
		return -EINVAL;
	return 0;
}

static int64_t vcpuop_initialise(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct vcpu_hvm_context *c = arg;
	struct xa_vcpu *t = target(v, call);
	struct xa_vcpu_start start;
	int err;

	if (v->d->cfg.pv)
		return -ENOSYS;	/* the shim's affair */
	if (c->pad || c->mode > VCPU_HVM_MODE_64B)
		return -EINVAL;
	err = c->mode == VCPU_HVM_MODE_64B ? context_64(&c->cpu_regs.x86_64, &start) :
					     context_32(&c->cpu_regs.x86_32, &start);
	if (err)
		return err;
	xa_lock(&v->d->evtchn_lock);
	if (t->info == v->d->dummy_info)
		err = -EINVAL;	/* it has no vcpu_info to run with */
	else if (t->initialised || !is_down(t))
		err = -EEXIST;
	if (!err) {
		t->initialised = true;
		t->start = start;
	}
	xa_unlock(&v->d->evtchn_lock);
	return err;
}

static int64_t vcpuop_up(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct xa_vcpu *t = target(v, call);
	struct xa_vcpu_start start;
	bool initialised, ran;
	int err;

	(void)arg;
	xa_lock(&v->d->evtchn_lock);
	initialised = t->initialised;
	start = t->start;
	xa_unlock(&v->d->evtchn_lock);
	if (!is_down(t))
		return 0;
	ran = __atomic_load_n(&t->ran, __ATOMIC_SEQ_CST);
	if (!initialised && !ran && !v->d->cfg.pv)
		return -EINVAL;
	/* One that was stopped goes on where it was. */
	err = v->d->plat->vcpu_up(v->d->ctx, t->id, ran || v->d->cfg.pv ? NULL : &start);
	if (!err) {
		__atomic_store_n(&t->ran, true, __ATOMIC_SEQ_CST);
		__atomic_store_n(&t->down, false, __ATOMIC_SEQ_CST);
	}
	return err;
}

/* Stopping the last vCPU that runs ends the domain. ABI: observable behaviour of Xen */
static int64_t vcpuop_down(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct xa_vcpu *t = target(v, call);
	struct xa_domain *d = v->d;
	bool last = true;
	int err;

	(void)arg;
	for (unsigned i = 0; i < d->cfg.max_vcpus; i++)
		last &= i == t->id || is_down(&d->vcpus[i]);
	if (last) {
		xa_shutdown(d, SHUTDOWN_poweroff);
		return 0;
	}
	if (is_down(t))
		return 0;
	err = d->plat->vcpu_down(d->ctx, t->id);
	if (!err)
		__atomic_store_n(&t->down, true, __ATOMIC_SEQ_CST);
	return err;
}

static int64_t vcpuop_is_up(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)arg;
	return !is_down(target(v, call));
}

static int64_t vcpuop_get_runstate_info(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct vcpu_runstate_info_64 *a = arg;
	struct xa_times times;

	xa_runstate_get(target(v, call), &times);
	a->state = (int32_t)times.state;
	a->state_entry_time = times.since;
	memcpy(a->time, times.time, sizeof(a->time));
	return 0;
}

/* Register an area that starts at @gpa0; what crosses into the next page is at @gpa1. */
static int64_t register_runstate(struct xa_vcpu *t, uint64_t gpa0, uint64_t gpa1)
{
	unsigned split = XEN_PAGE_SIZE - (gpa0 & (XEN_PAGE_SIZE - 1));
	uint64_t gpa[2] = { gpa0, gpa1 };

	return xa_runstate_area(t, gpa, split);
}

/* Bytes of a runstate area for a caller of this width. */
static unsigned runstate_size(const struct xa_call *call)
{
	return xa_is_32(call) ? sizeof(struct vcpu_runstate_info_32) :
				sizeof(struct vcpu_runstate_info_64);
}

static int64_t vcpuop_register_runstate_memory_area(struct xa_vcpu *v, const struct xa_call *call,
						    void *arg)
{
	uint64_t va = ((struct vcpu_register_area *)arg)->addr;
	unsigned size = runstate_size(call);
	struct xa_gpa first, rest;

	if (xa_is_32(call))
		va = (uint32_t)va;
	if (!va)
		return xa_runstate_area(target(v, call), NULL, 0);
	if (va + size < va || xa_translate(v, (struct xa_gva){ va }, &first))
		return -EFAULT;
	rest.v = (first.v | (XEN_PAGE_SIZE - 1)) + 1;
	if ((va & (XEN_PAGE_SIZE - 1)) + size > XEN_PAGE_SIZE &&
	    xa_translate(v, (struct xa_gva){ (va | (XEN_PAGE_SIZE - 1)) + 1 }, &rest))
		return -EFAULT;
	return register_runstate(target(v, call), first.v, rest.v);
}

static int64_t vcpuop_register_runstate_phys_area(struct xa_vcpu *v, const struct xa_call *call,
						  void *arg)
{
	uint64_t gpa = ((struct vcpu_register_area *)arg)->addr;

	if (gpa == UINT64_MAX)
		return xa_runstate_area(target(v, call), NULL, 0);
	if ((gpa & (XEN_PAGE_SIZE - 1)) + runstate_size(call) > XEN_PAGE_SIZE || gpa % 4)
		return -ENXIO;
	if (!xa_page_of(v->d, gpa >> XEN_PAGE_SHIFT))
		return -EINVAL;
	return register_runstate(target(v, call), gpa, gpa + XEN_PAGE_SIZE);
}

static int64_t vcpuop_register_vcpu_time_memory_area(struct xa_vcpu *v, const struct xa_call *call,
						     void *arg)
{
	uint64_t va = ((struct vcpu_register_area *)arg)->addr;
	struct xa_gpa gpa;

	if (xa_is_32(call))
		va = (uint32_t)va;
	if (xa_translate(v, (struct xa_gva){ va }, &gpa))
		return -EFAULT;
	/* The host writes one piece of guest-physical memory. */
	if ((va & (XEN_PAGE_SIZE - 1)) + sizeof(struct vcpu_time_info) > XEN_PAGE_SIZE)
		return -ENOSYS;
	return v->d->plat->time_area(v->d->ctx, target(v, call)->id, gpa);
}

static int64_t vcpuop_register_vcpu_time_phys_area(struct xa_vcpu *v, const struct xa_call *call,
						   void *arg)
{
	struct xa_gpa gpa = { ((struct vcpu_register_area *)arg)->addr };

	if ((gpa.v & (XEN_PAGE_SIZE - 1)) + sizeof(struct vcpu_time_info) > XEN_PAGE_SIZE)
		return -ENXIO;
	if (!xa_page_of(v->d, gpa.v >> XEN_PAGE_SHIFT))
		return -EINVAL;
	return v->d->plat->time_area(v->d->ctx, target(v, call)->id, gpa);
}

static int64_t vcpuop_set_periodic_timer(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	uint64_t period = ((struct vcpu_set_periodic_timer *)arg)->period_ns;

	if (period < NS_PER_MS || period > INT64_MAX / 2)
		return -EINVAL;
	xa_timer_set_periodic(target(v, call), period);
	return 0;
}

static int64_t vcpuop_stop_periodic_timer(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)arg;
	xa_timer_set_periodic(target(v, call), 0);
	return 0;
}

static int64_t vcpuop_set_singleshot_timer(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct vcpu_set_singleshot_timer_64 *a = arg;

	if (target(v, call) != v)
		return -EINVAL;
	if ((a->flags & VCPU_SSHOTTMR_future) &&
	    a->timeout_abs_ns < v->d->plat->now(v->d->ctx))
		return -ETIME;
	/* 0 is long past, but means "none" to the platform. */
	xa_timer_set_singleshot(v, a->timeout_abs_ns ? a->timeout_abs_ns : 1);
	return 0;
}

static int64_t vcpuop_stop_singleshot_timer(struct xa_vcpu *v, const struct xa_call *call,
					    void *arg)
{
	(void)arg;
	if (target(v, call) != v)
		return -EINVAL;
	xa_timer_set_singleshot(v, 0);
	return 0;
}

/* All ports may be pending: let the guest look at each. ABI: what Xen does when vcpu_info moves */
static void mark_all_pending(struct xa_vcpu *t)
{
	if (t->d->shared_32)
		DOM_STORE((uint32_t *)(t->info + XA_VCPU_INFO_SEL_32), UINT32_MAX);
	else
		DOM_STORE((uint64_t *)(t->info + XA_VCPU_INFO_SEL_64), UINT64_MAX);
	xa_mark_pending(t);
}

static int64_t vcpuop_register_vcpu_info(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct vcpu_register_vcpu_info *a = arg;
	struct xa_vcpu *t = target(v, call);
	struct xa_domain *d = v->d;
	uint8_t *page;
	int err;

	if (a->offset > XEN_PAGE_SIZE - XA_VCPU_INFO_SIZE || a->offset % 8)
		return -ENXIO;
	if (t != v && !is_down(t))
		return -EINVAL;
	page = a->mfn < (1ull << (64 - XEN_PAGE_SHIFT)) ? xa_page_of(d, a->mfn) : NULL;
	if (!page)
		return -EINVAL;

	xa_lock(&d->evtchn_lock);
	if (t->info_registered) {
		xa_unlock(&d->evtchn_lock);
		return -EINVAL;
	}
	dom_copy_once(page + a->offset, t->info, XA_VCPU_INFO_SIZE);
	__atomic_store_n(&t->info, page + a->offset, __ATOMIC_RELEASE);
	t->info_registered = true;
	xa_unlock(&d->evtchn_lock);

	err = d->plat->vcpu_info(d->ctx, t->id,
				 (struct xa_gpa){ (a->mfn << XEN_PAGE_SHIFT) + a->offset });
	xa_lock(&d->evtchn_lock);
	if (err) {
		t->info_registered = false;
		__atomic_store_n(&t->info, xa_default_info(t), __ATOMIC_RELEASE);
	}
	mark_all_pending(t);
	xa_unlock(&d->evtchn_lock);
	return err;
}

static int64_t vcpuop_send_nmi(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)arg;
	if (call->arg[2])
		return -EINVAL;
	return v->d->plat->nmi(v->d->ctx, target(v, call)->id);
}

static const struct xa_field runstate[] = {
	XA_FIELD(vcpu_runstate_info, state), XA_FIELD(vcpu_runstate_info, state_entry_time),
	XA_FIELD(vcpu_runstate_info, time),
};
static const struct xa_field singleshot[] = {
	XA_FIELD(vcpu_set_singleshot_timer, timeout_abs_ns),
	XA_FIELD(vcpu_set_singleshot_timer, flags),
};

static const struct xa_op ops[] = {
	[VCPUOP_initialise] = { "initialise", vcpuop_initialise,
		XA_ARG(vcpu_hvm_context), .dir = XA_IN },
	[VCPUOP_up] = { "up", vcpuop_up },
	[VCPUOP_down] = { "down", vcpuop_down },
	[VCPUOP_is_up] = { "is_up", vcpuop_is_up },
	[VCPUOP_get_runstate_info] = { "get_runstate_info", vcpuop_get_runstate_info,
		XA_ARG2(vcpu_runstate_info, runstate), .dir = XA_OUT },
	[VCPUOP_register_runstate_memory_area] = { "register_runstate_memory_area",
		vcpuop_register_runstate_memory_area, XA_ARG(vcpu_register_area), .dir = XA_IN },
	[VCPUOP_set_periodic_timer] = { "set_periodic_timer", vcpuop_set_periodic_timer,
		XA_ARG(vcpu_set_periodic_timer), .dir = XA_IN },
	[VCPUOP_stop_periodic_timer] = { "stop_periodic_timer", vcpuop_stop_periodic_timer },
	[VCPUOP_set_singleshot_timer] = { "set_singleshot_timer", vcpuop_set_singleshot_timer,
		XA_ARG2(vcpu_set_singleshot_timer, singleshot), .dir = XA_IN },
	[VCPUOP_stop_singleshot_timer] = { "stop_singleshot_timer", vcpuop_stop_singleshot_timer },
	[VCPUOP_register_vcpu_info] = { "register_vcpu_info", vcpuop_register_vcpu_info,
		XA_ARG(vcpu_register_vcpu_info), .dir = XA_IN },
	[VCPUOP_send_nmi] = { "send_nmi", vcpuop_send_nmi },
	/* pinned domain 0 only */
	[VCPUOP_get_physid] = { "get_physid", .err = -EINVAL },
	[VCPUOP_register_vcpu_time_memory_area] = { "register_vcpu_time_memory_area",
		vcpuop_register_vcpu_time_memory_area, XA_ARG(vcpu_register_area), .dir = XA_IN },
	[VCPUOP_register_runstate_phys_area] = { "register_runstate_phys_area",
		vcpuop_register_runstate_phys_area, XA_ARG(vcpu_register_area), .dir = XA_IN },
	[VCPUOP_register_vcpu_time_phys_area] = { "register_vcpu_time_phys_area",
		vcpuop_register_vcpu_time_phys_area, XA_ARG(vcpu_register_area), .dir = XA_IN },
};

const struct xa_family xa_vcpu_ops = { ops, DOM_ARRAY_LEN(ops), .arg = 2, .check = check_vcpu };
