// SPDX-License-Identifier: MIT
/*
 * Fact: a guest may choose version 2 of the grant table: entries of 16 bytes, the in-use flags in
 *   status frames of their own, grants of a part of a page.
 * Source: xen/include/public/grant_table.h; gnttab_set_version(), acquire_grant_for_copy() in
 *   xen/common/grant_table.c
 * Expect: the reserved entries are there in the new form; status frames are mapped like grant frames
 *   and listed by get_status_frames; a copy respects the part that is granted, and leaves no flag in
 *   the status; a grant of the whole page works; back in version 1 there are no status frames.
 * run: memory=32
 */
#include "kern/hypercall.h"
#include "xenabi/cpuid.h"

static union grant_entry_v2 table[256] PAGE_ALIGNED;
static grant_status_t status[2048] PAGE_ALIGNED;
static uint8_t data[PAGE_SIZE] PAGE_ALIGNED, copied[PAGE_SIZE] PAGE_ALIGNED;

static domid_t own_domid;

static domid_t find_own_domid(void)
{
	uint32_t r[4];

	cpuid(xen_cpuid_base + 4, 0, r);
	CHECK(r[0] & XEN_HVM_CPUID_DOMID_PRESENT);
	return (domid_t)r[2];
}

static unsigned version_now(void)
{
	struct gnttab_get_version get = { .dom = DOMID_SELF };

	CHECK_EQ(grant_table_op(GNTTABOP_get_version, &get, 1), 0);
	return get.version;
}

static long set_version(unsigned version)
{
	struct gnttab_set_version set = { version };

	return grant_table_op(GNTTABOP_set_version, &set, 1);
}

/* Copy @len bytes of what @ref grants, from @offset on; GNTST_*. */
static int copy_from(grant_ref_t ref, unsigned offset, unsigned len)
{
	struct ABI(gnttab_copy) c = {
		.source = { .ptr = ref, .domid = DOMID_SELF, .offset = (uint16_t)offset },
		.dest = { .ptr = (unsigned long)copied >> XEN_PAGE_SHIFT, .domid = DOMID_SELF },
		.len = (uint16_t)len, .flags = GNTCOPY_source_gref,
	};

	CHECK_EQ(grant_table_op(GNTTABOP_copy, &c, 1), 0);
	return c.status;
}

static void check_reserved(unsigned ref, unsigned param)
{
	uint64_t gfn;

	CHECK_EQ(hvm_get_param(param, &gfn), 0);
	if (!table[ref].hdr.flags)
		return;
	CHECK_EQ(table[ref].hdr.flags, GTF_permit_access);
	CHECK_EQ(table[ref].hdr.domid, 0);
	CHECK_EQ(table[ref].full_page.frame, gfn);
}

static void check_status_frames(int want)
{
	uint64_t frame = 0;
	struct ABI(gnttab_get_status_frames) get = {
		.nr_frames = 1, .dom = DOMID_SELF, .frame_list = (unsigned long)&frame };

	CHECK_EQ(grant_table_op(GNTTABOP_get_status_frames, &get, 1), 0);
	CHECK_EQ(get.status, want);
	if (want == GNTST_okay)
		CHECK_EQ(frame, (unsigned long)status >> XEN_PAGE_SHIFT);
}

static void check_copies(void)
{
	struct grant_entry_header mine = { GTF_permit_access, own_domid };

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 11 + i / 256);
	table[8] = (union grant_entry_v2){ .full_page = {
		.hdr = mine, .frame = (unsigned long)data >> XEN_PAGE_SHIFT } };
	CHECK_EQ(copy_from(8, 0, PAGE_SIZE), GNTST_okay);
	CHECK_EQ(memcmp(copied, data, PAGE_SIZE), 0);
	mine.flags |= GTF_sub_page;
	table[9] = (union grant_entry_v2){ .sub_page = {
		mine, 1000, 24, (unsigned long)data >> XEN_PAGE_SHIFT } };
	CHECK_EQ(copy_from(9, 1004, 20), GNTST_okay);
	CHECK_EQ(memcmp(copied, data + 1004, 20), 0);
	CHECK_EQ(copy_from(9, 1004, 21), GNTST_general_error);
	CHECK_EQ(copy_from(9, 999, 2), GNTST_general_error);
	CHECK_EQ(status[8], 0);
	CHECK_EQ(status[9], 0);
	CHECK_EQ(copy_from(10, 0, 1), GNTST_general_error);	/* not granted */
}

void test_main(void)
{
	own_domid = find_own_domid();
	CHECK_EQ(version_now(), 1);
	CHECK_EQ(add_to_physmap(XENMAPSPACE_grant_table, XENMAPIDX_grant_table_status,
				(unsigned long)status), -EINVAL);
	check_status_frames(GNTST_general_error);
	CHECK_EQ(set_version(2), 0);
	CHECK_EQ(version_now(), 2);
	memset(table, 0x5a, sizeof(table));
	memset(status, 0x5a, sizeof(status));
	CHECK_EQ(add_to_physmap(XENMAPSPACE_grant_table, 0, (unsigned long)table), 0);
	CHECK_EQ(add_to_physmap(XENMAPSPACE_grant_table, XENMAPIDX_grant_table_status,
				(unsigned long)status), 0);
	check_reserved(GNTTAB_RESERVED_CONSOLE, HVM_PARAM_CONSOLE_PFN);
	check_reserved(GNTTAB_RESERVED_XENSTORE, HVM_PARAM_STORE_PFN);
	CHECK_EQ(table[8].hdr.flags, 0);
	CHECK_EQ(status[255], 0);
	check_status_frames(GNTST_okay);
	check_copies();

	/* An entry that version 1 cannot have stands in the way of going back, if it is reserved. */
	table[7].hdr.flags = GTF_transitive;
	CHECK_EQ(set_version(1), -ERANGE);
	CHECK_EQ(version_now(), 2);
	table[7].hdr.flags = 0;
	CHECK_EQ(set_version(1), 0);
	CHECK_EQ(version_now(), 1);
	check_status_frames(GNTST_general_error);
	CHECK_EQ(((struct grant_entry_v1 *)(void *)table)[8].flags, 0);
}
