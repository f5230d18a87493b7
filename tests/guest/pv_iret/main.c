// SPDX-License-Identifier: MIT
/*
 * Fact: the iret hypercall goes to user mode for a selector of level 3 and to the kernel otherwise;
 *   a kernel may as well execute iretq itself, with a selector of level 3, and stays the kernel.
 * Source: xen/include/public/arch-x86/xen-x86_64.h (HYPERVISOR_iret)
 * Expect: user mode cannot read the kernel's memory nor use its instructions, comes back by system
 *   call on the kernel's stack with rcx and r11 as SYSCALL leaves them; VGCF_in_syscall loads rcx and
 *   r11 with rip and rflags; the kernel at level 3 can go on using its memory and hypercalls; a return
 *   that is impossible calls the failsafe callback.
 * run:
 */
#include "kernpv/pv.h"

static volatile uint64_t secret = 1;
static uint64_t seen_rcx, seen_r11;

static void user_syscall(void)
{
	__asm__ volatile("syscall; ud2" : : "a"(0x1234));
}

static void user_peek(void)
{
	__asm__ volatile("mov %0, %%rax; ud2" : : "m"(secret));
}

static void user_cli(void)
{
	__asm__ volatile("cli; ud2");
}

/* Where VGCF_in_syscall leads. */
static void user_show(void)
{
	__asm__ volatile("mov %rcx, %rdi; mov %r11, %rsi; syscall; ud2");
}

static void check_user(void)
{
	CHECK_EQ(pv_user(user_syscall), VECTOR_SYSCALL);
	CHECK_EQ(pv_frame.ax, 0x1234);
	CHECK_EQ(pv_frame.cs & 3, 3);
	CHECK_EQ(pv_frame.cx, pv_frame.ip);
	CHECK_EQ(pv_frame.r11, pv_frame.flags);
	CHECK_EQ(pv_user(user_peek), VECTOR_PF);
	CHECK_EQ(pv_frame.error & PTE_U, PTE_U);
	CHECK_EQ(pv_user(user_cli), VECTOR_GP);
}

static void check_in_syscall(void)
{
	const struct iret_context_64 to = {
		.flags = VGCF_in_syscall, .rip = (uint64_t)user_show, .cs = FLAT_RING3_CS64,
		.rflags = 0x202, .rsp = (uint64_t)user_stack_end, .ss = FLAT_RING3_DS64,
		.rcx = 1, .r11 = 2,
	};

	/* Prepares the pages, and returns by itself. */
	CHECK_EQ(pv_user(user_show), VECTOR_SYSCALL);
	pv_enter(&to);
	seen_rcx = pv_frame.di;
	seen_r11 = pv_frame.si;
	CHECK_EQ(seen_rcx, user_show);
	CHECK_EQ(seen_r11 & 0x202, 0x202);
}

/* The same kernel goes on behind an iretq to a selector of level 3. */
static void check_own_iretq(void)
{
	uint64_t cs;

	__asm__ volatile("mov %%rsp, %%rax\n"
			 "push %1\n"
			 "push %%rax\n"
			 "pushf\n"
			 "push %2\n"
			 "lea 1f(%%rip), %%rax\n"
			 "push %%rax\n"
			 "iretq\n"
			 "1: mov %%cs, %0\n"
			 : "=r"(cs) : "i"(FLAT_RING3_DS64), "i"(FLAT_RING3_CS64) : "rax", "memory");
	secret++;
	CHECK_EQ(secret, 2);
	CHECK_EQ(xen_version(XENVER_version, NULL) >> 16, 4);
	pv_handle(VECTOR_UD, pv_step_over);
	pv_skip = 2;
	__asm__ volatile("ud2");
	CHECK_EQ(pv_frame.cs & 3, 0);
}

static void failsafe(struct frame *f)
{
	(void)f;
	leave();
}

static void check_failsafe(void)
{
	const struct iret_context_64 to = {
		.rip = (uint64_t)user_syscall, .cs = 0x7fff, .rflags = 0x202,
		.rsp = (uint64_t)user_stack_end, .ss = FLAT_RING3_DS64,
	};

	pv_handle(VECTOR_FAILSAFE, failsafe);
	pv_frame.vector = 0;
	enter(&to);
	CHECK_EQ(pv_frame.vector, VECTOR_FAILSAFE);
	CHECK_EQ(pv_frame.ip, user_syscall);
}

void test_main(void)
{
	check_user();
	check_in_syscall();
	check_own_iretq();
	check_failsafe();
	check_user();
}
