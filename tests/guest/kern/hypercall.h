/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls of a test kernel: through the hypercall page by default, through a site in the kernel
 * by hypercall_site(). Results are Xen's: >= 0 or a negative error number.
 */
#ifndef KERN_HYPERCALL_H
#define KERN_HYPERCALL_H

#include "kern/kern.h"
#include "xenabi/errno.h"
#include "xenabi/event_channel.h"
#include "xenabi/grant_table.h"
#include "xenabi/hvm.h"
#include "xenabi/hypercall.h"
#include "xenabi/memory.h"
#include "xenabi/sched.h"
#include "xenabi/vcpu.h"
#include "xenabi/version.h"

#define XA_DEFINE_ERRNO(name, number) name = number,
enum { XA_ERRNOS(XA_DEFINE_ERRNO) };

extern uint32_t xen_cpuid_base;		/* 0: not found */
extern uint8_t hypercall_page[];	/* filled by the hypervisor in kern_main */
extern const char site_ret_amd[], site_ret_intel[], site_jmp_amd[], site_jmp_intel[];
extern const char site_endbr_amd[], site_endbr_intel[];
/** The instruction that this processor has. */
const char *pick_site(const char *amd, const char *intel);

long hypercall_at(const void *entry, unsigned long nr, const unsigned long arg[6]);

static inline long hypercall_via(const void *entry, unsigned nr, unsigned long a, unsigned long b,
				 unsigned long c, unsigned long d)
{
	const unsigned long arg[6] = { a, b, c, d };

	return hypercall_at(entry, nr, arg);
}

static inline long hypercall4(unsigned nr, unsigned long a, unsigned long b, unsigned long c,
			      unsigned long d)
{
	return hypercall_via(hypercall_page + nr * XA_HYPERCALL_STUB, nr, a, b, c, d);
}

/* Any number, also those without a stub: executed at a site. */
static inline long hypercall_site(unsigned nr, unsigned long a, unsigned long b, unsigned long c)
{
	return hypercall_via(pick_site(site_ret_amd, site_ret_intel), nr, a, b, c, 0);
}

static inline long xen_version(unsigned op, void *arg)
{
	return hypercall4(__HYPERVISOR_xen_version, op, (unsigned long)arg, 0, 0);
}

static inline long memory_op(unsigned op, void *arg)
{
	return hypercall4(__HYPERVISOR_memory_op, op, (unsigned long)arg, 0, 0);
}

static inline long event_channel_op(unsigned op, void *arg)
{
	return hypercall4(__HYPERVISOR_event_channel_op, op, (unsigned long)arg, 0, 0);
}

static inline long sched_op(unsigned op, void *arg)
{
	return hypercall4(__HYPERVISOR_sched_op, op, (unsigned long)arg, 0, 0);
}

static inline long vcpu_op(unsigned op, unsigned vcpu, void *arg)
{
	return hypercall4(__HYPERVISOR_vcpu_op, op, vcpu, (unsigned long)arg, 0);
}

static inline long hvm_op(unsigned op, void *arg)
{
	return hypercall4(__HYPERVISOR_hvm_op, op, (unsigned long)arg, 0, 0);
}

static inline long grant_table_op(unsigned op, void *arg, unsigned count)
{
	return hypercall4(__HYPERVISOR_grant_table_op, op, (unsigned long)arg, count, 0);
}

static inline long sched_shutdown(unsigned reason)
{
	struct sched_shutdown s = { reason };

	return sched_op(SCHEDOP_shutdown, &s);
}

static inline long hvm_get_param(unsigned index, uint64_t *ret)
{
	struct xen_hvm_param p = { .domid = DOMID_SELF, .index = index };
	long r = hvm_op(HVMOP_get_param, &p);

	*ret = p.value;
	return r;
}

static inline long hvm_set_param(unsigned index, uint64_t value)
{
	struct xen_hvm_param p = { .domid = DOMID_SELF, .index = index, .value = value };

	return hvm_op(HVMOP_set_param, &p);
}

static inline long add_to_physmap(unsigned space, unsigned long idx, uint64_t gpa)
{
	struct ABI(xen_add_to_physmap) a = {
		.domid = DOMID_SELF, .space = space, .idx = idx,
		.gpfn = (unsigned long)(gpa >> XEN_PAGE_SHIFT),
	};

	return memory_op(XENMEM_add_to_physmap, &a);
}

#endif
