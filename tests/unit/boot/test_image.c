// SPDX-License-Identifier: MIT
/* Kernels of every form, whole and damaged, into guest RAM. */
#include "fixture.h"

static int setup(void **state)
{
	(void)state;
	fixture_init("kernel");
	return 0;
}

static void check_kernel(struct blob elf, bool is64, const char *codec)
{
	uint32_t entry = 0;

	assert_true(t_loaded(&g, elf));
	assert_string_equal(g.k.codec, codec);
	assert_int_equal(g.k.elf64, is64);
	assert_int_equal(g.k.segs, 2);
	assert_int_equal(g.k.start, T_SEG0_PA);
	assert_int_equal(g.k.end, T_SEG1_PA + T_SEG1_MEM);
	assert_string_equal(g.k.notes.guest_os, "test");
	assert_int_equal(boot_pvh_entry(&g.k, &entry, &g.err), 0);
	assert_int_equal(entry, T_ENTRY);
	assert_int_equal(g.k.sites, 2);
	assert_int_equal(g.k.site[0].gpa, T_SEG0_PA + T_SITES - T_SEG0);
	assert_int_equal(g.k.site[0].gva, (is64 ? T_VIRT : 0) + g.k.site[0].gpa);
	assert_true(g.k.site[0].vmmcall);
	assert_false(g.k.site[1].vmmcall);
}

static void bare_elf_loads(void **state)
{
	(void)state;
	for (int is64 = 0; is64 < 2; is64++) {
		struct blob elf = t_elf(is64);

		assert_int_equal(t_load_blob(&g, path, elf.p, elf.len), 0);
		check_kernel(elf, is64, "none");
		assert_int_equal(g.k.module_limit, is64 ? 0x80000000 : 0x38000000);
		free(elf.p);
	}
}

static void every_codec_loads(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * DOM_ARRAY_LEN(t_codecs); i++) {
		const struct t_codec *c = &t_codecs[i / 2];
		struct blob elf = t_elf(i % 2), z = c->encode(elf);

		assert_int_equal(t_load_blob(&g, path, z.p, z.len), 0);
		assert_string_equal(g.k.format, c->name);
		check_kernel(elf, i % 2, c->name);
		z = t_bzimage(z, (uint32_t)elf.len, c->trailer);
		assert_int_equal(t_load_blob(&g, path, z.p, z.len), 0);
		assert_string_equal(g.k.format, "bzImage");
		check_kernel(elf, i % 2, c->name);
		free(z.p);
		free(elf.p);
	}
}

static void truncated_images_are_refused(void **state)
{
	struct blob elf = t_elf(true);

	(void)state;
	for (size_t n = 0; n < T_SEG1 + T_SEG1_LEN; n += 97)
		t_check_err(&g, path, t_load_blob(&g, path, elf.p, n));
	for (size_t i = 0; i < 2 * DOM_ARRAY_LEN(t_codecs); i++) {
		const struct t_codec *c = &t_codecs[i / 2];
		struct blob z = c->encode(elf);
		size_t whole = z.len;

		if (i % 2) {
			z = t_bzimage(z, (uint32_t)elf.len, c->trailer);
			whole = z.len - T_TAIL;
		}
		for (size_t n = 0; n < whole; n += 97)
			t_check_err(&g, path, t_load_blob(&g, path, z.p, n));
		t_check_err(&g, path, t_load_blob(&g, path, z.p, whole - 1));
		free(z.p);
	}
	free(elf.p);
}

/* The length in the header says it is all there, but what is there stops early. */
static void payload_that_stops_early_is_refused(void **state)
{
	struct blob elf = t_elf(true);

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(t_codecs); i++) {
		const struct t_codec *c = &t_codecs[i];

		for (size_t cut = 64; cut < 8000; cut += 97 * 5) {
			struct blob z = c->encode(elf);

			z.len -= cut;
			z = t_bzimage(z, (uint32_t)elf.len, false);
			t_check_err(&g, path, t_load_blob(&g, path, z.p, z.len));
			free(z.p);
		}
	}
	free(elf.p);
}

static void flipped_bits_are_survived(void **state)
{
	struct blob elf = t_elf(true);

	(void)state;
	for (size_t i = 0; i < 2 * DOM_ARRAY_LEN(t_codecs); i++) {
		const struct t_codec *c = &t_codecs[i / 2];
		struct blob z = c->encode(elf);
		size_t dense = i % 2 ? 0x280 : 0x20;

		if (i % 2)
			z = t_bzimage(z, (uint32_t)elf.len, c->trailer);
		for (size_t n = 0; n < z.len; n += n < dense ? 1 : 193) {
			int r;

			z.p[n] ^= (uint8_t)(1 << n % 8);
			r = t_load_blob(&g, path, z.p, z.len);
			if (r)
				t_check_err(&g, path, r);
			else if (c->checked)
				assert_true(t_loaded(&g, elf));
			z.p[n] ^= (uint8_t)(1 << n % 8);
		}
		free(z.p);
	}
	for (size_t n = 0; n < 240 * 8; n++) {
		int r;

		elf.p[n / 8] ^= (uint8_t)(1 << n % 8);
		r = t_load_blob(&g, path, elf.p, elf.len);
		if (r)
			t_check_err(&g, path, r);
		elf.p[n / 8] ^= (uint8_t)(1 << n % 8);
	}
	free(elf.p);
}

static void more_output_than_declared_is_refused(void **state)
{
	struct blob elf = t_elf(true);

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(t_codecs); i++) {
		struct blob z = t_codecs[i].encode(elf);

		z = t_bzimage(z, T_SEG1 + T_SEG1_LEN, false);
		t_check_err(&g, path, t_load_blob(&g, path, z.p, z.len));
		free(z.p);
	}
	free(elf.p);
}

static void a_bomb_is_left_after_the_last_segment(void **state)
{
	enum { BOMB = 100 << 20 };
	struct blob elf = t_elf(true), z = { malloc(4 << 20), 4 << 20 };
	static uint8_t zero[1 << 20];
	z_stream s = { .next_in = elf.p, .avail_in = (uInt)elf.len };

	(void)state;
	assert_int_equal(deflateInit2(&s, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	s.next_out = z.p;
	s.avail_out = (uInt)z.len;
	assert_int_equal(deflate(&s, Z_NO_FLUSH), Z_OK);
	for (unsigned i = 0; i < BOMB / sizeof(zero); i++) {
		s.next_in = zero;
		s.avail_in = sizeof(zero);
		assert_int_equal(deflate(&s, Z_NO_FLUSH), Z_OK);
	}
	/* Cut off: only a decoder that goes on to the end would notice. */
	assert_int_equal(t_load_blob(&g, path, z.p, s.total_out), 0);
	assert_true(t_loaded(&g, elf));
	deflateEnd(&s);
	free(z.p);
	free(elf.p);
}

/* Load t_elf() with one number of program header @ph changed; field as in t_phdr's array. */
static int load_changed(unsigned ph, unsigned field, uint64_t value)
{
	struct blob elf = t_elf(true);
	int r;

	t_put(elf.p + 64 + 56 * ph + 8 + 8 * field, value, 8);
	r = t_load_blob(&g, path, elf.p, elf.len);
	free(elf.p);
	return r;
}

static void impossible_segments_are_refused(void **state)
{
	enum { OFFSET, VADDR, PADDR, FILESZ, MEMSZ };
	static const struct {
		unsigned ph, field;
		uint64_t value;
		int code;
		const char *says;
	} rows[] = {
		{ 0, OFFSET, UINT64_MAX - 0x10,	    -ENOEXEC, "truncated" },
		{ 0, OFFSET, T_FILE,		    -ENOEXEC, "truncated" },
		{ 0, FILESZ, T_SEG0_LEN + 1,	    -ENOEXEC, "contradict" },
		{ 0, MEMSZ,  UINT64_MAX,	    -ENOEXEC, "contradict" },
		{ 0, MEMSZ,  0x200000,		    -EEXIST,  "overlaps a kernel segment" },
		{ 0, MEMSZ,  0x4000000,		    -ENOMEM,  "at least 65 MiB of memory: raise memory" },
		{ 0, PADDR,  0x10000000,	    -ENOMEM,  "at least 257 MiB of memory: raise memory" },
		{ 0, PADDR,  0xffffffff81000000,    -ENOMEM,  "outside guest memory" },
		{ 0, PADDR,  UINT64_MAX - 0x1000,   -ENOEXEC, "contradict" },
		{ 1, PADDR,  T_SEG0_PA + 0x3fff,    -EEXIST,  "overlaps a kernel segment" },
		{ 1, FILESZ, 0x1401,		    -ENOEXEC, "truncated" },
		{ 2, FILESZ, 0x10001,		    -EFBIG,   "notes" },
		{ 2, OFFSET, 1ull << 40,	    -ENOEXEC, "truncated" },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		int r = load_changed(rows[i].ph, rows[i].field, rows[i].value);

		t_check_err(&g, path, r);
		assert_int_equal(r, rows[i].code);
		assert_non_null(strstr(g.err.msg, rows[i].says));
	}
}

static void reserved_memory_is_named(void **state)
{
	struct blob elf = t_elf(true);

	(void)state;
	free(g.mem);
	t_guest_init(&g, T_RAM);
	t_write(path, elf.p, elf.len);
	assert_int_equal(boot_map_add(&g.map, 0xe0000, 0x20001, "ACPI tables", NULL), 0);
	t_check_err(&g, path, t_load(&g, path));
	assert_non_null(strstr(g.err.msg, "ACPI tables"));
	free(elf.p);
}

static void other_files_are_refused(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		int code;
	} rows[] = {
		{ "", 0, -ENOEXEC },
		{ "#!/bin/sh\n", 10, -ENOEXEC },
		{ "\177ELF", 4, -ENOEXEC },
		{ "\x89LZO\r\n\x1a\n", 9, -EOPNOTSUPP },
		{ "\x1f\x8b\x08", 3, -ENOEXEC },
		{ "\x02\x21\x4c\x18", 4, -ENOEXEC },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		int r = t_load_blob(&g, path, rows[i].data, rows[i].len);

		t_check_err(&g, path, r);
		assert_int_equal(r, rows[i].code);
	}
	t_check_err(&g, dir, t_load(&g, dir));
	unlink(path);
	assert_int_equal(t_load(&g, path), -ENOENT);
	t_check_err(&g, path, -ENOENT);
}

static void known_zero_memory_is_not_cleared(void **state)
{
	struct blob elf = t_elf(true);

	(void)state;
	free(g.mem);
	t_guest_init(&g, T_RAM);
	g.ram.zeroed = true;
	t_write(path, elf.p, elf.len);
	assert_int_equal(t_load(&g, path), 0);
	assert_int_equal(g.mem[T_SEG1_PA + T_SEG1_LEN], 0xee);
	free(elf.p);
}

static void legacy_kernel_is_recognised(void **state)
{
	static const char legacy[] = "GUEST_OS=linux,GUEST_VER=2.6,XEN_VER=xen-3.0,LOADER=generic";
	struct blob elf = t_elf(true);
	uint32_t entry;

	(void)state;
	t_put(elf.p + 64 + 56 * 2, 0, 4);
	memcpy(elf.p + T_NOTES, legacy, sizeof(legacy));
	assert_int_equal(t_load_blob(&g, path, elf.p, elf.len), 0);
	assert_true(g.k.notes.legacy);
	assert_int_equal(boot_pvh_entry(&g.k, &entry, &g.err), -ENOEXEC);
	t_check_err(&g, path, -ENOEXEC);
	assert_non_null(strstr(g.err.msg, "__xen_guest"));
	free(elf.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bare_elf_loads),
		cmocka_unit_test(every_codec_loads),
		cmocka_unit_test(truncated_images_are_refused),
		cmocka_unit_test(payload_that_stops_early_is_refused),
		cmocka_unit_test(flipped_bits_are_survived),
		cmocka_unit_test(more_output_than_declared_is_refused),
		cmocka_unit_test(a_bomb_is_left_after_the_last_segment),
		cmocka_unit_test(impossible_segments_are_refused),
		cmocka_unit_test(reserved_memory_is_named),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(known_zero_memory_is_not_cleared),
		cmocka_unit_test(legacy_kernel_is_recognised),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
