// SPDX-License-Identifier: MIT
/* The rule that finds a kernel's hypercall instructions, from both sides. */
#include "image.h"

static struct boot_site site[BOOT_SITES_MAX];

/* Search @len bytes at @p, in memory of exactly that size. */
static unsigned find(const uint8_t *p, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);
	unsigned n;

	memcpy(exact, p, len);
	n = boot_find_sites(exact, len, 0x1000000, 0xffffffff81000000, site, BOOT_SITES_MAX);
	free(exact);
	return n;
}

static void pair_with_jumps_is_found(void **state)
{
	uint8_t code[256] = { 0 };

	(void)state;
	t_sites(code + 0x40, 16, 0x4000);
	assert_int_equal(find(code, sizeof(code)), 2);
	assert_int_equal(site[0].gpa, 0x1000040);
	assert_int_equal(site[0].gva, 0xffffffff81000040);
	assert_true(site[0].vmmcall);
	assert_int_equal(site[1].gpa, 0x1000050);
	assert_false(site[1].vmmcall);
}

static void pair_behind_endbr_is_found(void **state)
{
	uint8_t code[256] = { 0 };

	(void)state;
	memcpy(code + 0x40, "\xf3\x0f\x1e\xfa", 4);
	memcpy(code + 0x60, "\xf3\x0f\x1e\xfa", 4);
	t_sites(code + 0x44, 32, 0x4000);
	assert_int_equal(find(code, sizeof(code)), 2);
	assert_int_equal(site[0].gpa, 0x1000044);
	assert_int_equal(site[1].gpa, 0x1000064);
}

static void pair_with_ret_is_found(void **state)
{
	uint8_t code[64] = { 0 };

	(void)state;
	memcpy(code, "\x0f\x01\xc1\xc3", 4);
	memcpy(code + 16, "\x0f\x01\xd9\xc3", 4);
	assert_int_equal(find(code, sizeof(code)), 2);
	assert_false(site[0].vmmcall);
	/* ... and also when the code ends with it. */
	assert_int_equal(find(code, 20), 2);
	assert_int_equal(find(code, 19), 0);
}

static void alignment_counts_by_virtual_address(void **state)
{
	uint8_t code[64] = { 0 };

	(void)state;
	memcpy(code + 8, "\x0f\x01\xc1\xc3", 4);
	memcpy(code + 24, "\x0f\x01\xd9\xc3", 4);
	assert_int_equal(find(code, sizeof(code)), 0);
	assert_int_equal(boot_find_sites(code, sizeof(code), 0, 8, site, 2), 2);
	assert_int_equal(site[0].gva, 16);
}

static void near_misses_are_rejected(void **state)
{
	static const struct {
		unsigned at[2];
		const char *code[2];
	} rows[] = {
		{ { 0, 16 }, { "\x0f\x01\xc1\xc3", "\x0f\x01\xc1\xc3" } },	/* one vendor twice */
		{ { 0, 16 }, { "\x0f\x01\xc1\xc3", "\x0f\x01\xd9\x90" } },	/* goes on */
		{ { 0, 16 }, { "\x0f\x01\xc1\xc3", "\x0f\x01\xd9\xe9" } },	/* leaves differently */
		{ { 0, 20 }, { "\x0f\x01\xc1\xc3", "\x0f\x01\xd9\xc3" } },	/* not aligned */
		{ { 0, 80 }, { "\x0f\x01\xc1\xc3", "\x0f\x01\xd9\xc3" } },	/* too far apart */
		{ { 0, 16 }, { "\x0f\x01\xc1\xc3", "\xf3\x0f\x01\xd9" } },	/* vmgexit */
		{ { 0, 16 }, { "\x0f\x01\xca\xc3", "\x0f\x01\xd9\xc3" } },	/* clac */
		{ { 0, 16 }, { "\x0f\x01\xc1\xc3", "" } },			/* alone */
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		uint8_t code[128] = { 0 };

		for (unsigned j = 0; j < 2; j++)
			memcpy(code + rows[i].at[j], rows[i].code[j], strlen(rows[i].code[j]));
		assert_int_equal(find(code, sizeof(code)), 0);
	}
}

static void different_jump_targets_are_rejected(void **state)
{
	uint8_t code[128] = { 0 };

	(void)state;
	t_sites(code, 16, 0x100);
	code[20]++;
	assert_int_equal(find(code, sizeof(code)), 0);
}

static void every_cut_of_the_code_is_safe(void **state)
{
	uint8_t code[64] = { 0 };

	(void)state;
	memcpy(code, "\xf3\x0f\x1e\xfa", 4);
	memcpy(code + 32, "\xf3\x0f\x1e\xfa", 4);
	t_sites(code + 4, 32, 0x100);
	for (size_t len = 0; len <= sizeof(code); len++)
		assert_int_equal(find(code, len), len >= 44 ? 2 : 0);
}

static void no_more_than_max_are_stored(void **state)
{
	uint8_t code[4096] = { 0 };

	(void)state;
	for (unsigned i = 0; i < sizeof(code); i += 32) {
		memcpy(code + i, "\x0f\x01\xc1\xc3", 4);
		memcpy(code + i + 16, "\x0f\x01\xd9\xc3", 4);
	}
	assert_int_equal(find(code, sizeof(code)), BOOT_SITES_MAX);
	assert_int_equal(boot_find_sites(code, sizeof(code), 0, 0, site, 3), 2);
	assert_int_equal(boot_find_sites(code, sizeof(code), 0, 0, site, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pair_with_jumps_is_found),
		cmocka_unit_test(pair_behind_endbr_is_found),
		cmocka_unit_test(pair_with_ret_is_found),
		cmocka_unit_test(alignment_counts_by_virtual_address),
		cmocka_unit_test(near_misses_are_rejected),
		cmocka_unit_test(different_jump_targets_are_rejected),
		cmocka_unit_test(every_cut_of_the_code_is_safe),
		cmocka_unit_test(no_more_than_max_are_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
