// SPDX-License-Identifier: MIT
/*
 * Fact: CPUID tells that this is Xen, which version, where the hypercall page MSR is, the TSC's
 *   frequency, the vCPU's and the domain's id; no other hypervisor shows beside it.
 * Source: xen/include/public/arch-x86/cpuid.h
 * Expect: leaves at 0x40000000, at least up to 4; version as XENVER_version says; vCPU id, domain
 *   id and upcall vector bits in leaf 4; no second signature; hypervisor bit in leaf 1.
 * run:
 */
#include "kern/hypercall.h"
#include "xenabi/cpuid.h"

void test_main(void)
{
	uint32_t r[4];

	cpuid(1, 0, r);
	CHECK(r[2] >> 31);
	CHECK_EQ(xen_cpuid_base, XEN_CPUID_FIRST_LEAF);
	cpuid(xen_cpuid_base, 0, r);
	CHECK(r[0] >= xen_cpuid_base + 4 && r[0] <= xen_cpuid_base + XEN_CPUID_MAX_NUM_LEAVES);

	cpuid(xen_cpuid_base + 1, 0, r);
	CHECK_EQ(r[0], xen_version(XENVER_version, NULL));
	CHECK_EQ(r[0], 4 << 16 | 17);

	cpuid(xen_cpuid_base + 2, 0, r);
	CHECK_EQ(r[0], 1);
	CHECK_EQ(r[1], XA_MSR_HYPERCALL_PAGE);

	/* Sub-leaf 0: frequency in kHz; 2: the host's. */
	cpuid(xen_cpuid_base + 3, 0, r);
	CHECK(r[2] > 100000 && r[2] < 20000000);
	cpuid(xen_cpuid_base + 3, 2, r);
	CHECK(r[0] > 100000 && r[0] < 20000000);

	cpuid(xen_cpuid_base + 4, 0, r);
	CHECK(r[0] & XEN_HVM_CPUID_VCPU_ID_PRESENT);
	CHECK_EQ(r[1], 0);
	CHECK(r[0] & XEN_HVM_CPUID_DOMID_PRESENT);
	CHECK(r[2] < DOMID_FIRST_RESERVED);
	CHECK(r[0] & XEN_HVM_CPUID_UPCALL_VECTOR);
	CHECK(r[0] & XEN_HVM_CPUID_IOMMU_MAPPINGS);

	for (uint32_t base = xen_cpuid_base + 0x100; base < 0x40000a00; base += 0x100) {
		cpuid(base, 0, r);
		if (!memcmp(&r[1], "KVMKVMKVM\0\0\0", 12) || !memcmp(&r[1], "Microsoft Hv", 12))
			fail("another hypervisor at %#x", base);
	}
}
