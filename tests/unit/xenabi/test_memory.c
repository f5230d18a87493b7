// SPDX-License-Identifier: MIT
/*
 * memory_op, in both widths, with a platform that may refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_xa.h"

static int setup(void **state)
{
	*state = fake_new();
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

static int64_t add(struct fake *f, domid_t dom, uint32_t space, uint64_t idx, uint64_t gfn)
{
	struct xen_add_to_physmap_64 a = { dom, 0, space, idx, gfn };

	return fake_op(f, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, &a);
}

static int64_t reserve(struct fake *f, unsigned op, uint64_t n, unsigned order)
{
	struct xen_memory_reservation_64 a = { FAKE_LIST, n, order, 0, DOMID_SELF };

	return fake_op(f, __HYPERVISOR_memory_op, op, &a);
}

static int64_t query(struct fake *f, unsigned op, domid_t dom)
{
	struct xen_memory_domain a = { dom };

	return fake_op(f, __HYPERVISOR_memory_op, op, &a);
}

static void shared_info_adopts_ram(void **state)
{
	struct fake *f = *state;

	memset(fake_at(f, FAKE_SHARED_GFN * 4096), 0xff, 4096);
	assert_int_equal(fake_map_shared(f), 0);
	assert_ptr_equal(f->shared, fake_at(f, FAKE_SHARED_GFN * 4096));
	assert_int_equal(fake_info(f, 0)[0], 0);	/* the contents are shared_info's */
	assert_int_equal(fake_map_shared(f), 0);	/* again: nothing changes */
	f->ret_shared_info = -EIO;
	assert_int_equal(add(f, DOMID_SELF, XENMAPSPACE_shared_info, 0, 0x21), -EIO);
}

static void shared_info_outside_of_ram_gets_memory(void **state)
{
	struct fake *f = *state;

	assert_int_equal(add(f, DOMID_SELF, XENMAPSPACE_shared_info, 0, FAKE_HOLE_GFN + 3), 0);
	assert_ptr_equal(f->shared, f->hole + 3 * 4096);
	assert_int_equal(query(f, XENMEM_maximum_gpfn, DOMID_SELF), FAKE_HOLE_GFN + 3);
	assert_int_equal(add(f, DOMID_SELF, XENMAPSPACE_shared_info, 0, 1ull << 39), -EINVAL);
	assert_int_equal(add(f, DOMID_SELF, XENMAPSPACE_shared_info, 0, UINT64_MAX), -EINVAL);
	f->ret_populate = -ENOMEM;
	assert_int_equal(add(f, DOMID_SELF, XENMAPSPACE_shared_info, 0, FAKE_HOLE_GFN + 4),
			 -ENOMEM);
}

static void shared_info_moves_with_its_contents(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port;

	assert_int_equal(fake_map_shared(f), 0);
	fake_bind_ipi(f, 0, &port);
	fake_send(f, port);
	assert_int_equal(add(f, DOMID_SELF, XENMAPSPACE_shared_info, 0, 0x21), 0);
	assert_int_equal(*(uint64_t *)fake_at(f, 0x21800), 1ull << port);
	/* A grant frame in its place pushes it out, but not into nothing. */
	assert_int_equal(fake_map_grants(f, 0, 0x21), 0);
	assert_int_equal(*(uint64_t *)fake_at(f, 0x21800), 0);
	assert_int_equal(fake_map_shared(f), 0);
	assert_int_equal(fake_pending(f)[0], 1ull << port);
}

static void add_to_physmap_rules(void **state)
{
	struct fake *f = *state;

	assert_int_equal(add(f, 0, XENMAPSPACE_shared_info, 0, 0x20), -EPERM);
	assert_int_equal(add(f, 99, XENMAPSPACE_shared_info, 0, 0x20), -ESRCH);
	assert_int_equal(add(f, 7, XENMAPSPACE_shared_info, 1, 0x20), -EINVAL);
	assert_int_equal(add(f, 7, XENMAPSPACE_gmfn_foreign, 1, 0x20), -ENOSYS);
	assert_int_equal(add(f, 7, XENMAPSPACE_dev_mmio, 1, 0x20), -EINVAL);
	assert_int_equal(add(f, 7, 77, 1, 0x20), -EINVAL);
	assert_int_equal(add(f, 7, XENMAPSPACE_grant_table, 4, 0x20), -EINVAL);
	assert_int_equal(add(f, 7, XENMAPSPACE_grant_table, XENMAPIDX_grant_table_status, 0x20),
			 -EINVAL);
	assert_int_equal(add(f, 7, XENMAPSPACE_grant_table, 3, FAKE_HOLE_GFN), 0);
}

static void gmfn_moves_a_page(void **state)
{
	struct fake *f = *state;
	struct xen_add_to_physmap_64 range = { DOMID_SELF, 2, XENMAPSPACE_gmfn_range, 0x90,
					       FAKE_HOLE_GFN + 8 };

	strcpy(fake_at(f, 0x80000), "moved");
	assert_int_equal(add(f, 7, XENMAPSPACE_gmfn, 0x80, FAKE_HOLE_GFN), 0);
	assert_string_equal((char *)f->hole, "moved");
	assert_string_equal(fake_at(f, 0x80000), "");
	assert_int_equal(add(f, 7, XENMAPSPACE_gmfn, 0x80, FAKE_HOLE_GFN), -EINVAL);
	assert_int_equal(add(f, 7, XENMAPSPACE_gmfn, 0x81, 0x81), 0);
	assert_int_equal(add(f, 7, XENMAPSPACE_gmfn, UINT64_MAX, 0x81), -EINVAL);
	strcpy(fake_at(f, 0x91000), "range");
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, &range), 0);
	assert_string_equal((char *)f->hole + 9 * 4096, "range");
}

static void layouts_of_32_bit_code(void **state)
{
	struct fake *f = *state;
	struct xen_memory_reservation_32 r = { FAKE_LIST, 1, 0, 0, DOMID_SELF };
	struct xen_memory_map_32 m = { 10, FAKE_LIST };
	struct xen_remove_from_physmap_32 rm = { DOMID_SELF, 0x91 };
	uint32_t *list = fake_at(f, FAKE_LIST);

	f->abi = XA_ABI_PVH32;
	assert_int_equal(fake_map_shared(f), 0);
	assert_ptr_equal(f->shared, fake_at(f, FAKE_SHARED_GFN * 4096));
	list[0] = 0x90;
	list[1] = UINT32_MAX;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r), 1);
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_populate_physmap, &r), 1);
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &rm), 0);
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_memory_map, &m), 0);
	assert_int_equal(m.nr_entries, 2);
	assert_int_equal(((struct xa_e820entry *)list)[1].type, 2);
}

static void memory_map(void **state)
{
	struct fake *f = *state;
	struct xen_memory_map_64 m = { 1, FAKE_LIST };
	struct xa_e820entry *e = fake_at(f, FAKE_LIST);

	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_memory_map, &m), 0);
	assert_int_equal(m.nr_entries, 1);
	assert_int_equal(e[0].size, FAKE_RAM_PAGES * 4096ull);
	assert_int_equal(e[1].size, 0);
	m = (struct xen_memory_map_64){ UINT32_MAX, FAKE_BAD };
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_memory_map, &m), -EFAULT);
	m = (struct xen_memory_map_64){ UINT32_MAX, UINT64_MAX - 10 };
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_memory_map, &m), -EFAULT);
}

static void balloon(void **state)
{
	struct fake *f = *state;
	uint64_t *list = fake_at(f, FAKE_LIST);
	uint64_t total = FAKE_RAM_PAGES;

	for (unsigned i = 0; i < 8; i++)
		list[i] = 0x100 + i;
	assert_int_equal(query(f, XENMEM_current_reservation, DOMID_SELF), total);
	assert_int_equal(query(f, XENMEM_maximum_reservation, DOMID_SELF), total + 16);
	assert_int_equal(reserve(f, XENMEM_decrease_reservation, 8, 0), 8);
	assert_int_equal(query(f, XENMEM_current_reservation, DOMID_SELF), total - 8);
	/* Given back already. */
	assert_int_equal(reserve(f, XENMEM_decrease_reservation, 8, 0), 0);
	assert_int_equal(query(f, XENMEM_current_reservation, DOMID_SELF), total - 8);
	assert_int_equal(reserve(f, XENMEM_populate_physmap, 8, 0), 8);
	assert_int_equal(query(f, XENMEM_current_reservation, DOMID_SELF), total);
	/* Up to the maximum and no further. */
	list[0] = FAKE_HOLE_GFN;
	list[1] = FAKE_HOLE_GFN + 8;
	list[2] = FAKE_HOLE_GFN + 16;
	assert_int_equal(reserve(f, XENMEM_populate_physmap, 3, 3), 2);
	assert_int_equal(reserve(f, XENMEM_increase_reservation, 3, 0), 0);
	/* An extent that is not there ends the call. */
	list[0] = 0x100;
	list[1] = UINT64_MAX;
	list[2] = 0x101;
	assert_int_equal(reserve(f, XENMEM_decrease_reservation, 3, 0), 1);
	f->ret_release = -EIO;
	list[0] = 0x110;
	assert_int_equal(reserve(f, XENMEM_decrease_reservation, 1, 0), 0);
	f->ret_populate = -ENOMEM;
	list[0] = FAKE_HOLE_GFN + 30;
	assert_int_equal(reserve(f, XENMEM_populate_physmap, 1, 0), 0);
}

static void reservation_limits(void **state)
{
	struct fake *f = *state;
	struct xen_memory_reservation_64 a = { FAKE_LIST, 1, 0, 0, 0 };
	uint64_t *list = fake_at(f, FAKE_LIST);

	list[0] = 0x100;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, &a), 0);
	a.domid = DOMID_SELF;
	a.extent_order = 10;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, &a), 0);
	a.extent_order = 0;
	a.nr_extents = UINT64_MAX;
	a.extent_start = UINT64_MAX - 3;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, &a), 0);
	/* An unreadable argument is answered with the start extent, as Xen does. */
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_memory_op,
				   XENMEM_populate_physmap | 3 << MEMOP_EXTENT_SHIFT, FAKE_BAD, 0),
			 3);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, FAKE_BAD,
				   0),
			 -EFAULT);
	/* The call goes on at the extent that it names. */
	list[0] = UINT64_MAX;
	list[1] = 0x120;
	a = (struct xen_memory_reservation_64){ FAKE_LIST, 2, 0, 0, DOMID_SELF };
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op,
				 XENMEM_decrease_reservation | 1 << MEMOP_EXTENT_SHIFT, &a), 2);
}

static void remove_from_physmap(void **state)
{
	struct fake *f = *state;
	struct xen_remove_from_physmap_64 a = { DOMID_SELF, 0x100 };

	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &a), 0);
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &a),
			 -ENOENT);
	a.gpfn = FAKE_HOLE_GFN;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &a),
			 -ENOENT);
	a.gpfn = UINT64_MAX;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &a),
			 -ENOENT);
	a.domid = 0;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &a),
			 -EPERM);
	a = (struct xen_remove_from_physmap_64){ DOMID_SELF, 0x100 };
	assert_int_equal(add(f, 7, XENMAPSPACE_shared_info, 0, 0x100), 0);
}

static void batch(void **state)
{
	struct fake *f = *state;
	struct xen_add_to_physmap_batch_64 a = {
		DOMID_SELF, XENMAPSPACE_grant_table, 3, 0, FAKE_LIST, FAKE_LIST + 0x100,
		FAKE_LIST + 0x200 };
	uint64_t *idx = fake_at(f, FAKE_LIST), *gfn = fake_at(f, FAKE_LIST + 0x100);
	int32_t *errs = fake_at(f, FAKE_LIST + 0x200);

	idx[1] = 77;
	idx[2] = 1;
	gfn[0] = 0x60;
	gfn[1] = 0x61;
	gfn[2] = 0x62;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, &a), 0);
	assert_int_equal(errs[0], 0);
	assert_int_equal(errs[1], -EINVAL);
	assert_int_equal(errs[2], 0);
	a.space = XENMAPSPACE_gmfn_foreign;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, &a),
			 -EPERM);
	a.foreign_domid = 12;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, &a),
			 -ESRCH);
	a.domid = 0;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, &a),
			 -EPERM);
	a = (struct xen_add_to_physmap_batch_64){ DOMID_SELF, XENMAPSPACE_grant_table, 1, 0,
						  FAKE_LIST, FAKE_LIST, FAKE_BAD };
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, &a),
			 -EFAULT);
}

static void queries_of_others_and_refusals(void **state)
{
	static const struct {
		unsigned op;
		int64_t err;
	} rows[] = {
		{ XENMEM_machphys_mfn_list, -ENOSYS }, { XENMEM_machine_memory_map, -ENOSYS },
		{ XENMEM_exchange, -EOPNOTSUPP }, { XENMEM_machphys_mapping, -ENOSYS },
		{ XENMEM_set_memory_map, -EPERM }, { XENMEM_set_pod_target, -EPERM },
		{ XENMEM_claim_pages, -EPERM }, { XENMEM_get_vnumainfo, -EOPNOTSUPP },
		{ 8, -ENOSYS }, { 29, -ENOSYS }, { 63, -ENOSYS },
	};
	struct fake *f = *state;
	struct xen_vnuma_topology_info v = { .domid = DOMID_SELF };
	struct xen_mem_acquire_resource_64 r = { .domid = DOMID_SELF };

	for (unsigned i = 0; i < DOM_ARRAY_LEN(rows); i++)
		assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, rows[i].op, &v), rows[i].err);
	v.pad = 1;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_get_vnumainfo, &v), -EINVAL);
	assert_int_equal(query(f, XENMEM_current_reservation, 0), -EPERM);
	assert_int_equal(query(f, XENMEM_maximum_reservation, 4), -ESRCH);
	assert_int_equal(query(f, XENMEM_maximum_gpfn, DOMID_SELF), 0xfefff);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_memory_op, XENMEM_maximum_ram_page, 0, 0),
			 0xfefff);
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_acquire_resource, &r), -ESRCH);
	r.domid = 7;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_acquire_resource, &r), -EPERM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shared_info_adopts_ram),
		TEST(shared_info_outside_of_ram_gets_memory),
		TEST(shared_info_moves_with_its_contents),
		TEST(add_to_physmap_rules),
		TEST(gmfn_moves_a_page),
		TEST(layouts_of_32_bit_code),
		TEST(memory_map),
		TEST(balloon),
		TEST(reservation_limits),
		TEST(remove_from_physmap),
		TEST(batch),
		TEST(queries_of_others_and_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
