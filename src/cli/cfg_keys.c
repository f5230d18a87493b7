// SPDX-License-Identifier: MIT
/*
 * Every key of xl.cfg(5), what becomes of it here, and how it is read. The rows stand in the
 * order of libxl's JSON members; a key that has no row is told and ignored, as many programs
 * that write such files rely on that.
 *
 * Adding a key: a row here, a paragraph in xl.cfg(5) (compared by tests/unit/cli/test_manual.c),
 * accept and reject cases in tests/unit/cli/test_cfg_domain.c.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "domain.h"
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

/* Setters. A value of the wrong kind has been warned about by the getter and means the default. */

static int set_str(struct xl_key_ctx *c, const struct xl_key *k)
{
	const char *s;

	if (!xl_cfg_string(c->cfg, k->name, &s))
		xl_js_set_str(c->json, k->path, s);
	return 0;
}

static int set_bool(struct xl_key_ctx *c, const struct xl_key *k)
{
	long n;

	if (!xl_cfg_number(c->cfg, k->name, &n))
		xl_js_set_defbool(c->json, k->path, n != 0);
	return 0;
}

/* A signed number; libxl leaves out zero. */
static int set_int(struct xl_key_ctx *c, const struct xl_key *k)
{
	long n;

	if (!xl_cfg_number(c->cfg, k->name, &n) && n)
		xl_js_set_int(c->json, k->path, n);
	return 0;
}

/* A limit: a wrong value is an error, zero is a value. */
static int set_limit(struct xl_key_ctx *c, const struct xl_key *k)
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

static int set_mib(struct xl_key_ctx *c, const struct xl_key *k)
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
static int set_enum(struct xl_key_ctx *c, const struct xl_key *k)
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
static int set_strs(struct xl_key_ctx *c, const struct xl_key *k)
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

static int set_strs_or_str(struct xl_key_ctx *c, const struct xl_key *k)
{
	struct xl_setting *s = xl_cfg_find(c->cfg, k->name);

	if (!s || s->value.is_list)
		return set_strs(c, k);
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

static int set_type(struct xl_key_ctx *c, const struct xl_key *k)
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

static int set_name(struct xl_key_ctx *c, const struct xl_key *k)
{
	const char *name;

	if (xl_cfg_string(c->cfg, k->name, &name))
		return fail(c, "Domain name must be specified.");
	xl_js_set_str(c->json, k->path, name);
	return 0;
}

static int set_uuid(struct xl_key_ctx *c, const struct xl_key *k)
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

static int set_vcpus(struct xl_key_ctx *c, const struct xl_key *k)
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
static int set_cpus(struct xl_key_ctx *c, const struct xl_key *k)
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

static int set_cpus_soft(struct xl_key_ctx *c, const struct xl_key *k)
{
	int err = set_cpus(c, k);

	if (xl_cfg_find(c->cfg, k->name))
		xl_js_set_defbool(c->json, "b_info/numa_placement", false);
	return err;
}

static int set_memory(struct xl_key_ctx *c, const struct xl_key *k)
{
	int err = set_mib(c, k);

	if (!err && !xl_cfg_find(c->cfg, "maxmem") && xl_js_get(c->json, k->path))
		xl_js_set_int(c->json, "b_info/max_memkb", xl_js_int(c->json, k->path, 0));
	xl_js_set_defbool(c->json, "b_info/claim_mode", true);
	return err;
}

static int set_maxmem(struct xl_key_ctx *c, const struct xl_key *k)
{
	long n;

	/* A maxmem that is no number counts as absent. */
	if (xl_cfg_number(c->cfg, k->name, &n)) {
		if (xl_js_get(c->json, "b_info/target_memkb"))
			xl_js_set_int(c->json, k->path, xl_js_int(c->json, "b_info/target_memkb", 0));
		return 0;
	}
	return set_mib(c, k);
}

static int set_kernel(struct xl_key_ctx *c, const struct xl_key *k)
{
	if (!xl_cfg_find(c->cfg, k->name) && !xl_cfg_find(c->cfg, "bootloader") &&
	    !xl_cfg_find(c->cfg, "firmware"))
		return fail(c, "Neither kernel nor bootloader specified");
	if (xl_cfg_find(c->cfg, k->name) && xl_cfg_find(c->cfg, "firmware") &&
	    strcmp(xl_js_str(c->json, "c_info/type", ""), "hvm"))
		return fail(c, "ERROR: both kernel and firmware specified");
	return set_str(c, k);
}

static int set_cmdline(struct xl_key_ctx *c, const struct xl_key *k)
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

static int set_action(struct xl_key_ctx *c, const struct xl_key *k)
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
		if (!strncmp(word, "coredump-", 9) && xl_cfg_find(c->cfg, k->name))
			fprintf(c->report, "%s:%u: warning: `%s' acts as \"%s\": core dumps are not written yet\n",
				c->cfg->source, xl_cfg_find(c->cfg, k->name)->line, k->name, word + 9);
		return 0;
	}
	return fail(c, "Unknown %s action \"%s\" specified", k->name, word);
}

/* Parses one specification; @k is the key it stands in. */
typedef int (*spec_fn)(const struct xl_key *k, const char *spec, unsigned i, struct json_object *dev,
		       FILE *warn, struct dom_err *err);

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

static int set_disks(struct xl_key_ctx *c, const struct xl_key *k)
{
	return set_specs(c, k, parse_disk);
}

static int set_vifs(struct xl_key_ctx *c, const struct xl_key *k)
{
	return set_specs(c, k, parse_vif);
}

static int set_misc(struct xl_key_ctx *c, const struct xl_key *k)
{
	return set_specs(c, k, parse_misc);
}

/* Each display brings a keyboard. */
static int set_vfbs(struct xl_key_ctx *c, const struct xl_key *k)
{
	int err = set_misc(c, k);
	struct json_object *vfbs = xl_js_get(c->json, k->path);

	for (size_t i = 0; !err && vfbs && i < json_object_array_length(vfbs); i++) {
		struct json_object *vkb = json_object_new_object();

		xl_js_set_int(vkb, "devid", (int64_t)i);
		json_object_array_add(xl_js_array(c->json, "vkbs"), vkb);
	}
	return err;
}

static int tell_vif2(struct xl_key_ctx *c, const struct xl_key *k)
{
	if (xl_cfg_find(c->cfg, k->name))
		fprintf(c->report, "WARNING: vif2: netchannel2 is deprecated and not supported by xl\n");
	return 0;
}

#define W XL_KEY_WORKS
#define N XL_KEY_NO_EFFECT
#define R XL_KEY_REFUSED
#define HVM "only HVM guests have it"
#define ARM "it is for ARM hosts"
#define LATER "not supported yet"

#define TSC_MODES "default always_emulate native native_paravirt"
#define TIMER_MODES "delay_for_missed_ticks no_delay_for_missed_ticks no_missed_ticks_pending one_missed_tick_pending"

const struct xl_key xl_keys[] = {
	/* identity and type */
	{ "type",                 W, set_type,  "c_info/type", "pv pvh hvm" },
	{ "builder",              W, NULL },
	{ "hap",                  N, set_bool,  "c_info/hap", .benign = "1", .why = "paging is always assisted by hardware" },
	{ "oos",                  N, set_bool,  "c_info/oos", .why = "there is no shadow paging" },
	{ "seclabel",             R, set_str,   "c_info/ssid_label", .why = "there are no security labels yet" },
	{ "init_seclabel",        R, set_str,   "c_info/ssid_label", .why = "there are no security labels yet" },
	{ "name",                 W, set_name,  "c_info/name" },
	{ "uuid",                 W, set_uuid,  "c_info/uuid" },
	{ "pool",                 R, set_str,   "c_info/pool_name", .benign = "Pool-0", .why = "there is no CPU pool but Pool-0 yet" },
	{ "driver_domain",        R, set_bool,  "c_info/driver_domain", .why = "driver domains are " LATER },
	{ "passthrough",          R, set_enum,  "c_info/passthrough", "default disabled enabled sync_pt share_pt", .benign = "default disabled", .why = "PCI passthrough is " LATER },
	{ "xend_suspend_evtchn_compat", N, set_bool, "c_info/xend_suspend_evtchn_compat", .why = "it is about a toolstack of the past" },

	/* processors */
	{ "vcpus",                W, set_vcpus, "b_info/avail_vcpus" },
	{ "maxvcpus",             W, NULL },
	{ "cpus",                 W, set_cpus,  "b_info/vcpu_hard_affinity" },
	{ "cpus_soft",            N, set_cpus_soft, "b_info/vcpu_soft_affinity", .why = "Linux knows no soft affinity; it is stored and shown only" },
	{ "vnuma",                R, NULL, .why = "virtual NUMA nodes are " LATER },
	{ "tsc_mode",             N, set_enum,  "b_info/tsc_mode", TSC_MODES, .benign = "default native", .why = "guests see the TSC of the host" },
	{ "cpuid",                R, NULL, .why = "CPUID policies are " LATER },

	/* memory */
	{ "memory",               W, set_memory, "b_info/target_memkb" },
	{ "maxmem",               W, set_maxmem, "b_info/max_memkb" },
	{ "videoram",             N, set_mib,   "b_info/video_memkb", .why = HVM },
	{ "shadow_memory",        N, set_mib,   "b_info/shadow_memkb", .why = "there is no shadow paging" },

	/* time */
	{ "rtc_timeoffset",       N, set_int,   "b_info/rtc_timeoffset", .why = "the wall clock of guests is the host's, in UTC" },
	{ "localtime",            N, set_bool,  "b_info/localtime", .benign = "0", .why = "the wall clock of guests is the host's, in UTC" },

	/* limits */
	{ "nomigrate",            W, set_bool,  "b_info/disable_migrate" },
	{ "max_grant_frames",     W, set_limit, "b_info/max_grant_frames" },
	{ "max_maptrack_frames",  W, set_limit, "b_info/max_maptrack_frames" },
	{ "max_grant_version",    W, set_limit, "b_info/max_grant_version" },
	{ "max_event_channels",   W, set_int,   "b_info/event_channels" },

	/* scheduling */
	{ "cpu_weight",           W, set_limit, "b_info/sched_params/weight" },
	{ "cap",                  W, set_limit, "b_info/sched_params/cap" },
	{ "period",               N, set_int,   "b_info/sched_params/period", .why = "it is for the RTDS scheduler" },
	{ "budget",               N, set_int,   "b_info/sched_params/budget", .why = "it is for the RTDS scheduler" },
	{ "extratime",            N, set_int,   "b_info/sched_params/extratime", .why = "it is for the RTDS scheduler" },
	{ "slice",                N, set_int,   "b_info/sched_params/slice", .why = "it is for a scheduler of the past" },
	{ "latency",              N, set_int,   "b_info/sched_params/latency", .why = "it is for a scheduler of the past" },

	/* host resources */
	{ "ioports",              R, NULL, .why = "guests cannot have I/O ports of the host" },
	{ "irqs",                 R, NULL, .why = "guests cannot have interrupts of the host" },
	{ "iomem",                R, NULL, .why = "guests cannot have I/O memory of the host" },

	/* boot */
	{ "kernel",               W, set_kernel, "b_info/kernel" },
	{ "cmdline",              W, set_cmdline, "b_info/cmdline" },
	{ "root",                 W, NULL },
	{ "extra",                W, NULL },
	{ "ramdisk",              W, set_str,   "b_info/ramdisk" },
	{ "firmware",             R, NULL, .why = "give the boot loader image, such as pvgrub2, as kernel" },
	{ "bootloader",           R, set_str,   "b_info/bootloader", .why = "boot loaders on the host are " LATER "; give kernel and ramdisk" },
	{ "bootloader_args",      N, set_strs_or_str, "b_info/bootloader_args", .why = "there is no bootloader" },
	{ "bootloader_restrict",  N, set_bool,  "b_info/bootloader_restrict", .why = "there is no bootloader" },
	{ "bootloader_user",      N, set_str,   "b_info/bootloader_user", .why = "there is no bootloader" },
	{ "pvshim",               R, NULL, .why = "PV guests run without a shim of their own: use type = \"pv\"" },
	{ "pvshim_path",          N, NULL, .why = "there is no pvshim" },
	{ "pvshim_cmdline",       N, NULL, .why = "there is no pvshim" },
	{ "pvshim_extra",         N, NULL, .why = "there is no pvshim" },

	/* platform */
	{ "timer_mode",           N, set_enum,  "b_info/timer_mode", TIMER_MODES, .why = "there is no emulated timer whose ticks could be missed" },
	{ "acpi",                 N, set_bool,  "b_info/acpi", .benign = "1", .why = "PVH guests always have ACPI tables" },
	{ "apic",                 N, NULL, .benign = "1", .why = HVM },
	{ "nestedhvm",            R, set_bool,  "b_info/nested_hvm", .why = "nested virtualization is " LATER },
	{ "e820_host",            R, NULL, .why = "guests do not see the memory map of the host" },
	{ "msr_relaxed",          N, set_bool,  "b_info/arch_x86/msr_relaxed", .benign = "0", .why = "which MSRs a guest may read is fixed" },
	{ "vpmu",                 R, set_bool,  "b_info/vpmu", .why = "performance counters are not given to guests" },
	{ "vmtrace_buf_kb",       R, set_int,   "b_info/vmtrace_buf_kb", .why = "processor trace is not given to guests" },
	{ "mca_caps",             N, NULL, .why = HVM },
	{ "dm_restrict",          N, set_bool,  "b_info/dm_restrict", .why = "there is no device model; the VMM is always confined" },

	/* xenstore */
	{ "xenstore_feature_mask", N, NULL, .why = "guests see all features of xenstore" },
	{ "xenstore_quota",       R, NULL, .why = "quotas per domain are " LATER },

	/* what follows the end of the guest */
	{ "on_poweroff",          W, set_action, "on_poweroff",   "destroy" },
	{ "on_reboot",            W, set_action, "on_reboot",     "restart" },
	{ "on_watchdog",          W, set_action, "on_watchdog",   "destroy" },
	{ "on_crash",             W, set_action, "on_crash",      "destroy" },
	{ "on_soft_reset",        N, set_action, "on_soft_reset", "soft-reset", .why = "a soft reset counts as a crash" },

	/* devices */
	{ "disk",                 W, set_disks, "disks" },
	{ "vif",                  W, set_vifs,  "nics" },
	{ "vifscript",            N, NULL, .why = "give script= in the vif" },
	{ "vif2",                 N, tell_vif2, .why = "its protocol is a thing of the past" },
	{ "p9",                   R, set_misc, "p9s", .why = "9pfs is " LATER },
	{ "channel",              R, set_misc, "channels", .why = "channels are " LATER },
	{ "vfb",                  R, set_vfbs, "vfbs", .why = "displays are " LATER },
	{ "vkb",                  R, NULL, .why = "keyboards are " LATER },
	{ "vdispl",               R, NULL, .why = "displays are " LATER },
	{ "vsnd",                 R, NULL, .why = "sound is " LATER },
	{ "vtpm",                 R, NULL, .why = "TPMs are " LATER },
	{ "pvcalls",              R, NULL, .why = "PV calls are " LATER },
	{ "virtio",               R, NULL, .why = "virtio is " LATER },
	{ "usbctrl",              R, NULL, .why = "USB is " LATER },
	{ "usbdev",               R, NULL, .why = "USB is " LATER },
	{ "pci",                  R, set_misc, "pcidevs", .why = "PCI passthrough is " LATER },
	{ "pci_permissive",       N, NULL, .why = "there is no PCI passthrough" },
	{ "pci_msitranslate",     N, NULL, .why = "there is no PCI passthrough" },
	{ "pci_seize",            N, NULL, .why = "there is no PCI passthrough" },
	{ "pci_power_mgmt",       N, NULL, .why = "there is no PCI passthrough" },
	{ "gfx_passthru",         R, NULL, .why = "PCI passthrough is " LATER },
	{ "rdm",                  N, NULL, .why = "there is no PCI passthrough" },
	{ "dtdev",                R, NULL, .why = ARM },

	/* device model */
	{ "device_model_version",  N, NULL, .why = HVM },
	{ "device_model_override", N, NULL, .why = HVM },
	{ "device_model_user",     N, set_str,  "b_info/device_model_user", .why = HVM },
	{ "device_model_args",     N, set_strs, "b_info/extra", .why = HVM },
	{ "device_model_args_pv",  N, set_strs, "b_info/extra_pv", .why = "there is no device model" },
	{ "device_model_args_hvm", N, set_strs, "b_info/extra_hvm", .why = HVM },
	{ "device_model_stubdomain_override", N, NULL, .why = HVM },
	{ "device_model_stubdomain_seclabel", N, NULL, .why = HVM },
	{ "stubdomain_kernel",     N, NULL, .why = HVM },
	{ "stubdomain_cmdline",    N, NULL, .why = HVM },
	{ "stubdomain_ramdisk",    N, NULL, .why = HVM },
	{ "stubdomain_memory",     N, NULL, .why = HVM },

	/* what only HVM guests have; real xl ignores these for PV and PVH, too */
	{ "acpi_firmware",         N, NULL, .why = HVM },
	{ "acpi_laptop_slate",     N, NULL, .why = HVM },
	{ "acpi_s3",               N, NULL, .why = HVM },
	{ "acpi_s4",               N, NULL, .why = HVM },
	{ "altp2m",                R, set_enum, "b_info/altp2m", "disabled mixed external limited", .benign = "disabled", .why = "alternate physical maps do not exist here" },
	{ "altp2mhvm",             N, NULL, .why = HVM },
	{ "altp2m_count",          N, NULL, .why = HVM },
	{ "bios",                  N, NULL, .why = HVM },
	{ "bios_path_override",    N, NULL, .why = HVM },
	{ "boot",                  N, NULL, .why = HVM },
	{ "hdtype",                N, NULL, .why = HVM },
	{ "hpet",                  N, NULL, .why = HVM },
	{ "hvm_pirq",              N, NULL, .why = HVM },
	{ "keymap",                N, NULL, .why = HVM },
	{ "mmio_hole",             N, NULL, .why = HVM },
	{ "ms_vm_genid",           N, NULL, .why = HVM },
	{ "nographic",             N, NULL, .why = HVM },
	{ "nx",                    N, NULL, .why = HVM },
	{ "opengl",                N, NULL, .why = HVM },
	{ "pae",                   N, NULL, .why = HVM },
	{ "rdm_mem_boundary",      N, NULL, .why = HVM },
	{ "sdl",                   N, NULL, .why = HVM },
	{ "serial",                N, NULL, .why = HVM },
	{ "smbios",                N, NULL, .why = HVM },
	{ "smbios_firmware",       N, NULL, .why = HVM },
	{ "soundhw",               N, NULL, .why = HVM },
	{ "spice",                 N, NULL, .why = HVM },
	{ "spice_image_compression", N, NULL, .why = HVM },
	{ "spice_streaming_video", N, NULL, .why = HVM },
	{ "spiceagent_mouse",      N, NULL, .why = HVM },
	{ "spicedisable_ticketing", N, NULL, .why = HVM },
	{ "spicehost",             N, NULL, .why = HVM },
	{ "spicepasswd",           N, NULL, .why = HVM },
	{ "spiceport",             N, NULL, .why = HVM },
	{ "spicetls_port",         N, NULL, .why = HVM },
	{ "spiceusbredirection",   N, NULL, .why = HVM },
	{ "spicevdagent",          N, NULL, .why = HVM },
	{ "spice_clipboard_sharing", N, NULL, .why = HVM },
	{ "stdvga",                N, NULL, .why = HVM },
	{ "timeoffset",            N, NULL, .why = HVM },
	{ "usb",                   N, NULL, .why = HVM },
	{ "usbdevice",             N, NULL, .why = HVM },
	{ "usbversion",            N, NULL, .why = HVM },
	{ "vendor_device",         N, NULL, .why = HVM },
	{ "vga",                   N, NULL, .why = HVM },
	{ "viridian",              N, NULL, .why = HVM },
	{ "vkb_device",            N, NULL, .why = HVM },
	{ "vnc",                   N, NULL, .why = HVM },
	{ "vncdisplay",            N, NULL, .why = HVM },
	{ "vnclisten",             N, NULL, .why = HVM },
	{ "vncpasswd",             N, NULL, .why = HVM },
	{ "vncunused",             N, NULL, .why = HVM },
	{ "vpt_align",             N, NULL, .why = HVM },
	{ "xauthority",            N, NULL, .why = HVM },
	{ "display",               N, NULL, .why = HVM },
	{ "xen_platform_pci",      N, NULL, .why = HVM },
	{ "xen_platform_pci_bar_uc", N, NULL, .why = HVM },

	/* ARM */
	{ "arm_sci",               N, NULL, .why = ARM },
	{ "device_tree",           N, set_str, "b_info/device_tree", .why = ARM },
	{ "gic_version",           N, NULL, .why = ARM },
	{ "llc_colors",            N, NULL, .why = ARM },
	{ "nr_spis",               N, NULL, .why = ARM },
	{ "sve",                   N, NULL, .why = ARM },
	{ "tee",                   N, NULL, .why = ARM },
	{ "trap_unmapped_accesses", N, NULL, .why = ARM },
	{ "vuart",                 N, NULL, .why = ARM },
	{ 0 }
};
