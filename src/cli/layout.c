// SPDX-License-Identifier: MIT
/*
 * The store tree of a new domain: the nodes that libxl writes, in its order and with its
 * permissions, compared with a tree of real Xen by tests/cli. The guest's kernel finds its devices
 * there, stock tools find the domain there.
 *
 * Nodes that only the VMM can know (store/ring-ref, console/tty, ...) are written by it: domcfg.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "js.h"
#include "layout.h"
#include "life.h"
#include "storetree.h"

/* $d domid, $u uuid, $n name, $x maximum and $m target memory in KiB, $s time, $t type */

static const struct xl_node vm_nodes[] = {
	{ "/vm/$u",               "",   XL_HOST_READS },
	{ "/vm/$u/name",          "$n" },
	{ "/vm/$u/uuid",          "$u" },
	{ "/vm/$u/image/ostype",  "linux", .only_if = "i" },
	{ "/vm/$u/image/kernel",  "$k",    .only_if = "i" },
	{ "/vm/$u/image/ramdisk", "$r",    .only_if = "i" },
	{ "/vm/$u/image/cmdline", "$c",    .only_if = "i" },
	{ "/vm/$u/start_time",    "$s" },
	{ 0 }
};

static const struct xl_node domain_nodes[] = {
	{ "/local/domain/$d/vm",                "/vm/$u" },
	{ "/local/domain/$d/name",              "$n" },
	{ 0 }
};

static const struct xl_node cpu_nodes[] = {
	{ "/local/domain/$d/cpu/$j/availability", "$a" },
	{ 0 }
};

static const struct xl_node memory_nodes[] = {
	{ "/local/domain/$d/memory/static-max", "$x" },
	{ "/local/domain/$d/memory/target",     "$m" },
	{ "/local/domain/$d/memory/videoram",   "0" },
	{ "/local/domain/$d/device/suspend/event-channel", "", XL_GUEST },
	{ 0 }
};

static const struct xl_node late_nodes[] = {
	{ "/local/domain/$d/control/shutdown",         "",  XL_GUEST },
	{ "/local/domain/$d/control/feature-poweroff", "1", XL_GUEST },
	{ "/local/domain/$d/control/feature-reboot",   "1", XL_GUEST },
	{ "/local/domain/$d/control/feature-suspend",  "1", XL_GUEST },
	{ "/local/domain/$d/control/sysrq",            "",  XL_GUEST },
	{ "/local/domain/$d/control/platform-feature-multiprocessor-suspend", "1" },
	{ "/local/domain/$d/control/platform-feature-xs_reset_watches",       "1" },
	{ "/local/domain/$d/data",    "", XL_GUEST },
	{ "/local/domain/$d/drivers", "", XL_GUEST },
	{ "/local/domain/$d/feature", "", XL_GUEST },
	{ "/local/domain/$d/attr",    "", XL_GUEST },
	{ "/local/domain/$d/error",   "", XL_GUEST },
	{ "/local/domain/$d/domid",   "$d" },
	{ "/local/domain/$d/store",   "" },
	{ 0 }
};

static const struct xl_node libxl_nodes[] = {
	{ "/libxl/$d/type",       "$t" },
	{ "/libxl/$d/dm-version", "qemu_xen" },
	{ 0 }
};

static void write_each(struct xl_tree *t, struct json_object *list,
		       void (*write)(struct xl_tree *t, struct json_object *dev))
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		write(t, json_object_array_get_idx(list, i));
}

static void write_cpus(struct xl_tree *t, struct json_object *json)
{
	struct json_object *avail = xl_js_get(json, "b_info/avail_vcpus");
	int64_t max = xl_js_int(json, "b_info/max_vcpus", 1);
	int64_t online = avail ? (int64_t)json_object_array_length(avail) : max;
	unsigned mark = t->count;

	for (int64_t i = 0; i < max; i++) {
		xl_tree_num(t, 'j', i);
		xl_tree_text(t, 'a', i < online ? "online" : "offline");
		xl_tree_nodes(t, cpu_nodes);
		t->count = mark;
	}
}

static void write_tree(struct xl_tree *t, const void *arg)
{
	const struct xl_life *l = arg;
	char start[32];
	struct timespec now;
	int64_t max = xl_js_int(l->json, "b_info/max_memkb", 0);

	xl_tree_require(t, l->uuid);
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(start, sizeof(start), "%lld.%02ld", (long long)now.tv_sec, now.tv_nsec / 10000000);
	xl_tree_num(t, 'd', l->domid);
	xl_tree_text(t, 'u', l->uuid);
	xl_tree_text(t, 'n', l->name);
	xl_tree_text(t, 't', l->type);
	xl_tree_text(t, 's', start);
	xl_tree_num(t, 'x', max);
	xl_tree_num(t, 'm', xl_js_int(l->json, "b_info/target_memkb", max));
	xl_tree_text(t, 'i', strcmp(l->type, "pv") ? "" : "1");
	xl_tree_text(t, 'k', xl_js_str(l->json, "b_info/kernel", ""));
	xl_tree_text(t, 'r', xl_js_str(l->json, "b_info/ramdisk", ""));
	xl_tree_text(t, 'c', xl_js_str(l->json, "b_info/cmdline", ""));
	xl_tree_nodes(t, vm_nodes);
	xl_tree_nodes(t, domain_nodes);
	write_cpus(t, l->json);
	xl_tree_nodes(t, memory_nodes);
	write_each(t, xl_js_get(l->json, "disks"), xl_layout_put_disk);
	xl_tree_nodes(t, late_nodes);
	xl_layout_put_channels(t, xl_js_get(l->json, "channels"));
	xl_layout_put_console(t);
	write_each(t, xl_js_get(l->json, "nics"), xl_layout_put_nic);
	xl_tree_nodes(t, libxl_nodes);
}

int xl_layout_write(struct xl_life *l)
{
	struct xl_tree t;

	xl_tree_commit(&t, l->xl, l->domid, write_tree, l);
	if (t.err == -ESHUTDOWN)
		return dom_err_set(&l->err, t.err, "domain \"%s\" was destroyed while it was made", l->name);
	if (t.err)
		return dom_err_set(&l->err, t.err, "the store refuses node %s of domain \"%s\": %s",
				   t.failed, l->name, strerror(-t.err));
	return 0;
}
