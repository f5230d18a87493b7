/* SPDX-License-Identifier: MIT */
/*
 * What the start-up code in kernpv/ offers to a PV test kernel, beside the output and the hypercalls
 * of kern/.
 */
#ifndef KERNPV_PV_H
#define KERNPV_PV_H

#include "kern/hypercall.h"
#include "xenabi/callback.h"
#include "xenabi/pv.h"
#include "xenabi/shared_info.h"

#define VECTOR_EVENT 256u
#define VECTOR_FAILSAFE 257u
#define VECTOR_SYSCALL 258u

#define PTE_ACCESSED 0x20ull
#define PTE_DIRTY 0x40ull
#define PTE_KERNEL (PTE_P | PTE_W | PTE_ACCESSED | PTE_DIRTY)

extern struct start_info_64 *pv_info;
extern uint64_t boot_rsp, boot_rsi;
extern uint8_t pv_shared[];		/* shared_info, mapped */
extern char stack_end[], trap_stack_end[], user_stack_end[];
extern const char trap_stubs[];

/* The last exception's frame, and how many there were. */
extern struct frame pv_frame;
extern volatile unsigned pv_count;

/** Call @fn for @vector instead of failing; it may change the frame. NULL: fail again. */
void pv_handle(unsigned vector, void (*fn)(struct frame *f));
/** A handler that remembers the frame and steps over @pv_skip bytes. */
void pv_step_over(struct frame *f);
extern unsigned pv_skip;
/** set_trap_table for one vector. @flags: DPL and TI_IF */
void pv_gate(unsigned vector, unsigned flags);
/** Run @fn in user mode until it traps; returns the vector, pv_frame says how. */
unsigned pv_user(void (*fn)(void));
/** Does the KVM emulate kernels, with fewer instructions than a processor has? */
bool pv_on_kvm_pvm(void);
/** Leave user mode from a handler. */
void leave(void) NORETURN;
/** Go where @to says until user mode traps; as pv_user(), for pages that it may use already. */
void pv_enter(const struct iret_context_64 *to);
void enter(const struct iret_context_64 *to);

/** Make @c describe a vCPU that runs @fn in kernel mode on our page tables, with @gdt and a stack that ends there. */
void pv_describe_vcpu(struct vcpu_guest_context_64 *c, void (*fn)(void), void *end,
		      const volatile uint64_t gdt[512]);

/** Machine address of the entry that maps @va. */
uint64_t pv_pte_at(uint64_t va);
/** The entry itself. */
uint64_t pv_pte(uint64_t va);
long pv_map(uint64_t va, uint64_t pte, unsigned flags);

static inline long hypercall(unsigned nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return hypercall4(nr, a, b, c, d);
}

static inline volatile uint8_t *vcpu_info(unsigned offset)
{
	return pv_shared + offset;
}

static inline void set_mask(bool on)
{
	*vcpu_info(XA_VCPU_INFO_MASK) = on;
}

static inline uint8_t get_mask(void)
{
	return *vcpu_info(XA_VCPU_INFO_MASK);
}

#endif
