// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "xenstore/xenstore.h"

static void error_names_travel_both_ways(void **state)
{
	(void)state;
	assert_string_equal(xsc_wire_error_name(-EAGAIN), "EAGAIN");
	assert_string_equal(xsc_wire_error_name(EPERM), "EPERM");
	assert_int_equal(xsc_wire_error_code("ENOTEMPTY", 10), -ENOTEMPTY);
}

static void unlisted_errors_become_einval(void **state)
{
	(void)state;
	assert_string_equal(xsc_wire_error_name(EXDEV), "EINVAL");
	assert_int_equal(xsc_wire_error_code("EWHAT", 6), -EINVAL);
	assert_int_equal(xsc_wire_error_code("ENOENT", 6), -EINVAL);	/* without its NUL */
	assert_int_equal(xsc_wire_error_code("", 0), -EINVAL);
}

static void strings_stop_at_the_last_nul(void **state)
{
	const char *v[2] = { NULL, NULL };

	(void)state;
	assert_int_equal(xsc_wire_strings("a\0bc\0de", 7, v, 2), 2);
	assert_string_equal(v[0], "a");
	assert_string_equal(v[1], "bc");
	assert_int_equal(xsc_wire_strings("abc", 3, v, 2), 0);
	assert_int_equal(xsc_wire_strings("", 0, v, 2), 0);
	assert_int_equal(xsc_wire_strings("\0\0\0", 3, v, 1), 3);
}

static void perms_parse_strictly(void **state)
{
	static const char *const bad[] = { "", "x1", "r", "r-1", "r1x", "r65536", "1", "r 1" };
	struct xsc_perm p;
	char buf[8];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(xsc_perm_parse(bad[i], &p), -EINVAL);
	assert_int_equal(xsc_perm_parse("b65535", &p), 0);
	assert_int_equal(p.domid, 65535);
	assert_int_equal(p.perms, XSC_PERM_READ | XSC_PERM_WRITE);
	assert_string_equal(xsc_perm_format(&p, buf), "b65535");
	assert_int_equal(xsc_perm_parse("n0", &p), 0);
	assert_int_equal(p.perms, XSC_PERM_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_names_travel_both_ways),
		cmocka_unit_test(unlisted_errors_become_einval),
		cmocka_unit_test(strings_stop_at_the_last_nul),
		cmocka_unit_test(perms_parse_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
