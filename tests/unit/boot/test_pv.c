// SPDX-License-Identifier: MIT
/* What a PV kernel is started with. */
#include "fixture.h"
#include "xenabi/pv.h"

#define RAM (16ull << 20)
#define PAGES (RAM / 4096)
#define ADDR 0x000ffffffffff000ull

static struct boot_module mod;
static struct boot_pv_config cfg;
static struct boot_pv pv;

static void mark(uint8_t *page)
{
	memset(page, 0xcc, 4096);
}

static void note(unsigned type, uint64_t value)
{
	g.k.notes.present |= 1u << type;
	g.k.notes.num[type] = value;
}

static int setup(void **state)
{
	(void)state;
	fixture_init("initrd");
	t_guest_init(&g, RAM);
	memset(g.mem, 0, RAM);
	boot_map_init(&g.map, 0, RAM);
	g.k = (struct boot_kernel){
		.name = "kernel", .elf64 = true, .segs = 1, .start = 0x100000, .end = 0x102800,
		.module_limit = 0x1000,
	};
	assert_int_equal(boot_map_add(&g.map, 0x100000, 0x2800, "kernel", NULL), 0);
	mod = (struct boot_module){ .path = path };
	cfg = (struct boot_pv_config){
		.ram = &g.ram, .cmdline = "a b", .mods = &mod, .nr_pages = PAGES,
		.low_pages = PAGES,
		.shared_info = 0xfeff8000, .hypercall_page = mark,
	};
	note(XEN_ELFNOTE_ENTRY, 0xffffffff80100040);
	note(XEN_ELFNOTE_VIRT_BASE, 0xffffffff80000000);
	return 0;
}

static int build(void)
{
	return boot_pv_build(&g.k, &cfg, &g.map, &pv, &g.err);
}

/* The entry that maps @va by the tables that were built; 0: none. */
static uint64_t walk(uint64_t va)
{
	uint64_t table = pv.root * 4096;

	for (unsigned shift = 39; shift > 12; shift -= 9) {
		uint64_t e = ((uint64_t *)(void *)(g.mem + table))[va >> shift & 511];

		if (!(e & 1))
			return 0;
		table = e & ADDR;
		assert_true(table < RAM);
	}
	return ((uint64_t *)(void *)(g.mem + table))[va >> 12 & 511];
}

static const struct start_info_64 *info(void)
{
	return (const void *)(g.mem + pv.start_info);
}

static void everything_is_behind_the_kernel_and_mapped(void **state)
{
	const struct start_info_64 *s;

	(void)state;
	assert_int_equal(build(), 0);
	s = info();
	assert_int_equal(pv.rip, 0xffffffff80100040);
	assert_string_equal(s->magic, "xen-3.0-x86_64");
	assert_string_equal(s->cmd_line, "a b");
	assert_int_equal(s->nr_pages, PAGES);
	assert_int_equal(s->shared_info, 0xfeff8000);
	assert_int_equal(s->mfn_list, 0xffffffff80103000);
	assert_int_equal(pv.rsi, 0xffffffff80000000 + pv.start_info);
	assert_int_equal(s->store_mfn, pv.store);
	assert_int_equal(s->console_mfn, pv.console);
	assert_int_equal(s->pt_base, 0xffffffff80000000 + pv.root * 4096);
	assert_int_equal(walk(pv.rsi) & ADDR, pv.start_info);
	assert_int_equal(walk(pv.rsp - 8) & 3, 3);
	assert_int_equal(walk(0xffffffff80000000), 0x63);
	/* 512 KiB to spare behind the stack, and no access from user mode. */
	assert_int_equal(walk(pv.rsp + (512 << 10) - 1) & 7, 3);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(((uint64_t *)(void *)(g.mem + 0x103000))[i], i);
}

static void page_tables_are_read_only(void **state)
{
	(void)state;
	assert_int_equal(build(), 0);
	for (uint64_t i = 0; i < info()->nr_pt_frames; i++)
		assert_int_equal(walk(info()->pt_base + i * 4096) & 3, 1);
	assert_int_equal(walk(info()->pt_base - 1) & 3, 3);
	assert_int_equal(walk(info()->pt_base + info()->nr_pt_frames * 4096) & 3, 3);
}

static void the_list_skips_the_hole_in_high_memory(void **state)
{
	const uint64_t *list;

	(void)state;
	cfg.nr_pages = PAGES + 3;
	cfg.high_frame = 0x100000;
	assert_int_equal(build(), 0);
	list = (const void *)(g.mem + 0x103000);
	assert_int_equal(list[PAGES - 1], PAGES - 1);
	assert_int_equal(list[PAGES], 0x100000);
	assert_int_equal(list[PAGES + 2], 0x100002);
	assert_int_equal(list[PAGES + 3], UINT64_MAX);
}

static void the_list_may_have_a_place_of_its_own(void **state)
{
	(void)state;
	note(XEN_ELFNOTE_INIT_P2M, 0x8000000000);
	assert_int_equal(build(), 0);
	assert_int_equal(info()->mfn_list, 0x8000000000);
	assert_int_equal(info()->first_p2m_pfn, 0x103);
	assert_int_equal(info()->nr_p2m_frames, PAGES * 8 / 4096);
	assert_int_equal(walk(0x8000000000) & ADDR, 0x103000);
	assert_int_equal(walk(0xffffffff80103000), 0);
}

static void a_module_is_found_by_frame_or_mapped(void **state)
{
	uint8_t data[5000];

	(void)state;
	memset(data, 0xab, sizeof(data));
	t_write(path, data, sizeof(data));
	cfg.mod_count = 1;
	assert_int_equal(build(), 0);
	assert_int_equal(info()->flags, 0);
	assert_int_equal(info()->mod_start, 0xffffffff80103000);
	assert_int_equal(info()->mod_len, sizeof(data));
	assert_memory_equal(g.mem + 0x103000, data, sizeof(data));
	assert_int_equal(walk(info()->mod_start) & ADDR, 0x103000);

	teardown(state);
	setup(state);
	t_write(path, data, sizeof(data));
	cfg.mod_count = 1;
	note(XEN_ELFNOTE_MOD_START_PFN, 1);
	assert_int_equal(build(), 0);
	assert_int_equal(info()->flags, SIF_MOD_START_PFN);
	assert_int_equal(info()->mod_start, PAGES - 2);
	assert_memory_equal(g.mem + RAM - 8192, data, sizeof(data));
}

static void the_hypercall_page_is_inside_the_kernel(void **state)
{
	(void)state;
	note(XEN_ELFNOTE_HYPERCALL_PAGE, 0xffffffff80101000);
	assert_int_equal(build(), 0);
	assert_int_equal(g.mem[0x101fff], 0xcc);
	teardown(state);
	setup(state);
	note(XEN_ELFNOTE_HYPERCALL_PAGE, 0xffffffff80200000);
	assert_int_equal(build(), -ENOEXEC);
	t_check_err(&g, "kernel: its hypercall page", -ENOEXEC);
}

static void what_cannot_be_a_pv_guest_is_refused(void **state)
{
	static char longest[1025];

	(void)state;
	g.k.elf64 = false;
	assert_int_equal(build(), -ENOEXEC);
	t_check_err(&g, "kernel: a 32-bit kernel", -ENOEXEC);
	g.k.elf64 = true;
	note(XEN_ELFNOTE_PADDR_OFFSET, 0xffffffff80000000);
	assert_int_equal(build(), -EOPNOTSUPP);
	note(XEN_ELFNOTE_PADDR_OFFSET, 0);
	g.k.notes.present |= 1u << XEN_ELFNOTE_XEN_VERSION | 1u << XEN_ELFNOTE_LOADER;
	strcpy(g.k.notes.xen_version, "xen-2.0");
	strcpy(g.k.notes.loader, "special");
	assert_int_equal(build(), -EOPNOTSUPP);
	t_check_err(&g, "kernel: was made for xen-2.0", -EOPNOTSUPP);
	strcpy(g.k.notes.xen_version, "xen-3.0");
	assert_int_equal(build(), -EOPNOTSUPP);
	t_check_err(&g, "kernel: wants the loader special", -EOPNOTSUPP);
	strcpy(g.k.notes.loader, "generic");
	cfg.mod_count = 2;
	assert_int_equal(build(), -EOPNOTSUPP);
	cfg.mod_count = 0;
	memset(longest, 'x', 1024);
	cfg.cmdline = longest;
	assert_int_equal(build(), -E2BIG);
	cfg.cmdline = NULL;
	g.k.notes.present = 0;
	assert_int_equal(build(), -ENOEXEC);
	t_check_err(&g, "kernel: has no PV entry point", -ENOEXEC);
}

static void impossible_addresses_are_refused(void **state)
{
	static const uint64_t rows[][2] = {
		{ PV_HYPERVISOR_START, 0 }, { 0xffff7fffffc00000, 0 }, { 0x800000000000, 0 },
		{ 0xfffffffffff00000, 0 }, { 0x1000, 0 },
		{ 0, PV_HYPERVISOR_START }, { 0, 0x800000000000 }, { 0, 0xfffffffffffff000 }, { 0, 8 },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		teardown(state);
		setup(state);
		note(XEN_ELFNOTE_VIRT_BASE, rows[i][0]);
		note(XEN_ELFNOTE_INIT_P2M, rows[i][1]);
		assert_int_equal(build(), -ENOEXEC);
		t_check_err(&g, "kernel: wants to be mapped", -ENOEXEC);
	}
}

static void too_little_memory_is_told(void **state)
{
	(void)state;
	g.k.end = RAM - 0x1000;
	assert_int_equal(build(), -ENOMEM);
	t_check_err(&g, "kernel: needs memory up to", -ENOMEM);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_is_behind_the_kernel_and_mapped),
		TEST(page_tables_are_read_only),
		TEST(the_list_skips_the_hole_in_high_memory),
		TEST(the_list_may_have_a_place_of_its_own),
		TEST(a_module_is_found_by_frame_or_mapped),
		TEST(the_hypercall_page_is_inside_the_kernel),
		TEST(what_cannot_be_a_pv_guest_is_refused),
		TEST(impossible_addresses_are_refused),
		TEST(too_little_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
