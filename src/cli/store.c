// SPDX-License-Identifier: MIT
/*
 * The store, as seen by commands: one connection, made when first asked for, and the registry of
 * domains in it.
 *
 *   /local/domain/N/name           the name of each domain, as on Xen
 *   /tool/domicile/last-domid      the id given out last
 *   /tool/domicile/name/<escaped>  "ID TOKEN" of the domain with that name; makes the check for a
 *                                  name that is taken cost the same with 1 and with 200 domains.
 *                                  The token is its maker's, who may have to find out whether a
 *                                  commit whose answer was lost has happened
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"

#include "life.h"
#include "xl.h"

DOM_PRINTF(3, 0)
static void say(struct xl *xl, const char *prefix, const char *fmt, va_list ap)
{
	if (xl->timestamps) {
		time_t now = time(NULL);
		char text[32];
		struct tm tm;

		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z ", localtime_r(&now, &tm));
		fputs(text, stderr);
	}
	fputs(prefix, stderr);
	vfprintf(stderr, fmt, ap);
	putc('\n', stderr);
}

void xl_error(struct xl *xl, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(xl, "xl: ", fmt, ap);
	va_end(ap);
}

void xl_debug(struct xl *xl, unsigned level, const char *fmt, ...)
{
	va_list ap;

	if (xl->verbose < level)
		return;
	va_start(ap, fmt);
	say(xl, "xl: debug: ", fmt, ap);
	va_end(ap);
}

struct xsc *xl_store(struct xl *xl)
{
	struct dom_err err = { 0 };

	if (!xl->xs && xsc_open(&xl->xs, NULL, &err)) {
		xl->xs = NULL;
		xl_error(xl, "%s", err.msg);
	}
	if (xl->xs)
		xsc_set_reconnect(xl->xs, 2000);
	return xl->xs;
}

int xl_store_start(struct xl *xl, struct dom_err *err)
{
	int r = xl->xs ? 0 : xsc_open_or_start(&xl->xs, err);

	return r ? r : xl_store(xl) ? 0 : -ENOTCONN;
}

DOM_PRINTF(3, 0)
static char *read_path(struct xl *xl, xsc_tx tx, const char *fmt, va_list ap)
{
	char path[DOM_PATH_MAX * 2], *value;

	if (!xl_store(xl) || vsnprintf(path, sizeof(path), fmt, ap) >= (int)sizeof(path))
		return NULL;
	return xsc_read(xl->xs, tx, path, &value, NULL) ? NULL : value;
}

char *xl_read(struct xl *xl, xsc_tx tx, const char *fmt, ...)
{
	va_list ap;
	char *value;

	va_start(ap, fmt);
	value = read_path(xl, tx, fmt, ap);
	va_end(ap);
	return value;
}

uint64_t xl_read_uint(struct xl *xl, xsc_tx tx, uint64_t def, const char *fmt, ...)
{
	char *value DOM_CLEANUP_FREE = NULL;
	uint64_t n;
	va_list ap;

	va_start(ap, fmt);
	value = read_path(xl, tx, fmt, ap);
	va_end(ap);
	return value && !dom_parse_u64(value, UINT64_MAX, &n) ? n : def;
}

/* Node of the name index; names may hold any byte, paths may not. */
int xl_name_path(const char *name, char *buf, size_t size)
{
	size_t len = (size_t)snprintf(buf, size, "/tool/domicile/name/");

	for (; *name; name++) {
		bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
			     (*name >= '0' && *name <= '9') || *name == '-';

		if (len + 4 > size)
			return -ENAMETOOLONG;
		len += (size_t)snprintf(buf + len, size - len, plain ? "%c" : "_%02x",
					(unsigned char)*name);
	}
	return 0;
}

unsigned xl_index_read(struct xl *xl, xsc_tx tx, const char *path, char token[37])
{
	char *value DOM_CLEANUP_FREE = xl_read(xl, tx, "%s", path);
	unsigned domid = 0;

	token[0] = '\0';
	if (!value || sscanf(value, "%u %36s", &domid, token) < 1 || domid > DOM_CFG_DOMID_MAX)
		return 0;
	return domid;
}

int xl_domain_by_name_tx(struct xl *xl, xsc_tx tx, const char *name, unsigned *ret_domid)
{
	char path[XL_NAME_PATH_MAX], token[37], *current DOM_CLEANUP_FREE = NULL;
	unsigned domid;

	if (!strcmp(name, "Domain-0")) {
		*ret_domid = 0;
		return 0;
	}
	if (!*name || xl_name_path(name, path, sizeof(path)))
		return -ESRCH;
	domid = xl_index_read(xl, tx, path, token);
	if (!domid)
		return -ESRCH;
	/* The entry of a domain that somebody else took away does not count. */
	current = xl_read(xl, tx, "/local/domain/%u/name", domid);
	if (!current || strcmp(current, name))
		return -ESRCH;
	*ret_domid = domid;
	return 0;
}

int xl_domain_by_name(struct xl *xl, const char *name, unsigned *ret_domid)
{
	unsigned *ids DOM_CLEANUP_FREE = NULL, count = 0;

	if (!xl_domain_by_name_tx(xl, XSC_TX_NONE, name, ret_domid))
		return 0;
	/* A domain that was not made by xl has no entry in the index. */
	if (!xl->xs || xl_domains(xl, &ids, &count))
		return -ESRCH;
	for (unsigned i = 0; i < count; i++) {
		char *current DOM_CLEANUP_FREE = xl_domain_name(xl, ids[i]);

		if (current && !strcmp(current, name)) {
			*ret_domid = ids[i];
			return 0;
		}
	}
	return -ESRCH;
}

int xl_domain_find(struct xl *xl, const char *text, unsigned *ret_domid)
{
	uint64_t n;

	if (!dom_parse_u64(text, DOM_CFG_DOMID_MAX, &n) && strncmp(text, "0x", 2)) {
		*ret_domid = (unsigned)n;
		return 0;
	}
	if (!xl_store(xl))
		return -ENOTCONN;
	if (!xl_domain_by_name(xl, text, ret_domid))
		return 0;
	fprintf(stderr, "%s is an invalid domain identifier (rc=-6)\n", text);
	return -ESRCH;
}

bool xl_domain_exists(struct xl *xl, unsigned domid)
{
	char *name DOM_CLEANUP_FREE = domid ? xl_domain_name(xl, domid) : NULL;

	return !domid || name;
}

char *xl_domain_name(struct xl *xl, unsigned domid)
{
	return domid ? xl_read(xl, XSC_TX_NONE, "/local/domain/%u/name", domid) : strdup("Domain-0");
}

void xl_domain_uuid(struct xl *xl, unsigned domid, char ret[37])
{
	char *vm DOM_CLEANUP_FREE = domid ? xl_read(xl, XSC_TX_NONE, "/local/domain/%u/vm", domid) : NULL;

	snprintf(ret, 37, "%s", vm && !strncmp(vm, "/vm/", 4) ? vm + 4 :
		 "00000000-0000-0000-0000-000000000000");
}

static int by_number(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return x < y ? -1 : x > y;
}

int xl_domains(struct xl *xl, unsigned **ret, unsigned *ret_count)
{
	char **names DOM_CLEANUP_FREE = NULL;
	unsigned count, n = 0, *ids;
	int err;

	if (!xl_store(xl))
		return -ENOTCONN;
	err = xsc_directory(xl->xs, XSC_TX_NONE, "/local/domain", &names, &count);
	if (err && err != -ENOENT) {
		xl_error(xl, "cannot list the domains: %s", strerror(-err));
		return err;
	}
	ids = calloc(err ? 1 : count + 1u, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	for (unsigned i = 0; !err && i < count; i++) {
		uint64_t id;

		if (!dom_parse_u64(names[i], DOM_CFG_DOMID_MAX, &id) && id)
			ids[n++] = (unsigned)id;
	}
	qsort(ids, n, sizeof(*ids), by_number);
	*ret = ids;
	*ret_count = n;
	return 0;
}

int xl_domain_rename(struct xl *xl, unsigned domid, const char *name)
{
	char new_path[XL_NAME_PATH_MAX], old_path[XL_NAME_PATH_MAX], path[80], uuid[37];
	unsigned other;
	xsc_tx tx;
	int err;

	if (!*name || xl_name_path(name, new_path, sizeof(new_path)))
		return -EINVAL;
	if (!xl_store(xl))
		return -ENOTCONN;
	xl_domain_uuid(xl, domid, uuid);
	do {
		char *old DOM_CLEANUP_FREE = NULL;

		err = xsc_transaction_start(xl->xs, &tx);
		if (err)
			return err;
		old = xl_read(xl, tx, "/local/domain/%u/name", domid);
		if (!xl_domain_by_name_tx(xl, tx, name, &other) && other != domid) {
			xsc_transaction_end(xl->xs, tx, true);
			return -EEXIST;
		}
		/* Destroyed meanwhile. */
		if (!old) {
			xsc_transaction_end(xl->xs, tx, true);
			return -ESRCH;
		}
		if (!xl_name_path(old, old_path, sizeof(old_path)))
			xsc_rm(xl->xs, tx, old_path);
		snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
		err = xsc_write(xl->xs, tx, path, name, strlen(name));
		if (!err)
			err = xsc_printf(xl->xs, tx, new_path, "%u", domid);
		snprintf(path, sizeof(path), "/vm/%s/name", uuid);
		if (!err && domid)
			err = xsc_write(xl->xs, tx, path, name, strlen(name));
		if (err) {
			xsc_transaction_end(xl->xs, tx, true);
			return err;
		}
		err = xsc_transaction_end(xl->xs, tx, false);
	} while (err == -EAGAIN);
	return err;
}
