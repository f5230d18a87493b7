// SPDX-License-Identifier: MIT
/*
 * From a configuration to a domain: the key table is walked once, then the keys of the
 * configuration are compared with it, so that none is silently ignored.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "domain.h"
#include "js.h"
#include "spec.h"

int xl_uuid_parse(const char *text, char ret[37])
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i;

	for (i = 0; form[i]; i++) {
		char c = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] | 0x20) : text[i];
		bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

		if (form[i] == 'x' ? !hex : c != '-')
			return -EINVAL;
		ret[i] = c;
	}
	ret[i] = '\0';
	return text[i] ? -EINVAL : 0;
}

/* Random bytes; the pool of a running system never blocks for so few. */
static void random_bytes(void *buf, size_t len)
{
	if (getrandom(buf, len, 0) != (ssize_t)len)
		memset(buf, 0x5a, len);
}

void xl_uuid_random(char ret[37])
{
	unsigned char b[16];
	char *p = ret;

	random_bytes(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (unsigned i = 0; i < sizeof(b); i++)
		p += sprintf(p, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
}

static const struct xl_key *find_key(const char *name)
{
	for (const struct xl_key *k = xl_keys; k->name; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *w = words; w && *w; w += strcspn(w, " "), w += *w == ' ')
		if (strcspn(w, " ") == len && !memcmp(w, word, len))
			return true;
	return false;
}

/* Does the value of @s ask for nothing that would have to be provided? */
static bool is_benign(const struct xl_key *k, const struct xl_setting *s)
{
	if (s->value.is_list)
		return !s->value.count;
	if (has_word(k->benign, s->value.text))
		return true;
	return k->status == XL_KEY_REFUSED && (!*s->value.text || !strcmp(s->value.text, "0"));
}

/* Tell about every setting that does not do what its writer may expect. */
static int check_settings(struct xl_cfg *cfg, unsigned flags, FILE *report)
{
	int ret = 0;

	for (unsigned i = 0; i < cfg->count; i++) {
		struct xl_setting *s = &cfg->settings[i];
		const struct xl_key *k = find_key(s->name);
		bool refuse = k && k->status == XL_KEY_REFUSED;

		if (k && (k->status == XL_KEY_WORKS || is_benign(k, s)))
			continue;
		if (refuse && !(flags & XL_DOMAIN_DRYRUN)) {
			fprintf(report, "%s:%u: `%s' is refused: %s\n", cfg->source, s->line, s->name,
				k->why);
			ret = 1;
		} else if (!(flags & XL_DOMAIN_QUIET)) {
			fprintf(report, "%s:%u: warning: `%s' %s: %s\n", cfg->source, s->line, s->name,
				refuse ? "would be refused" : "has no effect",
				k ? k->why : "it is no key of xl.cfg(5)");
		}
	}
	return ret;
}

/* Limits that hold for a domain that is to be made, not for a dry run. */
static int check_domain(struct json_object *json, FILE *report)
{
	struct dom_err err = { 0 };
	int64_t target = xl_js_int(json, "b_info/target_memkb", 0);
	int64_t max = xl_js_int(json, "b_info/max_memkb", target);

	if (!strcmp(xl_js_str(json, "c_info/type", ""), "hvm")) {
		fprintf(report, "type \"hvm\" is not supported yet: use \"pvh\" or \"pv\"\n");
		return 3;
	}
	if (max < target) {
		fprintf(report, "maxmem (%lld MiB) is smaller than memory (%lld MiB)\n",
			(long long)max / 1024, (long long)target / 1024);
		return 3;
	}
	if (xl_spec_check_channels(xl_js_get(json, "channels"), &err)) {
		fprintf(report, "%s\n", err.msg);
		return 3;
	}
	return 0;
}

int xl_domain_from_cfg(struct xl_cfg *cfg, unsigned flags, FILE *report, struct json_object **ret)
{
	struct xl_key_ctx c = { .cfg = cfg, .json = json_object_new_object(), .report = report,
				.exit_code = 1 };
	int err = 0;

	for (const struct xl_key *k = xl_keys; k->name && !err; k++)
		if (k->fn)
			err = k->fn(&c, k);
	if (!err)
		err = check_settings(cfg, flags, report);
	if (!err && !(flags & XL_DOMAIN_DRYRUN)) {
		c.exit_code = check_domain(c.json, report);
		err = c.exit_code;
	}
	if (err) {
		json_object_put(c.json);
		return c.exit_code;
	}
	*ret = c.json;
	return 0;
}

static void set_default_int(struct json_object *json, const char *path, int64_t value)
{
	if (!xl_js_get(json, path))
		xl_js_set_int(json, path, value);
}

void xl_nic_defaults(struct json_object *nic)
{
	unsigned char b[3];
	char mac[18];

	if (!xl_js_get(nic, "mac")) {
		random_bytes(b, sizeof(b));
		snprintf(mac, sizeof(mac), "00:16:3e:%02x:%02x:%02x", b[0] & 0x7f, b[1], b[2]);
		xl_js_set_str(nic, "mac", mac);
	}
	if (!xl_js_get(nic, "nictype"))
		xl_js_set_str(nic, "nictype", "vif");
}

void xl_domain_defaults(struct json_object *json)
{
	struct json_object *list;

	xl_js_set_int(json, "c_info/domid", UINT32_MAX);
	set_default_int(json, "b_info/video_memkb", 0);
	/* Without any, Xen's defaults: one vCPU and 128 MiB. */
	set_default_int(json, "b_info/target_memkb", 128 * 1024);
	set_default_int(json, "b_info/max_memkb", xl_js_int(json, "b_info/target_memkb", 0));
	if (!xl_js_get(json, "b_info/sched_params/sched"))
		xl_js_set_str(json, "b_info/sched_params/sched", "credit2");
	set_default_int(json, "b_info/sched_params/weight", 256);
	set_default_int(json, "b_info/sched_params/cap", 0);
	if (!xl_js_get(json, "b_info/arch_x86/msr_relaxed"))
		xl_js_set_defbool(json, "b_info/arch_x86/msr_relaxed", false);
	list = xl_js_get(json, "disks");
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		xl_js_set_defbool(json_object_array_get_idx(list, i), "colo_restore_enable", false);
	list = xl_js_get(json, "nics");
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		xl_nic_defaults(json_object_array_get_idx(list, i));
}
