// SPDX-License-Identifier: MIT
/*
 * Values are bytes; on a terminal they are escaped. Rules: xenstore-read(1), xenstore-write(1) of Xen.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/cc.h"
#include "tool.h"

static const struct {
	char letter, byte;
} escapes[] = {
	{ 't', '\t' }, { 'n', '\n' }, { 'r', '\r' }, { '\\', '\\' },
};

static char *escape_byte(char *p, unsigned char c)
{
	*p++ = '\\';
	for (size_t i = 0; i < DOM_ARRAY_LEN(escapes); i++) {
		if (escapes[i].byte == (char)c) {
			*p++ = escapes[i].letter;
			return p;
		}
	}
	return p + sprintf(p, c < 010 ? "%03o" : "x%02x", c);
}

char *text_escape(const char *value, size_t len)
{
	char *text = malloc(len * 4 + 1), *p = text;

	if (!text)
		err(1, "malloc");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];

		if (c >= ' ' && c <= '~' && c != '\\')
			*p++ = (char)c;
		else
			p = escape_byte(p, c);
	}
	*p = 0;
	return text;
}

/* Up to @max digits of @base at *p. */
static unsigned digits(const char **p, unsigned base, int max)
{
	static const char all[] = "0123456789abcdef";
	unsigned v = 0;

	for (; max-- && **p; (*p)++) {
		char c = **p >= 'A' && **p <= 'F' ? (char)(**p | 0x20) : **p;
		const char *at = memchr(all, c, base);

		if (!at)
			break;
		v = v * base + (unsigned)(at - all);
	}
	return v;
}

static char unescape_byte(const char **p)
{
	char c = **p;

	if (c >= '0' && c <= '7')
		return (char)digits(p, 8, 3);
	(*p)++;
	if (c == 'x')
		return (char)digits(p, 16, 2);
	for (size_t i = 0; i < DOM_ARRAY_LEN(escapes); i++)
		if (escapes[i].letter == c)
			return escapes[i].byte;
	return c;
}

size_t text_unescape(char *text)
{
	const char *in = text;
	char *out = text;

	while (*in) {
		char c = *in++;

		if (c == '\\') {
			if (!*in)
				break;
			c = unescape_byte(&in);
		}
		*out++ = c;
	}
	*out = 0;
	return (size_t)(out - text);
}
