// SPDX-License-Identifier: MIT
/*
 * Fact: a PV kernel asks for CPUID by a prefix that makes the instruction fault; where the processor can
 *   make it fault by itself, user mode and the kernel get the same answer without the prefix.
 * Source: xen/include/public/arch-x86/xen.h (XEN_EMULATE_PREFIX)
 * Expect: the Xen leaves are there; features that need level 0 or belong to the hypervisor are not; all
 *   ways give the same bits.
 * run:
 */
#include "kernpv/pv.h"
#include "xenabi/cpuid.h"

static void prefixed(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "0"(leaf), "2"(sub));
}

static void user_cpuid(void)
{
	__asm__ volatile("mov $1, %eax; xor %ecx, %ecx; cpuid; syscall; ud2");
}

void test_main(void)
{
	uint32_t r[4], plain[4];

	prefixed(XEN_CPUID_FIRST_LEAF, 0, r);
	CHECK_EQ(r[1], XEN_CPUID_SIGNATURE_EBX);
	prefixed(XEN_CPUID_FIRST_LEAF + 2, 0, r);
	CHECK(r[2] & XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD);
	prefixed(1, 0, r);
	CHECK(r[2] & 1u << 31);		/* a hypervisor */
	CHECK(!(r[2] & 1u << 21));	/* x2APIC */
	CHECK(!(r[2] & 1u << 17));	/* PCID */
	CHECK(!(r[3] & 1u << 13));	/* global pages */
	CHECK(r[3] & 1u << 6);		/* PAE */
	prefixed(7, 0, r);
	CHECK(!(r[1] & (1u << 7 | 1u << 20)));	/* SMEP, SMAP */
	prefixed(0x80000001, 0, r);
	CHECK(r[3] & 1u << 29);		/* long mode */
	CHECK(!(r[3] & 1u << 27));	/* RDTSCP */

	/* Without faulting the processor answers itself, with more than we would. */
	cpuid(1, 0, plain);
	if (plain[2] & 1u << 21)
		return;
	prefixed(1, 0, r);
	CHECK_EQ(plain[2], r[2]);
	CHECK_EQ(plain[3], r[3]);
	CHECK_EQ(pv_user(user_cpuid), VECTOR_SYSCALL);
	CHECK_EQ(pv_frame.dx, r[3]);
}
