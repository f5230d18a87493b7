// SPDX-License-Identifier: MIT
/*
 * Fact: a core file has of a PV vCPU what its kernel told the hypervisor: handlers, descriptor tables,
 *   stack, callbacks, assists, page tables; and its registers, those that a hypercall preserves too.
 * Source: xen/arch/x86/domctl.c (arch_get_info_guest)
 * Expect: it ends as crashed; tests/cli/dump.sh has it dumped and compares with what is told here.
 * run: exit=67
 */
#include "kernpv/pv.h"
#include "xenabi/sched.h"
#include "xenabi/version.h"

volatile uint64_t gdt[512] PAGE_ALIGNED, ldt[512] PAGE_ALIGNED;	/* found by their names */

static void mmuext(unsigned cmd, uint64_t a, uint64_t b)
{
	struct mmuext_op_64 op = { .cmd = cmd, .arg1 = a, .arg2 = b };

	CHECK_EQ(hypercall(__HYPERVISOR_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF), 0);
}

static void tell(void)
{
	static const struct trap_info_64 traps[] = {
		{ .vector = 3, .flags = 3, .cs = FLAT_RING3_CS64, .address = 0x333000 },
		{ .vector = 0x80, .flags = 3 | TI_IF, .cs = FLAT_RING3_CS64, .address = 0x880000 },
		{ .address = 0 },
	};
	const uint64_t frame = (uint64_t)gdt / PAGE_SIZE;
	const struct callback_register_64 on_syscall = {
		.type = CALLBACKTYPE_syscall, .flags = CALLBACKF_mask_events, .address = 0x503000,
	};

	CHECK_EQ(hypercall(__HYPERVISOR_set_callbacks, 0x501000, 0x502000, 0x503000, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, (uint64_t)&on_syscall, 0, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_set_gdt, (uint64_t)&frame, 512, 0, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_stack_switch, 0xe02b, 0x600000, 0, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables, 0, 0), 0);
	mmuext(MMUEXT_SET_LDT, (uint64_t)ldt, 3);
	mmuext(MMUEXT_NEW_USER_BASEPTR, pv_info->pt_base / PAGE_SIZE, 0);
	/* The last one: from here on the kernel cannot tell of a failure. */
	CHECK_EQ(hypercall(__HYPERVISOR_set_trap_table, (uint64_t)traps, 0, 0, 0), 0);
}

void test_main(void)
{
	static const struct sched_shutdown crash = { .reason = SHUTDOWN_crash };

	pass_unless_alive();
	tell();
	__asm__ volatile("mov $0xb0b0b0, %%ebx\n"
			 "mov $0xc0c0c0, %%r12d\n"
			 "mov $0xd0d0d0, %%r13d\n"
			 "mov $0xe0e0e0, %%r14d\n"
			 "mov $0xf0f0f0, %%r15d\n"
			 "push %%rbp\n"
			 "mov $0xa0a0a0, %%ebp\n"
			 "syscall\n"
			 "pop %%rbp\n"
			 : : "a"((uint64_t)__HYPERVISOR_sched_op), "D"((uint64_t)SCHEDOP_shutdown), "S"(&crash)
			 : "rbx", "rcx", "r11", "r12", "r13", "r14", "r15", "memory");
	fail("still alive");
}
