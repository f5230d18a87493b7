// SPDX-License-Identifier: MIT
/*
 * Differential test of the configuration parser: random texts, made of the pieces that matter to
 * the language, go through Xen's libxlutil and through ours; trees, messages and line numbers
 * must agree. Left out: NUL bytes (libxlutil asserts on them) and the wording of the Python hint.
 *
 *   diff_cfg [SEED [COUNT]]        reproducible: the failing text and its seed are printed
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxlutil.h>

#include "cli/cfg.h"

static const char *const pieces[] = {
	"a", "b", "c", "a.b", "=", "=", "=", "=", "+=", "1", "0x1f", "010", "9x", "\"s\"", "'t'",
	"\"\\n\"", "\"\\101\"", "\"\\x41\"", "\"\\q\"", "\"\\19\"", "\"u", "[", "]", "[", "]", ",",
	";", "\n", "\n", "\n", " ", "  ", "\t", "#x\n", "# y", "$", "%z", "-", "+", "(", ".", "A",
	"_", "\\", "\r", "\"\"", "\"a b\"", "99999999999999999999", "a=1\n", "b=[1,2]\n",
	"c=\"x\"\n", "\xc3\xa9", "\"\xc3\xa9\"",
};

static char *generate(unsigned seed)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	unsigned n;

	srandom(seed);
	n = 1 + (unsigned)random() % 24;
	while (n--)
		fputs(pieces[(size_t)random() % DOM_ARRAY_LEN(pieces)], f);
	fclose(f);
	return text;
}

/* Messages without the lines of the Python hint. */
static char *strip_hint(char *text)
{
	char *out = text, *line = text;

	while (*line) {
		char *end = strchrnul(line, '\n');
		size_t len = (size_t)(end - line) + (*end != '\0');

		if (strncmp(line, "warning: ", 9)) {
			memmove(out, line, len);
			out += len;
		}
		line += len;
	}
	*out = '\0';
	return text;
}

static const char *const keys[] = { "a", "b", "c", "a.b" };

static char *theirs(const char *text)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);
	XLU_Config *cfg = xlu_cfg_init(f, "t");
	const char *s;
	XLU_ConfigList *l;
	long n;
	int err = xlu_cfg_readdata(cfg, text, (int)strlen(text)), count;

	fprintf(f, "parse %d\n", err);
	for (size_t k = 0; !err && k < DOM_ARRAY_LEN(keys); k++) {
		if (!xlu_cfg_get_string(cfg, keys[k], &s, 0))
			fprintf(f, "%s string %s\n", keys[k], s);
		err = xlu_cfg_get_long(cfg, keys[k], &n, 0);
		fprintf(f, "%s long %d %ld\n", keys[k], err, err ? 0 : n);
		if (!(err = xlu_cfg_get_list(cfg, keys[k], &l, &count, 0)))
			for (int i = 0; i < count; i++)
				fprintf(f, "%s[%d] %s\n", keys[k], i,
					xlu_cfg_get_listitem(l, i) ? xlu_cfg_get_listitem(l, i) : "-");
		err = 0;
	}
	xlu_cfg_destroy(cfg);
	fclose(f);
	return strip_hint(out);
}

static char *ours(const char *text)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);
	struct xl_cfg *cfg = NULL;
	const struct xl_value *l;
	const char *s;
	long n;
	int err = -xl_cfg_parse(&cfg, "t", text, strlen(text), f);

	fprintf(f, "parse %d\n", err);
	for (size_t k = 0; !err && k < DOM_ARRAY_LEN(keys); k++) {
		if (!xl_cfg_string(cfg, keys[k], &s))
			fprintf(f, "%s string %s\n", keys[k], s);
		err = -xl_cfg_number(cfg, keys[k], &n);
		fprintf(f, "%s long %d %ld\n", keys[k], err, err ? 0 : n);
		if (!xl_cfg_list(cfg, keys[k], &l, true))
			for (unsigned i = 0; i < l->count; i++)
				fprintf(f, "%s[%u] %s\n", keys[k], i,
					l->items[i].is_list ? "-" : l->items[i].text);
		err = 0;
	}
	xl_cfg_free(cfg);
	fclose(f);
	return strip_hint(out);
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
	unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 20000;

	for (unsigned end = seed + count; seed < end; seed++) {
		char *text = generate(seed), *a = theirs(text), *b = ours(text);
		int same = !strcmp(a, b);

		if (!same)
			printf("seed %u\n--- text\n%s\n--- libxlutil\n%s--- ours\n%s", seed, text, a, b);
		free(text);
		free(a);
		free(b);
		if (!same)
			return 1;
	}
	return 0;
}
