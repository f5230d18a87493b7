// SPDX-License-Identifier: MIT
/* Sets of host CPUs as text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/vmm.h"

static void lists_are_read_and_written_back_in_short(void **state)
{
	static const char *const rows[][2] = {
		{ "0", "0" }, { "1023", "1023" }, { "0-3,5", "0-3,5" }, { "3,1,2", "1-3" },
		{ "7-7", "7" }, { "0-1023", "0-1023" }, { "1,1,1", "1" }, { "00001", "1" },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		char text[64];
		cpu_set_t set;

		if (vmm_cpulist_parse(rows[i][0], &set))
			fail_msg("%s was refused", rows[i][0]);
		assert_int_equal(vmm_cpulist_format(&set, text, sizeof(text)), strlen(rows[i][1]));
		assert_string_equal(text, rows[i][1]);
	}
}

static void anything_else_is_einval_and_leaves_the_set_alone(void **state)
{
	static const char *const rows[] = {
		"", " ", "a", "-1", "1-", "3-1", "1,", ",1", "1,,2", "1024", "0-1024", "1 2", "1;2",
		"99999999999999999999", "all", "^1", "1-2-3", "0x1", "+1",
	};
	cpu_set_t set, before;

	(void)state;
	CPU_ZERO(&set);
	CPU_SET(9, &set);
	before = set;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		if (vmm_cpulist_parse(rows[i], &set) != -EINVAL)
			fail_msg("\"%s\" was accepted", rows[i]);
		assert_true(CPU_EQUAL(&set, &before));
	}
}

static void what_does_not_fit_is_left_out_whole(void **state)
{
	char text[6];
	cpu_set_t set;

	(void)state;
	assert_int_equal(vmm_cpulist_parse("10,20,30", &set), 0);
	vmm_cpulist_format(&set, text, sizeof(text));
	assert_true(strlen(text) < sizeof(text));
	assert_memory_equal(text, "10,20", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_read_and_written_back_in_short),
		cmocka_unit_test(anything_else_is_einval_and_leaves_the_set_alone),
		cmocka_unit_test(what_does_not_fit_is_left_out_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
