// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "xenstore/xenstore.h"

static void good_paths_are_accepted(void **state)
{
	static const char *const good[] = { "/", "/a", "/a/b-c_d@e/0", "@introduceDomain",
		"@releaseDomain/5", "@" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(xsc_path_valid(good[i], strlen(good[i])));
}

static void bad_paths_are_refused(void **state)
{
	static const char *const bad[] = { "", "a", "//", "/a/", "/a//b", "/a b", "/a.b", "/\x80",
		"@a/", "/a\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(xsc_path_valid(bad[i], strlen(bad[i])));
	assert_false(xsc_path_valid("/a\0b", 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_paths_are_accepted),
		cmocka_unit_test(bad_paths_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
