// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "domicile/base/cc.h"

#include "js.h"

#define INDENT 4

/*
 * The order in which libxl prints members: that of its interface description, the same for every
 * object they occur in. A member that is not listed comes last.
 */
static const char *const member_order[] = {
	"domid", "config", "c_info", "b_info", "disks", "nics", "pcidevs", "rdms", "dtdevs", "vfbs",
	"vkbs", "virtios", "vtpms", "p9s", "pvcallsifs", "vdispls", "vsnds", "channels", "usbctrls",
	"usbdevs", "on_poweroff", "on_reboot", "on_watchdog", "on_crash", "on_soft_reset",
	/* c_info; "domid" follows the name there */
	"type", "hap", "oos", "ssidref", "ssid_label", "name", "uuid", "xsdata", "platformdata",
	"poolid", "pool_name", "run_hotplug_scripts", "driver_domain", "passthrough",
	"xend_suspend_evtchn_compat",
	/* b_info */
	"max_vcpus", "avail_vcpus", "cpumap", "nodemap", "vcpu_hard_affinity", "vcpu_soft_affinity",
	"numa_placement", "tsc_mode", "max_memkb", "target_memkb", "video_memkb", "shadow_memkb",
	"iommu_memkb", "rtc_timeoffset", "exec_ssidref", "exec_ssid_label", "localtime",
	"disable_migrate", "cpuid", "blkdev_start", "vnuma_nodes", "max_grant_frames",
	"max_maptrack_frames", "max_grant_version", "device_model_version", "device_model_stubdomain",
	"stubdomain_memkb", "stubdomain_kernel", "stubdomain_cmdline", "stubdomain_ramdisk",
	"device_model", "device_model_ssidref", "device_model_ssid_label", "device_model_user", "extra",
	"extra_pv", "extra_hvm", "sched_params", "ioports", "irqs", "iomem", "claim_mode",
	"event_channels", "kernel", "cmdline", "ramdisk", "device_tree", "acpi", "bootloader",
	"bootloader_args", "bootloader_restrict", "bootloader_user", "timer_mode", "nested_hvm", "apic",
	"dm_restrict", "tee", "type.hvm", "type.pv", "type.pvh", "pvshim", "pvshim_path",
	"pvshim_cmdline", "pvshim_extra", "e820_host", "arch_arm", "arch_x86", "msr_relaxed", "altp2m",
	"vmtrace_buf_kb", "vpmu",
	/* sched_params */
	"sched", "weight", "cap", "period", "budget", "extratime", "slice", "latency",
	/* devices */
	"backend_domid", "backend_domname", "pdev_path", "vdev", "backend", "format", "script@disk",
	"removable", "readwrite", "is_cdrom", "direct_io_safe", "discard_enable", "specification",
	"colo_enable", "colo_restore_enable", "colo_host", "colo_port", "colo_export", "active_disk",
	"hidden_disk", "tag", "path", "security_model", "devid", "mtu", "model", "mac", "ip", "bridge",
	"ifname", "script", "nictype", "rate_bytes_per_interval", "rate_interval_usecs", "gatewaydev",
	"coloft_forwarddev", "trusted", "vlan", "func", "dev", "bus", "domain", "vdevfn", "vfunc_mask",
	"msitranslate", "power_mgmt", "permissive", "seize", "rdm_policy", "vnc", "enable", "listen",
	"passwd", "display", "findunused", "sdl", "opengl", "xauthority", "keymap",
	"connection.pty", "connection.socket",
};

/* Rank of member @name among the members of @obj. */
static size_t rank(struct json_object *obj, const char *name)
{
	struct json_object *probe;
	size_t i;

	/* Two names stand at different places in different objects. */
	if (!strcmp(name, "domid") && json_object_object_get_ex(obj, "name", &probe))
		return rank(obj, "name");
	if (!strcmp(name, "script") && json_object_object_get_ex(obj, "vdev", &probe))
		name = "script@disk";
	for (i = 0; i < DOM_ARRAY_LEN(member_order); i++)
		if (!strcmp(member_order[i], name))
			break;
	return i;
}

/* Object and last name of @path; objects on the way are made if @make. */
static struct json_object *walk(struct json_object *root, const char *path, bool make,
				char name[static 128])
{
	const char *slash;

	while ((slash = strchr(path, '/'))) {
		struct json_object *next;

		snprintf(name, 128, "%.*s", (int)(slash - path), path);
		if (!json_object_object_get_ex(root, name, &next)) {
			if (!make)
				return NULL;
			next = json_object_new_object();
			json_object_object_add(root, name, next);
		}
		if (!json_object_is_type(next, json_type_object))
			return NULL;
		root = next;
		path = slash + 1;
	}
	snprintf(name, 128, "%s", path);
	return root;
}

void xl_js_set(struct json_object *root, const char *path, struct json_object *value)
{
	char name[128];
	struct json_object *obj = walk(root, path, true, name);

	if (!obj || json_object_object_add(obj, name, value))
		json_object_put(value);
}

void xl_js_set_str(struct json_object *root, const char *path, const char *value)
{
	xl_js_set(root, path, json_object_new_string(value));
}

void xl_js_set_int(struct json_object *root, const char *path, int64_t value)
{
	xl_js_set(root, path, json_object_new_int64(value));
}

void xl_js_set_defbool(struct json_object *root, const char *path, bool value)
{
	xl_js_set_str(root, path, value ? "True" : "False");
}

struct json_object *xl_js_get(struct json_object *root, const char *path)
{
	char name[128];
	struct json_object *obj = walk(root, path, false, name), *v;

	return obj && json_object_object_get_ex(obj, name, &v) ? v : NULL;
}

const char *xl_js_str(struct json_object *root, const char *path, const char *def)
{
	struct json_object *v = xl_js_get(root, path);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : def;
}

int64_t xl_js_int(struct json_object *root, const char *path, int64_t def)
{
	struct json_object *v = xl_js_get(root, path);

	return json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : def;
}

bool xl_js_defbool(struct json_object *root, const char *path, bool def)
{
	const char *s = xl_js_str(root, path, NULL);

	return s ? !strcmp(s, "True") : def;
}

struct json_object *xl_js_array(struct json_object *root, const char *path)
{
	struct json_object *v = xl_js_get(root, path);

	if (!v) {
		v = json_object_new_array();
		xl_js_set(root, path, v);
	}
	return v;
}

static void print_string(FILE *f, const char *s, size_t len)
{
	static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";

	putc('"', f);
	for (size_t i = 0; i < len; i++) {
		const char *p = s[i] ? strchr(from, s[i]) : NULL;

		if (p)
			fprintf(f, "\\%c", to[p - from]);
		else if ((unsigned char)s[i] < 0x20)
			fprintf(f, "\\u%04X", (unsigned)s[i]);
		else
			putc(s[i], f);
	}
	putc('"', f);
}

struct member {
	const char *name;
	struct json_object *value;
	size_t rank, pos;
};

static int by_rank(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->pos < y->pos ? -1 : 1;
}

static void print_value(FILE *f, struct json_object *v, int indent);

static void print_object(FILE *f, struct json_object *v, int indent)
{
	size_t count = (size_t)json_object_object_length(v), i = 0;
	struct member *members = calloc(count + 1, sizeof(*members));

	if (!members)
		abort();
	json_object_object_foreach(v, name, value) {
		members[i] = (struct member){ name, value, rank(v, name), i };
		i++;
	}
	qsort(members, count, sizeof(*members), by_rank);
	fputs("{\n", f);
	for (i = 0; i < count; i++) {
		fprintf(f, "%*s", indent + INDENT, "");
		print_string(f, members[i].name, strlen(members[i].name));
		fputs(": ", f);
		print_value(f, members[i].value, indent + INDENT);
		fputs(i + 1 < count ? ",\n" : "\n", f);
	}
	fprintf(f, "%s%*s}", count ? "" : "\n", indent, "");
	free(members);
}

static void print_array(FILE *f, struct json_object *v, int indent)
{
	size_t count = json_object_array_length(v);

	fputs("[\n", f);
	for (size_t i = 0; i < count; i++) {
		fprintf(f, "%*s", indent + INDENT, "");
		print_value(f, json_object_array_get_idx(v, i), indent + INDENT);
		fputs(i + 1 < count ? ",\n" : "\n", f);
	}
	fprintf(f, "%s%*s]", count ? "" : "\n", indent, "");
}

static void print_value(FILE *f, struct json_object *v, int indent)
{
	switch (json_object_get_type(v)) {
	case json_type_object:
		print_object(f, v, indent);
		break;
	case json_type_array:
		print_array(f, v, indent);
		break;
	case json_type_string:
		print_string(f, json_object_get_string(v), (size_t)json_object_get_string_len(v));
		break;
	default:
		fputs(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN), f);
		break;
	}
}

void xl_js_print(FILE *f, struct json_object *v)
{
	print_value(f, v, 0);
}
