// SPDX-License-Identifier: MIT
/*
 * Grants: the operations, the use by back ends, and a random walk compared with a model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_xa.h"

static int setup(void **state)
{
	struct fake *f = fake_new();

	assert_int_equal(fake_map_grants(f, 0, FAKE_GRANT_GFN), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

static struct grant_entry_v1 *entry(struct fake *f, grant_ref_t ref)
{
	return (struct grant_entry_v1 *)fake_at(f, FAKE_GRANT_GFN * 4096) + ref;
}

static void grant(struct fake *f, grant_ref_t ref, domid_t dom, uint32_t frame, uint16_t extra)
{
	*entry(f, ref) = (struct grant_entry_v1){ GTF_permit_access | extra, dom, frame };
}

static void reserved_entries_are_the_rings(void **state)
{
	struct fake *f = *state;

	assert_int_equal(entry(f, GNTTAB_RESERVED_CONSOLE)->frame, 0xfefff);
	assert_int_equal(entry(f, GNTTAB_RESERVED_XENSTORE)->frame, 0xfeffc);
	assert_int_equal(entry(f, GNTTAB_RESERVED_XENSTORE)->flags, GTF_permit_access);
}

static void map_sets_flags_until_the_last_unmap(void **state)
{
	struct fake *f = *state;
	void *page;

	grant(f, 8, 0, 0x90, 0);
	assert_int_equal(xa_grant_map(f->d, 8, false, &page), 0);
	assert_ptr_equal(page, fake_at(f, 0x90000));
	assert_int_equal(entry(f, 8)->flags, GTF_permit_access | GTF_reading);
	assert_int_equal(xa_grant_map(f->d, 8, true, &page), 0);
	assert_int_equal(entry(f, 8)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	xa_grant_unmap(f->d, 8, true);
	assert_int_equal(entry(f, 8)->flags, GTF_permit_access | GTF_reading);
	xa_grant_unmap(f->d, 8, false);
	assert_int_equal(entry(f, 8)->flags, GTF_permit_access);
	xa_grant_unmap(f->d, 8, false);		/* once too often */
	xa_grant_unmap(f->d, 100000, false);
	assert_int_equal(entry(f, 8)->flags, GTF_permit_access);
}

static void map_rules(void **state)
{
	struct fake *f = *state;
	void *page;

	assert_int_equal(xa_grant_map(f->d, 9, false, &page), -EINVAL);		/* unused */
	grant(f, 9, 3, 0x90, 0);
	assert_int_equal(xa_grant_map(f->d, 9, false, &page), -EINVAL);		/* another's */
	grant(f, 9, 0, 0x90, GTF_readonly);
	assert_int_equal(xa_grant_map(f->d, 9, true, &page), -EACCES);
	assert_int_equal(xa_grant_map(f->d, 9, false, &page), 0);
	xa_grant_unmap(f->d, 9, false);
	grant(f, 9, 0, UINT32_MAX, 0);
	assert_int_equal(xa_grant_map(f->d, 9, true, &page), -EFAULT);
	assert_int_equal(entry(f, 9)->flags, GTF_permit_access);
	entry(f, 9)->flags = GTF_accept_transfer;
	assert_int_equal(xa_grant_map(f->d, 9, false, &page), -EINVAL);
	assert_int_equal(xa_grant_map(f->d, 512, false, &page), -EINVAL);	/* no such frame */
	assert_int_equal(xa_grant_map(f->d, UINT32_MAX, false, &page), -EINVAL);
}

static void several_at_once_are_used_or_not_one_by_one(void **state)
{
	struct fake *f = *state;
	const grant_ref_t refs[] = { 8, 9, 600, 10, 8 }, good[] = { 8, 8 };
	void *page[5];

	grant(f, 8, 0, 0x90, 0);
	grant(f, 9, 0, 0x91, GTF_readonly);
	grant(f, 10, 0, UINT32_MAX, 0);
	assert_int_equal(xa_grants_map(f->d, refs, 5, true, page), -EACCES);
	assert_ptr_equal(page[0], fake_at(f, 0x90000));
	assert_null(page[1]);
	assert_null(page[2]);
	assert_null(page[3]);
	assert_ptr_equal(page[4], page[0]);
	assert_int_equal(entry(f, 9)->flags, GTF_permit_access | GTF_readonly);
	xa_grants_unmap(f->d, good, 1, true);
	assert_int_equal(entry(f, 8)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	xa_grants_unmap(f->d, good, 1, true);
	assert_int_equal(entry(f, 8)->flags, GTF_permit_access);
	assert_int_equal(xa_grants_map(f->d, good, 2, false, page), 0);
	xa_grants_unmap(f->d, good, 2, false);
	assert_int_equal(entry(f, 8)->flags, GTF_permit_access);
	assert_int_equal(xa_grants_map(f->d, refs, 0, true, page), 0);
}

static void a_used_grant_stays_its_page(void **state)
{
	struct fake *f = *state;
	void *page, *again;

	grant(f, 8, 0, 0x90, 0);
	assert_int_equal(xa_grant_map(f->d, 8, true, &page), 0);
	entry(f, 8)->frame = 0x91;
	assert_int_equal(xa_grant_map(f->d, 8, true, &again), 0);
	assert_ptr_equal(page, again);
	xa_grant_unmap(f->d, 8, true);
	xa_grant_unmap(f->d, 8, true);
	assert_int_equal(xa_grant_map(f->d, 8, true, &again), 0);
	assert_ptr_equal(again, fake_at(f, 0x91000));
}

static void frames_keep_their_entries_when_they_move(void **state)
{
	struct fake *f = *state;
	void *page;

	grant(f, 8, 0, 0x90, 0);
	assert_int_equal(xa_grant_map(f->d, 8, true, &page), 0);
	assert_int_equal(fake_map_grants(f, 0, FAKE_HOLE_GFN), 0);
	assert_int_equal(((struct grant_entry_v1 *)f->hole)[8].frame, 0x90);
	xa_grant_unmap(f->d, 8, true);
	assert_int_equal(((struct grant_entry_v1 *)f->hole)[8].flags, GTF_permit_access);
	/* The guest takes the page away: the entries live on. */
	struct xen_remove_from_physmap_64 r = { DOMID_SELF, FAKE_HOLE_GFN };
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &r), 0);
	assert_int_equal(xa_grant_map(f->d, 8, true, &page), 0);
	xa_grant_unmap(f->d, 8, true);
	assert_int_equal(fake_map_grants(f, 0, FAKE_GRANT_GFN), 0);
	assert_int_equal(entry(f, 8)->frame, 0x90);
}

static int64_t gop(struct fake *f, unsigned op, void *arg, size_t size)
{
	return fake_op_on(f, 0, __HYPERVISOR_grant_table_op, op, arg, size);
}

static void query_and_versions(void **state)
{
	struct fake *f = *state;
	struct gnttab_query_size q = { .dom = DOMID_SELF };
	struct gnttab_set_version s = { 1 };
	struct gnttab_get_version g = { .dom = DOMID_SELF };

	assert_int_equal(gop(f, GNTTABOP_query_size, &q, sizeof(q)), 0);
	assert_int_equal(q.status, GNTST_okay);
	assert_int_equal(q.nr_frames, 1);
	assert_int_equal(q.max_nr_frames, 4);
	q.dom = 0;
	assert_int_equal(gop(f, GNTTABOP_query_size, &q, sizeof(q)), 0);
	assert_int_equal(q.status, GNTST_permission_denied);
	q.dom = 9;
	assert_int_equal(gop(f, GNTTABOP_query_size, &q, sizeof(q)), 0);
	assert_int_equal(q.status, GNTST_bad_domain);
	assert_int_equal(gop(f, GNTTABOP_set_version, &s, sizeof(s)), 0);
	s.version = 2;
	assert_int_equal(gop(f, GNTTABOP_set_version, &s, sizeof(s)), -ENOSYS);
	assert_int_equal(s.version, 1);
	s.version = 3;
	assert_int_equal(gop(f, GNTTABOP_set_version, &s, sizeof(s)), -EINVAL);
	assert_int_equal(gop(f, GNTTABOP_get_version, &g, sizeof(g)), 0);
	assert_int_equal(g.version, 1);
	g.dom = 0;
	assert_int_equal(gop(f, GNTTABOP_get_version, &g, sizeof(g)), -EPERM);
}

static void setup_table(void **state)
{
	struct fake *f = *state;
	struct gnttab_setup_table_64 s = { DOMID_SELF, 2, 0, FAKE_LIST };
	struct gnttab_setup_table_32 s32 = { DOMID_SELF, 1, 0, FAKE_LIST };
	uint64_t *list = fake_at(f, FAKE_LIST);

	assert_int_equal(gop(f, GNTTABOP_setup_table, &s, sizeof(s)), 0);
	assert_int_equal(s.status, GNTST_okay);
	assert_int_equal(list[0], FAKE_GRANT_GFN);
	assert_int_equal(list[1], UINT64_MAX);
	s.nr_frames = 5;
	assert_int_equal(gop(f, GNTTABOP_setup_table, &s, sizeof(s)), 0);
	assert_int_equal(s.status, GNTST_general_error);
	s = (struct gnttab_setup_table_64){ DOMID_SELF, 2, 0, FAKE_BAD };
	assert_int_equal(gop(f, GNTTABOP_setup_table, &s, sizeof(s)), -EFAULT);
	f->abi = XA_ABI_PVH32;
	list[0] = UINT64_MAX;
	assert_int_equal(gop(f, GNTTABOP_setup_table, &s32, sizeof(s32)), 0);
	assert_int_equal(list[0], 0xffffffff00000000ull | FAKE_GRANT_GFN);
}

static void mapping_has_nothing_to_map(void **state)
{
	struct fake *f = *state;
	struct gnttab_map_grant_ref m = { .flags = GNTMAP_host_map, .ref = 1 };
	struct gnttab_unmap_grant_ref u = { .handle = 1 };

	assert_int_equal(gop(f, GNTTABOP_map_grant_ref, &m, sizeof(m)), 0);
	assert_int_equal(m.status, GNTST_bad_gntref);
	m.dom = 33;
	assert_int_equal(gop(f, GNTTABOP_map_grant_ref, &m, sizeof(m)), 0);
	assert_int_equal(m.status, GNTST_bad_domain);
	m.dom = 7;
	assert_int_equal(gop(f, GNTTABOP_map_grant_ref, &m, sizeof(m)), 0);
	assert_int_equal(m.status, GNTST_general_error);
	m.flags = 0;
	assert_int_equal(gop(f, GNTTABOP_map_grant_ref, &m, sizeof(m)), 0);
	assert_int_equal(m.status, GNTST_bad_gntref);
	assert_int_equal(gop(f, GNTTABOP_unmap_grant_ref, &u, sizeof(u)), 0);
	assert_int_equal(u.status, GNTST_bad_handle);
}

static void operations_that_pvh_guests_do_not_have(void **state)
{
	static const unsigned ops[] = { GNTTABOP_dump_table, GNTTABOP_transfer,
					GNTTABOP_unmap_and_replace, GNTTABOP_cache_flush, 13,
					100 };

	for (unsigned i = 0; i < DOM_ARRAY_LEN(ops); i++)
		assert_int_equal(fake_call(*state, 0, __HYPERVISOR_grant_table_op, ops[i], FAKE_ARG,
					   1), -ENOSYS);
}

static void counts(void **state)
{
	struct fake *f = *state;

	assert_int_equal(fake_call(f, 0, __HYPERVISOR_grant_table_op, GNTTABOP_query_size, FAKE_ARG,
				   2), -EINVAL);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_grant_table_op, GNTTABOP_copy, FAKE_ARG,
				   UINT32_MAX), -EINVAL);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_grant_table_op, GNTTABOP_copy, FAKE_ARG,
				   1 << 20), -E2BIG);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_grant_table_op, GNTTABOP_copy, FAKE_BAD, 1),
			 -EFAULT);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_grant_table_op, GNTTABOP_copy, FAKE_BAD, 0),
			 0);
}

static int16_t copy(struct fake *f, struct gnttab_copy_64 c)
{
	assert_int_equal(gop(f, GNTTABOP_copy, &c, sizeof(c)), 0);
	return c.status;
}

static void copies_within_the_domain(void **state)
{
	struct fake *f = *state;
	struct gnttab_copy_64 c = { { 0x90, DOMID_SELF, 10 }, { 0x91, DOMID_SELF, 20 }, 600, 0, 0 };

	for (unsigned i = 0; i < 600; i++)
		((uint8_t *)fake_at(f, 0x90000))[10 + i] = (uint8_t)(i * 7);
	assert_int_equal(copy(f, c), GNTST_okay);
	assert_memory_equal(fake_at(f, 0x9000a), fake_at(f, 0x91014), 600);
	grant(f, 20, 7, 0x92, 0);
	grant(f, 21, 7, 0x90, GTF_readonly);
	c.flags = GNTCOPY_dest_gref | GNTCOPY_source_gref;
	c.source.ptr = 21;
	c.dest.ptr = 20;
	assert_int_equal(copy(f, c), GNTST_okay);
	assert_memory_equal(fake_at(f, 0x9000a), fake_at(f, 0x92014), 600);
	assert_int_equal(entry(f, 20)->flags, GTF_permit_access);
	assert_int_equal(entry(f, 21)->flags, GTF_permit_access | GTF_readonly);
	c.dest.ptr = 21;
	assert_int_equal(copy(f, c), GNTST_general_error);	/* read-only */
	c.dest.ptr = 22;
	assert_int_equal(copy(f, c), GNTST_general_error);	/* not granted */
	c.dest.ptr = 5000;
	assert_int_equal(copy(f, c), GNTST_bad_gntref);
	c.dest.domid = 0;
	assert_int_equal(copy(f, c), GNTST_bad_gntref);
	c.dest.domid = 44;
	assert_int_equal(copy(f, c), GNTST_bad_domain);
	assert_int_equal(entry(f, 21)->flags, GTF_permit_access | GTF_readonly);
	c.flags = 0;
	assert_int_equal(copy(f, c), GNTST_permission_denied);
	c.dest.domid = DOMID_SELF;
	c.source.ptr = FAKE_HOLE_GFN;
	assert_int_equal(copy(f, c), GNTST_bad_page);
	c.len = 4096;
	assert_int_equal(copy(f, c), GNTST_bad_copy_arg);
}

static void copies_of_32_bit_code(void **state)
{
	struct fake *f = *state;
	struct gnttab_copy_32 c[2] = {
		{ { 0x90, DOMID_SELF, 0 }, { 0x91, DOMID_SELF, 0 }, 4, 0, 99 },
		{ { 0x90, DOMID_SELF, 4095 }, { 0x91, DOMID_SELF, 0 }, 4, 0, 99 },
	};

	f->abi = XA_ABI_PVH32;
	strcpy(fake_at(f, 0x90000), "abc");
	memcpy(fake_at(f, FAKE_ARG), c, sizeof(c));
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_grant_table_op, GNTTABOP_copy, FAKE_ARG, 2),
			 0);
	memcpy(c, fake_at(f, FAKE_ARG), sizeof(c));
	assert_int_equal(c[0].status, GNTST_okay);
	assert_int_equal(c[1].status, GNTST_bad_copy_arg);
	assert_string_equal(fake_at(f, 0x91000), "abc");
}

static void swap(void **state)
{
	struct fake *f = *state;
	struct gnttab_swap_grant_ref s = { 8, 9, 99 };
	void *page;

	grant(f, 8, 0, 0x90, 0);
	grant(f, 9, 0, 0x91, GTF_readonly);
	assert_int_equal(gop(f, GNTTABOP_swap_grant_ref, &s, sizeof(s)), 0);
	assert_int_equal(s.status, GNTST_okay);
	assert_int_equal(entry(f, 8)->frame, 0x91);
	assert_int_equal(entry(f, 9)->flags, GTF_permit_access);
	xa_grant_map(f->d, 8, false, &page);
	assert_int_equal(gop(f, GNTTABOP_swap_grant_ref, &s, sizeof(s)), 0);
	assert_int_equal(s.status, GNTST_eagain);
	s.ref_b = 5000;
	assert_int_equal(gop(f, GNTTABOP_swap_grant_ref, &s, sizeof(s)), 0);
	assert_int_equal(s.status, GNTST_bad_gntref);
}

/* ---- version 2 ---- */

static void offer_v2(struct xa_config *cfg)
{
	cfg->grant_v2 = true;
}

static int setup_v2(void **state)
{
	struct fake *f = fake_new_cfg(offer_v2);

	assert_int_equal(fake_map_grants(f, 0, FAKE_GRANT_GFN), 0);
	*state = f;
	return 0;
}

static int64_t set_version(struct fake *f, uint32_t version)
{
	struct gnttab_set_version s = { version };
	int64_t r = gop(f, GNTTABOP_set_version, &s, sizeof(s));

	return r ? r : s.version;
}

static union grant_entry_v2 *entry2(struct fake *f, grant_ref_t ref)
{
	return (union grant_entry_v2 *)fake_at(f, FAKE_GRANT_GFN * 4096) + ref;
}

#define STATUS_GFN (FAKE_GRANT_GFN + 8)

/* Switch to version 2 and map the status frame: what each reference's status is. */
static grant_status_t *go_v2(struct fake *f)
{
	assert_int_equal(set_version(f, 2), 2);
	assert_int_equal(fake_map_grants(f, XENMAPIDX_grant_table_status, STATUS_GFN), 0);
	return fake_at(f, STATUS_GFN * 4096);
}

static void grant2(struct fake *f, grant_ref_t ref, domid_t dom, uint64_t frame, uint16_t extra)
{
	*entry2(f, ref) = (union grant_entry_v2){ .full_page = {
		.hdr = { GTF_permit_access | extra, dom }, .frame = frame } };
}

static void version_2_keeps_the_reserved_entries(void **state)
{
	struct fake *f = *state;
	void *page;

	grant(f, 8, 0, 0x90, 0);
	assert_int_equal(xa_grant_map(f->d, 8, true, &page), 0);
	assert_int_equal(set_version(f, 2), -EBUSY);
	xa_grant_unmap(f->d, 8, true);
	grant(f, GNTTAB_RESERVED_XENSTORE, 0, 0x91, 0);
	assert_int_equal(xa_grant_map(f->d, GNTTAB_RESERVED_XENSTORE, true, &page), 0);
	grant_status_t *status = go_v2(f);
	assert_int_equal(entry2(f, GNTTAB_RESERVED_CONSOLE)->full_page.frame, 0xfefff);
	assert_int_equal(entry2(f, GNTTAB_RESERVED_CONSOLE)->hdr.flags, GTF_permit_access);
	assert_int_equal(entry2(f, GNTTAB_RESERVED_XENSTORE)->full_page.frame, 0x91);
	assert_int_equal(status[GNTTAB_RESERVED_XENSTORE], GTF_reading | GTF_writing);
	assert_int_equal(entry2(f, 8)->hdr.flags, 0);
	/* In use across the change, and back. */
	assert_int_equal(set_version(f, 1), 1);
	assert_int_equal(entry(f, GNTTAB_RESERVED_XENSTORE)->flags,
			 GTF_permit_access | GTF_reading | GTF_writing);
	xa_grant_unmap(f->d, GNTTAB_RESERVED_XENSTORE, true);
	assert_int_equal(entry(f, GNTTAB_RESERVED_XENSTORE)->flags, GTF_permit_access);
	assert_int_equal(set_version(f, 2), 2);
	entry2(f, 3)->hdr.flags = GTF_transitive;
	assert_int_equal(set_version(f, 1), -ERANGE);
	grant2(f, 3, 0, 1ull << 32, 0);
	assert_int_equal(set_version(f, 1), -ERANGE);
	grant2(f, 3, 0, 5, 0);
	assert_int_equal(set_version(f, 1), 1);
	assert_int_equal(entry(f, 3)->frame, 5);
}

static void version_2_chosen_before_the_frame_is_mapped(void **state)
{
	struct fake *f = *state;

	xa_domain_reset(f->d);
	assert_int_equal(set_version(f, 2), 2);
	assert_int_equal(fake_map_grants(f, 0, FAKE_HOLE_GFN), 0);
	assert_int_equal(((union grant_entry_v2 *)f->hole)[0].full_page.frame, 0xfefff);
	assert_int_equal(((union grant_entry_v2 *)f->hole)[0].hdr.flags, GTF_permit_access);
}

static void version_2_has_the_flags_in_the_status_frame(void **state)
{
	struct fake *f = *state;
	grant_status_t *status = go_v2(f);
	void *page;

	grant2(f, 9, 0, 0x90, 0);
	assert_int_equal(xa_grant_map(f->d, 9, false, &page), 0);
	assert_ptr_equal(page, fake_at(f, 0x90000));
	assert_int_equal(status[9], GTF_reading);
	assert_int_equal(xa_grant_map(f->d, 9, true, &page), 0);
	assert_int_equal(status[9], GTF_reading | GTF_writing);
	assert_int_equal(entry2(f, 9)->hdr.flags, GTF_permit_access);
	/* The guest revokes: what is in use goes on, nobody new gets it. */
	entry2(f, 9)->hdr.flags = 0;
	assert_int_equal(xa_grant_map(f->d, 9, false, &page), -EINVAL);
	assert_int_equal(status[9], GTF_reading | GTF_writing);
	xa_grant_unmap(f->d, 9, true);
	assert_int_equal(status[9], GTF_reading);
	xa_grant_unmap(f->d, 9, false);
	assert_int_equal(status[9], 0);
	grant2(f, 9, 0, 0x90, GTF_readonly);
	assert_int_equal(xa_grant_map(f->d, 9, true, &page), -EACCES);
	assert_int_equal(status[9], 0);
	grant2(f, 9, 0, UINT64_MAX, 0);
	assert_int_equal(xa_grant_map(f->d, 9, true, &page), -EFAULT);
	assert_int_equal(status[9], 0);
	grant2(f, 9, 3, 0x90, 0);
	assert_int_equal(xa_grant_map(f->d, 9, true, &page), -EINVAL);
	assert_int_equal(xa_grant_map(f->d, 256, true, &page), -EINVAL);	/* no such frame */
	/* The second frame has its status in the same page. */
	assert_int_equal(fake_map_grants(f, 1, FAKE_GRANT_GFN + 1), 0);
	grant2(f, 256 + 4, 0, 0x91, 0);
	assert_int_equal(xa_grant_map(f->d, 256 + 4, true, &page), 0);
	assert_int_equal(status[256 + 4], GTF_reading | GTF_writing);
	/* The status lives on without a page of the guest's. */
	struct xen_remove_from_physmap_64 r = { DOMID_SELF, STATUS_GFN };
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &r), 0);
	xa_grant_unmap(f->d, 256 + 4, true);
	status[256 + 4] = 99;
	assert_int_equal(fake_map_grants(f, XENMAPIDX_grant_table_status, STATUS_GFN), 0);
	assert_int_equal(status[256 + 4], 0);
}

static void several_at_once_in_version_2(void **state)
{
	struct fake *f = *state;
	const grant_ref_t refs[] = { 9, 10, 11, 12, 9 };
	grant_status_t *status = go_v2(f);
	void *page[5];

	grant2(f, 9, 0, 0x90, 0);
	grant2(f, 10, 0, 0x91, GTF_sub_page);
	grant2(f, 11, 0, UINT64_MAX, 0);
	grant2(f, 12, 0, 0x92, 0);
	assert_int_equal(xa_grants_map(f->d, refs, 5, true, page), -EINVAL);
	assert_ptr_equal(page[0], fake_at(f, 0x90000));
	assert_null(page[1]);
	assert_null(page[2]);
	assert_ptr_equal(page[3], fake_at(f, 0x92000));
	assert_ptr_equal(page[4], page[0]);
	assert_int_equal(status[9], GTF_reading | GTF_writing);
	assert_int_equal(status[10], 0);
	assert_int_equal(status[11], 0);
	assert_int_equal(xa_grants_map(f->d, &refs[3], 1, false, page), 0);
	xa_grants_unmap(f->d, refs, 4, true);	/* 10 and 11 are not in use */
	assert_int_equal(status[9], GTF_reading | GTF_writing);
	assert_int_equal(status[12], GTF_reading);
	xa_grants_unmap(f->d, &refs[3], 2, true);	/* 12 is, but not for writing */
	assert_int_equal(status[9], 0);
	assert_int_equal(status[12], GTF_reading);
	xa_grants_unmap(f->d, &refs[3], 1, false);
	assert_int_equal(status[12], 0);
}

static void parts_of_pages_are_copied_and_not_mapped(void **state)
{
	struct fake *f = *state;
	grant_status_t *status = go_v2(f);
	struct gnttab_copy_64 c = { { 20, 7, 100 }, { 0x91, DOMID_SELF, 0 }, 8,
				    GNTCOPY_source_gref, 0 };
	void *page;

	*entry2(f, 20) = (union grant_entry_v2){ .sub_page = {
		{ GTF_permit_access | GTF_sub_page, 0 }, 100, 50, 0x90 } };
	assert_int_equal(xa_grant_map(f->d, 20, false, &page), -EINVAL);
	entry2(f, 20)->hdr.domid = 7;
	strcpy(fake_at(f, 0x90064), "part of");
	assert_int_equal(copy(f, c), GNTST_okay);
	assert_string_equal(fake_at(f, 0x91000), "part of");
	c.source.offset = 143;		/* one byte behind its end */
	assert_int_equal(copy(f, c), GNTST_general_error);
	c.source.offset = 99;
	assert_int_equal(copy(f, c), GNTST_general_error);
	c = (struct gnttab_copy_64){ { 0x91, DOMID_SELF, 0 }, { 20, 7, 142 }, 8, GNTCOPY_dest_gref, 0 };
	assert_int_equal(copy(f, c), GNTST_okay);
	assert_string_equal(fake_at(f, 0x90000 + 142), "part of");
	c.dest.offset = 143;
	assert_int_equal(copy(f, c), GNTST_general_error);
	assert_int_equal(status[20], 0);
	/* What others granted cannot be passed on: there are none. */
	*entry2(f, 20) = (union grant_entry_v2){ .transitive = { { GTF_transitive, 7 }, 3, 0, 1 } };
	assert_int_equal(copy(f, c), GNTST_general_error);
	entry2(f, 20)->hdr.domid = 0;
	assert_int_equal(xa_grant_map(f->d, 20, false, &page), -EINVAL);
	assert_int_equal(status[20], 0);
}

static void version_2_swaps_entries_with_their_status(void **state)
{
	struct fake *f = *state;
	grant_status_t *status = go_v2(f);
	struct gnttab_swap_grant_ref s = { 8, 9, 99 };

	grant2(f, 8, 0, 0x90, 0);
	grant2(f, 9, 0, 0x1234567890, GTF_readonly);
	status[8] = 0x100;
	assert_int_equal(gop(f, GNTTABOP_swap_grant_ref, &s, sizeof(s)), 0);
	assert_int_equal(s.status, GNTST_okay);
	assert_true(entry2(f, 8)->full_page.frame == 0x1234567890);
	assert_int_equal(entry2(f, 9)->full_page.frame, 0x90);
	assert_int_equal(status[8], 0);
	assert_int_equal(status[9], 0x100);
}

static void status_frames(void **state)
{
	struct fake *f = *state;
	struct gnttab_get_status_frames_64 g = { 1, DOMID_SELF, 0, FAKE_LIST };
	struct gnttab_get_status_frames_32 g32 = { 1, DOMID_SELF, 0, FAKE_LIST };
	uint64_t *list = fake_at(f, FAKE_LIST);

	/* Version 1 has none. */
	assert_int_equal(gop(f, GNTTABOP_get_status_frames, &g, sizeof(g)), 0);
	assert_int_equal(g.status, GNTST_general_error);
	assert_int_equal(fake_map_grants(f, XENMAPIDX_grant_table_status, STATUS_GFN), -EINVAL);
	go_v2(f);
	assert_int_equal(gop(f, GNTTABOP_get_status_frames, &g, sizeof(g)), 0);
	assert_int_equal(g.status, GNTST_okay);
	assert_int_equal(list[0], STATUS_GFN);
	/* The one that is there is no reason for the table to grow. */
	struct gnttab_query_size q = { .dom = DOMID_SELF };
	assert_int_equal(gop(f, GNTTABOP_query_size, &q, sizeof(q)), 0);
	assert_int_equal(q.nr_frames, 1);
	g.nr_frames = 2;
	assert_int_equal(gop(f, GNTTABOP_get_status_frames, &g, sizeof(g)), 0);
	assert_int_equal(g.status, GNTST_general_error);
	g.dom = 0;
	assert_int_equal(gop(f, GNTTABOP_get_status_frames, &g, sizeof(g)), 0);
	assert_int_equal(g.status, GNTST_permission_denied);
	g = (struct gnttab_get_status_frames_64){ 1, DOMID_SELF, 0, FAKE_BAD };
	assert_int_equal(gop(f, GNTTABOP_get_status_frames, &g, sizeof(g)), 0);
	assert_int_equal(g.status, GNTST_bad_virt_addr);
	assert_int_equal(fake_map_grants(f, XENMAPIDX_grant_table_status | 1, STATUS_GFN), -EINVAL);
	f->abi = XA_ABI_PVH32;
	list[0] = UINT64_MAX;
	assert_int_equal(gop(f, GNTTABOP_get_status_frames, &g32, sizeof(g32)), 0);
	assert_int_equal(list[0], STATUS_GFN);
}

static void reset_goes_back_to_version_1(void **state)
{
	struct fake *f = *state;
	struct gnttab_get_version g = { .dom = DOMID_SELF };

	go_v2(f);
	xa_domain_reset(f->d);
	assert_int_equal(gop(f, GNTTABOP_get_version, &g, sizeof(g)), 0);
	assert_int_equal(g.version, 1);
}

/* Random maps, unmaps and changes by the guest, against counts kept here. */
static void random_use_agrees_with_a_model(void **state)
{
	enum { REFS = 16 };
	struct fake *f = *state;
	struct {
		unsigned readers, writers;
		void *page;
	} model[REFS] = { 0 };

	srand(7);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned r = (unsigned)rand() % REFS;
		grant_ref_t ref = 8 + r;
		bool write = rand() % 2, used = model[r].readers || model[r].writers;
		struct grant_entry_v1 *e = entry(f, ref);
		void *page;
		int err, want = 0;

		switch (rand() % 4) {
		case 0:		/* the guest rewrites an entry that nobody uses */
			if (!used)
				grant(f, ref, rand() % 8 ? 0 : 5, 0x90 + rand() % 8,
				      rand() % 4 ? 0 : GTF_readonly);
			break;
		case 1:
		case 2:
			if (!(e->flags & GTF_permit_access) || e->domid)
				want = -EINVAL;
			else if (write && (e->flags & GTF_readonly))
				want = -EACCES;
			err = xa_grant_map(f->d, ref, write, &page);
			assert_int_equal(err, want);
			if (err)
				break;
			if (used)
				assert_ptr_equal(page, model[r].page);
			model[r].page = page;
			if (write)
				model[r].writers++;
			else
				model[r].readers++;
			break;
		default:
			if (write && model[r].writers)
				model[r].writers--;
			if (!write && model[r].readers)
				model[r].readers--;
			xa_grant_unmap(f->d, ref, write);
		}
		if (e->flags) {
			assert_int_equal(!!(e->flags & GTF_writing), !!model[r].writers);
			assert_int_equal(!!(e->flags & GTF_reading),
					 model[r].readers || model[r].writers);
		}
	}
}

#define TEST_V2(name) cmocka_unit_test_setup_teardown(name, setup_v2, teardown)
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reserved_entries_are_the_rings),
		TEST(map_sets_flags_until_the_last_unmap),
		TEST(map_rules),
		TEST(several_at_once_are_used_or_not_one_by_one),
		TEST(a_used_grant_stays_its_page),
		TEST(frames_keep_their_entries_when_they_move),
		TEST(query_and_versions),
		TEST(setup_table),
		TEST(mapping_has_nothing_to_map),
		TEST(operations_that_pvh_guests_do_not_have),
		TEST(counts),
		TEST(copies_within_the_domain),
		TEST(copies_of_32_bit_code),
		TEST(swap),
		TEST(random_use_agrees_with_a_model),
		TEST_V2(version_2_keeps_the_reserved_entries),
		TEST_V2(version_2_chosen_before_the_frame_is_mapped),
		TEST_V2(version_2_has_the_flags_in_the_status_frame),
		TEST_V2(several_at_once_in_version_2),
		TEST_V2(parts_of_pages_are_copied_and_not_mapped),
		TEST_V2(version_2_swaps_entries_with_their_status),
		TEST_V2(status_frames),
		TEST_V2(reset_goes_back_to_version_1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
