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
static const uint8_t shim_stubs[16];
#define shim_stubs_end (&shim_stubs[16])
extern const uint8_t shim_halting[];
#else
#pragma GCC visibility push(hidden)
extern const struct shim_fixup shim_ex_table[], shim_ex_end[];
extern const uint8_t shim_stubs[], shim_stubs_end[], shim_halting[];
#pragma GCC visibility pop
#endif

static struct shim_vcpu *vcpu_of(const struct shim_regs *r)
{
	return (struct shim_vcpu *)((uintptr_t)r & ~(uintptr_t)(SHIM_VCPU_SIZE - 1));
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
	v->state.dr[6] = hw_read_dr6();
	shim_inject(v, r, VEC_DB);
}

static void machine(struct shim_vcpu *v, struct shim_regs *r)
{
	(void)v;
	shim_crash(SHIM_CRASH_MACHINE, r->rip, r->vector, r->rsp);
}

/* But for #PF and #GP, which are called directly since there are so many. */
static void (*const exceptions[32])(struct shim_vcpu *v, struct shim_regs *r) = {
	[VEC_DB] = debug,
	[VEC_UD] = invalid_opcode,
	[VEC_NM] = no_device,
	[VEC_DF] = machine,
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
		shim_nmi_state(v, true, v->nmi_masked);
}

/* The table has addresses of the original of a vCPU's own code (entry.S). */
static uint64_t original(const struct shim_vcpu *v, uint64_t rip)
{
	uint64_t offset = rip - ((uintptr_t)v + VCPU_STUBS);

	return offset < (uintptr_t)shim_stubs_end - (uintptr_t)shim_stubs ?
	       (uintptr_t)shim_stubs + offset : rip;
}

static uint64_t copy(const struct shim_vcpu *v, uint64_t rip)
{
	uint64_t offset = rip - (uintptr_t)shim_stubs;

	return offset < (uintptr_t)shim_stubs_end - (uintptr_t)shim_stubs ?
	       (uintptr_t)v + VCPU_STUBS + offset : rip;
}

/* At level 0: an interrupt while we wait for one, or a fault that has a fixup. */
static void own(struct shim_vcpu *v, struct shim_regs *r)
{
	if (r->vector >= 32) {
		interrupt(v, r);
		/*
		 * No interrupt comes between STI and HLT, says the architecture; a processor that another
		 * one emulates may forget that when its guest is left there. Sleeping now, with the event
		 * already taken, nobody would ever wake us.
		 */
		if (r->rip == (uintptr_t)shim_halting)
			r->rip++;
		return;
	}
	for (const struct shim_fixup *f = shim_ex_table; f != shim_ex_end; f++) {
		if (f->at == original(v, r->rip)) {
			r->rip = copy(v, f->to);
			return;
		}
	}
	shim_crash(SHIM_CRASH_SHIM, r->rip, r->vector,
		   r->vector == VEC_PF ? hw_read_cr2() : r->rsp);
}

bool shim_trap(struct shim_regs *r)
{
	struct shim_vcpu *v = vcpu_of(r);

	if ((r->cs & 3) == 0) {
		own(v, r);
		return false;
	}
	if (r->vector == VEC_PF) {
		page_fault(v, r);
	} else if (r->vector == VEC_GP) {
		general_protection(v, r);
	} else if (r->vector < 32) {
		if (exceptions[r->vector])
			exceptions[r->vector](v, r);
		else
			shim_inject(v, r, (unsigned)r->vector);
	} else if (r->vector == VEC_INT80) {
		shim_inject(v, r, VEC_INT80);
	} else {
		interrupt(v, r);
	}
	return shim_leave(v, r);
}

bool shim_syscall(struct shim_regs *r)
{
	struct shim_vcpu *v = vcpu_of(r);

	if (v->kernel_mode) {
		r->cs = SEL_KERNEL_CS;
		r->ss = SEL_KERNEL_SS;
		shim_hypercall(v, r);
	} else {
		const struct shim_gate *gate = r->vector == 0x100 ? &v->state.syscall : &v->state.syscall32;

		r->cs = r->vector == 0x100 ? FLAT_RING3_CS64 : FLAT_RING3_CS32;
		r->ss = FLAT_RING3_DS64;
		if (!gate->address)
			shim_crash(SHIM_CRASH_NO_HANDLER, r->rip, r->vector, 0);
		shim_bounce(v, r, gate);
	}
	return shim_leave(v, r);
}

/* The kernel asked for a return that the processor refused; @r is what should have been. */
bool shim_iret_failed(struct shim_regs *r)
{
	struct shim_vcpu *v = vcpu_of(r);

	shim_bounce_failsafe(v, r);
	return shim_leave(v, r);
}
