// SPDX-License-Identifier: MIT
#include <sys/mman.h>

#include "fake_hw.h"

#define TABLE(n) ((uint64_t *)guest((n) * 4096ull))

static int64_t update(uint64_t ptr, uint64_t val)
{
	const struct mmu_update_64 u = { ptr, val };

	memcpy(guest(0x3f000), &u, sizeof(u));
	return hcall(__HYPERVISOR_mmu_update, va(0x3f000), 1, 0, DOMID_SELF);
}

static int64_t ext(uint32_t cmd, uint64_t arg1, uint64_t arg2)
{
	const struct mmuext_op_64 op = { .cmd = cmd, .arg1 = arg1, .arg2 = arg2 };

	memcpy(guest(0x3f000), &op, sizeof(op));
	return hcall(__HYPERVISOR_mmuext_op, va(0x3f000), 1, 0, DOMID_SELF);
}

/* Tables 1 to 4, top first, that map frame @n at 4096 * @n. */
static void make_tables(void)
{
	TABLE(1)[0] = 2 * 4096 | PTE_P | PTE_RW;
	TABLE(2)[0] = 3 * 4096 | PTE_P | PTE_RW;
	TABLE(3)[0] = 4 * 4096 | PTE_P | PTE_RW;
	for (uint64_t i = 0; i < FRAMES; i++)
		TABLE(4)[i] = i * 4096 | PTE_P | PTE_RW;
}

static void an_update_is_a_store(void **state)
{
	(void)state;
	assert_int_equal(update(4 * 4096 + 8, 0x5067), 0);
	assert_int_equal(TABLE(4)[1], 0x5067);
	assert_int_equal(hw.calls, 0);
	assert_int_equal(hw.cr3_writes, 0);
	TABLE(4)[1] = 0x60;
	assert_int_equal(update((4 * 4096 + 8) | MMU_PT_UPDATE_PRESERVE_AD, 0x5003), 0);
	assert_int_equal(TABLE(4)[1], 0x5063);
}

static void updates_outside_of_ram_and_in_the_hole_are_refused(void **state)
{
	(void)state;
	assert_int_equal(update(FRAMES * 4096ull, 1), -EINVAL);
	assert_int_equal(update(~7ull, 1), -EINVAL);
	assert_int_equal(update(4 * 4096 + 4, 1), -EINVAL);
	assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, 1, 0), 0);
	for (unsigned i = 0; i < SHIM_HOLE_SLOTS; i++)
		assert_int_equal(update(4096 + (256 + i) * 8, 1), -EPERM);
	assert_int_equal(update(4096 + 255 * 8, 0), 0);
	assert_int_equal(update(4096 + 272 * 8, 0), 0);
}

static void pinning_marks_what_is_below(void **state)
{
	(void)state;
	make_tables();
	TABLE(4)[5] &= ~PTE_RW;
	assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, 1, 0), 0);
	assert_int_equal(shim_test_marks[1], 0xc4);
	/* Nobody has asked for those below, until there is a write that may be to one of them. */
	assert_int_equal(shim_test_marks[2], 0);
	assert_false(shim_write_fault(v, 0x5000));
	assert_int_equal(shim_test_marks[1], 0x84);
	assert_int_equal(shim_test_marks[2], 3);
	assert_int_equal(shim_test_marks[3], 2);
	assert_int_equal(shim_test_marks[4], 1);
	assert_int_equal(shim_test_marks[5], 0);
	assert_int_equal(ext(MMUEXT_UNPIN_TABLE, 1, 0), 0);
	assert_int_equal(ext(MMUEXT_UNPIN_TABLE, 1, 0), -EINVAL);
	assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, FRAMES, 0), -EINVAL);
}

/* Entries that lead to tables are writable, too, and that ends no mark. */
static void an_entry_of_a_table_not_looked_for_keeps_the_mark_below(void **state)
{
	(void)state;
	make_tables();
	assert_int_equal(ext(MMUEXT_PIN_L2_TABLE, 3, 0), 0);
	assert_int_equal(ext(MMUEXT_UNPIN_TABLE, 3, 0), 0);
	assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, 1, 0), 0);
	assert_int_equal(shim_test_marks[2], 0);
	assert_int_equal(update(2 * 4096, 3 * 4096 | PTE_P | PTE_RW), 0);
	assert_int_equal(shim_test_marks[2], 3);
	assert_int_equal(shim_test_marks[3] & 7, 2);
	/* One of no table, as far as can be told, maps a page. */
	assert_int_equal(update(5 * 4096, 3 * 4096 | PTE_P | PTE_RW), 0);
	assert_int_equal(shim_test_marks[3], 0);
}

/* Of much memory that which no table is in is not looked at: here it cannot be. */
static void a_search_keeps_to_where_tables_are(void **state)
{
	const size_t frames = 33u << (30 - 12);
	uint8_t *small = shim_test_marks;

	(void)state;
	shim_test_marks = mmap(NULL, frames, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(shim_test_marks, MAP_FAILED);
	assert_int_equal(mprotect(shim_test_marks + 4096, frames - 4096, PROT_NONE), 0);
	shim_test_info->high_frame = 4u << (30 - 12);
	shim_test_info->end_frame = frames;
	make_tables();
	TABLE(4)[4] &= ~PTE_RW;
	TABLE(4)[5] &= ~PTE_RW;
	assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, 1, 0), 0);
	assert_false(shim_write_fault(v, 0x5000));
	assert_int_equal(shim_test_marks[4], 1);
	assert_true(shim_write_fault(v, 0x4000));
	/* One that comes later is found, too. */
	TABLE(6)[0] = 7 * 4096 | PTE_P | PTE_RW;
	assert_int_equal(ext(MMUEXT_PIN_L2_TABLE, 6, 0), 0);
	assert_int_equal(shim_test_marks[7], 0);
	TABLE(4)[7] &= ~PTE_RW;
	assert_true(shim_write_fault(v, 0x7000));
	munmap(shim_test_marks, frames);
	shim_test_marks = small;
}

/* A table that is its own entry, at every level, must not be walked for ever. */
static void recursive_tables_end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 512; i++)
		TABLE(1)[i] = 4096 | PTE_P | PTE_RW;
	assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, 1, 0), 0);
	TABLE(2)[0] = 3 * 4096 | PTE_P | PTE_RW;
	TABLE(3)[0] = 2 * 4096 | PTE_P | PTE_RW;
	assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, 2, 0), 0);
	make_tables();
	TABLE(1)[1] = 4096 | PTE_P | PTE_RW;
	TABLE(3)[1] = 4096 | PTE_P | PTE_RW;
	TABLE(4)[5] &= ~PTE_RW;
	assert_false(shim_write_fault(v, 0x5000));
	assert_int_equal(shim_test_marks[5], 0);
}

static void a_write_to_a_marked_table_makes_it_writable(void **state)
{
	(void)state;
	make_tables();
	TABLE(4)[4] &= ~PTE_RW;
	TABLE(4)[5] &= ~PTE_RW;
	assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, 1, 0), 0);
	assert_true(shim_write_fault(v, 0x4008));
	assert_true(TABLE(4)[4] & PTE_RW);
	assert_int_equal(hw.invlpg, 0x4008);
	/* Not marked; not mapped; a user's; beyond the hole. */
	assert_false(shim_write_fault(v, 0x5000));
	assert_false(shim_write_fault(v, 0x200000));
	TABLE(4)[4] = (TABLE(4)[4] & ~PTE_RW) | PTE_USER;
	assert_false(shim_write_fault(v, 0x4000));
	assert_false(shim_write_fault(v, PV_HYPERVISOR_START));
	/* Writable already: the translation was old. */
	assert_true(shim_write_fault(v, 0x6000));
}

static void a_writable_mapping_ends_a_mark(void **state)
{
	(void)state;
	make_tables();
	assert_int_equal(ext(MMUEXT_PIN_L2_TABLE, 3, 0), 0);
	assert_int_equal(ext(MMUEXT_UNPIN_TABLE, 3, 0), 0);
	assert_int_equal(shim_test_marks[3] & 7, 2);
	assert_int_equal(hcall(__HYPERVISOR_update_va_mapping, 0x3000, 3 * 4096 | PTE_P, 0, 0), 0);
	assert_int_equal(shim_test_marks[3] & 7, 2);
	assert_int_equal(hcall(__HYPERVISOR_update_va_mapping, 0x3000, 3 * 4096 | PTE_P | PTE_RW, 0, 0),
			 0);
	assert_int_equal(shim_test_marks[3], 0);
}

static void update_va_mapping_flushes_as_told(void **state)
{
	(void)state;
	make_tables();
	assert_int_equal(hcall(__HYPERVISOR_update_va_mapping, 0x7000, 0, UVMF_INVLPG, 0), 0);
	assert_int_equal(TABLE(4)[7], 0);
	assert_int_equal(hw.invlpg, 0x7000);
	assert_int_equal(hcall(__HYPERVISOR_update_va_mapping, 0x7000, 0, UVMF_TLB_FLUSH, 0), 0);
	assert_int_equal(hw.cr3_writes, 1);
	assert_int_equal(hcall(__HYPERVISOR_update_va_mapping, 0x8000000000, 0, 0, 0), -EINVAL);
	assert_int_equal(hcall(__HYPERVISOR_update_va_mapping, 0x7000, 0, 0x50000000 | UVMF_INVLPG, 0),
			 -EFAULT);
}

static void others_are_interrupted_only_if_they_run(void **state)
{
	(void)state;
	shim_vcpu(1)->initialised = shim_vcpu(1)->in_guest = true;
	shim_vcpu(2)->initialised = true;
	assert_int_equal(ext(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
	assert_int_equal(hw.ipis, 1);
	assert_int_equal(shim_vcpu(1)->flush_done, 1);
	/* The one that waited looks when it comes back. */
	assert_int_equal(shim_vcpu(2)->flush_asked, 1);
	assert_int_equal(shim_vcpu(2)->flush_done, 0);
	shim_in_guest(shim_vcpu(2));
	assert_int_equal(shim_vcpu(2)->flush_done, 1);
}

static void a_list_stops_at_its_first_error(void **state)
{
	struct mmu_update_64 list[3] = { { 4 * 4096, 1 }, { ~7ull, 1 }, { 4 * 4096 + 8, 1 } };

	(void)state;
	memcpy(guest(0x3f000), list, sizeof(list));
	assert_int_equal(hcall(__HYPERVISOR_mmu_update, va(0x3f000), 3, va(0x3e000), DOMID_SELF),
			 -EINVAL);
	assert_int_equal(*(uint32_t *)guest(0x3e000), 1);
	assert_int_equal(TABLE(4)[1], 0);
	assert_int_equal(hcall(__HYPERVISOR_mmu_update, va(0x3fff8), 1, 0, DOMID_SELF), -EFAULT);
	assert_int_equal(hcall(__HYPERVISOR_mmu_update, PV_HYPERVISOR_START, 1, 0, DOMID_SELF), -EFAULT);
	assert_int_equal(hcall(__HYPERVISOR_mmu_update, va(0x3f000), 1, 0, 5), -ESRCH);
}

static void roots_get_the_hole(void **state)
{
	(void)state;
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, 1, 0), 0);
	assert_int_equal(hw.cr3, 4096);
	assert_true(TABLE(1)[SHIM_DIRECT_SLOT] & PTE_P);
	assert_false(TABLE(1)[SHIM_DIRECT_SLOT] & PTE_USER);
	/* User mode sees no more than the way in. */
	shim_test_info->duties = SHIM_DUTY_ROOTS;
	assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, 2, 0), 0);
	assert_int_equal(TABLE(2)[SHIM_SLOT] & PTE_ADDR,
			 shim_test_info->area_gpa + SHIM_TABLES + SHIM_L3_USER * 4096ull);
	assert_int_equal(TABLE(2)[SHIM_DIRECT_SLOT], 0);
	assert_int_equal(TABLE(2)[SHIM_M2P_SLOT], 0);
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, FRAMES, 0), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_update_is_a_store, setup, teardown),
		cmocka_unit_test_setup_teardown(updates_outside_of_ram_and_in_the_hole_are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(pinning_marks_what_is_below, setup, teardown),
		cmocka_unit_test_setup_teardown(an_entry_of_a_table_not_looked_for_keeps_the_mark_below, setup, teardown),
		cmocka_unit_test_setup_teardown(a_search_keeps_to_where_tables_are, setup, teardown),
		cmocka_unit_test_setup_teardown(recursive_tables_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_write_to_a_marked_table_makes_it_writable, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_writable_mapping_ends_a_mark, setup, teardown),
		cmocka_unit_test_setup_teardown(update_va_mapping_flushes_as_told, setup, teardown),
		cmocka_unit_test_setup_teardown(others_are_interrupted_only_if_they_run, setup, teardown),
		cmocka_unit_test_setup_teardown(a_list_stops_at_its_first_error, setup, teardown),
		cmocka_unit_test_setup_teardown(roots_get_the_hole, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
