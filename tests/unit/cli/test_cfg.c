// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cfg.h"

/* Parse @text; the messages come back in *ret_said, to be freed. */
static struct xl_cfg *parse(const char *text, char **ret_said)
{
	struct xl_cfg *cfg = NULL;
	size_t size;
	FILE *f = open_memstream(ret_said, &size);

	xl_cfg_parse(&cfg, "c.cfg", text, strlen(text), f);
	fclose(f);
	if (cfg)
		cfg->report = NULL;
	return cfg;
}

static void values_keep_their_place(void **state)
{
	char *said;
	struct xl_cfg *cfg = parse("a = 1\n  b = [ \"x\",\n\t[ 2 ] ]\n", &said);
	const struct xl_value *list;

	(void)state;
	assert_non_null(cfg);
	assert_int_equal(xl_cfg_list(cfg, "b", &list, true), 0);
	assert_int_equal(list->line, 2);
	assert_int_equal(list->col, 7);
	assert_int_equal(list->items[1].line, 3);
	assert_int_equal(list->items[1].col, 2);
	assert_true(list->items[1].is_list);
	xl_cfg_free(cfg);
	free(said);
}

/* Texts that libxlutil was seen to treat so; diff_cfg covers the rest. */
static void errors_are_worded_as_xens(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "a=\n1\n", "c.cfg:0: config parsing error near <newline>: syntax error, unexpected NEWLINE, expecting STRING or NUMBER or '['\n" },
		{ "a=\"x\" b=1", "c.cfg:1: config parsing error near `b': syntax error, unexpected IDENT, expecting $end\n" },
		{ "A=1", "c.cfg:1: config parsing error near `A=1': lexical error\n" },
		{ "a=\"\\q\"", "c.cfg:1: config parsing error near `\"\\q\"': invalid character after backlash in quoted string\n" },
		{ "a=[1,2", "c.cfg:1: config parsing error near `': syntax error, unexpected $end, expecting ']'\n" },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(cases); i++) {
		char *said;

		assert_null(parse(cases[i].text, &said));
		assert_string_equal(said, cases[i].said);
		free(said);
	}
}

static void numbers_are_converted_and_checked(void **state)
{
	static const struct {
		const char *text;
		int err;
		long value;
	} cases[] = {
		{ "a=12", 0, 12 },          { "a=0x10", 0, 16 },   { "a=010", 0, 8 },
		{ "a=\"-5\"", 0, -5 },      { "a=\"5 \"", -EINVAL, 0 }, { "a=[1]", -EINVAL, 0 },
		{ "a=99999999999999999999", -ERANGE, 0 },          { "b=1", -ESRCH, 0 },
		{ "a=1\na+=1", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(cases); i++) {
		char *said;
		struct xl_cfg *cfg = parse(cases[i].text, &said);
		long n = 0;

		assert_int_equal(xl_cfg_number(cfg, "a", &n), cases[i].err);
		assert_int_equal(n, cases[i].value);
		xl_cfg_free(cfg);
		free(said);
	}
}

static void deep_nesting_is_refused(void **state)
{
	char text[1024], *said;

	(void)state;
	memset(text, '[', sizeof(text));
	memcpy(text, "a=", 2);
	text[sizeof(text) - 1] = '\0';
	assert_null(parse(text, &said));
	assert_non_null(strstr(said, "nested too deeply"));
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_keep_their_place),
		cmocka_unit_test(errors_are_worded_as_xens),
		cmocka_unit_test(numbers_are_converted_and_checked),
		cmocka_unit_test(deep_nesting_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
