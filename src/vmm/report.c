// SPDX-License-Identifier: MIT
/*
 * What is told of a PV guest that crashed, for those who look for the reason: the registers of the
 * guest, of which the shim keeps a copy, and those of the processor where they differ. The log has
 * them before the line that says what happened. The guest's are told on request, too (debugkey.c).
 */
#include "xenabi/pv.h"
#include "vmm.h"

typedef unsigned long long ull;

#define SAY(v, fmt, ...) \
	dom_log(&(v)->vmm->log, DOM_LOG_ERROR, "vcpu %u: " fmt, (v)->id, __VA_ARGS__)

/* What AMD's KVM leaves after a triple fault is a processor that was reset. */
static bool is_reset(const struct kvm_regs *r, const struct kvm_sregs *s)
{
	return r->rip == 0xfff0 && s->cs.selector == 0xf000;
}

static void report_processor(struct vmm_vcpu *v)
{
	const struct kvm_regs *r = &v->run->s.regs.regs;
	const struct kvm_sregs *s = &v->run->s.regs.sregs;

	if (is_reset(r, s))
		SAY(v, "%s", "the processor's own registers are lost: it was reset");
	else
		SAY(v, "the processor is at level %u: rip %#llx rsp %#llx rflags %#llx cr2 %#llx cr3 %#llx",
		    s->ss.dpl, (ull)r->rip, (ull)r->rsp, (ull)r->rflags, (ull)s->cr2, (ull)s->cr3);
}

static void tell(struct vmm_vcpu *v, const struct vcpu_guest_context_64 *c)
{
	const struct cpu_user_regs_64 *u = &c->user_regs;

	SAY(v, "the guest was in its %s: rip %#llx rsp %#llx rflags %#llx cs %#x ss %#x vector %u error %#x",
	    c->flags & VGCF_in_kernel ? "kernel" : "user mode", (ull)u->rip, (ull)u->rsp,
	    (ull)u->rflags, u->cs, u->ss, u->entry_vector, u->error_code);
	SAY(v, "rax %016llx rbx %016llx rcx %016llx rdx %016llx", (ull)u->rax, (ull)u->rbx,
	    (ull)u->rcx, (ull)u->rdx);
	SAY(v, "rsi %016llx rdi %016llx rbp %016llx r8  %016llx", (ull)u->rsi, (ull)u->rdi,
	    (ull)u->rbp, (ull)u->r8);
	SAY(v, "r9  %016llx r10 %016llx r11 %016llx r12 %016llx", (ull)u->r9, (ull)u->r10,
	    (ull)u->r11, (ull)u->r12);
	SAY(v, "r13 %016llx r14 %016llx r15 %016llx", (ull)u->r13, (ull)u->r14, (ull)u->r15);
	SAY(v, "page tables %#llx and, of user mode, %#llx; kernel stack %#llx", (ull)c->ctrlreg[3],
	    (ull)c->ctrlreg[1], (ull)c->kernel_sp);
	SAY(v, "fs %#llx gs %#llx user's gs %#llx", (ull)c->fs_base, (ull)c->gs_base_kernel,
	    (ull)c->gs_base_user);
}

void vmm_report_guest(struct vmm_vcpu *v)
{
	struct vcpu_guest_context_64 c;

	if (!vmm_dump_vcpu_state(v, &c))
		tell(v, &c);
}

void vmm_report_crash(struct vmm_vcpu *v)
{
	report_processor(v);
	vmm_report_guest(v);
}
