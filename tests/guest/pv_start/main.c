// SPDX-License-Identifier: MIT
/*
 * Fact: a PV kernel starts as the ABI says: RSI at start_info, a stack, page tables that map the
 *   kernel and are read-only themselves, the list of frames, and the table of pages by frame.
 * Source: xen/include/public/xen.h (start-of-day memory layout)
 * Expect: every page has its own number as frame, in both directions; page tables cannot be written
 *   by their entries; events are masked; the two rings are in RAM.
 * run: memory=64 cmdline=one,two
 */
#include "kernpv/pv.h"

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

void test_main(void)
{
	const uint64_t *p2m = (const uint64_t *)pv_info->mfn_list;
	const volatile uint64_t *m2p = (const volatile uint64_t *)PV_MACH2PHYS_START;
	struct xen_machphys_mapping_64 map;
	struct xen_feature_info features = { .submap_idx = 0 };

	CHECK(same(pv_info->magic, "xen-3.0-x86_64"));
	CHECK_EQ(pv_info->nr_pages, 64 * 256);
	/* The runner may add words of its own. */
	CHECK(pv_info->cmd_line[0] == 'o' && pv_info->cmd_line[4] == 't');
	CHECK(boot_rsp > (uint64_t)kern_end && boot_rsp % 16 == 0);
	CHECK_EQ(get_mask(), 1);
	for (uint64_t i = 0; i < pv_info->nr_pages; i++) {
		if (p2m[i] != i || m2p[i] != i)
			fail("page %lu has frame %lu and back %lu", (unsigned long)i,
			     (unsigned long)p2m[i], (unsigned long)m2p[i]);
	}
	CHECK(!(pv_pte(pv_info->pt_base) & PTE_W));
	CHECK(pv_pte(boot_rsp - 8) & PTE_W);
	CHECK(pv_info->console_mfn < pv_info->nr_pages && pv_info->console_evtchn);
	CHECK_EQ(memory_op(XENMEM_machphys_mapping, &map), 0);
	CHECK_EQ(map.v_start, PV_MACH2PHYS_START);
	CHECK_EQ(map.max_mfn, pv_info->nr_pages - 1);
	CHECK_EQ(xen_version(XENVER_get_features, &features), 0);
	CHECK(features.submap & 1u << XENFEAT_mmu_pt_update_preserve_ad);
	CHECK(!(features.submap & 1u << XENFEAT_auto_translated_physmap));
	CHECK(!(features.submap & 1u << XENFEAT_writable_page_tables));
}
