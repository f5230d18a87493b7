// SPDX-License-Identifier: MIT
/*
 * The reasons for which KVM_RUN returns, as a table.
 */
#include <errno.h>
#include <unistd.h>

#include "vmm.h"

/*
 * A triple fault. Xen ends the domain with HVM_PARAM_TRIPLE_FAULT_REASON, whose default is reboot:
 * it is the last resort of Linux's reboot code.
 *   ABI: xen/include/public/hvm/params.h
 */
static int exit_shutdown(struct vmm_vcpu *v)
{
	if (v->vmm->cfg.pv) {
		/* Its kernel has no way to make one but to spoil the shim. */
		vmm_report_crash(v);
		dom_log(&v->vmm->log, DOM_LOG_ERROR, "vcpu %u: the PV guest crashed: triple fault "
			"in the shim", v->id);
		vmm_finish(v->vmm, VMM_CRASHED);
		return 0;
	}
	dom_log(&v->vmm->log, DOM_LOG_INFO, "vcpu %u: triple fault", v->id);
	vmm_finish(v->vmm, VMM_REBOOT);
	return 0;
}

static int exit_system_event(struct vmm_vcpu *v)
{
	enum vmm_outcome outcome = VMM_CRASHED;

	if (v->run->system_event.type == KVM_SYSTEM_EVENT_SHUTDOWN)
		outcome = VMM_POWEROFF;
	else if (v->run->system_event.type == KVM_SYSTEM_EVENT_RESET)
		outcome = VMM_REBOOT;
	vmm_finish(v->vmm, outcome);
	return 0;
}

static int exit_fail_entry(struct vmm_vcpu *v)
{
	dom_log(&v->vmm->log, DOM_LOG_ERROR, "vcpu %u: the processor refused to enter the guest "
		"(hardware reason %#llx)", v->id,
		(unsigned long long)v->run->fail_entry.hardware_entry_failure_reason);
	return -EIO;
}

static int exit_internal(struct vmm_vcpu *v)
{
	dom_log(&v->vmm->log, DOM_LOG_ERROR, "vcpu %u: KVM cannot continue (suberror %u) at rip %#llx",
		v->id, v->run->internal.suberror, (unsigned long long)v->run->s.regs.regs.rip);
	return -EIO;
}

/* Nothing to do: a signal, or an IO-APIC's business that a domain without one does not have. */
static int exit_nothing(struct vmm_vcpu *v)
{
	(void)v;
	return 0;
}

static const struct {
	const char *name;
	int (*handle)(struct vmm_vcpu *v);
} exits[VMM_EXIT_REASONS] = {
	[KVM_EXIT_IO]             = { "io",             vmm_exit_io },
	[KVM_EXIT_HLT]            = { "hlt",            exit_nothing },
	[KVM_EXIT_MMIO]           = { "mmio",           vmm_exit_mmio },
	[KVM_EXIT_IRQ_WINDOW_OPEN] = { "irq-window",    exit_nothing },
	[KVM_EXIT_SHUTDOWN]       = { "triple-fault",   exit_shutdown },
	[KVM_EXIT_FAIL_ENTRY]     = { "fail-entry",     exit_fail_entry },
	[KVM_EXIT_INTR]           = { "signal",         exit_nothing },
	[KVM_EXIT_INTERNAL_ERROR] = { "internal-error", exit_internal },
	[KVM_EXIT_SYSTEM_EVENT]   = { "system-event",   exit_system_event },
	[KVM_EXIT_IOAPIC_EOI]     = { "ioapic-eoi",     exit_nothing },
	[KVM_EXIT_X86_RDMSR]      = { "rdmsr",          vmm_exit_rdmsr },
	[KVM_EXIT_X86_WRMSR]      = { "wrmsr",          vmm_exit_wrmsr },
	[KVM_EXIT_XEN]            = { "xen",            vmm_exit_xen },
};

const char *vmm_exit_name(unsigned reason)
{
	return reason < VMM_EXIT_REASONS && exits[reason].name ? exits[reason].name : "other";
}

int vmm_exit_handle(struct vmm_vcpu *v)
{
	uint32_t reason = v->run->exit_reason;

	if (reason >= VMM_EXIT_REASONS || !exits[reason].handle) {
		dom_log(&v->vmm->log, DOM_LOG_ERROR, "vcpu %u: unexpected KVM exit %u at rip %#llx",
			v->id, reason, (unsigned long long)v->run->s.regs.regs.rip);
		return -EIO;
	}
	return exits[reason].handle(v);
}

void vmm_finish(struct vmm *vm, enum vmm_outcome outcome)
{
	int running = VMM_RUNNING;
	uint64_t one = 1;

	if (!__atomic_compare_exchange_n(&vm->outcome, &running, (int)outcome, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	/* An eventfd's counter of 1 always has room. */
	if (write(vm->stop_fd, &one, sizeof(one)) < 0)
		return;
}

void vmm_destroy(struct vmm *vm)
{
	vm->destroyed = true;
	vmm_finish(vm, VMM_DESTROYED);
}
