// SPDX-License-Identifier: MIT
/*
 * Fact: INT n goes through the trap table of a PV kernel: from user mode only to gates of level 3,
 *   from the kernel to all.
 * Source: do_general_protection() in xen/arch/x86/traps.c (observable behaviour)
 * Expect: INT 0x80 and INT 0x90 with a gate of level 3 arrive with rip behind the instruction; INT 0x91
 *   with a gate of level 0 is #GP with the gate's error code in user mode and arrives in the kernel;
 *   INT3 arrives as exception 3.
 * run:
 */
#include "kernpv/pv.h"

static void user_80(void)
{
	__asm__ volatile("int $0x80; ud2");
}

static void user_90(void)
{
	__asm__ volatile("int $0x90; ud2");
}

static void user_91(void)
{
	__asm__ volatile("int $0x91; ud2");
}

static void user_3(void)
{
	__asm__ volatile("int3; ud2");
}

static void check_behind(uint64_t start, unsigned length)
{
	/* The function may have a prologue, and the instruction is followed by ud2. */
	const uint8_t *at = (const uint8_t *)pv_frame.ip;

	CHECK(pv_frame.ip >= start + length && pv_frame.ip < start + 32);
	CHECK(at[0] == 0x0f && at[1] == 0x0b);
}

static void stay(struct frame *f)
{
	(void)f;
}

void test_main(void)
{
	pv_gate(0x80, 3);
	pv_gate(0x90, 3);
	pv_gate(0x91, 0);
	pv_gate(3, 3);
	CHECK_EQ(pv_user(user_80), 0x80);
	check_behind((uint64_t)user_80, 2);
	CHECK_EQ(pv_user(user_90), 0x90);
	check_behind((uint64_t)user_90, 2);
	CHECK_EQ(pv_user(user_91), VECTOR_GP);
	CHECK_EQ(pv_frame.error, 0x91 << 3 | 2);
	CHECK_EQ(pv_user(user_3), 3);
	check_behind((uint64_t)user_3, 1);

	pv_handle(0x80, stay);
	pv_handle(0x91, stay);
	__asm__ volatile("int $0x91" : : : "memory");
	CHECK_EQ(pv_frame.vector, 0x91);
	__asm__ volatile("int $0x80" : : : "memory");
	CHECK_EQ(pv_frame.vector, 0x80);
	CHECK_EQ(pv_frame.cs & 3, 0);
}
