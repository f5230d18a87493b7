// SPDX-License-Identifier: MIT
/*
 * The nodes of devices, as libxl writes them: both ends in the store's tree, and libxl's own copy.
 */
#include <errno.h>
#include <string.h>

#include "domicile/base/fd.h"
#include "domicile/base/vdev.h"

#include "device.h"
#include "js.h"
#include "layout.h"
#include "storetree.h"

/*
 * Devices. The back end's nodes are written twice: live, and as the copy below /libxl that stays as
 * it was. $i device id, $f and $b directories of front and back end.
 */
struct device {
	const char *kind;
	const char *front;		/* template of the front end's directory */
	const struct xl_node *back_nodes, *front_nodes;
};

static const struct xl_node disk_back[] = {
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

static const struct xl_node disk_front[] = {
	{ "backend",        "$b" },
	{ "backend-id",     "0" },
	{ "state",          "1" },
	{ "virtual-device", "$i" },
	{ "device-type",    "$y" },
	{ "trusted",        "$l" },
	{ 0 }
};

static const struct xl_node vif_back[] = {
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

static const struct xl_node vif_front[] = {
	{ "backend",        "$b" },
	{ "backend-id",     "0" },
	{ "state",          "1" },
	{ "handle",         "$i" },
	{ "mac",            "$a" },
	{ "trusted",        "$l" },
	{ "mtu",            "$y", XL_HOST_READS },
	{ 0 }
};

static const struct xl_node console_back[] = {
	{ "frontend-id",    "$d" },
	{ "online",         "1" },
	{ "state",          "1" },
	{ "protocol",       "vt100" },
	{ 0 }
};

static const struct xl_node console_front[] = {
	{ "backend",        "$b" },
	{ "backend-id",     "0", XL_GUEST_DEV },
	{ "limit",          "1048576" },
	{ "type",           "xenconsoled" },
	{ "output",         "pty" },
	{ 0 }
};

/* A channel: one more console, with a name. */
static const struct xl_node channel_back[] = {
	{ "frontend-id",    "$d" },
	{ "online",         "1" },
	{ "state",          "1" },
	{ "protocol",       "vt100" },
	{ "name",           "$n" },
	{ "connection",     "$c" },
	{ "path",           "$p", .only_if = "p" },
	{ 0 }
};

static const struct xl_node channel_front[] = {
	{ "backend",        "$b" },
	{ "backend-id",     "0" },
	{ "state",          "1" },
	{ "protocol",       "vt100" },
	{ "name",           "$n", XL_HOST_READS },
	{ "limit",          "1048576", XL_HOST_READS },
	{ "type",           "ioemu", XL_HOST_READS },
	{ "output",         "$o", XL_HOST_READS },
	{ "tty",            "", XL_HOST_READS },
	{ 0 }
};

static const struct device disk_device = { "vbd", "/local/domain/$d/device/vbd/$i", disk_back, disk_front };
static const struct device qdisk_device = { "qdisk", "/local/domain/$d/device/vbd/$i", disk_back, disk_front };
static const struct device vif_device = { "vif", "/local/domain/$d/device/vif/$i", vif_back, vif_front };
static const struct device console_device = { "console", "/local/domain/$d/console", console_back, console_front };
static const struct device channel_device = { "console", "/local/domain/$d/device/console/$i", channel_back, channel_front };

/* Rows of @nodes below the directory that @dir expands to. */
static void write_below(struct xl_tree *t, const char *dir, const struct xl_node *nodes)
{
	char template[160];

	for (; nodes->path; nodes++) {
		struct xl_node n = *nodes;

		snprintf(template, sizeof(template), "%s/%s", dir, nodes->path);
		n.path = template;
		xl_tree_node(t, &n);
	}
}

static void write_device(struct xl_tree *t, const struct device *d)
{
	char back[80], copy[80];
	char *front DOM_CLEANUP_FREE = xl_tree_expand(t, d->front);
	char *back_path DOM_CLEANUP_FREE = NULL;
	bool is_console = d == &console_device;

	snprintf(back, sizeof(back), "/local/domain/0/backend/%s/$d/$i", d->kind);
	/* The copy goes by the front end's kind. */
	snprintf(copy, sizeof(copy), "/libxl/$d/device/%s/$i", d == &qdisk_device ? "vbd" : d->kind);
	back_path = xl_tree_expand(t, back);
	xl_tree_text(t, 'f', front);
	xl_tree_text(t, 'b', back_path);
	xl_tree_node(t, &(struct xl_node){ copy, "" });
	write_below(t, copy, (const struct xl_node[]){ { "frontend", "$f" }, { "backend", "$b" },
						       { 0 } });
	write_below(t, copy, d->back_nodes);
	xl_tree_node(t, &(struct xl_node){ d->front, "", is_console ? XL_PARENT : XL_GUEST_DEV });
	write_below(t, d->front, d->front_nodes);
	xl_tree_node(t, &(struct xl_node){ back, "", XL_HOST_READS });
	write_below(t, back, (const struct xl_node[]){ { "frontend", "$f" }, { 0 } });
	write_below(t, back, d->back_nodes);
}

/* A disk whose back end reads formats has no script, and names the format with the file. */
void xl_layout_put_disk(struct xl_tree *t, struct json_object *disk)
{
	bool qdisk = !strcmp(xl_disk_kind(disk), "qdisk");
	const char *target = xl_js_str(disk, "pdev_path", "");
	unsigned mark = t->count;
	char script[DOM_PATH_MAX] = "", params[DOM_PATH_MAX + 16];
	const char *vdev = xl_js_str(disk, "vdev", "");
	uint32_t number = 0;

	dom_vdev_number(vdev, &number);
	xl_tree_num(t, 'i', number);
	snprintf(params, sizeof(params), "%s:%s", xl_js_str(disk, "format", "raw"), target);
	xl_tree_text(t, 'p', qdisk ? params : target);
	xl_tree_text(t, 't', qdisk ? "qdisk" : "phy");
	if (!qdisk)
		xl_script_path(xl_js_str(disk, "script", "block"), script);
	xl_tree_text(t, 'q', script);
	xl_tree_text(t, 'o', xl_js_int(disk, "removable", 0) ? "1" : "0");
	xl_tree_text(t, 'v', vdev);
	xl_tree_text(t, 'w', xl_js_int(disk, "readwrite", 0) ? "w" : "r");
	xl_tree_text(t, 'y', xl_js_int(disk, "is_cdrom", 0) ? "cdrom" : "disk");
	xl_tree_text(t, 'z', xl_js_defbool(disk, "discard_enable", xl_js_int(disk, "readwrite", 0)) ?
		     "1" : "0");
	xl_tree_text(t, 'g', json_object_get_boolean(xl_js_get(disk, "direct_io_safe")) ? "1" : "");
	xl_tree_text(t, 'l', xl_js_defbool(disk, "trusted", true) ? "1" : "0");
	write_device(t, qdisk ? &qdisk_device : &disk_device);
	t->count = mark;
}

void xl_layout_put_nic(struct xl_tree *t, struct json_object *nic)
{
	unsigned mark = t->count;
	int64_t bytes = xl_js_int(nic, "rate_bytes_per_interval", 0);
	char rate[64] = "";

	if (bytes)
		snprintf(rate, sizeof(rate), "%lld,%lld", (long long)bytes,
			 (long long)xl_js_int(nic, "rate_interval_usecs", 0));
	xl_tree_num(t, 'i', xl_js_int(nic, "devid", 0));
	xl_tree_text(t, 'q', xl_js_str(nic, "script", "/etc/xen/scripts/vif-bridge"));
	xl_tree_text(t, 'v', xl_js_str(nic, "ifname", ""));
	xl_tree_text(t, 'a', xl_js_str(nic, "mac", ""));
	xl_tree_text(t, 'p', xl_js_str(nic, "ip", ""));
	xl_tree_text(t, 'o', rate);
	xl_tree_text(t, 'g', xl_js_str(nic, "bridge", ""));
	xl_tree_text(t, 'w', xl_js_str(nic, "gatewaydev", ""));
	xl_tree_text(t, 'e', xl_js_str(nic, "vlan", ""));
	xl_tree_text(t, 'h', xl_js_str(nic, "passt", ""));
	xl_tree_num(t, 'y', xl_js_int(nic, "mtu", 1500));
	if (xl_js_get(nic, "mtu"))
		xl_tree_num(t, 'z', xl_js_int(nic, "mtu", 1500));
	xl_tree_text(t, 'l', xl_js_defbool(nic, "trusted", true) ? "1" : "0");
	write_device(t, &vif_device);
	t->count = mark;
}

/* The @n-th channel is console n + 1. */
static void write_channel(struct xl_tree *t, struct json_object *channel, unsigned n)
{
	const char *path = xl_js_str(channel, "connection.socket/path", "");
	unsigned mark = t->count;
	char output[40] = "pty";

	if (*path)
		snprintf(output, sizeof(output), "chardev:libxl-channel%u", n);
	xl_tree_num(t, 'i', n + 1);
	xl_tree_text(t, 'n', xl_js_str(channel, "name", ""));
	xl_tree_text(t, 'c', *path ? "socket" : "pty");
	xl_tree_text(t, 'p', path);
	xl_tree_text(t, 'o', output);
	write_device(t, &channel_device);
	t->count = mark;
}

void xl_layout_put_channels(struct xl_tree *t, struct json_object *list)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		write_channel(t, json_object_array_get_idx(list, i), (unsigned)i);
}

void xl_layout_put_console(struct xl_tree *t)
{
	xl_tree_num(t, 'i', 0);
	write_device(t, &console_device);
	t->count--;
}

struct addition {
	const char *kind;
	unsigned devid;
	struct json_object *dev;
	void (*write)(struct xl_tree *t, struct json_object *dev);
};

/* One more device, unless there is one of that number. */
static void write_new(struct xl_tree *t, const void *arg)
{
	const struct addition *a = arg;
	char *there DOM_CLEANUP_FREE = xl_read(t->xl, t->tx, "/libxl/%u/device/%s/%u", t->domid, a->kind,
					       a->devid);

	xl_tree_require(t, NULL);
	if (there && !t->err)
		t->err = -EEXIST;
	if (t->err)
		return;
	xl_tree_num(t, 'd', t->domid);
	a->write(t, a->dev);
}

static int add(struct xl *xl, unsigned domid, const struct addition *a, struct dom_err *err)
{
	struct xl_tree t;

	xl_tree_commit(&t, xl, domid, write_new, a);
	if (t.err == -EEXIST)
		return dom_err_set(err, t.err, "Domain %u:device already exists in xenstore", domid);
	if (t.err == -ESHUTDOWN)
		return dom_err_set(err, t.err, "Domain %u:Non-existant domain", domid);
	return t.err ? dom_err_set(err, t.err, "the store refuses node %s: %s", t.failed,
				   strerror(-t.err)) : 0;
}

int xl_layout_disk(struct xl *xl, unsigned domid, struct json_object *disk, struct dom_err *err)
{
	struct addition a = { .kind = "vbd", .dev = disk, .write = xl_layout_put_disk };
	uint32_t number = 0;

	dom_vdev_number(xl_js_str(disk, "vdev", ""), &number);
	a.devid = number;
	return add(xl, domid, &a, err);
}

int xl_layout_nic(struct xl *xl, unsigned domid, struct json_object *nic, struct dom_err *err)
{
	const struct addition a = { "vif", (unsigned)xl_js_int(nic, "devid", 0), nic,
				    xl_layout_put_nic };

	return add(xl, domid, &a, err);
}

struct removal {
	const char *kind;
	unsigned devid;
};

/* Remove @path and the directories above that are empty then, as libxl does, down to @levels. */
static void remove_upwards(struct xl_tree *t, char *path, unsigned levels)
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

static void remove_device(struct xl_tree *t, const void *arg)
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
	struct xl_tree t;

	xl_tree_commit(&t, xl, domid, remove_device, &r);
	return t.err;
}
