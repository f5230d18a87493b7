// SPDX-License-Identifier: MIT
/*
 * Fact: a kernel may execute vmmcall (AMD) or vmcall (Intel) itself, as Linux has done since the
 *   fixes for XSA-466. On hosts without KVM_XEN the VMM finds the instructions by their shape.
 * Source: Linux arch/x86/xen/xen-head.S (xen_hypercall_amd, xen_hypercall_intel)
 * Expect: the version from each of the three shapes that Linux kernels have; RAX only is changed.
 * run:
 */
#include "kern/hypercall.h"

static void check(const char *amd, const char *intel, const char *what)
{
	const char *site = pick_site(amd, intel);
	struct xen_feature_info info = { .submap_idx = 0 };
	long r = hypercall_via(site, __HYPERVISOR_xen_version, XENVER_version, 0, 0, 0);

	if (r >> 16 != 4)
		fail("the site followed by %s gives %ld", what, r);
	CHECK_EQ(hypercall_via(site, __HYPERVISOR_xen_version, XENVER_get_features,
			       (unsigned long)&info, 0, 0), 0);
	CHECK(info.submap & 1u << XENFEAT_auto_translated_physmap);
	CHECK_EQ(hypercall_via(site, 60, 0, 0, 0, 0), -ENOSYS);
}

/* A call with known values in all registers that the ABI leaves alone. */
static void check_registers(void)
{
	unsigned long ax = __HYPERVISOR_xen_version, bx = 0x11, cx = 0x22, dx = 0x33, si = 0, di = 0;
	const char *site = pick_site(site_ret_amd, site_ret_intel);

#ifdef __x86_64__
	__asm__ volatile("call *%6"
			 : "+a"(ax), "+b"(bx), "+c"(cx), "+d"(dx), "+S"(si), "+D"(di)
			 : "r"(site) : "memory");
	CHECK(bx == 0x11 && cx == 0x22);
#else
	bx = 0;
	__asm__ volatile("call *%6"
			 : "+a"(ax), "+b"(bx), "+c"(cx), "+d"(dx), "+S"(si), "+D"(di)
			 : "m"(site) : "memory");
	CHECK(bx == 0 && cx == 0x22);
#endif
	CHECK(ax >> 16 == 4 && dx == 0x33 && !si && !di);
}

void test_main(void)
{
	check(site_ret_amd, site_ret_intel, "ret");
	check(site_jmp_amd, site_jmp_intel, "jmp");
	check(site_endbr_amd, site_endbr_intel, "jmp, behind an endbr64,");
	check_registers();
}
