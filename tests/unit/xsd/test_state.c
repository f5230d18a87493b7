// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "xenstore/daemon/xsd.h"

static struct xsd s;

static int setup(void **state)
{
	(void)state;
	if (xsd_init(&s))
		return -1;
	s.recovering = true;
	return xsd_loop_init(&s);
}

static int teardown(void **state)
{
	(void)state;
	xsd_fini(&s);
	return 0;
}

static char buf[4096];
static size_t len;

static void rec(enum xsd_rec type, uint16_t domid, int32_t num, const char *a, const void *b,
		size_t b_len)
{
	struct xsd_rec_args r = { .type = type, .domid = domid, .num = num, .a = a,
		.a_len = strlen(a), .b = b, .b_len = b_len };

	xsd_rec_put(buf + len, &r);
	len += xsd_rec_size(&r);
}

static void records_come_back_as_written(void **state)
{
	struct xsd_rec_args r;
	size_t pos = 0;

	(void)state;
	len = 0;
	rec(XSD_REC_SET, 3, -1, "/a", "value", 5);
	rec(XSD_REC_RM, 0, 0, "/abc", NULL, 0);
	assert_int_equal(len % 8, 0);
	assert_int_equal(xsd_rec_next(buf, len, &pos, &r), 1);
	assert_int_equal(r.type, XSD_REC_SET);
	assert_int_equal(r.domid, 3);
	assert_int_equal(r.num, -1);
	assert_memory_equal(r.a, "/a", 2);
	assert_memory_equal(r.b, "value", 5);
	assert_int_equal(xsd_rec_next(buf, len, &pos, &r), 1);
	assert_int_equal(r.a_len, 4);
	assert_int_equal(r.b_len, 0);
	assert_int_equal(xsd_rec_next(buf, len, &pos, &r), 0);
}

static void damaged_records_are_refused(void **state)
{
	(void)state;
	len = 0;
	rec(XSD_REC_SET, 0, -1, "/a", "value", 5);
	for (size_t cut = 1; cut < len; cut++)
		assert_int_equal(xsd_state_replay(&s, buf, cut), -EINVAL);
	len = 0;
	rec(XSD_REC_SET, 0, -1, "a", "", 0);
	assert_int_equal(xsd_state_replay(&s, buf, len), -EINVAL);
	len = 0;
	rec(XSD_REC_PERMS, 0, 0, "/", "abc", 3);
	assert_int_equal(xsd_state_replay(&s, buf, len), -EINVAL);
	len = 0;
	rec(XSD_REC_WATCH, 9, -1, "/a", "t", 1);
	assert_int_equal(xsd_state_replay(&s, buf, len), -EINVAL);
}

static void release_in_the_journal_removes_nodes(void **state)
{
	struct xsd_found f;

	(void)state;
	len = 0;
	rec(XSD_REC_SET, 0, 7, "/x/y", "v", 1);
	rec(XSD_REC_RELEASE, 7, 0, "", NULL, 0);
	assert_int_equal(xsd_state_replay(&s, buf, len), 0);
	xsd_find(&s.tree, &s.gen, "/x", 2, &f);
	assert_null(f.node);
	assert_int_equal(xsd_dom_peek(&s, 7)->acct[XSD_Q_NODES], 0);
	assert_int_equal(xsd_dom_peek(&s, 7)->acct[XSD_Q_MEMORY], 0);
	assert_int_equal(xsd_check(&s), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(records_come_back_as_written), T(damaged_records_are_refused),
		T(release_in_the_journal_removes_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
