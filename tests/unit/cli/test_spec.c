// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/js.h"
#include "cli/spec.h"
#include "domicile/base/vdev.h"

/* The golden list of disk specifications of real Xen: what each comes to. */
static void disks_are_read_as_by_xen(void **state)
{
	char path[512], line[1024], spec[1024] = "", *got = NULL, *want = NULL;
	size_t got_size, want_size;
	unsigned checked = 0;
	FILE *f, *w = NULL;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/golden/xl/disk-specs.txt", getenv("SRCDIR"));
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *start = strstr(line, "spec=["), *end = strstr(line, "] rc=");
		struct json_object *disk;
		struct dom_err err;
		FILE *g;
		int rc;

		if (!start || !end)
			continue;
		*end = '\0';
		strcpy(spec, start + 6);
		disk = json_object_new_object();
		rc = xl_spec_disk(spec, disk, &err);
		if (atoi(end + 5)) {
			assert_int_equal(rc, -EINVAL);
			json_object_put(disk);
			continue;
		}
		if (rc)
			fail_msg("%s: %s", spec, err.msg);
		w = open_memstream(&want, &want_size);
		while (fgets(line, sizeof(line), f)) {
			fputs(line, w);
			if (!strcmp(line, "}\n"))
				break;
		}
		fclose(w);
		g = open_memstream(&got, &got_size);
		xl_js_print(g, disk);
		fputc('\n', g);
		fclose(g);
		assert_string_equal(got, want);
		free(got);
		free(want);
		json_object_put(disk);
		checked++;
	}
	fclose(f);
	assert_true(checked > 30);
}

static void wrong_disks_are_explained(void **state)
{
	static const struct {
		const char *spec, *said;
	} cases[] = {
		{ "", "no vdev specified in `'" },
		{ "format=zzz,vdev=xvda,target=/a", "unknown value for format: near `zzz' in `format=zzz,vdev=xvda,target=/a'" },
		{ "/a,raw,xvda,w,frob=1", "unknown parameter: near `frob=1' in `/a,raw,xvda,w,frob=1'" },
		{ "vdev=xvda", "no target specified (and device not removable) in `vdev=xvda'" },
		{ "fd:/a,xvda,w", "unknown deprecated disk prefix: near `fd:' in `fd:/a,xvda,w'" },
		{ "/a,raw,xvda:foo,w", "unknown deprecated type: near `foo' in `/a,raw,xvda:foo,w'" },
		{ "vdev=a,vdev=b,target=c", "vdev respecified: near `b' in `vdev=a,vdev=b,target=c'" },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(cases); i++) {
		struct json_object *disk = json_object_new_object();
		struct dom_err err = { 0 };

		assert_int_equal(xl_spec_disk(cases[i].spec, disk, &err), -EINVAL);
		assert_non_null(strstr(err.msg, cases[i].said));
		json_object_put(disk);
	}
}

static void vdevs_have_the_numbers_of_the_abi(void **state)
{
	static const struct {
		const char *vdev;
		int err;
		uint32_t number;
	} cases[] = {
		{ "xvda", 0, 51712 },     { "xvdb", 0, 51728 },    { "xvda1", 0, 51713 },
		{ "xvdp15", 0, 51967 },   { "xvdq", 0, 268439552 }, { "xvdz", 0, 268441856 },
		{ "xvda16", 0, 268435472 }, { "hda", 0, 768 },     { "hdb1", 0, 833 },
		{ "hdc", 0, 5632 },       { "sda", 0, 2048 },      { "sdb2", 0, 2066 },
		{ "d0", 0, 51712 },       { "d0p1", 0, 51713 },    { "d3p2", 0, 51762 },
		{ "51712", 0, 51712 },    { "0xca00", 0, 51712 },
		{ "", -EINVAL, 0 },       { "xvd", -EINVAL, 0 },   { "xvda0", -EINVAL, 0 },
		{ "foo", -EINVAL, 0 },    { "hdz", -EINVAL, 0 },   { "xvda1x", -EINVAL, 0 },
		{ "xvdaaaaaaaaaaaaaaaaaaa", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(cases); i++) {
		uint32_t n = 0;

		assert_int_equal(dom_vdev_number(cases[i].vdev, &n), cases[i].err);
		assert_int_equal(n, cases[i].number);
	}
}

static void vif_rates_are_scaled(void **state)
{
	static const struct {
		const char *spec;
		int err;
		int64_t bytes, usecs;
	} cases[] = {
		{ "rate=10Mb/s", 0, 62500, 50000 },     { "rate=1MB/s@20ms", 0, 20000, 20000 },
		{ "rate=10Gb/s@1s", 0, 1250000000, 1000000 }, { "rate=10Kb/s@5us", 0, 0, 5 },
		{ "rate=10", -EINVAL, 0, 0 },           { "rate=0Mb/s", -EINVAL, 0, 0 },
		{ "rate=10Mb/s@0ms", -EINVAL, 0, 0 },   { "rate=10Mb/s@", -EINVAL, 0, 0 },
		{ "rate=99999999999999999999Gb/s", -EINVAL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(cases); i++) {
		struct json_object *nic = json_object_new_object();
		struct dom_err err;

		assert_int_equal(xl_spec_vif(cases[i].spec, 0, nic, NULL, &err), cases[i].err);
		if (!cases[i].err) {
			assert_int_equal(xl_js_int(nic, "rate_bytes_per_interval", 0), cases[i].bytes);
			assert_int_equal(xl_js_int(nic, "rate_interval_usecs", 0), cases[i].usecs);
		}
		json_object_put(nic);
	}
}

static void cpu_lists_round_trip(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "0-3", "0-3" },     { "0,2,4", "0,2,4" }, { "0-7,^3", "0-2,4-7" }, { "all", "0-7" },
		{ "", "" },           { "^1", "" },         { "all,^0", "1-7" },     { "5,1,3-4", "1,3-5" },
		{ "foo", NULL },      { "1-0", NULL },      { "0-x", NULL },         { "0x1", NULL },
		{ "4096", NULL },     { "-1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(cases); i++) {
		struct xl_cpus cpus;
		struct dom_err err;
		char buf[128];
		int rc = xl_cpus_parse(cases[i].text, 8, &cpus, &err);

		assert_int_equal(rc, cases[i].want ? 0 : -EINVAL);
		if (!rc)
			assert_string_equal(xl_cpus_format(&cpus, buf, sizeof(buf)), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disks_are_read_as_by_xen),
		cmocka_unit_test(wrong_disks_are_explained),
		cmocka_unit_test(vdevs_have_the_numbers_of_the_abi),
		cmocka_unit_test(vif_rates_are_scaled),
		cmocka_unit_test(cpu_lists_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
