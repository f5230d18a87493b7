// SPDX-License-Identifier: MIT
/*
 * What is different for PV domains: events without interrupts, places that the hypervisor chooses, and
 * what a guest without a physical map cannot ask for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_xa.h"

static void tweak(struct xa_config *cfg)
{
	cfg->pv = true;
	cfg->special_gfn.v = 0;
	cfg->grant_gfn.v = FAKE_HOLE_GFN;
	cfg->grant_v2 = true;
	cfg->low_pages = 0x40;		/* page 0x40 is frame 0x44 */
	cfg->high_gfn.v = 0x44;
}

static int setup(void **state)
{
	struct fake *f = fake_new_cfg(tweak);

	f->abi = XA_ABI_PV64;
	assert_int_equal(xa_shared_info_place(f->d, (struct xa_gfn){ FAKE_SHARED_GFN }), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

static void a_masked_vcpu_is_told_but_has_no_upcall(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port, other;

	assert_int_equal(fake_bind_ipi(f, 0, &port), 0);
	assert_int_equal(fake_bind_ipi(f, 0, &other), 0);
	fake_info(f, 0)[XA_VCPU_INFO_MASK] = 1;
	assert_int_equal(fake_send(f, port), 0);
	assert_int_equal(fake_info(f, 0)[XA_VCPU_INFO_PENDING], 1);
	/* It may be unmasking events this moment, and have looked just before this one came. */
	assert_int_equal(f->upcalls[0], 1);
	assert_false(xa_upcall_pending(xa_domain_vcpu(f->d, 0)));

	memset(fake_info(f, 0), 0, 16);
	assert_true(!xa_upcall_pending(xa_domain_vcpu(f->d, 0)));
	assert_int_equal(fake_send(f, other), 0);
	assert_int_equal(f->upcalls[0], 2);
	assert_int_equal(f->upcall[0].kind, XA_UPCALL_PV);
	assert_true(xa_upcall_pending(xa_domain_vcpu(f->d, 0)));
}

static void grant_frames_get_their_places_when_asked_for(void **state)
{
	struct gnttab_setup_table_64 a = { .dom = DOMID_SELF, .nr_frames = 2, .frame_list = 0x2000 };
	struct fake *f = *state;
	uint64_t *list = fake_at(f, 0x2000);

	assert_int_equal(fake_op(f, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &a), 0);
	assert_int_equal(a.status, GNTST_okay);
	assert_int_equal(list[0], FAKE_HOLE_GFN);
	assert_int_equal(list[1], FAKE_HOLE_GFN + 1);
	assert_non_null(xa_guest_page(f->d, (struct xa_gfn){ FAKE_HOLE_GFN }));
	/* The rings' entries are there, and stay when the table is asked for again. */
	assert_int_equal(((struct grant_entry_v1 *)(void *)f->hole)[GNTTAB_RESERVED_CONSOLE].frame,
			 0xfefff);
	list[0] = 0;
	a.status = 1;
	assert_int_equal(fake_op(f, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &a), 0);
	assert_int_equal(list[0], FAKE_HOLE_GFN);
}

/* As Linux does: version, frames, status frames; these come behind the last grant frame. */
static void status_frames_get_their_places_when_asked_for(void **state)
{
	struct gnttab_set_version v = { 2 };
	struct gnttab_setup_table_64 a = { .dom = DOMID_SELF, .nr_frames = 1, .frame_list = 0x2000 };
	struct gnttab_get_status_frames_64 s = { 1, DOMID_SELF, 1, 0x2000 };
	struct fake *f = *state;
	uint64_t *list = fake_at(f, 0x2000);
	union grant_entry_v2 *table = (void *)f->hole;
	grant_status_t *status = (void *)(f->hole + 4 * 4096);
	void *page;

	assert_int_equal(fake_op(f, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, &v), 0);
	assert_int_equal(fake_op(f, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &a), 0);
	assert_int_equal(fake_op(f, __HYPERVISOR_grant_table_op, GNTTABOP_get_status_frames, &s), 0);
	assert_int_equal(s.status, GNTST_okay);
	assert_int_equal(list[0], FAKE_HOLE_GFN + 4);
	assert_int_equal(table[GNTTAB_RESERVED_CONSOLE].full_page.frame, 0xfefff);
	table[9] = (union grant_entry_v2){ .full_page = { { GTF_permit_access, 0 }, 0, 0x90 } };
	assert_int_equal(xa_grant_map(f->d, 9, true, &page), 0);
	assert_int_equal(status[9], GTF_reading | GTF_writing);
	xa_grant_unmap(f->d, 9, true);
	assert_int_equal(status[9], 0);
}

/* Entry @ref of the table grants @gfn to the guest itself. */
static void grant_to_itself(struct fake *f, unsigned ref, uint32_t gfn, uint16_t flags)
{
	struct gnttab_setup_table_64 a = { .dom = DOMID_SELF, .nr_frames = 1, .frame_list = 0x2000 };
	struct grant_entry_v1 *table = (void *)f->hole;

	assert_int_equal(fake_op(f, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &a), 0);
	table[ref] = (struct grant_entry_v1){ .flags = flags, .domid = 7, .frame = gfn };
}

static struct gnttab_map_grant_ref map_at(struct fake *f, uint64_t at, uint32_t flags, unsigned ref)
{
	struct gnttab_map_grant_ref m = {
		.host_addr = at, .flags = flags, .ref = ref, .dom = 7, .status = 1,
	};

	assert_int_equal(fake_op(f, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &m), 0);
	return m;
}

static int unmap_at(struct fake *f, uint64_t at, uint64_t bus, uint32_t handle)
{
	struct gnttab_unmap_grant_ref u = { .host_addr = at, .dev_bus_addr = bus,
					    .handle = handle, .status = 1 };

	assert_int_equal(fake_op(f, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &u), 0);
	return u.status;
}

static void a_grant_is_mapped_until_both_halves_are_gone(void **state)
{
	const uint32_t both = GNTMAP_host_map | GNTMAP_device_map | GNTMAP_contains_pte;
	struct fake *f = *state;
	struct grant_entry_v1 *table = (void *)f->hole;
	struct gnttab_map_grant_ref m;
	uint64_t *entry = fake_at(f, 0x3008);

	grant_to_itself(f, 8, 5, GTF_permit_access);
	m = map_at(f, 0x3008, both, 8);
	assert_int_equal(m.status, GNTST_okay);
	assert_int_equal(m.dev_bus_addr, 0x5000);
	assert_int_equal(*entry, 0x5063);
	assert_int_equal(unmap_at(f, 0x3008, 0x6000, m.handle), GNTST_general_error);
	assert_int_equal(unmap_at(f, 0x3010, 0, m.handle), GNTST_general_error);
	assert_int_equal(unmap_at(f, 0x3008, 0, m.handle), GNTST_okay);
	assert_int_equal(*entry, 0);
	assert_int_equal(table[8].flags, GTF_permit_access | GTF_reading | GTF_writing);
	assert_int_equal(unmap_at(f, 0, 0x5000, m.handle), GNTST_okay);
	assert_int_equal(table[8].flags, GTF_permit_access);
	assert_int_equal(unmap_at(f, 0, 0x5000, m.handle), GNTST_bad_handle);
}

static void mappings_have_a_limit_and_end_with_the_domain(void **state)
{
	const uint32_t flags = GNTMAP_device_map | GNTMAP_readonly;
	struct fake *f = *state;

	grant_to_itself(f, 8, 5, GTF_permit_access | GTF_readonly);
	for (unsigned i = 0; i < 1024; i++)
		assert_int_equal(map_at(f, 0, flags, 8).status, GNTST_okay);
	assert_int_equal(map_at(f, 0, flags, 8).status, GNTST_no_device_space);
	xa_domain_reset(f->d);
	grant_to_itself(f, 8, 5, GTF_permit_access | GTF_readonly);
	assert_int_equal(map_at(f, 0, flags, 8).status, GNTST_okay);
}

static void without_memory_the_table_is_refused(void **state)
{
	struct gnttab_setup_table_64 a = { .dom = DOMID_SELF, .nr_frames = 1, .frame_list = 0x2000 };
	struct fake *f = *state;

	f->ret_populate = -ENOMEM;
	assert_int_equal(fake_op(f, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &a), -ENOMEM);
}

static void there_is_no_physical_map(void **state)
{
	struct xen_remove_from_physmap_64 r = { DOMID_SELF, 5 };
	struct fake *f = *state;

	assert_int_equal(fake_map_shared(f), -EACCES);
	assert_int_equal(fake_map_grants(f, 0, 5), -EACCES);
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &r), -EACCES);
}

static void a_page_that_was_given_back_returns_with_its_frame(void **state)
{
	uint64_t out[] = { 0x3f, 0x44 }, in[] = { 0x3f, 0x40 };
	struct xen_memory_reservation_64 r = { .extent_start = 0x2000, .nr_extents = 2,
					       .domid = DOMID_SELF };
	struct fake *f = *state;
	uint64_t *list = fake_at(f, 0x2000);

	memcpy(list, out, sizeof(out));
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r), 2);
	memcpy(list, in, sizeof(in));
	/* One at a time, as the shim asks for it by its third argument, and as if there were no more. */
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_populate_physmap, &r), 1);
	assert_int_equal(list[0], 0x3f);
	assert_int_equal(list[1], 0x40);
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op,
				 XENMEM_populate_physmap | 1 << MEMOP_EXTENT_SHIFT, &r), 2);
	assert_int_equal(list[1], 0x44);
	/* Another page may have the frame, and a page that has one gets no other. */
	list[0] = 0x44;
	r.nr_extents = 1;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r), 1);
	list[0] = 0x3f;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_populate_physmap, &r), 1);
	assert_int_equal(list[0], 0x44);
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_populate_physmap, &r), 0);
	/* Pages that have no frames in a row are no extent. */
	list[0] = 0x3f;
	r.nr_extents = 1;
	r.extent_order = 1;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_populate_physmap, &r), 0);
}

static void vcpus_are_started_with_what_the_shim_knows(void **state)
{
	struct fake *f = *state;

	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_initialise, 1, fake_at(f, 0), 128), -ENOSYS);
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_up, 1, NULL, 0), 0);
	assert_int_equal(f->ups, 1);
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_is_up, 1, NULL, 0), 1);
}

static void features_and_page_are_a_pv_guests(void **state)
{
	struct xen_feature_info features = { .submap_idx = 0 };
	struct fake *f = *state;
	uint8_t page[XEN_PAGE_SIZE];

	assert_int_equal(fake_op(f, __HYPERVISOR_xen_version, XENVER_get_features, &features), 0);
	assert_false(features.submap & 1u << XENFEAT_auto_translated_physmap);
	assert_false(features.submap & 1u << XENFEAT_writable_page_tables);
	xa_hypercall_page_pv64(page);
	/* push %rcx; push %r11; mov $5, %eax; syscall */
	assert_memory_equal(page + 5 * 32, "\x51\x41\x53\xb8\x05\0\0\0\x0f\x05", 10);
	assert_memory_equal(page + 23 * 32, "\x51\x41\x53\x50\xb8\x17\0\0\0\x0f\x05", 11);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_masked_vcpu_is_told_but_has_no_upcall),
		TEST(grant_frames_get_their_places_when_asked_for),
		TEST(status_frames_get_their_places_when_asked_for),
		TEST(a_grant_is_mapped_until_both_halves_are_gone),
		TEST(mappings_have_a_limit_and_end_with_the_domain),
		TEST(without_memory_the_table_is_refused),
		TEST(there_is_no_physical_map),
		TEST(a_page_that_was_given_back_returns_with_its_frame),
		TEST(vcpus_are_started_with_what_the_shim_knows),
		TEST(features_and_page_are_a_pv_guests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
