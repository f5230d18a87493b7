// SPDX-License-Identifier: MIT
/* Taking and placing ranges of guest RAM. */
#include "image.h"

static struct boot_map map;

static void places_go_down_from_the_top(void **state)
{
	uint64_t at = 1;

	(void)state;
	boot_map_init(&map, 0, 0x100000);
	assert_int_equal(boot_map_place(&map, 0x1800, 0x1000, 0, "a", &at), 0);
	assert_int_equal(at, 0xfe000);
	assert_int_equal(boot_map_place(&map, 0x1000, 0x1000, 0, "b", &at), 0);
	assert_int_equal(at, 0xfd000);
	/* The rest of a's second page is free for smaller things. */
	assert_int_equal(boot_map_place(&map, 0x800, 0x800, 0, "c", &at), 0);
	assert_int_equal(at, 0xff800);
}

static void limit_and_start_are_respected(void **state)
{
	uint64_t at = 1;

	(void)state;
	boot_map_init(&map, 0x1000, 0x100000);
	assert_int_equal(boot_map_place(&map, 0x1000, 0x1000, 0x80000, "a", &at), 0);
	assert_int_equal(at, 0x7f000);
	assert_int_equal(boot_map_place(&map, 0x1000, 0x1000, 1ull << 40, "b", &at), 0);
	assert_int_equal(at, 0xff000);
	assert_int_equal(boot_map_place(&map, 0x1000, 0x1000, 0x1fff, "c", &at), -ENOMEM);
	assert_int_equal(boot_map_place(&map, 0x100000, 0x1000, 0, "d", &at), -ENOMEM);
	assert_int_equal(boot_map_place(&map, UINT64_MAX, 0x1000, 0, "e", &at), -ENOMEM);
	assert_int_equal(boot_map_place(&map, 0, 0x1000, 0, "f", &at), -ENOMEM);
	assert_int_equal(at, 0xff000);
}

static void overlap_names_both(void **state)
{
	struct dom_err err;

	(void)state;
	boot_map_init(&map, 0, 0x100000);
	assert_int_equal(boot_map_add(&map, 0x1000, 0x1000, "first", &err), 0);
	assert_int_equal(boot_map_add(&map, 0x2000, 0x1000, "beside", &err), 0);
	assert_int_equal(boot_map_add(&map, 0x1fff, 1, "second", &err), -EEXIST);
	assert_non_null(strstr(err.msg, "first"));
	assert_non_null(strstr(err.msg, "second"));
	assert_int_equal(boot_map_add(&map, 0, 0x10000, "around", NULL), -EEXIST);
	assert_int_equal(boot_map_add(&map, UINT64_MAX, 2, "wraps", NULL), -EINVAL);
	assert_int_equal(boot_map_add(&map, 0, 0, "empty", NULL), -EINVAL);
}

static void full_map_refuses(void **state)
{
	uint64_t at;

	(void)state;
	boot_map_init(&map, 0, 0x100000);
	for (unsigned i = 0; i < BOOT_TAKEN_MAX; i++)
		assert_int_equal(boot_map_add(&map, 0x1000 * i, 0x800, "x", NULL), 0);
	assert_int_equal(boot_map_add(&map, 0x90000, 1, "x", NULL), -ENOSPC);
	assert_int_equal(boot_map_place(&map, 1, 1, 0, "x", &at), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_go_down_from_the_top),
		cmocka_unit_test(limit_and_start_are_respected),
		cmocka_unit_test(overlap_names_both),
		cmocka_unit_test(full_map_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
