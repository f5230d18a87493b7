// SPDX-License-Identifier: MIT
/*
 * The description of a domain: what dom_cfg_keys allows is accepted and used, everything else is
 * refused in one line that names the file and the key.
 */
#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/vmm.h"

#define FILE_NAME "domain.json"

/* All required keys, with values that this VMM can do. */
static const char base[] =
	"{\"version\": 1, \"domid\": 7, \"name\": \"deb\", "
	"\"uuid\": \"01234567-89ab-cdef-0123-456789abcdef\", \"rundir\": \"/run/domicile/7\", "
	"\"type\": \"pvh\", \"kernel\": \"/boot/vmlinuz\", \"memory_kb\": 131072, "
	"\"maxmem_kb\": 131072}";

struct result {
	struct vmm_config cfg;
	struct dom_err err;
	int code;
};

static struct result read_text(const char *text)
{
	struct result r = { .cfg = { .ready_fd = -1 } };

	r.code = vmm_config_json(text, strlen(text), FILE_NAME, &r.cfg, &r.err);
	return r;
}

/* The base description with @key replaced by the JSON text @value; NULL removes it. */
static struct result read_with(const char *key, const char *value)
{
	json_object *o = json_tokener_parse(base);
	struct result r;

	json_object_object_del(o, key);
	if (value)
		json_object_object_add(o, key, json_tokener_parse(value));
	r = read_text(json_object_to_json_string(o));
	json_object_put(o);
	return r;
}

static void expect_ok(const char *key, const char *value)
{
	struct result r = read_with(key, value);

	if (r.code)
		fail_msg("%s = %s: %s", key, value ? value : "(absent)", r.err.msg);
	vmm_config_fini(&r.cfg);
}

/* Refused with @code, in a sentence that names the file and @named. */
static void expect_refused(const char *key, const char *value, int code, const char *named)
{
	struct result r = read_with(key, value);

	if (r.code != code)
		fail_msg("%s = %s: got %d (%s), expected %d", key, value ? value : "(absent)",
			 r.code, r.err.msg, code);
	if (!strstr(r.err.msg, FILE_NAME ": ") || !strstr(r.err.msg, named) ||
	    strchr(r.err.msg, '\n'))
		fail_msg("%s = %s: message: %s", key, value ? value : "(absent)", r.err.msg);
	vmm_config_fini(&r.cfg);
}

static void every_key_of_the_format_is_applied_and_no_other(void **state)
{
	size_t ours = 0, rows = 0;

	(void)state;
	for (const struct dom_cfg_key *k = dom_cfg_keys; k->name; k++, rows++) {
		bool found = false;

		for (const struct vmm_config_key *o = vmm_config_keys; o->name; o++)
			found |= !strcmp(o->name, k->name);
		if (!found)
			fail_msg("%s has no row in vmm_config_keys", k->name);
	}
	while (vmm_config_keys[ours].name)
		ours++;
	assert_int_equal(ours, rows);
}

static void base_description_is_accepted_with_defaults(void **state)
{
	struct result r = read_text(base);

	(void)state;
	assert_int_equal(r.code, 0);
	assert_int_equal(r.cfg.domid, 7);
	assert_string_equal(r.cfg.name, "deb");
	assert_string_equal(r.cfg.kernel, "/boot/vmlinuz");
	assert_string_equal(r.cfg.rundir, "/run/domicile/7");
	assert_string_equal(r.cfg.cmdline, "");
	assert_string_equal(r.cfg.console, "pty");
	assert_null(r.cfg.console_log);
	assert_int_equal(r.cfg.memory_mib, 128);
	assert_int_equal(r.cfg.maxmem_kib, 131072);
	assert_int_equal(r.cfg.vcpus, 1);
	assert_int_equal(r.cfg.vcpus_online, 1);
	assert_int_equal(r.cfg.max_evtchn, 1024);
	assert_int_equal(r.cfg.max_grant_frames, 64);
	assert_int_equal(r.cfg.preserve, 0);
	assert_int_equal(r.cfg.log_level, DOM_LOG_INFO);
	assert_int_equal(r.cfg.uuid[0], 0x01);
	assert_int_equal(r.cfg.uuid[15], 0xef);
	assert_int_equal(r.cfg.ram, VMM_RAM_AUTO);
	assert_false(r.cfg.paused);
	vmm_config_fini(&r.cfg);
}

static void absent_keys_have_defaults_or_are_refused(void **state)
{
	(void)state;
	for (const struct dom_cfg_key *k = dom_cfg_keys; k->name; k++) {
		if (k->def)
			expect_ok(k->name, NULL);
		else
			expect_refused(k->name, NULL, -EINVAL, k->name);
	}
}

static void defaults_are_values_that_their_rows_allow(void **state)
{
	(void)state;
	for (const struct dom_cfg_key *k = dom_cfg_keys; k->name; k++) {
		if (k->def)
			expect_ok(k->name, k->def);
	}
}

/* A value of every JSON type, by the type that it satisfies. */
static const struct {
	const char *text;
	enum dom_cfg_type types[3];
	unsigned n;
} samples[] = {
	{ "12",         { DOM_CFG_UINT }, 1 },
	{ "-1",         { 0 }, 0 },
	{ "1.5",        { 0 }, 0 },
	{ "true",       { DOM_CFG_BOOL }, 1 },
	{ "\"text\"",   { DOM_CFG_STRING, DOM_CFG_ENUM }, 2 },
	{ "\"a\\u0000b\"", { 0 }, 0 },
	{ "[]",         { DOM_CFG_STRINGS, DOM_CFG_OBJECTS }, 2 },
	{ "[1]",        { 0 }, 0 },
	{ "{}",         { 0 }, 0 },
	{ "null",       { 0 }, 0 },
};

static void values_of_another_type_are_refused(void **state)
{
	(void)state;
	for (const struct dom_cfg_key *k = dom_cfg_keys; k->name; k++) {
		for (size_t i = 0; i < DOM_ARRAY_LEN(samples); i++) {
			bool fits = false;

			for (unsigned t = 0; t < samples[i].n; t++)
				fits |= samples[i].types[t] == k->type;
			if (!fits)
				expect_refused(k->name, samples[i].text, -EINVAL, k->name);
		}
	}
}

static void repeat_string(char *buf, size_t len)
{
	buf[0] = '"';
	memset(buf + 1, '/', len);
	strcpy(buf + 1 + len, "\"");
}

static void values_outside_their_range_are_refused(void **state)
{
	static char text[DOM_CFG_STR_MAX + 8];

	(void)state;
	for (const struct dom_cfg_key *k = dom_cfg_keys; k->name; k++) {
		switch (k->type) {
		case DOM_CFG_UINT:
			snprintf(text, sizeof(text), "%llu", (unsigned long long)k->max + 1);
			expect_refused(k->name, text, -EINVAL, k->name);
			if (!k->min)
				break;
			snprintf(text, sizeof(text), "%llu", (unsigned long long)k->min - 1);
			expect_refused(k->name, text, -EINVAL, k->name);
			break;
		case DOM_CFG_STRING:
			repeat_string(text, k->max + 1);
			expect_refused(k->name, text, -EINVAL, k->name);
			if (!k->min)
				break;
			repeat_string(text, k->min - 1);
			expect_refused(k->name, text, -EINVAL, k->name);
			break;
		case DOM_CFG_ENUM:
			expect_refused(k->name, "\"no such word\"", -EINVAL, k->name);
			expect_refused(k->name, "\"\"", -EINVAL, k->name);
			snprintf(text, sizeof(text), "\"%s\"", k->words);
			if (strchr(k->words, ' '))
				expect_refused(k->name, text, -EINVAL, k->name);
			break;
		default:
			break;
		}
	}
}

static void arrays_that_are_too_long_are_refused(void **state)
{
	char nine[] = "[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]";
	char many[17 * 3 + 2] = "[{}";

	(void)state;
	expect_refused("ramdisks", nine, -EINVAL, "ramdisks");
	for (int i = 0; i < 16; i++)
		strcat(many, ",{}");
	strcat(many, "]");
	expect_refused("consoles", many, -EINVAL, "consoles");
}

static void keys_of_devices_are_checked_too(void **state)
{
	(void)state;
	expect_refused("consoles", "[{\"output\": \"vga\"}]", -EINVAL, "consoles[0].output");
	expect_refused("consoles", "[{\"colour\": 1}]", -EINVAL, "consoles[0].colour");
	expect_refused("disks", "[{\"vdev\": \"xvda\"}]", -EINVAL, "disks[0].devid");
	expect_refused("disks", "[[]]", -EINVAL, "disks[0]");
	expect_refused("disks", "[{\"devid\": 51712, \"vdev\": \"xvda\"}]", -EINVAL,
		       "disks[0].target");
	expect_ok("disks", "[{\"devid\": 51712, \"vdev\": \"xvda\", \"target\": \"/d\"}]");
	expect_ok("disks", "[{\"devid\": 5632, \"vdev\": \"hdc\", \"format\": \"empty\"}]");
	expect_refused("vifs", "[{\"devid\": 0, \"mac\": \"x\", \"ifname\": \"v\"}]", -EINVAL,
		       "vifs[0].mac");
	expect_ok("vifs", "[{\"devid\": 0, \"mac\": \"00:16:3e:00:00:01\", \"ifname\": \"v\"}]");
	expect_ok("consoles", "[]");
	expect_ok("consoles", "[{\"output\": \"none\", \"log\": \"/var/log/c\"}]");
}

static void what_we_cannot_do_is_refused_by_name(void **state)
{
	static const struct {
		const char *key, *value;
	} rows[] = {
		{ "vcpus",    "129" },
		{ "maxvcpus", "129" },
		{ "max_grant_frames", "1025" },
		{ "consoles", "[{}, {\"devid\": 1}]" },
		{ "consoles", "[{\"devid\": 1}]" },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++)
		expect_refused(rows[i].key, rows[i].value, -EOPNOTSUPP, rows[i].key);
}

static void values_with_a_meaning_of_their_own_are_checked(void **state)
{
	static const struct {
		const char *key, *value;
	} rows[] = {
		{ "uuid",      "\"01234567-89AB-CDEF-0123-456789ABCDEF\"" },
		{ "uuid",      "\"0123456789-ab-cdef-0123-456789abcdef\"" },
		{ "rundir",    "\"run/7\"" },
		{ "memory_kb", "131073" },
		{ "memory_kb", "8192" },
		{ "affinity",  "[\"0-\"]" },
		{ "affinity",  "[\"0\", \"1\"]" },
		{ "affinity",  "[\"all\"]" },
		{ "maxmem_kb", "65536" },
		{ "vcpus",     "2" },
		{ "no_such_key", "1" },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++)
		expect_refused(rows[i].key, rows[i].value, -EINVAL,
			       strcmp(rows[i].key, "vcpus") ? rows[i].key : "maxvcpus");
}

static void a_pv_guest_is_described_by_its_type(void **state)
{
	struct result r = read_with("type", "\"pv\"");

	(void)state;
	assert_int_equal(r.code, 0);
	assert_true(r.cfg.pv);
	vmm_config_fini(&r.cfg);
}

static void values_arrive(void **state)
{
	struct result r = read_text(
		"{\"version\": 1, \"domid\": 32751, \"name\": \"a\\\"b\", "
		"\"uuid\": \"00000000-0000-0000-0000-000000000000\", \"rundir\": \"/r\", "
		"\"type\": \"pvh\", \"kernel\": \"k\", \"ramdisks\": [\"r1\", \"r2\"], "
		"\"cmdline\": \"quiet\", \"paused\": true, \"memory_kb\": 262144, "
		"\"maxmem_kb\": 300000, \"ram_mode\": \"private\", \"vcpus\": 2, \"maxvcpus\": 4, "
		"\"affinity\": [\"0-3,5\", \"\"], \"on_crash\": \"preserve\", "
		"\"on_reboot\": \"rename-restart\", \"on_watchdog\": \"coredump-restart\", "
		"\"max_event_channels\": 4095, \"max_grant_frames\": 32, "
		"\"consoles\": [{\"log\": \"/l\"}], \"log_level\": \"debug\"}");

	(void)state;
	assert_int_equal(r.code, 0);
	assert_int_equal(r.cfg.domid, 32751);
	assert_string_equal(r.cfg.name, "a\"b");
	assert_int_equal(r.cfg.nr_modules, 2);
	assert_string_equal(r.cfg.modules[1], "r2");
	assert_string_equal(r.cfg.cmdline, "quiet");
	assert_true(r.cfg.paused);
	assert_false(r.cfg.pv);
	assert_int_equal(r.cfg.memory_mib, 256);
	assert_int_equal(r.cfg.maxmem_kib, 300000);
	assert_int_equal(r.cfg.ram, VMM_RAM_PRIVATE);
	assert_int_equal(r.cfg.vcpus, 4);
	assert_int_equal(r.cfg.vcpus_online, 2);
	assert_int_equal(r.cfg.nr_affinity, 2);
	assert_string_equal(r.cfg.affinity[0], "0-3,5");
	/* crash, soft reset, reboot and, for its core, watchdog */
	assert_int_equal(r.cfg.preserve, 1u << 3 | 1u << 5 | 1u << 1 | 1u << 4);
	assert_int_equal(r.cfg.max_evtchn, 4096);
	assert_int_equal(r.cfg.max_grant_frames, 32);
	assert_string_equal(r.cfg.console_log, "/l");
	assert_int_equal(r.cfg.log_level, DOM_LOG_DEBUG);
	vmm_config_fini(&r.cfg);
}

static void text_that_is_no_json_object_is_refused(void **state)
{
	static const char *const texts[] = {
		"", " ", "{", "[]", "1", "\"x\"", "null", "{} x", "{}{}", "{\"version\":1,}",
		"{'version':1}", "{\"a\":[[[[[[1]]]]]]}", "// comment\n{}", "\xff\xfe{}",
		"{\"version\": 1", "{\"version\": 0x1}", "{\"version\": NaN}",
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(texts); i++) {
		struct result r = read_text(texts[i]);

		if (!r.code || !strstr(r.err.msg, FILE_NAME ": "))
			fail_msg("'%s' gave %d: %s", texts[i], r.code, r.err.msg);
		vmm_config_fini(&r.cfg);
	}
}

static void white_space_around_the_object_is_fine(void **state)
{
	char text[sizeof(base) + 16];
	struct result r;

	(void)state;
	snprintf(text, sizeof(text), "\n \t%s\r\n \n", base);
	r = read_text(text);
	assert_int_equal(r.code, 0);
	vmm_config_fini(&r.cfg);
}

static void files_that_cannot_be_read_are_named(void **state)
{
	struct vmm_config cfg = { .ready_fd = -1 };
	struct dom_err err = { 0 };

	(void)state;
	assert_int_equal(vmm_config_read("/nonexistent/domain.json", &cfg, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/domain.json"));
	assert_int_equal(vmm_config_read("/dev/null", &cfg, &err), -EINVAL);
	assert_int_equal(vmm_config_read("/proc", &cfg, &err), -EINVAL);
	vmm_config_fini(&cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_the_format_is_applied_and_no_other),
		cmocka_unit_test(base_description_is_accepted_with_defaults),
		cmocka_unit_test(absent_keys_have_defaults_or_are_refused),
		cmocka_unit_test(defaults_are_values_that_their_rows_allow),
		cmocka_unit_test(values_of_another_type_are_refused),
		cmocka_unit_test(values_outside_their_range_are_refused),
		cmocka_unit_test(arrays_that_are_too_long_are_refused),
		cmocka_unit_test(keys_of_devices_are_checked_too),
		cmocka_unit_test(what_we_cannot_do_is_refused_by_name),
		cmocka_unit_test(values_with_a_meaning_of_their_own_are_checked),
		cmocka_unit_test(a_pv_guest_is_described_by_its_type),
		cmocka_unit_test(values_arrive),
		cmocka_unit_test(text_that_is_no_json_object_is_refused),
		cmocka_unit_test(white_space_around_the_object_is_fine),
		cmocka_unit_test(files_that_cannot_be_read_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
