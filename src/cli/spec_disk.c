// SPDX-License-Identifier: MIT
/*
 * Disk specifications, xl-disk-configuration(5).
 *
 *   spec = { prefix ":" } part { "," part }
 *   part = key "=" value | flag | positional        "target=" takes the rest, commas included
 *
 * Positional parts fill target, format, vdev and access, in this order, skipping what was given
 * by key. After a prefix (the old syntax, "phy:/dev/x,xvda,w") format is not positional.
 * Behaviour and messages are those of libxlutil 4.20, compared in tests/cli/oracle.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/num.h"

#include "js.h"
#include "spec.h"

struct parse {
	const char *spec;
	struct json_object *disk;
	struct dom_err *err;
	bool old_syntax;	/* had a prefix */
	bool format_set, access_set, readonly, cdrom;
};

DOM_PRINTF(3, 4)
static int bad(struct parse *p, const char *near, const char *fmt, ...)
{
	char what[80];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (!near)
		return dom_err_set(p->err, -EINVAL,
				   "config parsing error in disk specification: %s in `%s'", what,
				   p->spec);
	return dom_err_set(p->err, -EINVAL,
			   "config parsing error in disk specification: %s: near `%s' in `%s'", what,
			   near, p->spec);
}

static int set_once(struct parse *p, const char *member, const char *what, const char *value)
{
	if (xl_js_get(p->disk, member))
		return bad(p, value, "%s respecified", what);
	xl_js_set_str(p->disk, member, value);
	return 0;
}

static bool word_in(const char *word, const char *words)
{
	size_t len = strlen(word);

	for (const char *w = words; *w; w += strcspn(w, " "), w += *w == ' ')
		if (len && strcspn(w, " ") == len && !memcmp(w, word, len))
			return true;
	return false;
}

static int set_format(struct parse *p, const char *value)
{
	if (*value && !word_in(value, "raw qcow qcow2 vhd qed empty"))
		return bad(p, value, "unknown value for format");
	if (p->format_set)
		return bad(p, value, "format respecified");
	p->format_set = true;
	xl_js_set_str(p->disk, "format", *value ? value : "raw");
	return 0;
}

static int set_access(struct parse *p, const char *value)
{
	if (*value && !word_in(value, "r ro w rw"))
		return bad(p, value, "unknown value for access");
	p->access_set = true;
	p->readonly = value[0] == 'r' && value[1] != 'w';
	return 0;
}

static int set_backendtype(struct parse *p, const char *value)
{
	if (!word_in(value, "phy tap qdisk standalone"))
		return bad(p, value, "unknown value for backendtype");
	xl_js_set_str(p->disk, "backend", value);
	return 0;
}

static int set_specification(struct parse *p, const char *value)
{
	if (!word_in(value, "xen virtio"))
		return bad(p, value, "unknown value for specification");
	xl_js_set_str(p->disk, "specification", value);
	return 0;
}

static int set_devtype(struct parse *p, const char *value)
{
	if (!word_in(value, "cdrom disk"))
		return bad(p, value, "unknown value for type");
	p->cdrom = p->cdrom || *value == 'c';
	return 0;
}

static int set_vdev(struct parse *p, const char *value)
{
	return set_once(p, "vdev", "vdev", value);
}

static int set_script(struct parse *p, const char *value)
{
	return set_once(p, "script", "script", value);
}

static int set_target(struct parse *p, const char *value)
{
	return set_once(p, "pdev_path", "target", value);
}

static int set_backend(struct parse *p, const char *value)
{
	return set_once(p, "backend_domname", "backend", value);
}

static int set_colo_host(struct parse *p, const char *value)
{
	return set_once(p, "colo_host", "colo-host", value);
}

static int set_colo_port(struct parse *p, const char *value)
{
	uint64_t port;

	if (dom_parse_u64(value, 65535, &port))
		return bad(p, value, "unknown value for colo-port");
	xl_js_set_int(p->disk, "colo_port", (int64_t)port);
	return 0;
}

static int set_colo_export(struct parse *p, const char *value)
{
	return set_once(p, "colo_export", "colo-export", value);
}

static int set_active_disk(struct parse *p, const char *value)
{
	return set_once(p, "active_disk", "active-disk", value);
}

static int set_hidden_disk(struct parse *p, const char *value)
{
	return set_once(p, "hidden_disk", "hidden-disk", value);
}

/* Keys: "name=value". Used by the manual's lint test, too. */
static const struct {
	const char *name;
	int (*set)(struct parse *p, const char *value);
} keys[] = {
	{ "format",        set_format },
	{ "vdev",          set_vdev },
	{ "access",        set_access },
	{ "devtype",       set_devtype },
	{ "backendtype",   set_backendtype },
	{ "backend",       set_backend },
	{ "script",        set_script },
	{ "specification", set_specification },
	{ "target",        set_target },
	{ "colo-host",     set_colo_host },
	{ "colo-port",     set_colo_port },
	{ "colo-export",   set_colo_export },
	{ "active-disk",   set_active_disk },
	{ "hidden-disk",   set_hidden_disk },
};

/* Words that stand alone, and the member they set. */
static const struct {
	const char *name, *member;
	enum { FLAG_CDROM, FLAG_DEFBOOL, FLAG_BOOL } kind;
	bool value;
} flags[] = {
	{ "cdrom",          NULL,             FLAG_CDROM,   true },
	{ "direct-io-safe", "direct_io_safe", FLAG_BOOL,    true },
	{ "discard",        "discard_enable", FLAG_DEFBOOL, true },
	{ "no-discard",     "discard_enable", FLAG_DEFBOOL, false },
	{ "trusted",        "trusted",        FLAG_DEFBOOL, true },
	{ "untrusted",      "trusted",        FLAG_DEFBOOL, false },
	{ "colo",           "colo_enable",    FLAG_DEFBOOL, true },
};

static bool try_flag(struct parse *p, const char *part)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(flags); i++) {
		if (strcmp(flags[i].name, part))
			continue;
		if (flags[i].kind == FLAG_CDROM)
			p->cdrom = true;
		else if (flags[i].kind == FLAG_BOOL)
			xl_js_set(p->disk, flags[i].member,
				  json_object_new_boolean(flags[i].value));
		else
			xl_js_set_defbool(p->disk, flags[i].member, flags[i].value);
		return true;
	}
	return false;
}

/* The old way to say what a vdev is: "hdc:cdrom", "ioemu:hda". */
static int positional_vdev(struct parse *p, char *part)
{
	char *colon;

	if (!strncmp(part, "ioemu:", 6))
		part += 6;
	colon = strchr(part, ':');
	if (colon) {
		*colon = '\0';
		if (!word_in(colon + 1, "cdrom disk"))
			return bad(p, colon + 1, "unknown deprecated type");
		p->cdrom = p->cdrom || colon[1] == 'c';
	}
	return set_vdev(p, part);
}

static int positional(struct parse *p, char *part)
{
	if (!xl_js_get(p->disk, "pdev_path"))
		return set_target(p, part);
	if (!p->old_syntax && !p->format_set)
		return set_format(p, part);
	if (!xl_js_get(p->disk, "vdev"))
		return positional_vdev(p, part);
	if (!p->access_set)
		return set_access(p, part);
	return bad(p, part, "too many positional parameters");
}

static int key_value(struct parse *p, char *part)
{
	char *eq = strchr(part, '=');
	size_t len = (size_t)(eq - part);
	char near[40];

	for (size_t i = 0; i < DOM_ARRAY_LEN(keys); i++)
		if (strlen(keys[i].name) == len && !memcmp(keys[i].name, part, len))
			return keys[i].set(p, eq + 1);
	snprintf(near, sizeof(near), "%.*s", (int)DOM_MIN(len + 2, sizeof(near) - 1), part);
	return bad(p, near, "unknown parameter");
}

/* One prefix at @s; *ret_len is its length, 0 when there is none. */
static int prefix(struct parse *p, const char *s, size_t *ret_len)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789");
	char word[32], script[48];

	*ret_len = 0;
	/* What follows a script's prefix is the script's, "nbd:host:port". */
	if (xl_js_get(p->disk, "script"))
		return 0;
	if (len < 2 || s[len] != ':' || len >= sizeof(word) || (*s >= '0' && *s <= '9'))
		return 0;
	snprintf(word, sizeof(word), "%.*s", (int)len, s);
	*ret_len = len + 1;
	p->old_syntax = true;
	if (word_in(word, "raw qcow qcow2 vhd qed"))
		return set_format(p, word);
	if (word_in(word, "file phy"))
		return set_format(p, "raw");
	if (word_in(word, "tap tap2 aio ioemu"))
		return 0;
	if (word_in(word, "nbd enbd iscsi drbd")) {
		snprintf(script, sizeof(script), "block-%s", word);
		return set_script(p, script);
	}
	snprintf(word, sizeof(word), "%.*s:", (int)len, s);
	return bad(p, word, "unknown deprecated disk prefix");
}

static int parse_parts(struct parse *p, char *s)
{
	size_t len;
	int err;

	for (;;) {
		if (!xl_js_get(p->disk, "pdev_path")) {
			err = prefix(p, s, &len);
			if (err)
				return err;
			if (len) {
				s += len;
				continue;
			}
		}
		s += strspn(s, " \t");
		if (!strncmp(s, "target=", 7))
			return set_target(p, s + 7);
		len = strcspn(s, ",");
		char *next = s[len] ? s + len + 1 : NULL;

		s[len] = '\0';
		if (strchr(s, '='))
			err = key_value(p, s);
		else
			err = try_flag(p, s) ? 0 : positional(p, s);
		if (err || !next || !*next)
			return err;
		s = next;
	}
}

/* What follows from the parts together. */
static int finish(struct parse *p)
{
	const char *target = xl_js_str(p->disk, "pdev_path", "");

	if (!xl_js_get(p->disk, "vdev"))
		return bad(p, NULL, "no vdev specified");
	if (!*target && !p->cdrom)
		return bad(p, NULL, "no target specified (and device not removable)");
	if (!*target)
		xl_js_set_str(p->disk, "format", "empty");
	else if (!p->format_set)
		xl_js_set_str(p->disk, "format", "raw");
	if (p->cdrom) {
		xl_js_set_int(p->disk, "removable", 1);
		xl_js_set_int(p->disk, "is_cdrom", 1);
	} else if (!p->readonly) {
		xl_js_set_int(p->disk, "readwrite", 1);
	}
	return 0;
}

int xl_spec_disk(const char *spec, struct json_object *disk, struct dom_err *err)
{
	struct parse p = { .spec = spec, .disk = disk, .err = err };
	char *copy = strdup(spec);
	int ret;

	if (!copy)
		return -ENOMEM;
	ret = *spec ? parse_parts(&p, copy) : 0;
	free(copy);
	return ret ? ret : finish(&p);
}
