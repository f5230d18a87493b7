// SPDX-License-Identifier: MIT
/*
 * Bits of the wire format: error names, strings in a payload, permissions as text.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "xenabi/io_xs.h"
#include "domicile/base/num.h"
#include "xenstore.h"

static const struct {
	int code;
	const char *name;
} errors[] = {
#define ROW(e) { e, #e },
	XSD_ERRORS(ROW)
#undef ROW
};

const char *xsc_wire_error_name(int err)
{
	int code = err < 0 ? -err : err;

	for (size_t i = 0; i < DOM_ARRAY_LEN(errors); i++)
		if (errors[i].code == code)
			return errors[i].name;
	return "EINVAL";
}

int xsc_wire_error_code(const char *name, size_t len)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(errors); i++)
		if (len == strlen(errors[i].name) + 1 && !memcmp(name, errors[i].name, len))
			return -errors[i].code;
	return -EINVAL;
}

unsigned xsc_wire_strings(const char *payload, size_t len, const char **vec, unsigned max)
{
	const char *end = payload + len, *nul;
	unsigned n = 0;

	while (payload < end && (nul = memchr(payload, 0, (size_t)(end - payload)))) {
		if (n < max)
			vec[n] = payload;
		n++;
		payload = nul + 1;
	}
	return n;
}

/* Index: XSC_PERM_* bits. */
static const char perm_letters[] = {
	XS_PERM_CHAR_NONE, XS_PERM_CHAR_READ, XS_PERM_CHAR_WRITE, XS_PERM_CHAR_BOTH,
};

int xsc_perm_parse(const char *text, struct xsc_perm *ret)
{
	const char *letter = memchr(perm_letters, text[0], sizeof(perm_letters));
	uint64_t domid;

	if (!letter || dom_parse_u64(text + 1, UINT16_MAX, &domid))
		return -EINVAL;
	ret->domid = (uint16_t)domid;
	ret->perms = (uint8_t)(letter - perm_letters);
	return 0;
}

const char *xsc_perm_format(const struct xsc_perm *perm, char *buf)
{
	snprintf(buf, 8, "%c%u", perm_letters[perm->perms & 3], perm->domid);
	return buf;
}
