// SPDX-License-Identifier: MIT
/*
 * Guest-virtual addresses: all paging modes, rights, page crossings, and page tables that lead
 * nowhere or to themselves. Hypercalls that copy are used to reach the code: console_io reads,
 * xen_version writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_xa.h"

#define PRESENT 1ull
#define WRITE 2ull
#define USER 4ull
#define LARGE 0x80ull
#define ACCESSED 0x20ull
#define DIRTY 0x40ull

#define CR0_PG 0x80000000ull
#define CR0_WP 0x10000ull
#define CR4_PSE 0x10ull
#define CR4_PAE 0x20ull
#define CR4_LA57 0x1000ull
#define EFER_LMA 0x400ull

/* Page tables at 0x100000 and on; data pages at DATA. */
#define ROOT 0x100000ull
#define T(n) (0x100000ull + (n) * 0x1000)
#define DATA 0x80000ull

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

static uint64_t *entry(struct fake *f, uint64_t table, unsigned index)
{
	return (uint64_t *)fake_at(f, table) + index;
}

static int64_t read_va(struct fake *f, uint64_t va, size_t len)
{
	f->console_len = 0;
	return fake_call(f, 0, __HYPERVISOR_console_io, CONSOLEIO_write, len, va);
}

/* Writes 16 bytes. */
static int64_t write_va(struct fake *f, uint64_t va)
{
	return fake_call(f, 0, __HYPERVISOR_xen_version, XENVER_guest_handle, va, 0);
}

static void long_mode(struct fake *f, bool la57)
{
	unsigned t = 0;

	f->paging = (struct xa_paging){ .cr0 = CR0_PG | CR0_WP, .cr3 = ROOT,
					.cr4 = CR4_PAE | (la57 ? CR4_LA57 : 0), .efer = EFER_LMA };
	if (la57) {
		*entry(f, T(0), 0) = T(1) | PRESENT | WRITE;
		t = 1;
	}
	*entry(f, T(t), 0) = T(t + 1) | PRESENT | WRITE;
	*entry(f, T(t + 1), 0) = T(t + 2) | PRESENT | WRITE;
	*entry(f, T(t + 2), 0) = T(t + 3) | PRESENT | WRITE;
	*entry(f, T(t + 3), 5) = DATA | PRESENT | WRITE;
	*entry(f, T(t + 3), 6) = (DATA + 0x5000) | PRESENT;
	*entry(f, T(t + 2), 1) = 0 | PRESENT | WRITE | LARGE;
}

static void long_mode_4_level(void **state)
{
	struct fake *f = *state;

	long_mode(f, false);
	memcpy(fake_at(f, DATA + 0xff0), "0123456789abcdef", 16);
	memcpy(fake_at(f, DATA + 0x5000), "ghij", 4);
	assert_int_equal(read_va(f, 0x5ff0, 20), 0);	/* across the page, to another frame */
	assert_memory_equal(f->console, "0123456789abcdefghij", 20);
	assert_int_equal(write_va(f, 0x5100), 0);
	assert_int_equal(*(uint8_t *)fake_at(f, DATA + 0x100), 1);
	assert_true(*entry(f, T(3), 5) & ACCESSED);
	assert_true(*entry(f, T(3), 5) & DIRTY);
	assert_true(*entry(f, T(0), 0) & ACCESSED);
	assert_false(*entry(f, T(3), 6) & DIRTY);
	assert_int_equal(read_va(f, 0x7000, 4), -EFAULT);
	assert_int_equal(f->pagings, 3);	/* once per hypercall */
}

static void write_protection(void **state)
{
	struct fake *f = *state;

	long_mode(f, false);
	assert_int_equal(write_va(f, 0x6000), -EFAULT);
	assert_int_equal(write_va(f, 0x5ff8), -EFAULT);	/* its second half */
	f->paging.cr0 &= ~CR0_WP;
	assert_int_equal(write_va(f, 0x6000), 0);
	f->paging.cr0 |= CR0_WP;
	*entry(f, T(1), 0) &= ~WRITE;			/* at a higher level */
	assert_int_equal(write_va(f, 0x5000), -EFAULT);
	assert_int_equal(read_va(f, 0x5000, 1), 0);
}

static void large_pages(void **state)
{
	struct fake *f = *state;

	long_mode(f, false);
	memcpy(fake_at(f, 0x1234), "large", 5);
	assert_int_equal(read_va(f, 0x201234, 5), 0);
	assert_memory_equal(f->console, "large", 5);
	assert_int_equal(write_va(f, 0x202000), 0);
	assert_true(*entry(f, T(2), 1) & DIRTY);
	*entry(f, T(1), 1) = 0 | PRESENT | LARGE;	/* 1 GiB */
	assert_int_equal(read_va(f, 0x40001234, 5), 0);
	assert_memory_equal(f->console, "large", 5);
	/* The bit is reserved in the top level and means another thing in the lowest. */
	*entry(f, T(0), 1) = T(1) | PRESENT | LARGE;
	assert_int_equal(read_va(f, (1ull << 39) | 0x5000, 1), 0);
}

static void canonical_addresses(void **state)
{
	struct fake *f = *state;

	long_mode(f, false);
	*entry(f, T(0), 511) = T(1) | PRESENT | WRITE;
	assert_int_equal(read_va(f, 0xffffff8000005000ull, 4), 0);
	assert_int_equal(read_va(f, 0x0000ff8000005000ull, 4), -EFAULT);
	assert_int_equal(read_va(f, 0x0000800000005000ull, 4), -EFAULT);
	assert_int_equal(read_va(f, 0x0010000000005000ull, 4), -EFAULT);
	assert_int_equal(read_va(f, UINT64_MAX - 1, 8), -EFAULT);
}

static void long_mode_5_level(void **state)
{
	struct fake *f = *state;

	long_mode(f, true);
	memcpy(fake_at(f, DATA), "five", 4);
	assert_int_equal(read_va(f, 0x5000, 4), 0);
	assert_memory_equal(f->console, "five", 4);
	*entry(f, T(0), 511) = T(1) | PRESENT;
	assert_int_equal(read_va(f, 0xffff000000005000ull, 4), 0);
	assert_int_equal(read_va(f, 0x01ff000000005000ull, 4), -EFAULT);
}

static void pae(void **state)
{
	struct fake *f = *state;

	f->abi = XA_ABI_PVH32;
	/* The root is 32 bytes, anywhere in a page. */
	f->paging = (struct xa_paging){ .cr0 = CR0_PG | CR0_WP, .cr3 = ROOT + 0x60, .cr4 = CR4_PAE };
	*entry(f, ROOT + 0x60, 3) = T(1) | PRESENT;
	*entry(f, T(1), 0) = T(2) | PRESENT | WRITE;
	*entry(f, T(2), 5) = DATA | PRESENT | WRITE;
	*entry(f, T(1), 1) = 0 | PRESENT | WRITE | LARGE;
	memcpy(fake_at(f, DATA + 8), "pae", 3);
	assert_int_equal(read_va(f, 0xc0005008, 3), 0);
	assert_memory_equal(f->console, "pae", 3);
	assert_int_equal(write_va(f, 0xc0005000), 0);
	assert_int_equal(read_va(f, 0xc0200000, 3), 0);
	assert_int_equal(read_va(f, 0x40005000, 3), -EFAULT);
	assert_int_equal(read_va(f, 0xfffffffe, 3), -EFAULT);
}

static void two_level(void **state)
{
	struct fake *f = *state;
	uint32_t *root = fake_at(f, ROOT), *table = fake_at(f, T(1));

	f->abi = XA_ABI_PVH32;
	f->paging = (struct xa_paging){ .cr0 = CR0_PG | CR0_WP, .cr3 = ROOT };
	root[768] = (uint32_t)(T(1) | PRESENT | WRITE);
	table[5] = (uint32_t)(DATA | PRESENT | WRITE);
	root[0] = 0 | PRESENT | WRITE | LARGE;
	memcpy(fake_at(f, DATA), "two", 3);
	assert_int_equal(read_va(f, 0xc0005000, 3), 0);
	assert_memory_equal(f->console, "two", 3);
	assert_int_equal(write_va(f, 0xc0005000), 0);
	assert_true(table[5] & DIRTY);
	/* Without CR4.PSE there are no large pages: the entry points to a table of zeros at 0. */
	assert_int_equal(read_va(f, 0x1000, 3), -EFAULT);
	f->paging.cr4 = CR4_PSE;
	assert_int_equal(read_va(f, DATA, 3), 0);
	assert_memory_equal(f->console, "\1\2\3", 3);
	root[1] = 0 | PRESENT | LARGE | 1u << 13;	/* PSE-36: 4 GiB, where nothing is */
	assert_int_equal(read_va(f, 0x400000, 3), -EFAULT);
	root[2] = (uint32_t)(0x00000000u | PRESENT | LARGE);
	assert_int_equal(read_va(f, 0x800000 + (uint32_t)DATA, 3), 0);
}

static void paging_off(void **state)
{
	struct fake *f = *state;

	memcpy(fake_at(f, DATA), "flat", 4);
	assert_int_equal(read_va(f, DATA, 4), 0);
	assert_memory_equal(f->console, "flat", 4);
	assert_int_equal(read_va(f, FAKE_RAM_PAGES * 4096ull - 2, 4), -EFAULT);
	assert_int_equal(read_va(f, 1ull << 32, 4), -EFAULT);
}

static void tables_outside_of_memory_are_a_fault(void **state)
{
	struct fake *f = *state;

	long_mode(f, false);
	*entry(f, T(1), 0) = 0x000ffffffffff000ull | PRESENT | WRITE;
	assert_int_equal(read_va(f, 0x5000, 4), -EFAULT);
	f->paging.cr3 = 0x7ffffffff000ull;
	assert_int_equal(read_va(f, 0x5000, 4), -EFAULT);
	f->paging.cr3 = UINT64_MAX;
	assert_int_equal(read_va(f, 0x5000, 4), -EFAULT);
}

static void self_map_ends(void **state)
{
	struct fake *f = *state;

	long_mode(f, false);
	for (unsigned i = 0; i < 512; i++)
		*entry(f, ROOT, i) = ROOT | PRESENT | WRITE;
	assert_int_equal(read_va(f, 0x0000123456789000ull, 8), 0);
}

static void physical_access(void **state)
{
	struct fake *f = *state;
	char buf[8192];

	memset(buf, 'z', sizeof(buf));
	assert_int_equal(xa_guest_write(f->d, (struct xa_gpa){ 0x1ff0 }, buf, 5000), 0);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(xa_guest_read(f->d, (struct xa_gpa){ 0x1ff0 }, buf, 5000), 0);
	assert_int_equal(buf[4999], 'z');
	assert_int_equal(xa_guest_read(f->d, (struct xa_gpa){ FAKE_BAD }, buf, 1), -EFAULT);
	assert_int_equal(xa_guest_write(f->d, (struct xa_gpa){ UINT64_MAX }, buf, 2), -EFAULT);
	assert_int_equal(xa_guest_read(f->d, (struct xa_gpa){ FAKE_BAD }, buf, 0), 0);
	assert_ptr_equal(xa_guest_page(f->d, (struct xa_gfn){ 1 }), f->ram + 4096);
	assert_null(xa_guest_page(f->d, (struct xa_gfn){ FAKE_HOLE_GFN }));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(long_mode_4_level),
		TEST(write_protection),
		TEST(large_pages),
		TEST(canonical_addresses),
		TEST(long_mode_5_level),
		TEST(pae),
		TEST(two_level),
		TEST(paging_off),
		TEST(tables_outside_of_memory_are_a_fault),
		TEST(self_map_ends),
		TEST(physical_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
