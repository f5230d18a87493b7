// SPDX-License-Identifier: MIT
/*
 * Exceptions, interrupts and system calls: what the processor brings to the shim, sorted. Faults of
 * the shim itself are told apart by the level in CS, and are expected only where entry.S's table of
 * fixups says so.
 */
#include "xenabi/shared_info.h"

#include "shim.h"
#include "hw.h"

struct shim_fixup {
	uint64_t at, to;
};
#ifdef SHIM_UNIT
static const struct shim_fixup shim_ex_table[1];
#define shim_ex_end (shim_ex_table)
#else
extern const struct shim_fixup shim_ex_table[], shim_ex_end[];
#endif

static struct shim_vcpu *vcpu_of(const struct shim_regs *r)
{
	return (struct shim_vcpu *)((uintptr_t)r & ~(uintptr_t)(SHIM_VCPU_SIZE - 1));
}

/* From user mode of a guest with two page tables: the rest of memory is needed now. */
static void see_all(const struct shim_vcpu *v)
{
	if (DOM_UNLIKELY(shim_info()->two_roots) && !v->kernel_mode)
		hw_write_cr3(v->kernel_root);
}

/* A return to the kernel that an instruction of its own made at level 3 goes on at level 1. */
static bool heal(struct shim_vcpu *v, struct shim_regs *r)
{
	if (!v->kernel_mode || (r->cs & 3) != 3)
		return false;
	r->cs = SEL_KERNEL_CS;
	r->ss = SEL_KERNEL_SS;
	return true;
}

static void general_protection(struct shim_vcpu *v, struct shim_regs *r)
{
	if (heal(v, r) || shim_emulate(v, r))
		return;
	shim_inject(v, r, VEC_GP);
}

static void page_fault(struct shim_vcpu *v, struct shim_regs *r)
{
	uint64_t cr2 = hw_read_cr2();

	if (heal(v, r))
		return;
	if (v->kernel_mode && (r->error & (PF_PRESENT | PF_WRITE)) == (PF_PRESENT | PF_WRITE) &&
	    shim_write_fault(v, cr2))
		return;
	if (DOM_UNLIKELY(shim_window_fault(v, cr2, &r->error))) {
		shim_inject(v, r, VEC_GP);
		return;
	}
	*(uint64_t *)(void *)(v->info + XA_VCPU_INFO_CR2_64) = cr2;
	shim_inject(v, r, VEC_PF);
}

static void invalid_opcode(struct shim_vcpu *v, struct shim_regs *r)
{
	if (!shim_emulate_ud(v, r))
		shim_inject(v, r, VEC_UD);
}

/* ABI: the handler finds TS clear, as if it had asked for that. */
static void no_device(struct shim_vcpu *v, struct shim_regs *r)
{
	hw_write_cr0(hw_read_cr0() & ~CR0_TS);
	shim_inject(v, r, VEC_NM);
}

static void debug(struct shim_vcpu *v, struct shim_regs *r)
{
	v->dr[6] = hw_read_dr6();
	shim_inject(v, r, VEC_DB);
}

static void machine(struct shim_vcpu *v, struct shim_regs *r)
{
	(void)v;
	shim_crash(SHIM_CRASH_MACHINE, r->rip, r->vector, r->rsp);
}

/* We send none, the hardware's are the host's. */
static void nmi(struct shim_vcpu *v, struct shim_regs *r)
{
	(void)v;
	(void)r;
}

static void (*const exceptions[32])(struct shim_vcpu *v, struct shim_regs *r) = {
	[VEC_DB] = debug,
	[VEC_NMI] = nmi,
	[VEC_UD] = invalid_opcode,
	[VEC_NM] = no_device,
	[VEC_DF] = machine,
	[VEC_GP] = general_protection,
	[VEC_PF] = page_fault,
	[VEC_MC] = machine,
};

static void interrupt(struct shim_vcpu *v, const struct shim_regs *r)
{
	if (r->vector == SHIM_VECTOR_SPURIOUS)
		return;
	hw_wrmsr(MSR_X2APIC_EOI, 0);
	if (r->vector == SHIM_VECTOR_FLUSH)
		shim_flush_asked(v);
	else if (r->vector == SHIM_VECTOR_NMI)
		v->nmi_pending = true;
}

/* At level 0: an interrupt while we wait for one, an NMI, or a fault that has a fixup. */
static void own(struct shim_vcpu *v, struct shim_regs *r)
{
	if (r->vector >= 32) {
		interrupt(v, r);
		return;
	}
	if (r->vector == VEC_NMI)
		return;
	if (r->vector == VEC_DB) {
		/* A breakpoint that was held up by MOV SS until our first instruction. */
		r->rflags &= ~RFLAGS_TF;
		return;
	}
	for (const struct shim_fixup *f = shim_ex_table; f != shim_ex_end; f++) {
		if (f->at == r->rip) {
			r->rip = f->to;
			return;
		}
	}
	shim_crash(SHIM_CRASH_SHIM, r->rip, r->vector,
		   r->vector == VEC_PF ? hw_read_cr2() : r->rsp);
}

void shim_trap(struct shim_regs *r)
{
	struct shim_vcpu *v = vcpu_of(r);

	if ((r->cs & 3) == 0) {
		own(v, r);
		return;
	}
	see_all(v);
	if (r->vector < 32) {
		if (exceptions[r->vector])
			exceptions[r->vector](v, r);
		else
			shim_inject(v, r, (unsigned)r->vector);
	} else if (r->vector == VEC_INT80) {
		shim_inject(v, r, VEC_INT80);
	} else {
		interrupt(v, r);
	}
	shim_leave(v, r);
}

void shim_syscall(struct shim_regs *r)
{
	struct shim_vcpu *v = vcpu_of(r);

	if (v->kernel_mode) {
		r->cs = SEL_KERNEL_CS;
		r->ss = SEL_KERNEL_SS;
		shim_hypercall(v, r);
	} else {
		const struct shim_gate *gate = r->vector == 0x100 ? &v->syscall : &v->syscall32;

		r->cs = r->vector == 0x100 ? FLAT_RING3_CS64 : FLAT_RING3_CS32;
		r->ss = FLAT_RING3_DS64;
		if (!gate->address)
			shim_crash(SHIM_CRASH_NO_HANDLER, r->rip, r->vector, 0);
		see_all(v);
		shim_bounce(v, r, gate);
	}
	shim_leave(v, r);
}

/* The kernel asked for a return that the processor refused; @r is what should have been. */
void shim_iret_failed(struct shim_regs *r)
{
	struct shim_vcpu *v = vcpu_of(r);

	see_all(v);
	shim_bounce_failsafe(v, r);
	shim_leave(v, r);
}
