// SPDX-License-Identifier: MIT
/*
 * Fact: a PV guest may have more memory than fits below the processor's own addresses. Its pages have
 *   no gap; their frames do.
 * Source: xen/include/public/xen.h (MMU_MACHPHYS_UPDATE, start_info.mfn_list), memory.h
 * Expect: the list of frames skips the hole, the table of pages by frame says nothing there; frames
 *   behind it can be mapped, cleared and copied, hold what was written, and may be given back and had
 *   again, by another page, too; frames in the hole are no RAM; the map of memory has one range.
 * run: memory=5120
 */
#include "kernpv/pv.h"

#define HOLE 0xc0000ul
#define HIGH 0x100000ul

static volatile uint64_t window[512] PAGE_ALIGNED, other[512] PAGE_ALIGNED;

static void show(volatile uint64_t *at, uint64_t mfn)
{
	CHECK_EQ(pv_map((uint64_t)at, mfn * PAGE_SIZE | PTE_KERNEL, UVMF_INVLPG), 0);
}

static long ext(unsigned cmd, uint64_t arg1, uint64_t arg2)
{
	struct mmuext_op_64 op = { .cmd = cmd, .arg1 = arg1, .arg2 = arg2 };

	return hypercall(__HYPERVISOR_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF);
}

static void check_tables(const uint64_t *p2m, uint64_t pages)
{
	const volatile uint64_t *m2p = (const volatile uint64_t *)PV_MACH2PHYS_START;
	struct xen_machphys_mapping_64 map;

	for (uint64_t pfn = 0; pfn < pages; pfn += 0x1fff) {
		uint64_t mfn = pfn < HOLE ? pfn : pfn - HOLE + HIGH;

		if (p2m[pfn] != mfn || m2p[mfn] != pfn)
			fail("page %lx has frame %lx and back %lx", (unsigned long)pfn,
			     (unsigned long)p2m[pfn], (unsigned long)m2p[mfn]);
	}
	CHECK_EQ(p2m[HOLE - 1], HOLE - 1);
	CHECK_EQ(p2m[HOLE], HIGH);
	CHECK_EQ(m2p[HOLE], ~0ul);
	CHECK_EQ(m2p[HIGH - 1], ~0ul);
	CHECK_EQ(memory_op(XENMEM_machphys_mapping, &map), 0);
	CHECK_EQ(map.max_mfn, p2m[pages - 1]);
}

static void check_frames(uint64_t first, uint64_t last)
{
	show(window, last);
	show(other, first);
	window[0] = 0x1234;
	other[0] = 0x5678;
	CHECK_EQ(window[0], 0x1234);
	CHECK_EQ(ext(MMUEXT_COPY_PAGE, first, last), 0);
	CHECK_EQ(other[0], 0x1234);
	CHECK_EQ(ext(MMUEXT_CLEAR_PAGE, last, 0), 0);
	CHECK_EQ(window[0], 0);
	CHECK_EQ(ext(MMUEXT_CLEAR_PAGE, HOLE, 0), -EINVAL);
	CHECK_EQ(ext(MMUEXT_CLEAR_PAGE, HIGH - 1, 0), -EINVAL);
	CHECK_EQ(ext(MMUEXT_CLEAR_PAGE, last + 1, 0), -EINVAL);
	CHECK_EQ(ext(MMUEXT_PIN_L1_TABLE, HOLE, 0), -EINVAL);
	CHECK_EQ(ext(MMUEXT_PIN_L1_TABLE, last, 0), 0);
	CHECK_EQ(ext(MMUEXT_UNPIN_TABLE, last, 0), 0);
}

static void check_balloon(uint64_t pfn, uint64_t mfn)
{
	uint64_t extent = mfn;
	struct xen_memory_reservation_64 r = {
		.extent_start = (uint64_t)&extent, .nr_extents = 1, .domid = DOMID_SELF,
	};

	window[0] = 9;
	CHECK_EQ(pv_map((uint64_t)window, 0, UVMF_INVLPG), 0);
	CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 1);
	extent = pfn;
	CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 1);
	CHECK_EQ(extent, mfn);
	show(window, mfn);
	CHECK_EQ(window[0], 0);
	/* Another page gets it, and both tables agree when the guest has changed its own. */
	extent = mfn;
	CHECK_EQ(pv_map((uint64_t)window, 0, UVMF_INVLPG), 0);
	CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 1);
	extent = 5;
	CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 1);
	CHECK_EQ(extent, mfn);
	CHECK_EQ(((const volatile uint64_t *)PV_MACH2PHYS_START)[mfn], 5);
	/* There is no more. */
	extent = 6;
	CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 0);
}

void test_main(void)
{
	const uint64_t *p2m = (const uint64_t *)pv_info->mfn_list;
	uint64_t pages = pv_info->nr_pages, last;
	struct xa_e820entry e[2];
	struct xen_memory_map_64 map = { .nr_entries = 2, .buffer = (uint64_t)e };

	CHECK_EQ(pages, 5120 * 256);
	last = p2m[pages - 1];
	check_tables(p2m, pages);
	check_frames(HIGH, last);
	check_balloon(pages - 1, last);
	CHECK_EQ(memory_op(XENMEM_memory_map, &map), 0);
	CHECK_EQ(map.nr_entries, 1);
	CHECK_EQ(e[0].size, pages * PAGE_SIZE);
}
