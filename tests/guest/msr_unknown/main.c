// SPDX-License-Identifier: MIT
/*
 * Fact: MSRs that nobody has fault, for reading and for writing; KVM's own are no part of a Xen
 *   guest's machine.
 * Source: guest_rdmsr(), guest_wrmsr() in xen/arch/x86/msr.c
 * Expect: #GP; a known one (the APIC base) works.
 * run:
 */
#include "kern/kern.h"

void test_main(void)
{
	static const uint32_t unknown[] = { 0x12345, 0x00001fff, 0xc0001fff, 0x40000100 };
	uint64_t v;

	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		if (try_rdmsr(unknown[i], &v) != VECTOR_GP)
			fail("reading MSR %#x does not fault", unknown[i]);
		if (try_wrmsr(unknown[i], 0) != VECTOR_GP)
			fail("writing MSR %#x does not fault", unknown[i]);
	}
	CHECK_EQ(try_rdmsr(0x1b, &v), NO_FAULT);
	CHECK_EQ(v & 0xfffff000, 0xfee00000);
	CHECK_EQ(try_wrmsr(0x1b, v), NO_FAULT);
}
