// SPDX-License-Identifier: MIT
/*
 * How keys are read: the setters that the rows of cfg_keys.c name. Each takes what the
 * configuration says about its key, checks it, and puts it where libxl has it. A value of the
 * wrong kind has been warned about by the getter and means the default, as in real xl.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cfg_set.h"
#include "js.h"
#include "spec.h"

DOM_PRINTF(2, 3)
static int fail(struct xl_key_ctx *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(c->report, fmt, ap);
	va_end(ap);
	putc('\n', c->report);
	return -EINVAL;
}

int xl_set_str(struct xl_key_ctx *c, const struct xl_key *k)
{
	const char *s;

	if (!xl_cfg_string(c->cfg, k->name, &s))
		xl_js_set_str(c->json, k->path, s);
	return 0;
}

int xl_set_bool(struct xl_key_ctx *c, const struct xl_key *k)
{
	long n;

	if (!xl_cfg_number(c->cfg, k->name, &n))
		xl_js_set_defbool(c->json, k->path, n != 0);
	return 0;
}

/* A signed number; libxl leaves out zero. */
int xl_set_int(struct xl_key_ctx *c, const struct xl_key *k)
{
	long n;

	if (!xl_cfg_number(c->cfg, k->name, &n) && n)
		xl_js_set_int(c->json, k->path, n);
	return 0;
}

/* A limit: a wrong value is an error, zero is a value. */
int xl_set_limit(struct xl_key_ctx *c, const struct xl_key *k)
{
	long n;
	int err = xl_cfg_number(c->cfg, k->name, &n);

	if (err == -ESRCH)
		return 0;
	if (err || n < 0 || n > INT_MAX)
		return fail(c, "xl: %s is not a number from 0 to %d", k->name, INT_MAX);
	xl_js_set_int(c->json, k->path, n);
	return 0;
}

int xl_set_mib(struct xl_key_ctx *c, const struct xl_key *k)
{
	long n;

	if (xl_cfg_number(c->cfg, k->name, &n))
		return 0;
	if (n < 0 || n > LONG_MAX / 1024)
		return fail(c, "xl: %s is not a size in MiB", k->name);
	xl_js_set_int(c->json, k->path, n * 1024);
	return 0;
}

/* The @n-th of blank-separated @words; false when there are fewer. */
static bool nth_word(const char *words, long n, char *buf, size_t size)
{
	for (; *words; words += strcspn(words, " "), words += *words == ' ')
		if (n-- == 0)
			return snprintf(buf, size, "%.*s", (int)strcspn(words, " "), words) > 0;
	return false;
}

static bool is_word(const char *words, const char *s)
{
	char word[64];

	for (long i = 0; nth_word(words, i, word, sizeof(word)); i++)
		if (!strcmp(word, s))
			return true;
	return false;
}

/* A word of arg, or its number, which is deprecated. */
int xl_set_enum(struct xl_key_ctx *c, const struct xl_key *k)
{
	char word[64], *end;
	const char *s;
	long n;

	if (xl_cfg_string(c->cfg, k->name, &s))
		return 0;
	n = strtol(s, &end, 0);
	if (*s && !*end) {
		bool ok = n >= 0 && nth_word(k->arg, n, word, sizeof(word));

		fprintf(c->report, "WARNING: specifying \"%s\" as an integer is deprecated. Please use the named parameter variant. %s%s%s%s%s\n",
			k->name, ok ? "e.g. " : "", ok ? k->name : "", ok ? "=\"" : "",
			ok ? word : "", ok ? "\"" : "");
		if (!ok)
			return fail(c, "ERROR: invalid value %ld for \"%s\"", n, k->name);
		s = word;
	} else if (!is_word(k->arg, s)) {
		return fail(c, "ERROR: invalid value \"%s\" for \"%s\"", s, k->name);
	}
	xl_js_set_str(c->json, k->path, s);
	return 0;
}

/* A list of strings. */
int xl_set_strs(struct xl_key_ctx *c, const struct xl_key *k)
{
	const struct xl_value *list;
	int err = xl_cfg_list(c->cfg, k->name, &list, true);

	if (err == -ESRCH)
		return 0;
	if (err) {
		c->exit_code = 3;
		return fail(c, "xl: Unable to parse %s.", k->name);
	}
	for (unsigned i = 0; i < list->count; i++)
		if (!list->items[i].is_list)
			json_object_array_add(xl_js_array(c->json, k->path),
					      json_object_new_string(list->items[i].text));
	return 0;
}

int xl_set_strs_or_str(struct xl_key_ctx *c, const struct xl_key *k)
{
	struct xl_setting *s = xl_cfg_find(c->cfg, k->name);

	if (!s || s->value.is_list)
		return xl_set_strs(c, k);
	fprintf(c->report, "WARNING: Specifying \"%s\" as a string is deprecated. Please use a list of arguments.\n",
		k->name);
	for (char *p = s->value.text; *p; p += strcspn(p, " \t\n")) {
		p += strspn(p, " \t\n");
		if (*p)
			json_object_array_add(xl_js_array(c->json, k->path),
				json_object_new_string_len(p, (int)strcspn(p, " \t\n")));
	}
	return 0;
}

int xl_set_type(struct xl_key_ctx *c, const struct xl_key *k)
{
	const char *type = NULL, *builder = NULL;
	char member[32];

	xl_cfg_string(c->cfg, "type", &type);
	xl_cfg_string(c->cfg, "builder", &builder);
	if (builder && !type && !strcmp(builder, "generic"))
		type = "pv";
	else if (builder && !type)
		type = builder;
	else if (builder && strcmp(!strcmp(builder, "generic") ? "pv" : builder, type))
		return fail(c, "Contradicting \"builder\" and \"type\" options specified.");
	type = type ? type : "pv";
	if (!is_word(k->arg, type))
		return fail(c, "Invalid domain type %s.", type);
	xl_js_set_str(c->json, k->path, type);
	snprintf(member, sizeof(member), "b_info/type.%s", type);
	xl_js_set(c->json, member, json_object_new_object());
	xl_js_set(c->json, "b_info/sched_params", json_object_new_object());
	xl_js_set(c->json, "b_info/arch_arm", json_object_new_object());
	xl_js_set(c->json, "b_info/arch_x86", json_object_new_object());
	return 0;
}

int xl_set_name(struct xl_key_ctx *c, const struct xl_key *k)
{
	const char *name;

	if (xl_cfg_string(c->cfg, k->name, &name))
		return fail(c, "Domain name must be specified.");
	xl_js_set_str(c->json, k->path, name);
	return 0;
}

int xl_set_uuid(struct xl_key_ctx *c, const struct xl_key *k)
{
	const char *text;
	char uuid[37];

	if (xl_cfg_string(c->cfg, k->name, &text))
		xl_uuid_random(uuid);
	else if (xl_uuid_parse(text, uuid))
		return fail(c, "Failed to parse UUID: %s", text);
	xl_js_set_str(c->json, k->path, uuid);
	xl_js_set_defbool(c->json, "c_info/run_hotplug_scripts", true);
	return 0;
}

int xl_set_vcpus(struct xl_key_ctx *c, const struct xl_key *k)
{
	long vcpus = 0, maxvcpus = 0;

	xl_cfg_number(c->cfg, "maxvcpus", &maxvcpus);
	if (!xl_cfg_number(c->cfg, k->name, &vcpus) && (vcpus < 0 || vcpus > 32768))
		return fail(c, "xl: vcpus=%ld is not from 1 to 32768", vcpus);
	if (maxvcpus < 0 || maxvcpus > 32768)
		return fail(c, "xl: maxvcpus=%ld is not from 1 to 32768", maxvcpus);
	if (maxvcpus && maxvcpus < vcpus)
		return fail(c, "xl: maxvcpus < vcpus");
	if (maxvcpus || vcpus)
		xl_js_set_int(c->json, "b_info/max_vcpus", maxvcpus ? maxvcpus : vcpus);
	for (long i = 0; i < vcpus; i++)
		json_object_array_add(xl_js_array(c->json, k->path), json_object_new_int64(i));
	return 0;
}

/* Add the bitmap that @text describes to @array, as libxl writes bitmaps. */
static int add_cpumap(struct xl_key_ctx *c, struct json_object *array, const char *text)
{
	struct json_object *map;
	struct xl_cpus cpus;
	struct dom_err err;

	if (xl_cpus_parse(text, (xl_host_cpus() + 7) & ~7u, &cpus, &err))
		return fail(c, "%s", err.msg);
	map = json_object_new_array();
	for (unsigned i = 0; i < XL_CPUS_MAX; i++)
		if (cpus.map[i / 64] >> i % 64 & 1)
			json_object_array_add(map, json_object_new_int((int)i));
	json_object_array_add(array, map);
	return json_object_array_length(map) ? 0 : fail(c, "CPU list \"%s\" is empty", text);
}

/* One list for all vCPUs, or a list of lists, one per vCPU. */
int xl_set_cpus(struct xl_key_ctx *c, const struct xl_key *k)
{
	struct xl_setting *s = xl_cfg_find(c->cfg, k->name);
	struct json_object *array = json_object_new_array();
	int64_t vcpus = xl_js_int(c->json, "b_info/max_vcpus", 0);
	struct dom_err parse_err;
	struct xl_cpus cpus;
	int err = 0;

	for (int64_t i = 0; s && i < vcpus && !err; i++) {
		if (s->value.is_list && i >= s->value.count)
			break;
		if (s->value.is_list && s->value.items[i].is_list)
			err = fail(c, "xl: element %d of %s is a list", (int)i + 1, k->name);
		else
			err = add_cpumap(c, array, s->value.is_list ? s->value.items[i].text :
					 s->value.text);
	}
	/* Wrong text is an error also where no vCPU uses it; an empty list is not. */
	if (s && !s->value.is_list && !vcpus &&
	    xl_cpus_parse(s->value.text, XL_CPUS_MAX, &cpus, &parse_err))
		err = fail(c, "%s", parse_err.msg);
	if (err || !vcpus || !json_object_array_length(array))
		json_object_put(array);
	else
		xl_js_set(c->json, k->path, array);
	if (s && s->value.is_list)
		xl_js_set_defbool(c->json, "b_info/numa_placement", false);
	return err;
}

int xl_set_cpus_soft(struct xl_key_ctx *c, const struct xl_key *k)
{
	int err = xl_set_cpus(c, k);

	if (xl_cfg_find(c->cfg, k->name))
		xl_js_set_defbool(c->json, "b_info/numa_placement", false);
	return err;
}

int xl_set_memory(struct xl_key_ctx *c, const struct xl_key *k)
{
	int err = xl_set_mib(c, k);

	if (!err && !xl_cfg_find(c->cfg, "maxmem") && xl_js_get(c->json, k->path))
		xl_js_set_int(c->json, "b_info/max_memkb", xl_js_int(c->json, k->path, 0));
	xl_js_set_defbool(c->json, "b_info/claim_mode", true);
	return err;
}

int xl_set_maxmem(struct xl_key_ctx *c, const struct xl_key *k)
{
	long n;

	/* A maxmem that is no number counts as absent. */
	if (xl_cfg_number(c->cfg, k->name, &n)) {
		if (xl_js_get(c->json, "b_info/target_memkb"))
			xl_js_set_int(c->json, k->path, xl_js_int(c->json, "b_info/target_memkb", 0));
		return 0;
	}
	return xl_set_mib(c, k);
}

int xl_set_kernel(struct xl_key_ctx *c, const struct xl_key *k)
{
	if (!xl_cfg_find(c->cfg, k->name) && !xl_cfg_find(c->cfg, "bootloader") &&
	    !xl_cfg_find(c->cfg, "firmware"))
		return fail(c, "Neither kernel nor bootloader specified");
	if (xl_cfg_find(c->cfg, k->name) && xl_cfg_find(c->cfg, "firmware") &&
	    strcmp(xl_js_str(c->json, "c_info/type", ""), "hvm"))
		return fail(c, "ERROR: both kernel and firmware specified");
	return xl_set_str(c, k);
}

int xl_set_cmdline(struct xl_key_ctx *c, const struct xl_key *k)
{
	const char *cmdline = NULL, *root = NULL, *extra = NULL;
	char *text = NULL;

	xl_cfg_string(c->cfg, "cmdline", &cmdline);
	xl_cfg_string(c->cfg, "root", &root);
	xl_cfg_string(c->cfg, "extra", &extra);
	if (cmdline) {
		if (root || extra)
			fprintf(c->report, "Warning: ignoring root= and extra= in favour of cmdline=\n");
		xl_js_set_str(c->json, k->path, cmdline);
	} else if (root || extra) {
		if (asprintf(&text, "%s%s%s%s", root ? "root=" : "", root ? root : "",
			     root && extra ? " " : "", extra ? extra : "") < 0)
			return -ENOMEM;
		xl_js_set_str(c->json, k->path, text);
		free(text);
	}
	return 0;
}

int xl_set_action(struct xl_key_ctx *c, const struct xl_key *k)
{
	static const struct {
		const char *word, *json;
	} actions[] = {
		{ "destroy",          "destroy" },
		{ "restart",          "restart" },
		{ "rename-restart",   "restart_rename" },
		{ "preserve",         "preserve" },
		{ "coredump-destroy", "coredump_destroy" },
		{ "coredump-restart", "coredump_restart" },
		{ "soft-reset",       "soft_reset" },
	};
	const char *word = k->arg;

	xl_cfg_string(c->cfg, k->name, &word);
	for (size_t i = 0; i < DOM_ARRAY_LEN(actions); i++) {
		if (strcmp(actions[i].word, word))
			continue;
		if (i)		/* libxl leaves out its first value */
			xl_js_set_str(c->json, k->path, actions[i].json);
		return 0;
	}
	return fail(c, "Unknown %s action \"%s\" specified", k->name, word);
}

/* Parses one specification; @k is the key it stands in. */
typedef int (*spec_fn)(const struct xl_key *k, const char *spec, unsigned i,
		       struct json_object *dev, FILE *warn, struct dom_err *err);

/* Call @parse for each string of a list of specifications. */
static int set_specs(struct xl_key_ctx *c, const struct xl_key *k, spec_fn parse)
{
	const struct xl_value *list;
	struct json_object *dev;
	struct dom_err err = { 0 };

	if (xl_cfg_list(c->cfg, k->name, &list, true))
		return 0;
	for (unsigned i = 0; i < list->count; i++) {
		if (list->items[i].is_list)
			break;
		dev = json_object_new_object();
		if (parse(k, list->items[i].text, i, dev, c->report, &err)) {
			json_object_put(dev);
			if (!strncmp(err.msg, "xl: ", 4))
				return fail(c, "%s", err.msg);
			return fail(c, "%s: %s", c->cfg->source, err.msg);
		}
		json_object_array_add(xl_js_array(c->json, k->path), dev);
	}
	return 0;
}

static int parse_disk(const struct xl_key *k DOM_UNUSED, const char *spec, unsigned i DOM_UNUSED,
		      struct json_object *dev, FILE *warn DOM_UNUSED, struct dom_err *err)
{
	return xl_spec_disk(spec, dev, err);
}

static int parse_vif(const struct xl_key *k DOM_UNUSED, const char *spec, unsigned i,
		     struct json_object *dev, FILE *warn, struct dom_err *err)
{
	return xl_spec_vif(spec, i, dev, warn, err);
}

static int parse_misc(const struct xl_key *k, const char *spec, unsigned i, struct json_object *dev,
		      FILE *warn DOM_UNUSED, struct dom_err *err)
{
	return xl_spec_misc(k->name, spec, i, dev, err);
}

int xl_set_disks(struct xl_key_ctx *c, const struct xl_key *k)
{
	return set_specs(c, k, parse_disk);
}

int xl_set_vifs(struct xl_key_ctx *c, const struct xl_key *k)
{
	return set_specs(c, k, parse_vif);
}

int xl_set_misc(struct xl_key_ctx *c, const struct xl_key *k)
{
	return set_specs(c, k, parse_misc);
}

/* Each display brings a keyboard. */
int xl_set_vfbs(struct xl_key_ctx *c, const struct xl_key *k)
{
	int err = xl_set_misc(c, k);
	struct json_object *vfbs = xl_js_get(c->json, k->path);

	for (size_t i = 0; !err && vfbs && i < json_object_array_length(vfbs); i++) {
		struct json_object *vkb = json_object_new_object();

		xl_js_set_int(vkb, "devid", (int64_t)i);
		json_object_array_add(xl_js_array(c->json, "vkbs"), vkb);
	}
	return err;
}

int xl_tell_vif2(struct xl_key_ctx *c, const struct xl_key *k)
{
	if (xl_cfg_find(c->cfg, k->name))
		fprintf(c->report, "WARNING: vif2: netchannel2 is deprecated and not supported by xl\n");
	return 0;
}
