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
					GNTTABOP_unmap_and_replace, GNTTABOP_get_status_frames,
					GNTTABOP_cache_flush, 13, 100 };

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reserved_entries_are_the_rings),
		TEST(map_sets_flags_until_the_last_unmap),
		TEST(map_rules),
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
