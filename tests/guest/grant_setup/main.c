// SPDX-License-Identifier: MIT
/*
 * Fact: a guest finds out the size of its grant table and maps its frames where it likes: over RAM
 *   (mini-os, BSDs) or at unused addresses outside RAM (Linux).
 * Source: xen/include/public/grant_table.h; gnttab_map_frame() in xen/common/grant_table.c
 * Expect: version 1; frame 0 in RAM and frame 1 outside; entries survive a move of their frame and
 *   the number of frames grows; the reserved entries grant the console and store pages to domain 0;
 *   -EINVAL beyond the maximum.
 * run: memory=32
 */
#include "kern/hypercall.h"

#define OUTSIDE_RAM 0x30000000ul	/* far above 32 MiB, below the hole */

static struct grant_entry_v1 table[512] PAGE_ALIGNED;

static struct gnttab_query_size query(void)
{
	struct gnttab_query_size q = { .dom = DOMID_SELF };

	CHECK_EQ(grant_table_op(GNTTABOP_query_size, &q, 1), 0);
	CHECK_EQ(q.status, GNTST_okay);
	return q;
}

static void check_reserved(unsigned ref, unsigned param)
{
	uint64_t gfn;

	CHECK_EQ(hvm_get_param(param, &gfn), 0);
	CHECK_EQ(table[ref].flags & GTF_type_mask, GTF_permit_access);
	CHECK_EQ(table[ref].domid, 0);
	CHECK_EQ(table[ref].frame, gfn);
}

void test_main(void)
{
	volatile struct grant_entry_v1 *outside = (void *)OUTSIDE_RAM;
	struct gnttab_set_version version = { 1 };
	struct gnttab_get_version get = { .dom = DOMID_SELF };
	unsigned max = query().max_nr_frames;

	CHECK(max >= 2 && max <= 1024);
	CHECK(query().nr_frames <= max);
	CHECK_EQ(grant_table_op(GNTTABOP_set_version, &version, 1), 0);
	CHECK_EQ(grant_table_op(GNTTABOP_get_version, &get, 1), 0);
	CHECK_EQ(get.version, 1);

	memset(table, 0x5a, sizeof(table));
	CHECK_EQ(add_to_physmap(XENMAPSPACE_grant_table, 0, (unsigned long)table), 0);
	CHECK_EQ(table[8].flags, 0);
	CHECK_EQ(table[511].frame, 0);
	if (table[GNTTAB_RESERVED_CONSOLE].flags)
		check_reserved(GNTTAB_RESERVED_CONSOLE, HVM_PARAM_CONSOLE_PFN);
	if (table[GNTTAB_RESERVED_XENSTORE].flags)
		check_reserved(GNTTAB_RESERVED_XENSTORE, HVM_PARAM_STORE_PFN);

	CHECK_EQ(add_to_physmap(XENMAPSPACE_grant_table, 1, OUTSIDE_RAM), 0);
	CHECK(query().nr_frames >= 2);
	CHECK_EQ(outside[0].flags, 0);
	outside[5].frame = 0x1234;

	/* A frame that moves takes its entries along. */
	table[100].frame = 0xabcd;
	CHECK_EQ(add_to_physmap(XENMAPSPACE_grant_table, 0, OUTSIDE_RAM + PAGE_SIZE), 0);
	CHECK_EQ(outside[512 + 100].frame, 0xabcd);
	CHECK_EQ(outside[5].frame, 0x1234);

	CHECK_EQ(add_to_physmap(XENMAPSPACE_grant_table, max, OUTSIDE_RAM + 2 * PAGE_SIZE), -EINVAL);
	CHECK_EQ(query().max_nr_frames, max);
}
