// SPDX-License-Identifier: MIT
/*
 * Tokens of the configuration language.
 *
 * What real xl accepts and says was found by feeding its parser (libxlutil 4.17 and 4.20) every
 * byte in every position; tests/cli/oracle repeats the comparison with random texts. Habits kept
 * because people's files and scripts depend on them:
 *   - keys are lower case, may contain '.', and begin with a letter
 *   - a comment needs the newline at its end; it counts as one
 *   - strings: \NNN is checked and yields nothing, \xHH is refused whatever HH is
 *   - bytes that begin no token are skipped up to the next blank and reported; further
 *     errors on that line are not, and if the blank is a newline neither are those on the next
 *   - an error at a newline names the line before the one that it ends
 */
#include <stdlib.h>
#include <string.h>

#include "cfg.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static bool is_ident(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static bool is_number(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == 'x';
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

void xl_lex_init(struct xl_lex *lex, const char *source, const char *data, size_t len,
		 FILE *report)
{
	*lex = (struct xl_lex){
		.source = source, .report = report, .pos = data, .end = data + len, .bol = data,
		.line = 1, .tok_line = 1, .tok_col = 1, .text = data,
	};
}

void xl_lex_fini(struct xl_lex *lex)
{
	free(lex->value);
	lex->value = NULL;
}

/* One line about the bytes of the current token, which is said to be in @line. */
static void report(struct xl_lex *lex, unsigned line, const char *what)
{
	size_t len = lex->len;

	lex->failed = true;
	if (!lex->report)
		return;
	fprintf(lex->report, "%s:%u: config parsing error near ", lex->source, line);
	if (len == 1 && lex->text[0] == '\n') {
		fputs("<newline>", lex->report);
	} else {
		while (len && is_blank(lex->text[len - 1]))
			len--;
		fprintf(lex->report, "`%.*s'", (int)len, lex->text);
	}
	fprintf(lex->report, ": %s\n", what);
}

void xl_lex_error(struct xl_lex *lex, const char *what)
{
	lex->failed = true;
	if (lex->tok_line >= lex->loud_line)
		report(lex, lex->tok_line - (lex->kind == XL_TOK_NEWLINE), what);
}

/* Characters that stand for one byte after a backslash. */
static char escape(char c)
{
	static const char from[] = "abfnrtv\\\"'", to[] = "\a\b\f\n\r\t\v\\\"'";
	const char *p = c ? strchr(from, c) : NULL;

	return p ? to[p - from] : 0;
}

/* Undo the escapes of the quoted token. NULL, after a message, when one is wrong. */
static char *unquote(struct xl_lex *lex)
{
	const char *p = lex->text + 1, *end = lex->text + lex->len - 1;
	const char *wrong = NULL;
	char *buf, *out;

	/* After an error values no longer matter, and their errors may be consequences. */
	if (lex->failed)
		return NULL;
	buf = out = calloc(1, lex->len);
	if (!buf)
		abort();
	while (p < end && !wrong) {
		if (*p != '\\') {
			*out++ = *p++;
		} else if (escape(p[1])) {
			*out++ = escape(p[1]);
			p += 2;
		} else if (p[1] == 'x') {
			wrong = "invalid digit after backslash hexnumerical character escape in quoted string";
		} else if (is_octal(p[1])) {
			if (end - p < 4 || !is_octal(p[2]) || !is_octal(p[3]))
				wrong = "invalid digit after backslash octalnumerical character escape in quoted string";
			p += 4;
		} else {
			wrong = "invalid character after backlash in quoted string";
		}
	}
	*out = '\0';
	if (!wrong)
		return buf;
	free(buf);
	xl_lex_error(lex, wrong);
	lex->loud_line = lex->line + 1;
	return NULL;
}

/* Length of the quoted string at @p, quotes included; 0 when it does not end on its line. */
static size_t quoted_len(const char *p, const char *end)
{
	char quote = *p;

	for (const char *q = p + 1; q < end && *q != '\n'; q++) {
		if (*q == quote)
			return (size_t)(q + 1 - p);
		if (*q == '\\' && (++q == end || *q == '\n'))
			break;
	}
	return 0;
}

static size_t span(const char *p, const char *end, bool (*is)(char))
{
	const char *q = p;

	while (q < end && is(*q))
		q++;
	return (size_t)(q - p);
}

/* Longest token at `pos`; its kind and length. False when there is none. */
static bool match(const struct xl_lex *lex, enum xl_tok_kind *ret_kind, size_t *ret_len)
{
	static const struct {
		char c;
		enum xl_tok_kind kind;
	} single[] = {
		{ '\n', XL_TOK_NEWLINE }, { '=', XL_TOK_EQ },   { ',', XL_TOK_COMMA },
		{ ';',  XL_TOK_SEMI },    { '[', XL_TOK_OPEN }, { ']', XL_TOK_CLOSE },
	};
	const char *p = lex->pos, *nl;

	*ret_len = 0;
	if (*p >= 'a' && *p <= 'z') {
		*ret_kind = XL_TOK_IDENT;
		*ret_len = span(p, lex->end, is_ident);
	} else if (*p >= '0' && *p <= '9') {
		*ret_kind = XL_TOK_NUMBER;
		*ret_len = span(p, lex->end, is_number);
	} else if (*p == '"' || *p == '\'') {
		*ret_kind = XL_TOK_STRING;
		*ret_len = quoted_len(p, lex->end);
	} else if (*p == '+' && lex->end - p > 1 && p[1] == '=') {
		*ret_kind = XL_TOK_PLUSEQ;
		*ret_len = 2;
	} else if (*p == '#') {
		nl = memchr(p, '\n', (size_t)(lex->end - p));
		*ret_kind = XL_TOK_NEWLINE;
		*ret_len = nl ? (size_t)(nl + 1 - p) : 0;
	}
	for (size_t i = 0; i < DOM_ARRAY_LEN(single); i++) {
		if (single[i].c == *p) {
			*ret_kind = single[i].kind;
			*ret_len = 1;
		}
	}
	return *ret_len != 0;
}

/*
 * Skip and report bytes that begin no token: up to the next blank, or including it when it comes
 * at once. A newline that comes at once is reported with them and then taken as a token.
 * A single such byte at the very end of the text is not reported; it shows as the text of the end.
 */
static void skip_error(struct xl_lex *lex)
{
	size_t len = 1;
	bool at_newline;

	if (strchr("+-.():", *lex->pos) && *lex->pos)
		lex->pythonic = true;
	if (lex->end - lex->pos == 1) {
		lex->pos = lex->end;
		lex->tail = 1;
		return;
	}
	at_newline = lex->pos[1] == '\n';
	if (!at_newline && (lex->pos[1] == ' ' || lex->pos[1] == '\t'))
		len = 2;
	while (!at_newline && len < (size_t)(lex->end - lex->pos) && !is_blank(lex->pos[len - 1]) &&
	       !is_blank(lex->pos[len]))
		len++;
	lex->text = lex->pos;
	lex->len = len;
	lex->tok_line = lex->line;
	lex->failed = true;
	if (lex->line + at_newline >= lex->loud_line)
		report(lex, lex->line, "lexical error");
	lex->loud_line = lex->line + at_newline + 1;
	lex->pos += len;
}

void xl_lex_next(struct xl_lex *lex)
{
	free(lex->value);
	lex->value = NULL;
	for (;;) {
		while (lex->pos < lex->end && (*lex->pos == ' ' || *lex->pos == '\t'))
			lex->pos++;
		if (lex->pos == lex->end) {
			lex->kind = XL_TOK_END;
			lex->text = lex->end - lex->tail;
			lex->len = lex->tail;
			return;
		}
		if (match(lex, &lex->kind, &lex->len))
			break;
		skip_error(lex);
	}
	lex->text = lex->pos;
	lex->tok_line = lex->line;
	lex->tok_col = (unsigned)(lex->pos - lex->bol) + 1;
	lex->pos += lex->len;
	if (lex->kind == XL_TOK_NEWLINE) {
		lex->line++;
		lex->bol = lex->pos;
	}
	if (lex->kind == XL_TOK_STRING)
		lex->value = unquote(lex);
}
