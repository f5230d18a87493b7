// SPDX-License-Identifier: MIT
/* The PVH entry point, modules and start_info. */
#include "fixture.h"
#include "xenabi/pvh.h"

static int setup(void **state)
{
	(void)state;
	fixture_init("initrd");
	t_guest_init(&g, T_RAM);
	g.k = (struct boot_kernel){ .name = "kernel", .segs = 1, .module_limit = 0x80000000 };
	g.k.seg[0] = (struct boot_seg){ .gpa = 0x100000, .filesz = 0x1000, .memsz = 0x2000 };
	assert_int_equal(boot_map_add(&g.map, 0x100000, 0x2000, "kernel", NULL), 0);
	return 0;
}

static void entry_must_be_inside_a_segment(void **state)
{
	static const struct {
		uint64_t entry;
		int code;
	} rows[] = {
		{ 0x100000, 0 },	 { 0x100fff, 0 },
		{ 0xfffff, -ENOEXEC },	 { 0x101000, -ENOEXEC },
		{ 0, -ENOEXEC },	 { 0x100100000, -ENOEXEC },
	};
	uint32_t entry = 0;

	(void)state;
	assert_int_equal(boot_pvh_entry(&g.k, &entry, &g.err), -ENOEXEC);
	t_check_err(&g, "kernel: not a Xen PVH kernel", -ENOEXEC);
	g.k.notes.present = 1u << XEN_ELFNOTE_PHYS32_ENTRY;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		g.k.notes.num[XEN_ELFNOTE_PHYS32_ENTRY] = rows[i].entry;
		assert_int_equal(boot_pvh_entry(&g.k, &entry, &g.err), rows[i].code);
		if (!rows[i].code)
			assert_int_equal(entry, rows[i].entry);
	}
}

static void entry_zero_is_legal(void **state)
{
	uint32_t entry = 1;

	(void)state;
	g.k.notes.present = 1u << XEN_ELFNOTE_PHYS32_ENTRY;
	g.k.seg[0].gpa = 0;
	assert_int_equal(boot_pvh_entry(&g.k, &entry, &g.err), 0);
	assert_int_equal(entry, 0);
}

static void modules_go_to_the_top(void **state)
{
	struct boot_module mods[2] = { { .path = path }, { .path = path, .cmdline = "x" } };
	uint8_t data[5000];

	(void)state;
	memset(data, 0xab, sizeof(data));
	t_write(path, data, sizeof(data));
	assert_int_equal(boot_modules_load(mods, 2, &g.k, &g.ram, &g.map, &g.err), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(mods[i].gpa, T_RAM - 0x2000 * (i + 1));
		assert_int_equal(mods[i].len, sizeof(data));
		assert_memory_equal(g.mem + mods[i].gpa, data, sizeof(data));
		assert_int_equal(g.mem[mods[i].gpa + sizeof(data)], 0);
	}
}

static void module_stays_below_the_kernels_limit(void **state)
{
	struct boot_module mod = { .path = path };

	(void)state;
	g.k.module_limit = 0x180800;
	t_write(path, "initrd", 6);
	assert_int_equal(boot_modules_load(&mod, 1, &g.k, &g.ram, &g.map, &g.err), 0);
	assert_int_equal(mod.gpa, 0x17f000);
}

static void module_that_does_not_fit_is_refused(void **state)
{
	struct boot_module mod = { .path = path };

	(void)state;
	t_write(path, "x", 1);
	assert_int_equal(truncate(path, T_RAM - 0x102000 + 1), 0);
	assert_int_equal(boot_modules_load(&mod, 1, &g.k, &g.ram, &g.map, &g.err), -ENOMEM);
	t_check_err(&g, path, -ENOMEM);
	assert_non_null(strstr(g.err.msg, "raise memory"));
	assert_int_equal(truncate(path, T_RAM - 0x102000), 0);
	assert_int_equal(boot_modules_load(&mod, 1, &g.k, &g.ram, &g.map, &g.err), 0);
	assert_int_equal(mod.gpa, 0x102000);
}

static void bad_module_files_are_refused(void **state)
{
	struct boot_module mods[BOOT_MODULES_MAX + 1] = { { .path = path } };

	(void)state;
	assert_int_equal(boot_modules_load(mods, 1, &g.k, &g.ram, &g.map, &g.err), -ENOENT);
	t_check_err(&g, path, -ENOENT);
	t_write(path, "", 0);
	assert_int_equal(boot_modules_load(mods, 1, &g.k, &g.ram, &g.map, &g.err), -EINVAL);
	t_check_err(&g, path, -EINVAL);
	mods[0].path = dir;
	assert_int_equal(boot_modules_load(mods, 1, &g.k, &g.ram, &g.map, &g.err), -EINVAL);
	assert_int_equal(boot_modules_load(mods, DOM_ARRAY_LEN(mods), &g.k, &g.ram, &g.map,
					   &g.err), -EINVAL);
}

static void start_info_points_to_everything(void **state)
{
	static const struct boot_module mods[] = {
		{ .gpa = 0x200000, .len = 0x1234, .cmdline = "first module" },
		{ .gpa = 0x300000, .len = 0x5678 },
	};
	static const struct boot_memmap map[] = {
		{ 0, T_RAM, XEN_HVM_MEMMAP_TYPE_RAM },
		{ 0xfeff0000, 0x4000, XEN_HVM_MEMMAP_TYPE_RESERVED },
	};
	const struct boot_start_info info = {
		.cmdline = "console=hvc0 quiet", .mods = mods, .mod_count = 2, .memmap = map,
		.memmap_count = 2, .rsdp = 0xe0000,
	};
	const struct hvm_memmap_table_entry *mm;
	const struct hvm_modlist_entry *ml;
	const struct hvm_start_info *si;
	uint32_t gpa;

	(void)state;
	assert_int_equal(boot_pvh_start_info(&info, &g.ram, &g.map, &gpa, &g.err), 0);
	assert_int_equal(gpa, T_RAM - 0x1000);
	si = (const void *)(g.mem + gpa);
	assert_int_equal(si->magic, XEN_HVM_START_MAGIC_VALUE);
	assert_int_equal(si->version, 1);
	assert_int_equal(si->flags, 0);
	assert_int_equal(si->rsdp_paddr, 0xe0000);
	assert_int_equal(si->reserved, 0);
	assert_string_equal(g.mem + si->cmdline_paddr, "console=hvc0 quiet");
	assert_int_equal(si->nr_modules, 2);
	ml = (const void *)(g.mem + si->modlist_paddr);
	assert_int_equal(ml[1].paddr, 0x300000);
	assert_int_equal(ml[1].size, 0x5678);
	assert_int_equal(ml[1].cmdline_paddr, 0);
	assert_string_equal(g.mem + ml[0].cmdline_paddr, "first module");
	assert_int_equal(si->memmap_entries, 2);
	mm = (const void *)(g.mem + si->memmap_paddr);
	assert_int_equal(mm[0].size, T_RAM);
	assert_int_equal(mm[1].addr, 0xfeff0000);
	assert_int_equal(mm[1].type, XEN_HVM_MEMMAP_TYPE_RESERVED);
	/* Its page is taken. */
	assert_int_equal(boot_map_add(&g.map, gpa, 1, "x", NULL), -EEXIST);
}

static void absent_parts_are_zero(void **state)
{
	const struct boot_start_info info = { 0 };
	const struct hvm_start_info *si;
	uint32_t gpa;

	(void)state;
	assert_int_equal(boot_pvh_start_info(&info, &g.ram, &g.map, &gpa, &g.err), 0);
	si = (const void *)(g.mem + gpa);
	assert_int_equal(si->cmdline_paddr, 0);
	assert_int_equal(si->modlist_paddr, 0);
	assert_int_equal(si->memmap_paddr, 0);
}

static void start_info_that_does_not_fit_is_refused(void **state)
{
	char *cmdline = calloc(1, 1 << 17);
	struct boot_start_info info = { .cmdline = cmdline };
	uint32_t gpa;

	(void)state;
	memset(cmdline, 'x', 70000);
	assert_int_equal(boot_pvh_start_info(&info, &g.ram, &g.map, &gpa, &g.err), -EINVAL);
	cmdline[60000] = 0;
	boot_map_init(&g.map, 0, 0xe000);
	assert_int_equal(boot_pvh_start_info(&info, &g.ram, &g.map, &gpa, &g.err), -ENOMEM);
	boot_map_init(&g.map, 0, 0x10000);
	assert_int_equal(boot_pvh_start_info(&info, &g.ram, &g.map, &gpa, &g.err), 0);
	free(cmdline);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(entry_must_be_inside_a_segment),
		TEST(entry_zero_is_legal),
		TEST(modules_go_to_the_top),
		TEST(module_stays_below_the_kernels_limit),
		TEST(module_that_does_not_fit_is_refused),
		TEST(bad_module_files_are_refused),
		TEST(start_info_points_to_everything),
		TEST(absent_parts_are_zero),
		TEST(start_info_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
