// SPDX-License-Identifier: MIT
/*
 * Reads the description of a domain that xl wrote (domcfg.h): first the whole file is checked
 * against the rows of dom_cfg_keys, so that whatever is used below has the type and the range that
 * its row promises; then each key is applied by a row of the table in this file. A key that this
 * VMM cannot honour is refused, never skipped.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "domicile/base/fd.h"
#include "config.h"

#define FILE_MAX_SIZE (4u << 20)
#define DEPTH_MAX 4		/* the object, an array, an object in it, one to spare */
#define WHERE_MAX 96

struct reader {
	const char *file;
	struct vmm_config *cfg;
	struct dom_err *err;
};

/* @key of the file is wrong (-EINVAL), or right but more than we can do (-EOPNOTSUPP). */
DOM_PRINTF(4, 5)
static int fail(struct reader *rd, int code, const char *key, const char *fmt, ...)
{
	char what[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return dom_err_set(rd->err, code, "%s: %s: %s", rd->file, key, what);
}

/*
 * One value against one row. @where is the key as messages name it: "disks[1].target".
 */
static int check_uint(struct reader *rd, const struct dom_cfg_key *k, const char *where,
		      json_object *v)
{
	if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0 ||
	    json_object_get_uint64(v) < k->min || json_object_get_uint64(v) > k->max)
		return fail(rd, -EINVAL, where, "must be a number from %llu to %llu",
			    (unsigned long long)k->min, (unsigned long long)k->max);
	return 0;
}

static int check_bool(struct reader *rd, const struct dom_cfg_key *k, const char *where,
		      json_object *v)
{
	(void)k;
	return json_object_is_type(v, json_type_boolean) ? 0 :
		fail(rd, -EINVAL, where, "must be true or false");
}

/* A string without NUL; its length, or negative. */
static int text_len(json_object *v)
{
	if (!json_object_is_type(v, json_type_string) ||
	    strlen(json_object_get_string(v)) != (size_t)json_object_get_string_len(v))
		return -EINVAL;
	return json_object_get_string_len(v);
}

static int check_string(struct reader *rd, const struct dom_cfg_key *k, const char *where,
			json_object *v)
{
	int len = text_len(v);

	if (len < 0 || (uint64_t)len < k->min || (uint64_t)len > k->max)
		return fail(rd, -EINVAL, where, "must be a string of %llu to %llu bytes",
			    (unsigned long long)k->min, (unsigned long long)k->max);
	return 0;
}

/* Is @word one of the blank-separated @words? */
static bool is_word(const char *word, const char *words)
{
	size_t len = strlen(word);

	for (const char *p = words; len && p; p = strchr(p, ' ')) {
		p += *p == ' ';
		if (!strncmp(p, word, len) && (!p[len] || p[len] == ' '))
			return true;
	}
	return false;
}

static int check_enum(struct reader *rd, const struct dom_cfg_key *k, const char *where,
		      json_object *v)
{
	if (text_len(v) < 0 || strchr(json_object_get_string(v), ' ') ||
	    !is_word(json_object_get_string(v), k->words))
		return fail(rd, -EINVAL, where, "must be one of: %s", k->words);
	return 0;
}

static int check_strings(struct reader *rd, const struct dom_cfg_key *k, const char *where,
			 json_object *v)
{
	if (!json_object_is_type(v, json_type_array) || json_object_array_length(v) > k->max)
		return fail(rd, -EINVAL, where, "must be an array of at most %llu strings",
			    (unsigned long long)k->max);
	for (size_t i = 0; i < json_object_array_length(v); i++) {
		int len = text_len(json_object_array_get_idx(v, i));

		if (len < 0 || len > DOM_CFG_STR_MAX)
			return fail(rd, -EINVAL, where,
				    "element %zu must be a string of at most %d bytes", i,
				    DOM_CFG_STR_MAX);
	}
	return 0;
}

static int check_object(struct reader *rd, const struct dom_cfg_key *rows, const char *where,
			json_object *o);

static int check_objects(struct reader *rd, const struct dom_cfg_key *k, const char *where,
			 json_object *v)
{
	int r = 0;

	if (!json_object_is_type(v, json_type_array) || json_object_array_length(v) > k->max)
		return fail(rd, -EINVAL, where, "must be an array of at most %llu objects",
			    (unsigned long long)k->max);
	for (size_t i = 0; i < json_object_array_length(v) && !r; i++) {
		char inner[WHERE_MAX];

		snprintf(inner, sizeof(inner), "%s[%zu]", where, i);
		r = check_object(rd, k->sub, inner, json_object_array_get_idx(v, i));
	}
	return r;
}

static int (*const checks[])(struct reader *rd, const struct dom_cfg_key *k, const char *where,
			     json_object *v) = {
	[DOM_CFG_UINT] = check_uint,
	[DOM_CFG_BOOL] = check_bool,
	[DOM_CFG_STRING] = check_string,
	[DOM_CFG_ENUM] = check_enum,
	[DOM_CFG_STRINGS] = check_strings,
	[DOM_CFG_OBJECTS] = check_objects,
};

static const struct dom_cfg_key *find_key(const struct dom_cfg_key *rows, const char *name)
{
	for (; rows->name; rows++) {
		if (!strcmp(rows->name, name))
			return rows;
	}
	return NULL;
}

static void name_key(char buf[WHERE_MAX], const char *where, const char *key)
{
	snprintf(buf, WHERE_MAX, "%s%s%.40s", where, *where ? "." : "", key);
}

/* Put the default of each absent key into @o, so that all keys are there afterwards. */
static int add_defaults(struct reader *rd, const struct dom_cfg_key *rows, const char *where,
			json_object *o)
{
	for (const struct dom_cfg_key *k = rows; k->name; k++) {
		char inner[WHERE_MAX];

		if (json_object_object_get_ex(o, k->name, NULL))
			continue;
		name_key(inner, where, k->name);
		if (!k->def)
			return fail(rd, -EINVAL, inner, "is required");
		json_object_object_add(o, k->name, json_tokener_parse(k->def));
	}
	return 0;
}

/* Two levels deep at most: rows of sub tables have no sub tables. */
static int check_object(struct reader *rd, const struct dom_cfg_key *rows, const char *where,
			json_object *o)
{
	int r;

	if (!json_object_is_type(o, json_type_object))
		return fail(rd, -EINVAL, *where ? where : "the description", "must be an object");
	json_object_object_foreach(o, name, value) {
		const struct dom_cfg_key *k = find_key(rows, name);
		char inner[WHERE_MAX];

		name_key(inner, where, name);
		if (!k)
			return fail(rd, -EINVAL, inner, "unknown key");
		r = checks[k->type](rd, k, inner, value);
		if (r)
			return r;
	}
	r = add_defaults(rd, rows, where, o);
	/* Defaults of arrays hold objects, whose own defaults are still missing. */
	for (const struct dom_cfg_key *k = rows; k->name && !r; k++) {
		if (k->type == DOM_CFG_OBJECTS)
			r = check_objects(rd, k, k->name, json_object_object_get(o, k->name));
	}
	return r;
}

/* The keys of the description, checked: what each means to us. */

static int keep_string(struct reader *rd, json_object *v, const char **ret)
{
	*ret = vmm_config_keep(rd->cfg, json_object_get_string(v));
	return *ret ? 0 : dom_err_set(rd->err, -ENOMEM, "%s: no memory", rd->file);
}

static int apply_string(struct reader *rd, const char *key, size_t field, json_object *v)
{
	(void)key;
	return keep_string(rd, v, (const char **)((char *)rd->cfg + field));
}

static int apply_bool(struct reader *rd, const char *key, size_t field, json_object *v)
{
	(void)key;
	*(bool *)((char *)rd->cfg + field) = json_object_get_boolean(v);
	return 0;
}

static int apply_kib(struct reader *rd, const char *key, size_t field, json_object *v)
{
	(void)key;
	*(uint64_t *)(void *)((char *)rd->cfg + field) = json_object_get_uint64(v);
	return 0;
}

static int apply_unsigned(struct reader *rd, const char *key, size_t field, json_object *v)
{
	(void)key;
	*(unsigned *)(void *)((char *)rd->cfg + field) = (unsigned)json_object_get_uint64(v);
	return 0;
}

static int apply_domid(struct reader *rd, const char *key, size_t field, json_object *v)
{
	(void)key;
	(void)field;
	rd->cfg->domid = (domid_t)json_object_get_uint64(v);
	return 0;
}

/* "01234567-89ab-cdef-0123-456789abcdef", lower case */
static int apply_uuid(struct reader *rd, const char *key, size_t field, json_object *v)
{
	const char *text = json_object_get_string(v);
	unsigned nibble = 0;

	(void)field;
	for (unsigned i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		const char *digits = "0123456789abcdef";
		const char *d = strchr(digits, text[i]);

		if (dash ? text[i] != '-' : !d)
			return fail(rd, -EINVAL, key, "must look like "
				    "01234567-89ab-cdef-0123-456789abcdef");
		if (dash)
			continue;
		if (nibble % 2)
			rd->cfg->uuid[nibble / 2] |= (uint8_t)(d - digits);
		else
			rd->cfg->uuid[nibble / 2] = (uint8_t)((d - digits) << 4);
		nibble++;
	}
	return 0;
}

static int apply_rundir(struct reader *rd, const char *key, size_t field, json_object *v)
{
	if (*json_object_get_string(v) != '/')
		return fail(rd, -EINVAL, key, "must be an absolute path");
	return apply_string(rd, key, field, v);
}

static int apply_type(struct reader *rd, const char *key, size_t field, json_object *v)
{
	(void)key;
	(void)field;
	rd->cfg->pv = !strcmp(json_object_get_string(v), "pv");
	return 0;
}

static int apply_ramdisks(struct reader *rd, const char *key, size_t field, json_object *v)
{
	int r = 0;

	(void)key;
	(void)field;
	for (size_t i = 0; i < json_object_array_length(v) && !r; i++)
		r = keep_string(rd, json_object_array_get_idx(v, i),
				&rd->cfg->modules[rd->cfg->nr_modules++]);
	return r;
}

/* Guest RAM comes in whole MiB (mem.c), and so does xl's unit. */
static int apply_memory(struct reader *rd, const char *key, size_t field, json_object *v)
{
	uint64_t kib = json_object_get_uint64(v);

	(void)field;
	if (kib % 1024)
		return fail(rd, -EINVAL, key, "must be a multiple of 1024, whole MiB");
	if (kib < VMM_MIN_MEMORY_MIB * 1024)
		return fail(rd, -EINVAL, key, "a guest needs %u KiB at least",
			    VMM_MIN_MEMORY_MIB * 1024);
	rd->cfg->memory_mib = kib / 1024;
	return 0;
}

static int apply_ram_mode(struct reader *rd, const char *key, size_t field, json_object *v)
{
	(void)key;
	(void)field;
	return vmm_ram_mode_parse(json_object_get_string(v), &rd->cfg->ram, NULL);
}

static int apply_vcpus(struct reader *rd, const char *key, size_t field, json_object *v)
{
	if (json_object_get_uint64(v) > VMM_MAX_VCPUS)
		return fail(rd, -EOPNOTSUPP, key, "at most %u are possible", VMM_MAX_VCPUS);
	return apply_unsigned(rd, key, field, v);
}

static int apply_affinity(struct reader *rd, const char *key, size_t field, json_object *v)
{
	size_t n = json_object_array_length(v);
	int r = 0;

	(void)field;
	if (!n)
		return 0;
	rd->cfg->affinity = calloc(n, sizeof(*rd->cfg->affinity));
	if (!rd->cfg->affinity)
		return dom_err_set(rd->err, -ENOMEM, "%s: no memory", rd->file);
	for (size_t i = 0; i < n && !r; i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(v, i));
		cpu_set_t set;

		if (*text && vmm_cpulist_parse(text, &set))
			r = fail(rd, -EINVAL, key, "element %zu, \"%.80s\": must be host CPUs like "
				 "\"0-3,5\"", i, text);
		else
			r = keep_string(rd, json_object_array_get_idx(v, i),
					&rd->cfg->affinity[rd->cfg->nr_affinity++]);
	}
	return r;
}

/* An action belongs to every reason of dom_shutdowns that names the key. */
static int apply_action(struct reader *rd, const char *key, size_t field, json_object *v)
{
	(void)field;
	if (!is_word(json_object_get_string(v), DOM_CFG_LINGER))
		return 0;
	for (size_t i = 0; i < DOM_ARRAY_LEN(dom_shutdowns); i++) {
		if (dom_shutdowns[i].key && !strcmp(dom_shutdowns[i].key, key))
			rd->cfg->preserve |= 1u << dom_shutdowns[i].code;
	}
	return 0;
}

/* The key tells the highest port, xenabi wants their number. */
static int apply_evtchns(struct reader *rd, const char *key, size_t field, json_object *v)
{
	(void)key;
	(void)field;
	rd->cfg->max_evtchn = (unsigned)json_object_get_uint64(v) + 1;
	return 0;
}

static int apply_grant_frames(struct reader *rd, const char *key, size_t field, json_object *v)
{
	if (json_object_get_uint64(v) > XA_MAX_GRANT_FRAMES)
		return fail(rd, -EOPNOTSUPP, key, "at most %u are possible", XA_MAX_GRANT_FRAMES);
	return apply_unsigned(rd, key, field, v);
}

/* Checked, and without effect: we offer less than any value allows. */
static int apply_nothing(struct reader *rd, const char *key, size_t field, json_object *v)
{
	(void)rd;
	(void)key;
	(void)field;
	(void)v;
	return 0;
}

static int apply_consoles(struct reader *rd, const char *key, size_t field, json_object *v)
{
	json_object *c, *log;

	rd->cfg->console = "none";
	if (!json_object_array_length(v))
		return 0;
	c = json_object_array_get_idx(v, 0);
	if (json_object_array_length(v) > 1 ||
	    json_object_get_uint64(json_object_object_get(c, "devid")))
		return fail(rd, -EOPNOTSUPP, key,
			    "consoles beside number 0 are described in the store only");
	if (!strcmp(json_object_get_string(json_object_object_get(c, "output")), "pty"))
		rd->cfg->console = "pty";
	log = json_object_object_get(c, "log");
	return json_object_get_string_len(log) ? apply_string(rd, key, field, log) : 0;
}

/* The store says all of it, to the back end; whether there is a store is seen later. */
static int apply_disks(struct reader *rd, const char *key, size_t field, json_object *v)
{
	(void)field;
	for (size_t i = 0; i < json_object_array_length(v); i++) {
		json_object *o = json_object_array_get_idx(v, i);
		char where[WHERE_MAX];

		snprintf(where, sizeof(where), "%s[%zu].target", key, i);
		if (!strcmp(json_object_get_string(json_object_object_get(o, "format")), "raw") &&
		    !json_object_get_string_len(json_object_object_get(o, "target")))
			return fail(rd, -EINVAL, where, "a disk of format raw needs one");
	}
	return 0;
}

static int apply_log_level(struct reader *rd, const char *key, size_t field, json_object *v)
{
	static const char *const levels[] = { "error", "warn", "info", "debug" };

	(void)key;
	(void)field;
	for (unsigned i = 0; i < DOM_ARRAY_LEN(levels); i++) {
		if (!strcmp(levels[i], json_object_get_string(v)) && !rd->cfg->log_level_forced)
			rd->cfg->log_level = (enum dom_log_level)i;
	}
	return 0;
}

#define FIELD(name) offsetof(struct vmm_config, name)

const struct vmm_config_key vmm_config_keys[] = {
	{ "version",             apply_nothing },
	{ "domid",               apply_domid },
	{ "name",                apply_string,       FIELD(name) },
	{ "uuid",                apply_uuid },
	{ "rundir",              apply_rundir,       FIELD(rundir) },
	{ "type",                apply_type },
	{ "kernel",              apply_string,       FIELD(kernel) },
	{ "ramdisks",            apply_ramdisks },
	{ "cmdline",             apply_string,       FIELD(cmdline) },
	{ "paused",              apply_bool,         FIELD(paused) },
	{ "memory_kb",           apply_memory },
	{ "maxmem_kb",           apply_kib,          FIELD(maxmem_kib) },
	{ "ram_mode",            apply_ram_mode },
	{ "vcpus",               apply_vcpus,        FIELD(vcpus_online) },
	{ "maxvcpus",            apply_vcpus,        FIELD(vcpus) },
	{ "affinity",            apply_affinity },
	{ "on_poweroff",         apply_action },
	{ "on_reboot",           apply_action },
	{ "on_watchdog",         apply_action },
	{ "on_crash",            apply_action },
	{ "max_event_channels",  apply_evtchns },
	{ "max_grant_frames",    apply_grant_frames, FIELD(max_grant_frames) },
	{ "max_maptrack_frames", apply_nothing },	/* no grants of other domains to map yet */
	{ "max_grant_version",   apply_unsigned, FIELD(max_grant_version) },
	{ "consoles",            apply_consoles,     FIELD(console_log) },
	{ "disks",               apply_disks },
	{ "vifs",                apply_nothing },	/* the store says all of it */
	{ "log_level",           apply_log_level },
	{ NULL }
};

/* What no single row can tell. */
static int check_relations(struct reader *rd)
{
	const struct vmm_config *cfg = rd->cfg;

	if (cfg->vcpus_online > cfg->vcpus)
		return fail(rd, -EINVAL, "maxvcpus", "must not be less than vcpus (%u)",
			    cfg->vcpus_online);
	if (cfg->maxmem_kib < cfg->memory_mib * 1024)
		return fail(rd, -EINVAL, "maxmem_kb", "must not be less than memory_kb (%llu)",
			    (unsigned long long)cfg->memory_mib * 1024);
	if (cfg->nr_affinity > cfg->vcpus)
		return fail(rd, -EINVAL, "affinity", "has more elements than maxvcpus (%u)",
			    cfg->vcpus);
	return 0;
}

static int apply(struct reader *rd, json_object *o)
{
	int r = check_object(rd, dom_cfg_keys, "", o);

	for (const struct vmm_config_key *k = vmm_config_keys; k->name && !r; k++)
		r = k->apply(rd, k->name, k->field, json_object_object_get(o, k->name));
	return r ? r : check_relations(rd);
}

int vmm_config_json(const char *text, size_t len, const char *file, struct vmm_config *cfg,
		    struct dom_err *err)
{
	struct reader rd = { file, cfg, err };
	json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
	json_object *o;
	size_t end;
	int r;

	if (!tok)
		return dom_err_set(err, -ENOMEM, "%s: no memory", file);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(tok, text, (int)len);
	end = json_tokener_get_parse_end(tok);
	if (!o)
		r = dom_err_set(err, -EINVAL, "%s: no JSON: %s at byte %zu", file,
				json_tokener_get_error(tok) == json_tokener_continue ?
				"it is cut off" :
				json_tokener_error_desc(json_tokener_get_error(tok)), end);
	else if (strspn(text + end, " \t\r\n") != len - end)
		r = dom_err_set(err, -EINVAL, "%s: no JSON: something follows at byte %zu", file,
				end);
	else
		r = apply(&rd, o);
	json_object_put(o);
	json_tokener_free(tok);
	return r;
}

int vmm_config_read(const char *file, struct vmm_config *cfg, struct dom_err *err)
{
	int fd DOM_CLEANUP_FD = dom_open(file, O_RDONLY, 0);
	char *text DOM_CLEANUP_FREE = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return dom_err_set(err, fd, "%s: %s", file, strerror(-fd));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return dom_err_set(err, -EINVAL, "%s: not a file", file);
	if (st.st_size > (off_t)FILE_MAX_SIZE)
		return dom_err_set(err, -EFBIG, "%s: larger than %u bytes", file, FILE_MAX_SIZE);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return dom_err_set(err, -ENOMEM, "%s: no memory", file);
	n = dom_read_all(fd, text, (size_t)st.st_size);
	if (n < 0)
		return dom_err_set(err, (int)n, "%s: %s", file, strerror((int)-n));
	text[n] = '\0';
	return vmm_config_json(text, (size_t)n, file, cfg, err);
}
