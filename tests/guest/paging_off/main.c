// SPDX-License-Identifier: MIT
/*
 * Fact: a 32-bit caller may have paging off: addresses in hypercalls are then physical.
 * Source: docs/misc/pvh.pandoc: that is how a PVH kernel starts; GRUB and mini-os make calls so
 * Expect: the same results with CR0.PG clear and set again.
 * run: only32
 */
#include "kern/event.h"

static void paging_stop(void)
{
	unsigned long cr0;

	__asm__ volatile("mov %%cr0, %0\n\t"
			 "and %1, %0\n\t"
			 "mov %0, %%cr0" : "=&r"(cr0) : "i"(~CR0_PG) : "memory");
}

void test_main(void)
{
	uint64_t with, without;
	long version;

	if (!paging)
		skip("the host cannot do paging in 32-bit mode, and all tests run without");
	CHECK_EQ(hvm_get_param(HVM_PARAM_CONSOLE_PFN, &with), 0);
	paging_stop();
	version = xen_version(XENVER_version, NULL);
	CHECK_EQ(hvm_get_param(HVM_PARAM_CONSOLE_PFN, &without), 0);
	shared_info_map();
	CHECK(now());
	paging_init();
	CHECK_EQ(version, xen_version(XENVER_version, NULL));
	CHECK(with == without);
	CHECK(now());
}
