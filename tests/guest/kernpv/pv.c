// SPDX-License-Identifier: MIT
/*
 * First C code of a PV test kernel: traps, callbacks, its view of shared_info, and user mode.
 */
#include "kernpv/pv.h"

#define PTE_ADDR 0x000ffffffffff000ull
#define VECTORS 259u

uint8_t hypercall_page[PAGE_SIZE] PAGE_ALIGNED;
uint8_t pv_shared[PAGE_SIZE] PAGE_ALIGNED;
struct start_info_64 *pv_info;
struct frame pv_frame;
volatile unsigned pv_count;
unsigned pv_skip;

static void (*handlers[VECTORS])(struct frame *f);
static bool in_user;

void *memset(void *p, int c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile uint8_t *)p)[i] = (uint8_t)c;
	return p;
}

void *memcpy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
	return to;
}

void triple_fault(void)
{
	for (;;)
		__asm__ volatile("ud2");
}

void pv_handle(unsigned vector, void (*fn)(struct frame *f))
{
	handlers[vector] = fn;
}

void pv_step_over(struct frame *f)
{
	f->ip += pv_skip;
}

void pv_trap(struct frame *f);

void pv_trap(struct frame *f)
{
	pv_frame = *f;
	pv_count++;
	if (in_user && (f->cs & 3) == 3) {
		in_user = false;
		leave();
	}
	if (!handlers[f->vector])
		fail("exception %lu, error %#lx, at %#lx", f->vector, f->error, f->ip);
	handlers[f->vector](f);
}

static uint64_t stub(unsigned vector)
{
	return (uint64_t)trap_stubs + vector * 32;
}

void pv_gate(unsigned vector, unsigned flags)
{
	const struct trap_info_64 list[2] = {
		{ .vector = (uint8_t)vector, .flags = (uint8_t)flags, .cs = FLAT_RING3_CS64,
		  .address = stub(vector) },
	};

	CHECK_EQ(hypercall(__HYPERVISOR_set_trap_table, (uint64_t)list, 0, 0, 0), 0);
}

/* All entries' tables are mapped where they are, since VIRT_BASE is 0. */
uint64_t pv_pte_at(uint64_t va)
{
	uint64_t table = pv_info->pt_base;

	for (unsigned shift = 39; shift > 12; shift -= 9)
		table = ((volatile uint64_t *)table)[va >> shift & 511] & PTE_ADDR;
	return table + (va >> 12 & 511) * 8;
}

uint64_t pv_pte(uint64_t va)
{
	return *(volatile uint64_t *)pv_pte_at(va);
}

long pv_map(uint64_t va, uint64_t pte, unsigned flags)
{
	return hypercall(__HYPERVISOR_update_va_mapping, va, pte, flags, 0);
}

static void let_user(uint64_t va)
{
	CHECK_EQ(pv_map(va, pv_pte(va) | PTE_U, UVMF_INVLPG), 0);
}

/* The runner's word for a KVM that emulates kernels, and user mode not well enough below level 1. */
bool pv_on_kvm_pvm(void)
{
	static const char word[] = "kvm_pvm";

	for (const char *s = pv_info->cmd_line; *s; s++) {
		unsigned n = 0;

		while (word[n] && s[n] == word[n])
			n++;
		if (!word[n])
			return true;
	}
	return false;
}

void pv_enter(const struct iret_context_64 *to)
{
	if (pv_on_kvm_pvm())
		skip("kvm_pvm has no user mode below a kernel at level 1");
	in_user = true;
	enter(to);
}

unsigned pv_user(void (*fn)(void))
{
	const struct iret_context_64 to = {
		.rip = (uint64_t)fn, .cs = FLAT_RING3_CS64, .rflags = 0x202,
		.rsp = (uint64_t)user_stack_end, .ss = FLAT_RING3_DS64,
	};

	/* The code, whose end may be in the next page, and the stack. */
	let_user((uint64_t)fn);
	let_user((uint64_t)fn + 256);
	let_user((uint64_t)user_stack_end - 8);
	pv_enter(&to);
	return (unsigned)pv_frame.vector;
}

/* start.S: calls the function in RDI. */
extern const char secondary[];

void pv_describe_vcpu(struct vcpu_guest_context_64 *c, void (*fn)(void), void *end,
		      const volatile uint64_t gdt[512])
{
	c->flags = VGCF_in_kernel;
	c->user_regs.rip = (uint64_t)secondary;
	c->user_regs.rsp = (uint64_t)end;
	c->user_regs.rdi = (uint64_t)fn;
	c->user_regs.rflags = 0x202;
	c->ctrlreg[3] = pv_info->pt_base;
	c->gdt_frames[0] = (uint64_t)gdt / PAGE_SIZE;
	c->gdt_ents = 512;
}

void pv_main(void);

void pv_main(void)
{
	pv_info = (struct start_info_64 *)boot_rsi;
	have_hypercalls = true;
	for (unsigned i = 0; i < 32; i++)
		pv_gate(i, 0);
	CHECK_EQ(hypercall(__HYPERVISOR_set_callbacks, stub(VECTOR_EVENT), stub(VECTOR_FAILSAFE),
			   stub(VECTOR_SYSCALL), 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_stack_switch, FLAT_RING3_DS64, (uint64_t)trap_stack_end, 0, 0),
		 0);
	CHECK_EQ(pv_map((uint64_t)pv_shared, pv_info->shared_info | PTE_KERNEL, UVMF_INVLPG), 0);
	test_main();
	pass();
}
