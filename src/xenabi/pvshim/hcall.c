// SPDX-License-Identifier: MIT
/*
 * The hypercalls that the shim answers itself: those on the processor and on page tables. The rest
 * is the VMM's, which has the same handlers for PVH guests.
 */
#include "shim.h"
#include "hw.h"

int64_t shim_forward(struct shim_vcpu *v, const struct shim_call *call)
{
	int64_t r;

	shim_out_of_guest(v);
	/* Numbers from SHIM_CALLS on are the shim's own. */
	r = call->nr < SHIM_CALLS ? hw_call(call->nr, call->arg) : -ENOSYS;
	shim_in_guest(v);
	return r;
}

/* What guests do most is called directly: indirect calls are slow, the way entry.S makes us do them. */
static int64_t run(struct shim_vcpu *v, const struct shim_call *call)
{
	shim_hcall_fn *fn;

	if (call->nr == __HYPERVISOR_mmu_update)
		return shim_mmu_update(v, call);
	if (call->nr == __HYPERVISOR_update_va_mapping)
		return shim_update_va_mapping(v, call);
	if (call->nr == __HYPERVISOR_mmuext_op)
		return shim_mmuext_op(v, call);
	fn = call->nr < shim_nr_hcalls ? shim_hcalls[call->nr] : NULL;
	return fn ? fn(v, call) : shim_forward(v, call);
}

#define BATCH 8u

/* ABI: calls are made in order, whatever their results; a list in a list is refused, and iret. */
static int64_t multicall(struct shim_vcpu *v, const struct shim_call *call)
{
	uint64_t at = call->arg[0], count = call->arg[1];

	for (uint64_t done = 0; done < count;) {
		unsigned n = count - done < BATCH ? (unsigned)(count - done) : BATCH;
		struct shim_call list[BATCH];

		if (shim_copy_from(list, at, n * sizeof(list[0])))
			return -EFAULT;
		for (unsigned i = 0; i < n; i++) {
			int64_t r = list[i].nr == __HYPERVISOR_multicall ? -EINVAL : -ENOSYS;

			if (list[i].nr != __HYPERVISOR_multicall && list[i].nr != __HYPERVISOR_iret)
				r = run(v, &list[i]);
			if (shim_store(at + offsetof(struct shim_call, result), (uint64_t)r))
				return -EFAULT;
			at += sizeof(list[0]);
		}
		done += n;
	}
	return 0;
}

shim_hcall_fn *const shim_hcalls[] = {
	[__HYPERVISOR_set_trap_table] = shim_set_trap_table,
	[__HYPERVISOR_mmu_update] = shim_mmu_update,
	[__HYPERVISOR_set_gdt] = shim_set_gdt,
	[__HYPERVISOR_stack_switch] = shim_stack_switch,
	[__HYPERVISOR_set_callbacks] = shim_set_callbacks,
	[__HYPERVISOR_fpu_taskswitch] = shim_fpu_taskswitch,
	[__HYPERVISOR_set_debugreg] = shim_set_debugreg,
	[__HYPERVISOR_get_debugreg] = shim_get_debugreg,
	[__HYPERVISOR_update_descriptor] = shim_update_descriptor,
	[__HYPERVISOR_memory_op] = shim_memory_op,
	[__HYPERVISOR_multicall] = multicall,
	[__HYPERVISOR_set_timer_op] = shim_set_timer_op,
	[__HYPERVISOR_update_va_mapping] = shim_update_va_mapping,
	[__HYPERVISOR_xen_version] = shim_xen_version,
	[__HYPERVISOR_grant_table_op] = shim_grant_table_op,
	[__HYPERVISOR_vm_assist] = shim_vm_assist,
	[__HYPERVISOR_update_va_mapping_otherdomain] = shim_update_va_mapping,
	[__HYPERVISOR_vcpu_op] = shim_vcpu_op,
	[__HYPERVISOR_set_segment_base] = shim_set_segment_base,
	[__HYPERVISOR_mmuext_op] = shim_mmuext_op,
	[__HYPERVISOR_nmi_op] = shim_nmi_op,
	[__HYPERVISOR_sched_op] = shim_sched_op,
	[__HYPERVISOR_callback_op] = shim_callback_op,
	[__HYPERVISOR_physdev_op] = shim_physdev_op,
};
const unsigned shim_nr_hcalls = DOM_ARRAY_LEN(shim_hcalls);

void shim_hypercall(struct shim_vcpu *v, struct shim_regs *r)
{
	if (r->rax == __HYPERVISOR_iret)
		shim_iret(v, r);
	else
		r->rax = (uint64_t)run(v, shim_call_of(r));
}
