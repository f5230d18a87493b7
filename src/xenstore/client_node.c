// SPDX-License-Identifier: MIT
/*
 * A client's calls on nodes: values, lists of children, permissions. One request each, but for
 * lists longer than a message.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/fd.h"
#include "client.h"

#define DIRECTORY_TRIES 16

int xsc_read(struct xsc *xs, xsc_tx tx, const char *path, char **ret_value, size_t *ret_len)
{
	return xsc_call_path(xs, tx, XS_READ, path, ret_value, ret_len);
}

int xsc_write(struct xsc *xs, xsc_tx tx, const char *path, const void *value, size_t len)
{
	struct xsc_piece p[2] = { { path, strlen(path) + 1 }, { value, len } };

	return xsc_call_pieces(xs, tx, XS_WRITE, p, 2, -1, NULL, NULL);
}

int xsc_printf(struct xsc *xs, xsc_tx tx, const char *path, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(buf))
		return -EMSGSIZE;
	return xsc_write(xs, tx, path, buf, (size_t)n);
}

int xsc_mkdir(struct xsc *xs, xsc_tx tx, const char *path)
{
	return xsc_call_path(xs, tx, XS_MKDIR, path, NULL, NULL);
}

int xsc_rm(struct xsc *xs, xsc_tx tx, const char *path)
{
	return xsc_call_path(xs, tx, XS_RM, path, NULL, NULL);
}

/* Fetch a long list part by part; -EAGAIN when it changed between two of them. */
static int directory_parts(struct xsc *xs, xsc_tx tx, const char *path, char **ret, size_t *ret_len)
{
	char *list DOM_CLEANUP_FREE = NULL;
	char gen[24] = "";
	size_t len = 0;

	for (;;) {
		char *part DOM_CLEANUP_FREE = NULL;
		char off[24], *more;
		struct xsc_piece p[2] = { { path, strlen(path) + 1 }, { off, 0 } };
		size_t part_len, gen_len;
		int err;

		p[1].len = (size_t)snprintf(off, sizeof(off), "%zu", len) + 1;
		err = xsc_call_pieces(xs, tx, XS_DIRECTORY_PART, p, 2, -1, &part, &part_len);
		if (err)
			return err;
		gen_len = strnlen(part, part_len) + 1;
		if (gen_len >= part_len || gen_len > sizeof(gen))
			return -EIO;
		if (len && strcmp(gen, part))
			return -EAGAIN;
		memcpy(gen, part, gen_len);
		part_len -= gen_len;
		more = realloc(list, len + part_len);
		if (!more)
			return -ENOMEM;
		list = more;
		memcpy(list + len, part + gen_len, part_len);
		len += part_len;
		/* An empty name is the end. */
		if (list[len - 1] == 0 && (len == 1 || list[len - 2] == 0))
			break;
	}
	*ret = list;
	*ret_len = len - 1;
	list = NULL;
	return 0;
}

int xsc_directory(struct xsc *xs, xsc_tx tx, const char *path, char ***ret_names,
		  unsigned *ret_count)
{
	char *list DOM_CLEANUP_FREE = NULL, *copy;
	char **names;
	size_t len;
	unsigned n;
	int err = xsc_call_path(xs, tx, XS_DIRECTORY, path, &list, &len);

	for (int i = 0; err == -E2BIG || err == -EAGAIN; i++) {
		if (i == DIRECTORY_TRIES)
			return -EBUSY;
		if (tx && err == -EAGAIN)
			return err;
		err = directory_parts(xs, tx, path, &list, &len);
	}
	if (err)
		return err;
	n = xsc_wire_strings(list, len, NULL, 0);
	names = malloc((n + 1) * sizeof(*names) + len);
	if (!names)
		return -ENOMEM;
	copy = (char *)(names + n + 1);
	memcpy(copy, list, len);
	for (unsigned i = 0; i < n; i++, copy += strlen(copy) + 1)
		names[i] = copy;
	names[n] = NULL;
	*ret_names = names;
	*ret_count = n;
	return 0;
}

int xsc_get_perms(struct xsc *xs, xsc_tx tx, const char *path, struct xsc_perm **ret_perms,
		  unsigned *ret_count)
{
	char *text DOM_CLEANUP_FREE = NULL;
	struct xsc_perm *perms;
	const char *one;
	size_t len;
	unsigned n;
	int err = xsc_call_path(xs, tx, XS_GET_PERMS, path, &text, &len);

	if (err)
		return err;
	n = xsc_wire_strings(text, len, NULL, 0);
	perms = malloc((n ? n : 1) * sizeof(*perms));
	if (!perms)
		return -ENOMEM;
	one = text;
	for (unsigned i = 0; i < n; i++, one += strlen(one) + 1) {
		if (xsc_perm_parse(one, &perms[i])) {
			free(perms);
			return -EIO;
		}
	}
	*ret_perms = perms;
	*ret_count = n;
	return 0;
}

int xsc_set_perms(struct xsc *xs, xsc_tx tx, const char *path, const struct xsc_perm *perms,
		  unsigned count)
{
	char text[XENSTORE_PAYLOAD_MAX];
	struct xsc_piece p[2] = { { path, strlen(path) + 1 }, { text, 0 } };

	for (unsigned i = 0; i < count; i++) {
		if (p[1].len + 8 > sizeof(text))
			return -EMSGSIZE;
		p[1].len += strlen(xsc_perm_format(&perms[i], text + p[1].len)) + 1;
	}
	return xsc_call_pieces(xs, tx, XS_SET_PERMS, p, 2, -1, NULL, NULL);
}
