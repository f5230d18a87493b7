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

/* What the golden file's program prints of key @name: as string, as number, as list. */
static void print_key(FILE *f, struct xl_cfg *cfg, const char *name)
{
	const struct xl_value *list;
	const char *text;
	long n;
	int r = xl_cfg_string(cfg, name, &text);

	fprintf(f, r ? "%s string-err " : "%s string ", name);
	r ? fprintf(f, "%d\n", -r) : fprintf(f, "%s\n", text);
	r = xl_cfg_number(cfg, name, &n);
	r ? fprintf(f, "%s long-err %d\n", name, -r) : fprintf(f, "%s long %ld\n", name, n);
	r = xl_cfg_list(cfg, name, &list, false);
	if (r) {
		fprintf(f, "%s list-err %d\n", name, -r);
		return;
	}
	fprintf(f, "%s list %u\n", name, list->count);
	for (unsigned i = 0; i < list->count; i++)
		fprintf(f, "%s[%u] %s\n", name, i, list->items[i].is_list ? "(nested)" : list->items[i].text);
}

/* The whole of one case; the keys to print are those that the wanted text speaks of. */
static char *print_case(const char *text, const char *want)
{
	static const char *const keys[] = { "a", "a.b", "b" };
	char *said, *got;
	size_t size;
	struct xl_cfg *cfg = parse(text, &said);
	FILE *f = open_memstream(&got, &size);
	char *python = strstr(said, "warning: ");

	if (python)
		*python = '\0';
	fprintf(f, "%sparse %d\n", said, cfg ? 0 : EINVAL);
	for (size_t i = 0; cfg && i < DOM_ARRAY_LEN(keys); i++) {
		char line[32];

		snprintf(line, sizeof(line), "\n%s string", keys[i]);
		if (strstr(want, line))
			print_key(f, cfg, keys[i]);
	}
	fprintf(f, "rc=%d\n", !cfg);
	fclose(f);
	xl_cfg_free(cfg);
	free(said);
	return got;
}

/*
 * Configurations as libxlutil reads them. A case is "--- " and the text, then what came out: messages,
 * "parse" with an error number, the keys, "rc=".
 */
static void grammar_is_xens(void **state)
{
	char path[512], line[512], *text = NULL, *want = NULL, *got;
	size_t text_size, want_size;
	FILE *f, *t = NULL, *w = NULL;
	unsigned checked = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/golden/xl/xlcfg-grammar.txt", getenv("SRCDIR"));
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "--- ", 4)) {
			t = open_memstream(&text, &text_size);
			w = open_memstream(&want, &want_size);
			fputs(line + 4, t);
			continue;
		}
		/* What is said to those who try Python differs. */
		if (!strncmp(line, "warning: ", 9))
			continue;
		assert_non_null(w);
		fflush(w);
		fputs(line, want_size || !strncmp(line, "c.cfg:", 6) || !strncmp(line, "parse ", 6) ? w : t);
		if (strncmp(line, "rc=", 3))
			continue;
		fclose(t);
		fclose(w);
		got = print_case(text, want);
		if (strcmp(got, want))
			fail_msg("%s\n--- want\n%s--- got\n%s", text, want, got);
		free(got);
		free(text);
		free(want);
		checked++;
	}
	fclose(f);
	assert_true(checked > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grammar_is_xens),
		cmocka_unit_test(values_keep_their_place),
		cmocka_unit_test(errors_are_worded_as_xens),
		cmocka_unit_test(numbers_are_converted_and_checked),
		cmocka_unit_test(deep_nesting_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
