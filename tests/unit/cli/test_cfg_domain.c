// SPDX-License-Identifier: MIT
/*
 * Keys: what is accepted and refused, with a case of each for every key that works and a sweep over
 * those that do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/domain.h"
#include "cli/js.h"

#define BASE "name=\"g\"\nkernel=\"/k\"\nmemory=64\ntype=\"pvh\"\n"

/* Exit status of a configuration; messages in *ret_said, to be freed. */
static int status(const char *text, unsigned flags, struct json_object **ret, char **ret_said)
{
	struct xl_cfg *cfg;
	size_t size;
	FILE *f = open_memstream(ret_said, &size);
	int err = xl_cfg_parse(&cfg, "c", text, strlen(text), f);

	*ret = NULL;
	if (!err) {
		err = xl_domain_from_cfg(cfg, flags, f, ret);
		xl_cfg_free(cfg);
	}
	fclose(f);
	return err;
}

static void wrong_values_end_with_xls_status(void **state)
{
	static const struct {
		const char *line;
		int status;
		const char *said;
	} cases[] = {
		{ "type=\"lxc\"", 1, "Invalid domain type lxc." },
		{ "type=\"hvm\"", 3, "not supported yet" },
		{ "name=[]", 1, "Domain name must be specified." },
		{ "uuid=\"x\"", 1, "Failed to parse UUID: x" },
		{ "vcpus=4\nmaxvcpus=2", 1, "maxvcpus < vcpus" },
		{ "vcpus=\"-1\"", 1, "is not from 1 to" },
		{ "cpus=\"0-x\"", 1, "Invalid pcpu range: 0-x." },
		{ "vcpus=2\ncpus=[\"0\",[\"1\"]]", 1, "is a list" },
		{ "maxmem=32", 3, "smaller than memory" },
		{ "on_reboot=\"bad\"", 1, "Unknown on_reboot action \"bad\" specified" },
		{ "tsc_mode=\"bad\"", 1, "invalid value \"bad\" for \"tsc_mode\"" },
		{ "tsc_mode=9", 1, "invalid value 9 for \"tsc_mode\"" },
		{ "max_grant_frames=\"x\"", 1, "max_grant_frames is not a number" },
		{ "device_model_args=\"-a\"", 3, "Unable to parse device_model_args." },
		{ "disk=[\"x\"]", 1, "no vdev specified" },
		{ "vif=[\"rate=1\"]", 1, "invalid rate" },
		{ "pci=[\"zz\"]", 1, "unable to parse PCI BDF" },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(cases); i++) {
		struct json_object *json;
		char text[512], *said;

		snprintf(text, sizeof(text), BASE "%s\n", cases[i].line);
		assert_int_equal(status(text, 0, &json, &said), cases[i].status);
		if (!strstr(said, cases[i].said))
			fail_msg("%s: '%s'", cases[i].line, said);
		assert_null(json);
		free(said);
	}
}

static void every_refused_key_is_refused_with_its_reason(void **state)
{
	(void)state;
	for (const struct xl_key *k = xl_keys; k->name; k++) {
		struct json_object *json;
		char text[512], want[256], *said;

		/* With a kernel, firmware is an error of its own. */
		if (k->status != XL_KEY_REFUSED || !strcmp(k->name, "firmware"))
			continue;
		snprintf(text, sizeof(text), BASE "%s=0\n", k->name);
		if (!k->arg) {
			assert_int_equal(status(text, 0, &json, &said), 0);
			json_object_put(json);
			free(said);
		}
		snprintf(text, sizeof(text), BASE "%s=%s\n", k->name,
			 k->arg ? "\"external\"" : k->path && strstr(k->path, "label") ? "\"x\"" : "1");
		if (!strcmp(k->name, "passthrough"))
			snprintf(text, sizeof(text), BASE "passthrough=\"enabled\"\n");
		assert_int_equal(status(text, 0, &json, &said), 1);
		snprintf(want, sizeof(want), "c:5: `%s' is refused: %s\n", k->name, k->why);
		if (!strstr(said, want))
			fail_msg("%s: '%s'", k->name, said);
		free(said);
		assert_int_equal(status(text, XL_DOMAIN_DRYRUN, &json, &said), 0);
		json_object_put(json);
		free(said);
	}
}

static void no_key_is_silently_ignored(void **state)
{
	(void)state;
	for (const struct xl_key *k = xl_keys; k->name; k++) {
		struct json_object *json;
		char text[512], *said;

		if (k->status != XL_KEY_NO_EFFECT || k->arg)
			continue;
		snprintf(text, sizeof(text), BASE "%s=%s\n", k->name,
			 strstr(k->name, "args") ? "[\"x\"]" : k->benign && !strcmp(k->benign, "1") ? "0" : "7");
		assert_int_equal(status(text, 0, &json, &said), 0);
		if (!strstr(said, "has no effect"))
			fail_msg("%s: '%s'", k->name, said);
		json_object_put(json);
		free(said);
	}
}

static void unknown_keys_are_told_and_ignored(void **state)
{
	struct json_object *json;
	char *said;

	(void)state;
	assert_int_equal(status(BASE "bootargs=\"x\"\n", 0, &json, &said), 0);
	assert_string_equal(said, "c:5: warning: `bootargs' has no effect: it is no key of xl.cfg(5)\n");
	json_object_put(json);
	free(said);
}

static void keys_reach_the_domain(void **state)
{
	struct json_object *json;
	char *said;

	(void)state;
	assert_int_equal(status(BASE "vcpus=2\nmaxvcpus=4\nmaxmem=128\nroot=\"/dev/x\"\nextra=\"q\"\n"
				"on_crash=\"rename-restart\"\ncpu_weight=512\ncap=50\nmax_event_channels=2048\n"
				"max_grant_frames=8\nmax_grant_version=1\nnomigrate=1\n"
				"cpus=[\"0\",\"0-1\"]\nramdisk=\"/r\"\n"
				"uuid=\"11111111-2222-3333-4444-5555555555AB\"\n", 0, &json, &said), 0);
	assert_string_equal(said, "");
	assert_int_equal(xl_js_int(json, "b_info/max_vcpus", 0), 4);
	assert_int_equal(json_object_array_length(xl_js_get(json, "b_info/avail_vcpus")), 2);
	assert_int_equal(json_object_array_length(xl_js_get(json, "b_info/vcpu_hard_affinity")), 2);
	assert_int_equal(xl_js_int(json, "b_info/max_memkb", 0), 128 * 1024);
	assert_int_equal(xl_js_int(json, "b_info/target_memkb", 0), 64 * 1024);
	assert_string_equal(xl_js_str(json, "b_info/cmdline", ""), "root=/dev/x q");
	assert_string_equal(xl_js_str(json, "b_info/ramdisk", ""), "/r");
	assert_string_equal(xl_js_str(json, "on_crash", ""), "restart_rename");
	assert_int_equal(xl_js_int(json, "b_info/sched_params/weight", 0), 512);
	assert_int_equal(xl_js_int(json, "b_info/sched_params/cap", 0), 50);
	assert_int_equal(xl_js_int(json, "b_info/event_channels", 0), 2048);
	assert_int_equal(xl_js_int(json, "b_info/max_grant_frames", 0), 8);
	assert_true(xl_js_defbool(json, "b_info/disable_migrate", false));
	assert_string_equal(xl_js_str(json, "c_info/uuid", ""), "11111111-2222-3333-4444-5555555555ab");
	json_object_put(json);
	free(said);
}

static void json_is_printed_as_yajl_does(void **state)
{
	struct json_object *j = json_object_new_object();
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	xl_js_set(j, "b_info/type.pvh", json_object_new_object());
	xl_js_set_str(j, "c_info/name", "a\"\\\n\x01/\xc3\xa9");
	xl_js_array(j, "disks");
	xl_js_print(f, j);
	fclose(f);
	assert_string_equal(text, "{\n    \"c_info\": {\n        \"name\": \"a\\\"\\\\\\n\\u0001/\xc3\xa9\"\n    },\n"
			    "    \"b_info\": {\n        \"type.pvh\": {\n\n        }\n    },\n"
			    "    \"disks\": [\n\n    ]\n}");
	free(text);
	json_object_put(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_values_end_with_xls_status),
		cmocka_unit_test(every_refused_key_is_refused_with_its_reason),
		cmocka_unit_test(no_key_is_silently_ignored),
		cmocka_unit_test(unknown_keys_are_told_and_ignored),
		cmocka_unit_test(keys_reach_the_domain),
		cmocka_unit_test(json_is_printed_as_yajl_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
