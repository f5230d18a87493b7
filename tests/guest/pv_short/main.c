// SPDX-License-Identifier: MIT
/*
 * Fact: where handlers mask events, as those of Linux do, system calls and page faults of user mode come to
 *   the kernel by a short way; what it finds is what the long way gives.
 * Source: xen/include/public/arch-x86/xen-x86_64.h; observed on Xen: the order of frames
 * Expect: rip, cs, rflags with the virtual IOPL and IF, rsp, ss, and all registers of the user in the frame;
 *   the event mask set, and in the frame as it was; CR2 and the error code of a fault; by either way with
 *   the same result, whatever the event mask was; an event that is pending is told of first; a kernel stack
 *   that is not there ends the guest, by its name.
 * run:
 * run: as=pv_short_all roots=two speculation=on
 * run: as=pv_short_stack cmdline=stack exit=67 log=no,room,for,an,exception,frame
 */
#include "domicile/shim.h"
#include "kernpv/pv.h"
#include "xenabi/physdev.h"

#define IOPL1 0x1000u
#define MARK 0x5a5a1234u
#define KERNEL_MODE 0x22u	/* in a vCPU's block; the shim's entry.S knows it, too */

static volatile uint64_t secret = 1;

static void user_syscall(void)
{
	__asm__ volatile("mov %0, %%eax; mov %%eax, %%ebx; mov %%eax, %%r15d; stc; syscall; ud2"
			 : : "i"(MARK));
}

static void user_peek(void)
{
	__asm__ volatile("mov %1, %%eax; mov %%eax, %%ebx; mov %%eax, %%r15d; mov %%eax, %%ecx\n"
			 "mov %%eax, %%r11d; stc; mov %0, %%rdx; ud2" : : "m"(secret), "i"(MARK));
}

static void check_frame(uint8_t mask)
{
	CHECK_EQ(pv_frame.ax, MARK);
	CHECK_EQ(pv_frame.bx, MARK);
	CHECK_EQ(pv_frame.r15, MARK);
	CHECK_EQ(pv_frame.cs >> 32, mask);
	CHECK_EQ(pv_frame.flags, 0x3u | (mask ? 0 : 0x200u) | IOPL1);
	CHECK_EQ(pv_frame.sp, user_stack_end);
	CHECK_EQ((uint16_t)pv_frame.ss, FLAT_RING3_DS64);
	CHECK_EQ((uint16_t)pv_frame.cs, FLAT_RING3_CS64);
	CHECK_EQ(get_mask(), 1);
	set_mask(false);
}

static void check_syscall(void)
{
	CHECK_EQ(pv_user(user_syscall), VECTOR_SYSCALL);
	CHECK_EQ(pv_frame.cx, pv_frame.ip);
	check_frame(0);
}

static void check_fault(void)
{
	*(volatile uint64_t *)vcpu_info(XA_VCPU_INFO_CR2_64) = 0;
	CHECK_EQ(pv_user(user_peek), VECTOR_PF);
	CHECK_EQ(pv_frame.error, PTE_P | PTE_U);
	CHECK_EQ(pv_frame.cx, MARK);
	CHECK_EQ(pv_frame.r11, MARK);
	CHECK_EQ(*(volatile uint64_t *)vcpu_info(XA_VCPU_INFO_CR2_64), &secret);
	pv_frame.flags &= ~0x10000ul;	/* RF, which the processor sets for a fault */
	check_frame(0);
}

static void back(struct frame *f)
{
	(void)f;
	leave();
}

/* A kernel that has told the shim that it is a user, as it can: the way is the same from any level. */
static void pretend(void)
{
	*(volatile uint8_t *)(SHIM_VCPUS_VA + KERNEL_MODE) = 0;
	user_syscall();
}

static void check_pretended(void)
{
	const struct iret_context_64 to = {
		.rip = (uint64_t)pretend, .cs = FLAT_RING3_CS64 & ~3u, .rflags = 0x202,
		.rsp = (uint64_t)user_stack_end, .ss = FLAT_RING3_DS64,
	};

	pv_handle(VECTOR_SYSCALL, back);
	enter(&to);
	CHECK_EQ(pv_frame.vector, VECTOR_SYSCALL);
	CHECK_EQ(pv_frame.cx, pv_frame.ip);
	check_frame(0);
	CHECK_EQ(*(volatile uint8_t *)(SHIM_VCPUS_VA + KERNEL_MODE), 1);
}

static void set_handlers(unsigned flags)
{
	const struct callback_register_64 c = {
		.type = CALLBACKTYPE_syscall, .flags = CALLBACKF_mask_events,
		.address = (uint64_t)trap_stubs + VECTOR_SYSCALL * 32,
	};
	struct physdev_set_iopl iopl = { .iopl = 1 };

	CHECK_EQ(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, (uint64_t)&c, 0, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, (uint64_t)&iopl, 0, 0), 0);
	pv_gate(VECTOR_PF, flags);
}

/* It is told before the user's first instruction. */
static void check_event(void)
{
	set_mask(true);		/* until it is there */
	*vcpu_info(XA_VCPU_INFO_PENDING) = 1;
	CHECK_EQ(pv_user(user_syscall), VECTOR_EVENT);
	CHECK_EQ(pv_frame.ip, user_syscall);
	*vcpu_info(XA_VCPU_INFO_PENDING) = 0;
	CHECK_EQ(get_mask(), 1);
	set_mask(false);
}

void test_main(void)
{
	set_handlers(TI_IF);
	set_mask(false);
	check_pretended();
	check_syscall();
	check_fault();
	check_event();
	check_syscall();
	if (pv_info->cmd_line[0] == 's') {
		hypercall(__HYPERVISOR_stack_switch, FLAT_RING3_DS64, 0x600000000000, 0, 0);
		pv_user(user_syscall);
		fail("still alive without a stack");
	}
}
