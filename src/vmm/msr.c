// SPDX-License-Identifier: MIT
/*
 * Model-specific registers that KVM hands to us: those it does not know, and on hosts without
 * KVM_XEN the register by which a guest asks for its hypercall page.
 *
 * Unknown registers fault, as under Xen, except those of a short list that guests write without
 * being prepared for a fault.
 */
#include <errno.h>
#include <string.h>

#include "vmm.h"

/* ABI: xen/include/public/arch-x86/cpuid.h (leaf 2, EBX) */
#define MSR_XEN_HYPERCALL_PAGE 0x40000000u
#define MSR_EFER 0xc0000080u

static int write_hypercall_page(struct vmm_vcpu *v, uint64_t value)
{
	return vmm_plain_hypercall_page(v, value);
}

static int write_efer(struct vmm_vcpu *v, uint64_t value)
{
	return vmm_plain_efer(v, value);
}

static int write_ignored(struct vmm_vcpu *v, uint64_t value)
{
	(void)v;
	(void)value;
	return 0;
}

static const struct {
	uint32_t first, last;
	bool readable;				/* reads give zero; otherwise they fault */
	int (*write)(struct vmm_vcpu *v, uint64_t value);	/* NULL: faults */
	const char *who;
} msrs[] = {
	{ MSR_XEN_HYPERCALL_PAGE, MSR_XEN_HYPERCALL_PAGE, false, write_hypercall_page,
	  "GRUB, mini-os, BSDs, Linux before 6.1.120" },
	{ MSR_EFER, MSR_EFER, false, write_efer, "every 64-bit kernel, once per processor that starts" },
	{ 0xc0010000, 0xc0010007, true, write_ignored, "AMD performance counters, probed by Linux" },
	{ 0x00000034, 0x00000034, true, NULL, "SMI count, read by turbostat-like probes" },
};

int vmm_exit_rdmsr(struct vmm_vcpu *v)
{
	v->run->msr.data = 0;
	v->run->msr.error = 1;
	for (size_t i = 0; i < DOM_ARRAY_LEN(msrs); i++) {
		if (v->run->msr.index - msrs[i].first <= msrs[i].last - msrs[i].first &&
		    msrs[i].readable)
			v->run->msr.error = 0;
	}
	if (v->run->msr.error)
		dom_log_guest(&v->vmm->log, &v->vmm->guest_log, DOM_LOG_DEBUG,
			      "vcpu %u: read of unknown MSR %#x", v->id, v->run->msr.index);
	return 0;
}

int vmm_exit_wrmsr(struct vmm_vcpu *v)
{
	v->run->msr.error = 1;
	for (size_t i = 0; i < DOM_ARRAY_LEN(msrs); i++) {
		if (v->run->msr.index - msrs[i].first <= msrs[i].last - msrs[i].first &&
		    msrs[i].write && !msrs[i].write(v, v->run->msr.data))
			v->run->msr.error = 0;
	}
	if (v->run->msr.error)
		dom_log_guest(&v->vmm->log, &v->vmm->guest_log, DOM_LOG_DEBUG,
			      "vcpu %u: write of unknown MSR %#x", v->id, v->run->msr.index);
	return 0;
}

/*
 * 0x40000000 is Hyper-V's guest id to KVM, which would take the write for itself: deny it by a
 * filter, so that it comes to us. So does EFER, which tells of kernels that the guest loaded itself.
 * With KVM_XEN the kernel fills the page and serves hypercalls wherever they come from, and no
 * filter is needed.
 */
static int trap_msrs(struct vmm *vm)
{
	uint8_t deny = 0;
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges[0] = {
			.flags = KVM_MSR_FILTER_WRITE,
			.base = MSR_XEN_HYPERCALL_PAGE,
			.nmsrs = 1,
			.bitmap = &deny,
		},
		.ranges[1] = {
			.flags = KVM_MSR_FILTER_WRITE,
			.base = MSR_EFER,
			.nmsrs = 1,
			.bitmap = &deny,
		},
	};

	return vmm_ioctl(vm->vm_fd, KVM_X86_SET_MSR_FILTER, &filter);
}

int vmm_msr_init(struct vmm *vm, struct dom_err *err)
{
	int r = vmm_enable_cap(vm, KVM_CAP_X86_USER_SPACE_MSR,
			       KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER);

	if (!r && vm->accel == &vmm_accel_plain)
		r = trap_msrs(vm);
	return r ? dom_err_set(err, r, "/dev/kvm: cannot trap MSRs: %s", strerror(-r)) : 0;
}
