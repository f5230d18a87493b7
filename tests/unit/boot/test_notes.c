// SPDX-License-Identifier: MIT
/* Xen's ELF notes, as kernels write them and as they do not. */
#include "image.h"
#include "vmm/boot/impl.h"

static uint8_t buf[1024];
static struct boot_notes notes;

static void parse(size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	memcpy(exact, buf, len);
	notes = (struct boot_notes){ 0 };
	boot_notes_parse(&notes, exact, len);
	free(exact);
}

static void numbers_of_both_sizes_are_read(void **state)
{
	size_t n = t_note(buf, XEN_ELFNOTE_PHYS32_ENTRY, &(uint32_t){ 0x1000850 }, 4);

	(void)state;
	n += t_note(buf + n, XEN_ELFNOTE_INIT_P2M, &(uint64_t){ 0x8000000000 }, 8);
	parse(n);
	assert_int_equal(notes.num[XEN_ELFNOTE_PHYS32_ENTRY], 0x1000850);
	assert_int_equal(notes.num[XEN_ELFNOTE_INIT_P2M], 0x8000000000);
	assert_int_equal(notes.present,
			 1u << XEN_ELFNOTE_PHYS32_ENTRY | 1u << XEN_ELFNOTE_INIT_P2M);
}

/* mini-os: 4-byte note with value 0. */
static void zero_is_not_missing(void **state)
{
	(void)state;
	parse(t_note(buf, XEN_ELFNOTE_PHYS32_ENTRY, &(uint32_t){ 0 }, 4));
	assert_true(boot_note_has(&notes, XEN_ELFNOTE_PHYS32_ENTRY));
	parse(t_note(buf, XEN_ELFNOTE_ENTRY, &(uint32_t){ 0 }, 4));
	assert_false(boot_note_has(&notes, XEN_ELFNOTE_PHYS32_ENTRY));
	assert_false(boot_note_has(&notes, 32));
}

static void numbers_of_other_sizes_are_missing(void **state)
{
	(void)state;
	for (uint32_t len = 0; len < 12; len++) {
		parse(t_note(buf, XEN_ELFNOTE_PHYS32_ENTRY, "0123456789abcdef", len));
		assert_int_equal(notes.present != 0, len == 4 || len == 8);
	}
}

/* Linux 6.1 writes FEATURES without a NUL. */
static void strings_end_at_nul_or_size(void **state)
{
	size_t n = t_note(buf, XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae", 25);

	(void)state;
	n += t_note(buf + n, XEN_ELFNOTE_GUEST_OS, "linux\0junk", 10);
	n += t_note(buf + n, XEN_ELFNOTE_LOADER, "", 0);
	parse(n);
	assert_string_equal(notes.features, "!writable_page_tables|pae");
	assert_string_equal(notes.guest_os, "linux");
	assert_true(boot_note_has(&notes, XEN_ELFNOTE_LOADER));
}

static void long_string_is_missing(void **state)
{
	char s[BOOT_NOTE_STR + 1];

	(void)state;
	memset(s, 'x', sizeof(s));
	parse(t_note(buf, XEN_ELFNOTE_FEATURES, s, BOOT_NOTE_STR));
	assert_int_equal(notes.present, 0);
	parse(t_note(buf, XEN_ELFNOTE_FEATURES, s, BOOT_NOTE_STR - 1));
	assert_int_equal(strlen(notes.features), BOOT_NOTE_STR - 1);
}

static void records_are_read(void **state)
{
	size_t n = t_note(buf, XEN_ELFNOTE_L1_MFN_VALID, (uint64_t[]){ 1, 3 }, 16);

	(void)state;
	n += t_note(buf + n, XEN_ELFNOTE_PHYS32_RELOC, (uint32_t[]){ 0x200000, 0x1000000 }, 8);
	n += t_note(buf + n, XEN_ELFNOTE_BSD_SYMTAB, "yes", 4);
	parse(n);
	assert_int_equal(notes.l1_valid_mask, 1);
	assert_int_equal(notes.l1_valid_value, 3);
	assert_int_equal(notes.reloc_align, 0x200000);
	assert_int_equal(notes.reloc_min, 0x1000000);
	assert_int_equal(notes.reloc_max, 0xffffffff);
	assert_int_equal(notes.num[XEN_ELFNOTE_BSD_SYMTAB], 1);
}

static void other_owners_and_types_are_skipped(void **state)
{
	size_t n = t_note(buf, XEN_ELFNOTE_PHYS32_ENTRY, &(uint32_t){ 1 }, 4);

	(void)state;
	memcpy(buf + 12, "GNU", 4);
	n += t_note(buf + n, 0x1000001, "crash", 5);
	n += t_note(buf + n, XEN_ELFNOTE_ENTRY, &(uint32_t){ 7 }, 4);
	parse(n);
	assert_int_equal(notes.present, 1u << XEN_ELFNOTE_ENTRY);
}

static void every_cut_and_every_length_is_safe(void **state)
{
	size_t n = t_note(buf, XEN_ELFNOTE_GUEST_OS, "linux", 6);

	(void)state;
	n += t_note(buf + n, XEN_ELFNOTE_PHYS32_ENTRY, &(uint64_t){ 42 }, 8);
	for (size_t len = 0; len <= n; len++)
		parse(len);
	assert_int_equal(notes.num[XEN_ELFNOTE_PHYS32_ENTRY], 42);
	for (unsigned field = 0; field < 2; field++) {
		static const uint32_t values[] = { 0, 3, 5, 0x7fffffff, 0xfffffffc, 0xffffffff };

		for (unsigned i = 0; i < DOM_ARRAY_LEN(values); i++) {
			t_note(buf, XEN_ELFNOTE_GUEST_OS, "linux", 6);
			t_put(buf + 4 * field, values[i], 4);
			parse(n);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_of_both_sizes_are_read),
		cmocka_unit_test(zero_is_not_missing),
		cmocka_unit_test(numbers_of_other_sizes_are_missing),
		cmocka_unit_test(strings_end_at_nul_or_size),
		cmocka_unit_test(long_string_is_missing),
		cmocka_unit_test(records_are_read),
		cmocka_unit_test(other_owners_and_types_are_skipped),
		cmocka_unit_test(every_cut_and_every_length_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
