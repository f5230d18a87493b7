// SPDX-License-Identifier: MIT
/*
 * Network interface specifications, xl-network-configuration(5): "key=value" parts and flags,
 * separated by commas. As in real xl a part that is not understood is told and ignored, and a
 * wrong MAC address means a random one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/num.h"

#include "js.h"
#include "spec.h"

struct parse {
	struct json_object *nic;
	FILE *warn;
	struct dom_err *err;
};

DOM_PRINTF(2, 3)
static void tell(struct parse *p, const char *fmt, ...)
{
	va_list ap;

	if (!p->warn)
		return;
	va_start(ap, fmt);
	vfprintf(p->warn, fmt, ap);
	va_end(ap);
	putc('\n', p->warn);
}

struct key;
typedef int (*setter)(struct parse *p, const struct key *k, const char *value);

struct key {
	const char *name, *member;
	setter set;
};

static int set_str(struct parse *p, const struct key *k, const char *value)
{
	xl_js_set_str(p->nic, k->member, value);
	return 0;
}

static int set_num(struct parse *p, const struct key *k, const char *value)
{
	uint64_t n;

	if (dom_parse_u64(value, INT32_MAX, &n))
		return dom_err_set(p->err, -EINVAL, "xl: failed to convert \"%s\" to number", value);
	xl_js_set_int(p->nic, k->member, (int64_t)n);
	return 0;
}

static int set_mac(struct parse *p, const struct key *k, const char *value)
{
	unsigned b[6];
	char sep, text[18];
	int n = 0;

	if (sscanf(value, "%2x%c%2x%*c%2x%*c%2x%*c%2x%*c%2x%n", &b[0], &sep, &b[1], &b[2], &b[3],
		   &b[4], &b[5], &n) != 7 || value[n] || (sep != ':' && sep != '-')) {
		tell(p, "Invalid parameter `mac'.");
		return 0;
	}
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
	xl_js_set_str(p->nic, k->member, text);
	return 0;
}

static int set_type(struct parse *p, const struct key *k, const char *value)
{
	if (!strcmp(value, "vif"))
		xl_js_set_str(p->nic, k->member, "vif");
	else if (!strcmp(value, "ioemu"))
		xl_js_set_str(p->nic, k->member, "vif_ioemu");
	else
		tell(p, "Invalid parameter `type'.");
	return 0;
}

static int set_accel(struct parse *p, const struct key *k DOM_UNUSED, const char *value DOM_UNUSED)
{
	tell(p, "the accel parameter for vifs is currently not supported");
	return 0;
}

static int bad_rate(struct parse *p, const char *what, const char *text)
{
	return dom_err_set(p->err, -EINVAL, "config parsing error in vif: %s in `%s'", what, text);
}

/* "20ms", "5us", "1s" to microseconds. */
static int parse_interval(struct parse *p, const char *text, uint32_t *ret)
{
	static const struct {
		const char *unit;
		uint64_t usecs;
	} units[] = { { "s", 1000000 }, { "ms", 1000 }, { "us", 1 } };
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	for (size_t i = 0; i < DOM_ARRAY_LEN(units) && *text >= '0' && *text <= '9'; i++) {
		if (strcmp(end, units[i].unit))
			continue;
		if (!dom_mul_u64(n, units[i].usecs, &n) || !n || n > UINT32_MAX)
			return bad_rate(p, "replenishment interval overflow", text);
		*ret = (uint32_t)n;
		return 0;
	}
	return bad_rate(p, "invalid replenishment interval", text);
}

/* "10Mb/s", "1MB/s@20ms" */
static int set_rate(struct parse *p, const struct key *k DOM_UNUSED, const char *value)
{
	static const char factors[] = "KMG";
	char rate[64];
	const char *at = strchr(value, '@'), *unit;
	char *end;
	uint64_t n, scale = 1;
	uint32_t usecs = 50000;
	int err;

	if (snprintf(rate, sizeof(rate), "%.*s", (int)(at ? (size_t)(at - value) : strlen(value)),
		     value) >= (int)sizeof(rate) || *rate < '0' || *rate > '9')
		return bad_rate(p, "invalid rate", value);
	errno = 0;
	n = strtoull(rate, &end, 10);
	unit = *end ? strchr(factors, *end) : NULL;
	for (; unit && unit >= factors; unit--)
		scale *= 1000;
	end += scale > 1;
	if ((*end != 'b' && *end != 'B') || strcmp(end + 1, "/s"))
		return bad_rate(p, "invalid rate", rate);
	if (errno || !n || !dom_mul_u64(n, scale, &n))
		return bad_rate(p, "rate overflow", rate);
	if (*end == 'b')
		n /= 8;
	if (at) {
		err = parse_interval(p, at + 1, &usecs);
		if (err)
			return err;
	}
	if (!dom_mul_u64(n, usecs, &n))
		return bad_rate(p, "rate overflow", rate);
	if (n / 1000000)
		xl_js_set_int(p->nic, "rate_bytes_per_interval", (int64_t)(n / 1000000));
	xl_js_set_int(p->nic, "rate_interval_usecs", usecs);
	return 0;
}

static const struct key keys[] = {
	{ "mac",        "mac",               set_mac },
	{ "bridge",     "bridge",            set_str },
	{ "script",     "script",            set_str },
	{ "ip",         "ip",                set_str },
	{ "vifname",    "ifname",            set_str },
	{ "rate",       NULL,                set_rate },
	{ "type",       "nictype",           set_type },
	{ "model",      "model",             set_str },
	{ "devid",      "devid",             set_num },
	{ "mtu",        "mtu",               set_num },
	{ "gatewaydev", "gatewaydev",        set_str },
	{ "backend",    "backend_domname",   set_str },
	{ "vlan",       "vlan",              set_str },
	{ "forwarddev", "coloft_forwarddev", set_str },
	{ "accel",      NULL,                set_accel },
	{ "passt",      "passt",             set_str },
};

static int parse_part(struct parse *p, const char *part)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(keys); i++) {
		size_t len = strlen(keys[i].name);

		if (!strncmp(part, keys[i].name, len) && part[len] == '=')
			return keys[i].set(p, &keys[i], part + len + 1);
	}
	/* Ours: a network for users without privilege, with TCP ports of the host that lead to it. */
	if (!strcmp(part, "passt"))
		xl_js_set_str(p->nic, "passt", "none");
	else if (!strcmp(part, "trusted") || !strcmp(part, "untrusted"))
		xl_js_set_defbool(p->nic, "trusted", *part == 't');
	else
		tell(p, "unrecognized argument `%s'", part);
	return 0;
}

int xl_spec_vif(const char *spec, unsigned devid, struct json_object *nic, FILE *warn,
		struct dom_err *err)
{
	struct parse p = { .nic = nic, .warn = warn, .err = err };
	char *copy = strdup(spec), *save;
	int ret = 0;

	if (!copy)
		return -ENOMEM;
	xl_js_set_int(nic, "devid", devid);
	for (char *part = strtok_r(copy, ",", &save); part && !ret; part = strtok_r(NULL, ",", &save)) {
		part += strspn(part, " \t");
		if (*part)
			ret = parse_part(&p, part);
	}
	free(copy);
	return ret;
}
