// SPDX-License-Identifier: MIT
/*
 * Fact: a guest writes the address of a page to the MSR that CPUID leaf 2 names, and calls stub
 *   number n at offset 32*n of it. The page may be moved; bad addresses fault.
 * Source: xen/include/public/arch-x86/cpuid.h (leaf 2); guest_wrmsr_xen() in xen/arch/x86/traps.c
 * Expect: the version by the stub, in the first and in a second page; other registers unchanged;
 *   #GP for a page number other than 0 in the low bits and for an address without memory.
 * run:
 */
#include "kern/hypercall.h"
#include "xenabi/cpuid.h"

static uint8_t second_page[PAGE_SIZE] PAGE_ALIGNED;

void test_main(void)
{
	uint32_t r[4];

	cpuid(xen_cpuid_base + 2, 0, r);
	CHECK_EQ(r[0], 1);
	CHECK_EQ(xen_version(XENVER_version, NULL) >> 16, 4);
	CHECK_EQ(try_wrmsr(r[1], (unsigned long)second_page), NO_FAULT);
	CHECK_EQ(hypercall_via(second_page + __HYPERVISOR_xen_version * XA_HYPERCALL_STUB,
			       __HYPERVISOR_xen_version, XENVER_version, 0, 0, 0) >> 16, 4);
	CHECK_EQ(xen_version(XENVER_version, NULL) >> 16, 4);
	CHECK_EQ(try_wrmsr(r[1], (unsigned long)second_page | 1), VECTOR_GP);
	CHECK_EQ(try_wrmsr(r[1], 0x7ffffff000ull), VECTOR_GP);
}
