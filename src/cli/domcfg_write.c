// SPDX-License-Identifier: MIT
/*
 * The description of a domain for its VMM (domcfg.h), from libxl's JSON form.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/bits.h"
#include "domicile/base/fd.h"
#include "domicile/base/vdev.h"

#include "device.h"
#include "js.h"
#include "life.h"
#include "nbd.h"
#include "spec.h"

static struct json_object *strings(const char *s)
{
	struct json_object *list = json_object_new_array();

	if (s && *s)
		json_object_array_add(list, json_object_new_string(s));
	return list;
}

/* One CPU list per vCPU from libxl's bitmaps; empty where there is none. */
static struct json_object *affinity(struct json_object *json)
{
	struct json_object *maps = xl_js_get(json, "b_info/vcpu_hard_affinity");
	struct json_object *list = json_object_new_array();
	char text[4 * XL_CPUS_MAX / 8];

	for (size_t i = 0; maps && i < json_object_array_length(maps); i++) {
		struct json_object *map = json_object_array_get_idx(maps, i);
		struct xl_cpus cpus = { 0 };

		for (size_t j = 0; j < json_object_array_length(map); j++) {
			int cpu = json_object_get_int(json_object_array_get_idx(map, j));

			if (cpu >= 0 && cpu < XL_CPUS_MAX && (unsigned)cpu < xl_host_cpus())
				dom_bit_set(cpus.map, (unsigned)cpu);
		}
		xl_cpus_format(&cpus, text, sizeof(text));
		json_object_array_add(list, json_object_new_string(text));
	}
	return list;
}

static void set_bool(struct json_object *o, const char *path, bool v)
{
	xl_js_set(o, path, json_object_new_boolean(v));
}

static struct json_object *disk(struct json_object *in)
{
	const char *format = xl_js_str(in, "format", "raw");
	struct json_object *o = json_object_new_object();
	uint32_t number = 0;

	dom_vdev_number(xl_js_str(in, "vdev", ""), &number);
	xl_js_set_int(o, "devid", number);
	xl_js_set_str(o, "vdev", xl_js_str(in, "vdev", ""));
	xl_js_set_str(o, "target", xl_js_str(in, "pdev_path", ""));
	xl_js_set_str(o, "kind", xl_disk_kind(in));
	xl_js_set_str(o, "format", xl_nbd_serves(in) ? "nbd" : format);
	set_bool(o, "readonly", !xl_js_int(in, "readwrite", 0));
	set_bool(o, "cdrom", xl_js_int(in, "is_cdrom", 0));
	set_bool(o, "removable", xl_js_int(in, "removable", 0));
	set_bool(o, "discard", xl_js_defbool(in, "discard_enable", xl_js_int(in, "readwrite", 0)));
	set_bool(o, "direct_io_safe", json_object_get_boolean(xl_js_get(in, "direct_io_safe")));
	return o;
}

static struct json_object *vif(struct json_object *in, unsigned domid)
{
	struct json_object *o = json_object_new_object();
	char name[16];

	xl_nic_name(in, domid, name);
	xl_js_set_int(o, "devid", xl_js_int(in, "devid", 0));
	xl_js_set_str(o, "mac", xl_js_str(in, "mac", "00:00:00:00:00:00"));
	xl_js_set_str(o, "ifname", name);
	xl_js_set_int(o, "mtu", xl_js_int(in, "mtu", 1500));
	xl_js_set_int(o, "rate_bytes", xl_js_int(in, "rate_bytes_per_interval", 0));
	if (xl_js_get(in, "rate_interval_usecs"))
		xl_js_set_int(o, "rate_interval", xl_js_int(in, "rate_interval_usecs", 50000));
	return o;
}

static void set_devices(struct json_object *o, const struct xl_life *l)
{
	struct json_object *in = xl_js_get(l->json, "disks"), *out = xl_js_array(o, "disks");
	struct json_object *console = json_object_new_object();

	for (size_t i = 0; in && i < json_object_array_length(in); i++)
		json_object_array_add(out, disk(json_object_array_get_idx(in, i)));
	in = xl_js_get(l->json, "nics");
	out = xl_js_array(o, "vifs");
	for (size_t i = 0; in && i < json_object_array_length(in); i++)
		json_object_array_add(out, vif(json_object_array_get_idx(in, i), l->domid));
	xl_js_set_int(console, "devid", 0);
	json_object_array_add(xl_js_array(o, "consoles"), console);
}

/* libxl's words for actions to those of the configuration. */
static const char *action(struct json_object *json, const char *key)
{
	const char *a = xl_js_str(json, key, "destroy");

	if (!strcmp(a, "restart_rename"))
		return "rename-restart";
	if (!strcmp(a, "coredump_destroy"))
		return "coredump-destroy";
	if (!strcmp(a, "coredump_restart"))
		return "coredump-restart";
	return strcmp(a, "soft_reset") ? a : "destroy";
}

/* Limits that are in libxl's form only when they were configured. */
static void set_limits(struct json_object *o, struct json_object *json)
{
	static const struct {
		const char *to, *from;
	} limits[] = {
		{ "max_event_channels",  "b_info/event_channels" },
		{ "max_grant_frames",    "b_info/max_grant_frames" },
		{ "max_maptrack_frames", "b_info/max_maptrack_frames" },
		{ "max_grant_version",   "b_info/max_grant_version" },
	};

	for (size_t i = 0; i < DOM_ARRAY_LEN(limits); i++)
		if (xl_js_int(json, limits[i].from, 0) > 0)
			xl_js_set_int(o, limits[i].to, xl_js_int(json, limits[i].from, 0));
}

struct json_object *xl_domcfg_from_json(const struct xl_life *l, const char *rundir)
{
	static const char *const actions[] = { "on_poweroff", "on_reboot", "on_watchdog", "on_crash" };
	struct json_object *o = json_object_new_object(), *j = l->json;
	struct json_object *avail = xl_js_get(j, "b_info/avail_vcpus");
	int64_t max = xl_js_int(j, "b_info/max_vcpus", 1);

	xl_js_set_int(o, "version", DOM_CFG_VERSION);
	xl_js_set_int(o, "domid", l->domid);
	xl_js_set_str(o, "name", l->name);
	xl_js_set_str(o, "uuid", l->uuid);
	xl_js_set_str(o, "rundir", rundir);
	xl_js_set_str(o, "type", l->type);
	xl_js_set_str(o, "kernel", xl_js_str(j, "b_info/kernel", ""));
	xl_js_set(o, "ramdisks", strings(xl_js_str(j, "b_info/ramdisk", NULL)));
	xl_js_set_str(o, "cmdline", xl_js_str(j, "b_info/cmdline", ""));
	set_bool(o, "paused", l->paused);
	xl_js_set_int(o, "memory_kb", xl_js_int(j, "b_info/target_memkb", 0));
	xl_js_set_int(o, "maxmem_kb", xl_js_int(j, "b_info/max_memkb", 0));
	xl_js_set_int(o, "vcpus", avail ? (int64_t)json_object_array_length(avail) : max);
	xl_js_set_int(o, "maxvcpus", max);
	xl_js_set(o, "affinity", affinity(j));
	for (size_t i = 0; i < DOM_ARRAY_LEN(actions); i++)
		xl_js_set_str(o, actions[i], action(j, actions[i]));
	set_limits(o, j);
	set_devices(o, l);
	return o;
}

int xl_domcfg_write(struct xl_life *l, const char *path, const char *rundir)
{
	struct json_object *o = xl_domcfg_from_json(l, rundir);
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY);
	int fd DOM_CLEANUP_FD = dom_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int err = fd < 0 ? fd : dom_write_all(fd, text, strlen(text));

	json_object_put(o);
	if (err)
		return dom_err_set(&l->err, err, "%s: cannot be written: %s", path, strerror(-err));
	return 0;
}
