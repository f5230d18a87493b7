// SPDX-License-Identifier: MIT
/*
 * The store tree of a new domain: the nodes that libxl writes, in its order and with its
 * permissions, compared with a tree of real Xen by tests/cli. The guest's kernel finds its devices
 * there, stock tools find the domain there.
 *
 * Rows are templates: "$x" stands for a variable of the domain or device. A new node has the
 * permissions of its parent, so only rows that differ name theirs.
 *
 * Nodes that only the VMM can know (store/ring-ref, console/tty, ...) are written by it: domcfg.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domicile/base/fd.h"
#include "domicile/base/vdev.h"

#include "device.h"
#include "js.h"
#include "layout.h"
#include "life.h"
#include "spec.h"

enum who {
	PARENT,		/* as its parent */
	HOST_READS,	/* n0,rN: the host's, the guest may read */
	GUEST,		/* nN */
	GUEST_DEV,	/* nN,r0 */
};

struct node {
	const char *path, *value;
	enum who who;
	const char *only_if;	/* variable that must not be empty */
};

struct var {
	char name;
	char value[64];
	const char *text;	/* instead of value, when longer */
};

#define MAX_VARS 32

struct tree {
	struct xl *xl;
	unsigned domid;
	xsc_tx tx;
	struct var vars[MAX_VARS];
	unsigned count;
	int err;		/* the first failure; sticky */
	char failed[DOM_PATH_MAX];
};

static const char *var(const struct tree *t, char name)
{
	for (unsigned i = t->count; i--;)
		if (t->vars[i].name == name)
			return t->vars[i].text ? t->vars[i].text : t->vars[i].value;
	return "";
}

static void set_text(struct tree *t, char name, const char *text)
{
	if (t->count == MAX_VARS)
		abort();
	t->vars[t->count++] = (struct var){ .name = name, .text = text };
}

static void set_num(struct tree *t, char name, int64_t n)
{
	if (t->count == MAX_VARS)
		abort();
	t->vars[t->count].name = name;
	t->vars[t->count].text = NULL;
	snprintf(t->vars[t->count++].value, sizeof(t->vars[0].value), "%lld", (long long)n);
}

/* @template with its variables filled in; to be freed. */
static char *expand(const struct tree *t, const char *template)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	for (; *template; template++) {
		if (*template == '$')
			fputs(var(t, *++template), f);
		else
			putc(*template, f);
	}
	if (fclose(f))
		abort();
	return text;
}

static int set_perms(struct tree *t, const char *path, enum who who)
{
	uint16_t id = (uint16_t)t->domid;
	const struct xsc_perm host[] = { { 0, XSC_PERM_NONE }, { id, XSC_PERM_READ } };
	const struct xsc_perm guest[] = { { id, XSC_PERM_NONE }, { 0, XSC_PERM_READ } };

	if (who == PARENT)
		return 0;
	return xsc_set_perms(t->xl->xs, t->tx, path, who == HOST_READS ? host : guest,
			     who == GUEST ? 1 : 2);
}

static void write_node(struct tree *t, const struct node *n)
{
	char *path DOM_CLEANUP_FREE = NULL, *value DOM_CLEANUP_FREE = NULL;

	if (t->err || (n->only_if && !*var(t, n->only_if[0])))
		return;
	path = expand(t, n->path);
	value = expand(t, n->value);
	t->err = xsc_write(t->xl->xs, t->tx, path, value, strlen(value));
	if (!t->err)
		t->err = set_perms(t, path, n->who);
	if (t->err)
		snprintf(t->failed, sizeof(t->failed), "%s", path);
}

static void write_nodes(struct tree *t, const struct node *nodes)
{
	for (; nodes->path; nodes++)
		write_node(t, nodes);
}

/* $d domid, $u uuid, $n name, $x maximum and $m target memory in KiB, $s time, $t type */

static const struct node vm_nodes[] = {
	{ "/vm/$u",               "",   HOST_READS },
	{ "/vm/$u/name",          "$n" },
	{ "/vm/$u/uuid",          "$u" },
	{ "/vm/$u/image/ostype",  "linux", .only_if = "i" },
	{ "/vm/$u/image/kernel",  "$k",    .only_if = "i" },
	{ "/vm/$u/image/ramdisk", "$r",    .only_if = "i" },
	{ "/vm/$u/image/cmdline", "$c",    .only_if = "i" },
	{ "/vm/$u/start_time",    "$s" },
	{ 0 }
};

static const struct node domain_nodes[] = {
	{ "/local/domain/$d/vm",                "/vm/$u" },
	{ "/local/domain/$d/name",              "$n" },
	{ 0 }
};

static const struct node cpu_nodes[] = {
	{ "/local/domain/$d/cpu/$j/availability", "$a" },
	{ 0 }
};

static const struct node memory_nodes[] = {
	{ "/local/domain/$d/memory/static-max", "$x" },
	{ "/local/domain/$d/memory/target",     "$m" },
	{ "/local/domain/$d/memory/videoram",   "0" },
	{ "/local/domain/$d/device/suspend/event-channel", "", GUEST },
	{ 0 }
};

static const struct node late_nodes[] = {
	{ "/local/domain/$d/control/shutdown",         "",  GUEST },
	{ "/local/domain/$d/control/feature-poweroff", "1", GUEST },
	{ "/local/domain/$d/control/feature-reboot",   "1", GUEST },
	{ "/local/domain/$d/control/feature-suspend",  "1", GUEST },
	{ "/local/domain/$d/control/sysrq",            "",  GUEST },
	{ "/local/domain/$d/control/platform-feature-multiprocessor-suspend", "1" },
	{ "/local/domain/$d/control/platform-feature-xs_reset_watches",       "1" },
	{ "/local/domain/$d/data",    "", GUEST },
	{ "/local/domain/$d/drivers", "", GUEST },
	{ "/local/domain/$d/feature", "", GUEST },
	{ "/local/domain/$d/attr",    "", GUEST },
	{ "/local/domain/$d/error",   "", GUEST },
	{ "/local/domain/$d/domid",   "$d" },
	{ "/local/domain/$d/store",   "" },
	{ 0 }
};

static const struct node libxl_nodes[] = {
	{ "/libxl/$d/type",       "$t" },
	{ "/libxl/$d/dm-version", "qemu_xen" },
	{ 0 }
};

/*
 * Devices. The back end's nodes are written twice: live, and as the copy below /libxl that stays as
 * it was. $i device id, $f and $b directories of front and back end.
 */
struct device {
	const char *kind;
	const char *front;		/* template of the front end's directory */
	const struct node *back_nodes, *front_nodes;
};

static const struct node disk_back[] = {
	{ "params",         "$p" },
	{ "script",         "$q", .only_if = "q" },
	{ "frontend-id",    "$d" },
	{ "online",         "1" },
	{ "removable",      "$o" },
	{ "bootable",       "1" },
	{ "state",          "1" },
	{ "dev",            "$v" },
	{ "type",           "$t" },
	{ "mode",           "$w" },
	{ "device-type",    "$y" },
	{ "discard-enable", "$z" },
	{ "direct-io-safe", "1", .only_if = "g" },
	{ "specification",  "xen" },
	{ 0 }
};

static const struct node disk_front[] = {
	{ "backend",        "$b" },
	{ "backend-id",     "0" },
	{ "state",          "1" },
	{ "virtual-device", "$i" },
	{ "device-type",    "$y" },
	{ "trusted",        "$l" },
	{ 0 }
};

static const struct node vif_back[] = {
	{ "frontend-id",    "$d" },
	{ "online",         "1" },
	{ "state",          "1" },
	{ "script",         "$q" },
	{ "vifname",        "$v", .only_if = "v" },
	{ "mac",            "$a" },
	{ "ip",             "$p", .only_if = "p" },
	{ "rate",           "$o", .only_if = "o" },
	{ "bridge",         "$g", .only_if = "g" },
	{ "gatewaydev",     "$w", .only_if = "w" },
	{ "vlan",           "$e", .only_if = "e" },
	{ "handle",         "$i" },
	{ "type",           "vif" },
	{ "mtu",            "$z", .only_if = "z" },
	{ "passt",          "$h", .only_if = "h" },
	{ "hotplug-status", "" },
	{ 0 }
};

static const struct node vif_front[] = {
	{ "backend",        "$b" },
	{ "backend-id",     "0" },
	{ "state",          "1" },
	{ "handle",         "$i" },
	{ "mac",            "$a" },
	{ "trusted",        "$l" },
	{ "mtu",            "$y", HOST_READS },
	{ 0 }
};

static const struct node console_back[] = {
	{ "frontend-id",    "$d" },
	{ "online",         "1" },
	{ "state",          "1" },
	{ "protocol",       "vt100" },
	{ 0 }
};

static const struct node console_front[] = {
	{ "backend",        "$b" },
	{ "backend-id",     "0", GUEST_DEV },
	{ "limit",          "1048576" },
	{ "type",           "xenconsoled" },
	{ "output",         "pty" },
	{ 0 }
};

/* A channel: one more console, with a name. */
static const struct node channel_back[] = {
	{ "frontend-id",    "$d" },
	{ "online",         "1" },
	{ "state",          "1" },
	{ "protocol",       "vt100" },
	{ "name",           "$n" },
	{ "connection",     "$c" },
	{ "path",           "$p", .only_if = "p" },
	{ 0 }
};

static const struct node channel_front[] = {
	{ "backend",        "$b" },
	{ "backend-id",     "0" },
	{ "state",          "1" },
	{ "protocol",       "vt100" },
	{ "name",           "$n", HOST_READS },
	{ "limit",          "1048576", HOST_READS },
	{ "type",           "ioemu", HOST_READS },
	{ "output",         "$o", HOST_READS },
	{ "tty",            "", HOST_READS },
	{ 0 }
};

static const struct device disk_device = { "vbd", "/local/domain/$d/device/vbd/$i", disk_back, disk_front };
static const struct device qdisk_device = { "qdisk", "/local/domain/$d/device/vbd/$i", disk_back, disk_front };
static const struct device vif_device = { "vif", "/local/domain/$d/device/vif/$i", vif_back, vif_front };
static const struct device console_device = { "console", "/local/domain/$d/console", console_back, console_front };
static const struct device channel_device = { "console", "/local/domain/$d/device/console/$i", channel_back, channel_front };

/* Rows of @nodes below the directory that @dir expands to. */
static void write_below(struct tree *t, const char *dir, const struct node *nodes)
{
	char template[160];

	for (; nodes->path; nodes++) {
		struct node n = *nodes;

		snprintf(template, sizeof(template), "%s/%s", dir, nodes->path);
		n.path = template;
		write_node(t, &n);
	}
}

static void write_device(struct tree *t, const struct device *d)
{
	char back[80], copy[80];
	char *front DOM_CLEANUP_FREE = expand(t, d->front), *back_path DOM_CLEANUP_FREE = NULL;
	bool is_console = d == &console_device;

	snprintf(back, sizeof(back), "/local/domain/0/backend/%s/$d/$i", d->kind);
	/* The copy goes by the front end's kind. */
	snprintf(copy, sizeof(copy), "/libxl/$d/device/%s/$i", d == &qdisk_device ? "vbd" : d->kind);
	back_path = expand(t, back);
	set_text(t, 'f', front);
	set_text(t, 'b', back_path);
	write_node(t, &(struct node){ copy, "" });
	write_below(t, copy, (const struct node[]){ { "frontend", "$f" }, { "backend", "$b" }, { 0 } });
	write_below(t, copy, d->back_nodes);
	write_node(t, &(struct node){ d->front, "", is_console ? PARENT : GUEST_DEV });
	write_below(t, d->front, d->front_nodes);
	write_node(t, &(struct node){ back, "", HOST_READS });
	write_below(t, back, (const struct node[]){ { "frontend", "$f" }, { 0 } });
	write_below(t, back, d->back_nodes);
}

/* A disk whose back end reads formats has no script, and names the format with the file. */
static void write_disk(struct tree *t, struct json_object *disk)
{
	bool qdisk = !strcmp(xl_disk_kind(disk), "qdisk");
	const char *target = xl_js_str(disk, "pdev_path", "");
	unsigned mark = t->count;
	char script[DOM_PATH_MAX] = "", params[DOM_PATH_MAX + 16];
	const char *vdev = xl_js_str(disk, "vdev", "");
	uint32_t number = 0;

	dom_vdev_number(vdev, &number);
	set_num(t, 'i', number);
	snprintf(params, sizeof(params), "%s:%s", xl_js_str(disk, "format", "raw"), target);
	set_text(t, 'p', qdisk ? params : target);
	set_text(t, 't', qdisk ? "qdisk" : "phy");
	if (!qdisk)
		xl_script_path(xl_js_str(disk, "script", "block"), script);
	set_text(t, 'q', script);
	set_text(t, 'o', xl_js_int(disk, "removable", 0) ? "1" : "0");
	set_text(t, 'v', vdev);
	set_text(t, 'w', xl_js_int(disk, "readwrite", 0) ? "w" : "r");
	set_text(t, 'y', xl_js_int(disk, "is_cdrom", 0) ? "cdrom" : "disk");
	set_text(t, 'z', xl_js_defbool(disk, "discard_enable", xl_js_int(disk, "readwrite", 0)) ? "1" : "0");
	set_text(t, 'g', json_object_get_boolean(xl_js_get(disk, "direct_io_safe")) ? "1" : "");
	set_text(t, 'l', xl_js_defbool(disk, "trusted", true) ? "1" : "0");
	write_device(t, qdisk ? &qdisk_device : &disk_device);
	t->count = mark;
}

static void write_vif(struct tree *t, struct json_object *nic)
{
	unsigned mark = t->count;
	int64_t bytes = xl_js_int(nic, "rate_bytes_per_interval", 0);
	char rate[64] = "";

	if (bytes)
		snprintf(rate, sizeof(rate), "%lld,%lld", (long long)bytes,
			 (long long)xl_js_int(nic, "rate_interval_usecs", 0));
	set_num(t, 'i', xl_js_int(nic, "devid", 0));
	set_text(t, 'q', xl_js_str(nic, "script", "/etc/xen/scripts/vif-bridge"));
	set_text(t, 'v', xl_js_str(nic, "ifname", ""));
	set_text(t, 'a', xl_js_str(nic, "mac", ""));
	set_text(t, 'p', xl_js_str(nic, "ip", ""));
	set_text(t, 'o', rate);
	set_text(t, 'g', xl_js_str(nic, "bridge", ""));
	set_text(t, 'w', xl_js_str(nic, "gatewaydev", ""));
	set_text(t, 'e', xl_js_str(nic, "vlan", ""));
	set_text(t, 'h', xl_js_str(nic, "passt", ""));
	set_num(t, 'y', xl_js_int(nic, "mtu", 1500));
	if (xl_js_get(nic, "mtu"))
		set_num(t, 'z', xl_js_int(nic, "mtu", 1500));
	set_text(t, 'l', xl_js_defbool(nic, "trusted", true) ? "1" : "0");
	write_device(t, &vif_device);
	t->count = mark;
}

/* The @n-th channel is console n + 1. */
static void write_channel(struct tree *t, struct json_object *channel, unsigned n)
{
	const char *path = xl_js_str(channel, "connection.socket/path", "");
	unsigned mark = t->count;
	char output[40] = "pty";

	if (*path)
		snprintf(output, sizeof(output), "chardev:libxl-channel%u", n);
	set_num(t, 'i', n + 1);
	set_text(t, 'n', xl_js_str(channel, "name", ""));
	set_text(t, 'c', *path ? "socket" : "pty");
	set_text(t, 'p', path);
	set_text(t, 'o', output);
	write_device(t, &channel_device);
	t->count = mark;
}

static void write_channels(struct tree *t, struct json_object *list)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		write_channel(t, json_object_array_get_idx(list, i), (unsigned)i);
}

static void write_each(struct tree *t, struct json_object *list,
		       void (*write)(struct tree *t, struct json_object *dev))
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		write(t, json_object_array_get_idx(list, i));
}

static void write_cpus(struct tree *t, struct json_object *json)
{
	struct json_object *avail = xl_js_get(json, "b_info/avail_vcpus");
	int64_t max = xl_js_int(json, "b_info/max_vcpus", 1);
	int64_t online = avail ? (int64_t)json_object_array_length(avail) : max;
	unsigned mark = t->count;

	for (int64_t i = 0; i < max; i++) {
		set_num(t, 'j', i);
		set_text(t, 'a', i < online ? "online" : "offline");
		write_nodes(t, cpu_nodes);
		t->count = mark;
	}
}

/* Nodes written for a domain that was destroyed meanwhile would bring it back, half: it must be there. */
static void require_domain(struct tree *t, const char *uuid)
{
	char *vm DOM_CLEANUP_FREE = xl_read(t->xl, t->tx, "/local/domain/%u/vm", t->domid);

	if (vm && (!uuid || (!strncmp(vm, "/vm/", 4) && !strcmp(vm + 4, uuid))))
		return;
	t->err = -ESHUTDOWN;
	snprintf(t->failed, sizeof(t->failed), "/local/domain/%u/vm", t->domid);
}

static void write_tree(struct tree *t, const void *arg)
{
	const struct xl_life *l = arg;
	char start[32];
	struct timespec now;
	int64_t max = xl_js_int(l->json, "b_info/max_memkb", 0);

	require_domain(t, l->uuid);
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(start, sizeof(start), "%lld.%02ld", (long long)now.tv_sec, now.tv_nsec / 10000000);
	set_num(t, 'd', l->domid);
	set_text(t, 'u', l->uuid);
	set_text(t, 'n', l->name);
	set_text(t, 't', l->type);
	set_text(t, 's', start);
	set_num(t, 'x', max);
	set_num(t, 'm', xl_js_int(l->json, "b_info/target_memkb", max));
	set_text(t, 'i', strcmp(l->type, "pv") ? "" : "1");
	set_text(t, 'k', xl_js_str(l->json, "b_info/kernel", ""));
	set_text(t, 'r', xl_js_str(l->json, "b_info/ramdisk", ""));
	set_text(t, 'c', xl_js_str(l->json, "b_info/cmdline", ""));
	write_nodes(t, vm_nodes);
	write_nodes(t, domain_nodes);
	write_cpus(t, l->json);
	write_nodes(t, memory_nodes);
	write_each(t, xl_js_get(l->json, "disks"), write_disk);
	write_nodes(t, late_nodes);
	write_channels(t, xl_js_get(l->json, "channels"));
	set_num(t, 'i', 0);
	write_device(t, &console_device);
	t->count--;
	write_each(t, xl_js_get(l->json, "nics"), write_vif);
	write_nodes(t, libxl_nodes);
}

/* Write in a transaction, again when somebody interfered. */
static void commit(struct tree *t, struct xl *xl, unsigned domid,
		   void (*write)(struct tree *t, const void *arg), const void *arg)
{
	do {
		*t = (struct tree){ .xl = xl, .domid = domid };
		t->err = xsc_transaction_start(xl->xs, &t->tx);
		if (t->err)
			return;
		write(t, arg);
		if (t->err)
			xsc_transaction_end(xl->xs, t->tx, true);
		else
			t->err = xsc_transaction_end(xl->xs, t->tx, false);
	} while (t->err == -EAGAIN);
}

int xl_layout_write(struct xl_life *l)
{
	struct tree t;

	commit(&t, l->xl, l->domid, write_tree, l);
	if (t.err == -ESHUTDOWN)
		return dom_err_set(&l->err, t.err, "domain \"%s\" was destroyed while it was made", l->name);
	if (t.err)
		return dom_err_set(&l->err, t.err, "the store refuses node %s of domain \"%s\": %s",
				   t.failed, l->name, strerror(-t.err));
	return 0;
}

struct addition {
	const char *kind;
	unsigned devid;
	struct json_object *dev;
	void (*write)(struct tree *t, struct json_object *dev);
};

/* One more device, unless there is one of that number. */
static void write_new(struct tree *t, const void *arg)
{
	const struct addition *a = arg;
	char *there DOM_CLEANUP_FREE = xl_read(t->xl, t->tx, "/libxl/%u/device/%s/%u", t->domid, a->kind,
					       a->devid);

	require_domain(t, NULL);
	if (there && !t->err)
		t->err = -EEXIST;
	if (t->err)
		return;
	set_num(t, 'd', t->domid);
	a->write(t, a->dev);
}

static int add(struct xl *xl, unsigned domid, const struct addition *a, struct dom_err *err)
{
	struct tree t;

	commit(&t, xl, domid, write_new, a);
	if (t.err == -EEXIST)
		return dom_err_set(err, t.err, "Domain %u:device already exists in xenstore", domid);
	if (t.err == -ESHUTDOWN)
		return dom_err_set(err, t.err, "Domain %u:Non-existant domain", domid);
	return t.err ? dom_err_set(err, t.err, "the store refuses node %s: %s", t.failed,
				   strerror(-t.err)) : 0;
}

int xl_layout_disk(struct xl *xl, unsigned domid, struct json_object *disk, struct dom_err *err)
{
	struct addition a = { .kind = "vbd", .dev = disk, .write = write_disk };
	uint32_t number = 0;

	dom_vdev_number(xl_js_str(disk, "vdev", ""), &number);
	a.devid = number;
	return add(xl, domid, &a, err);
}

int xl_layout_nic(struct xl *xl, unsigned domid, struct json_object *nic, struct dom_err *err)
{
	const struct addition a = { "vif", (unsigned)xl_js_int(nic, "devid", 0), nic, write_vif };

	return add(xl, domid, &a, err);
}

struct removal {
	const char *kind;
	unsigned devid;
};

/* Remove @path and the directories above that are empty then, as libxl does, down to @levels. */
static void remove_upwards(struct tree *t, char *path, unsigned levels)
{
	if (!t->err)
		t->err = xsc_rm(t->xl->xs, t->tx, path);
	if (t->err == -ENOENT)
		t->err = 0;
	while (levels-- && !t->err) {
		char **names DOM_CLEANUP_FREE = NULL;
		unsigned count = 0;

		*strrchr(path, '/') = '\0';
		if (xsc_directory(t->xl->xs, t->tx, path, &names, &count) || count)
			return;
		t->err = xsc_rm(t->xl->xs, t->tx, path);
	}
}

static void remove_device(struct tree *t, const void *arg)
{
	const struct removal *r = arg;
	char path[96];

	const char *front = strcmp(r->kind, "qdisk") ? r->kind : "vbd";

	snprintf(path, sizeof(path), "/local/domain/%u/device/%s/%u", t->domid, front, r->devid);
	remove_upwards(t, path, 1);
	snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u/%u", r->kind, t->domid, r->devid);
	remove_upwards(t, path, 2);
	snprintf(path, sizeof(path), "/libxl/%u/device/%s/%u", t->domid, front, r->devid);
	remove_upwards(t, path, 1);
}

int xl_layout_remove(struct xl *xl, unsigned domid, const char *kind, unsigned devid)
{
	const struct removal r = { kind, devid };
	struct tree t;

	commit(&t, xl, domid, remove_device, &r);
	return t.err;
}
