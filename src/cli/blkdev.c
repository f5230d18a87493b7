// SPDX-License-Identifier: MIT
/*
 * On Xen a script finds the block device behind every disk: it sets up a loop device for a file, and
 * writes physical-device and physical-device-path. Our back end opens files itself, so a disk without
 * script= needs no script: its path is written here. With script= the named program runs, before the
 * back end looks, and may leave either node.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "domicile/base/sock.h"
#include "domicile/base/vdev.h"

#include "blkdev.h"
#include "device.h"
#include "hotplug.h"
#include "js.h"
#include "layout.h"
#include "nbd.h"
#include "plug.h"

int xl_blkdev_check(struct json_object *disk, struct dom_err *err)
{
	const char *vdev = xl_js_str(disk, "vdev", ""), *format = xl_js_str(disk, "format", "");
	const char *target = xl_js_str(disk, "pdev_path", ""), *backend;
	struct stat st;
	uint32_t number;

	if (dom_vdev_number(vdev, &number))
		return dom_err_set(err, -EINVAL, "Invalid or unsupported virtual disk identifier %s", vdev);
	if (strcmp(format, "raw") && strcmp(format, "empty") && !xl_nbd_format(format))
		return dom_err_set(err, -ENOTSUP, "Disk vdev=%s: format %s is not supported", vdev, format);
	backend = xl_js_str(disk, "backend_domname", "0");
	if (strcmp(backend, "0") && strcmp(backend, "Domain-0"))
		return dom_err_set(err, -ENOTSUP, "Disk vdev=%s: backend domains are not supported yet",
				   vdev);
	if (!strcmp(xl_js_str(disk, "specification", "xen"), "virtio"))
		return dom_err_set(err, -ENOTSUP, "Disk vdev=%s: virtio is not supported yet", vdev);
	/* What a script is given may be anything. */
	if (*target && !xl_js_get(disk, "script") && !xl_nbd_remote(disk) && stat(target, &st))
		return dom_err_set(err, -errno, "Disk vdev=%s failed to stat: %s: %s", vdev, target,
				   strerror(errno));
	return 0;
}

static unsigned devid_of(struct json_object *disk)
{
	uint32_t number = 0;

	return dom_vdev_number(xl_js_str(disk, "vdev", ""), &number) ? 0 : number;
}

/* Directory of the back end's end. */
static void back_path(char buf[80], unsigned domid, struct json_object *disk)
{
	xl_device_back(xl_disk_kind(disk), domid, devid_of(disk), buf);
}

/* With a script. */
static struct xl_hotplug hotplug(unsigned domid, struct json_object *disk)
{
	return (struct xl_hotplug){ .script = xl_js_str(disk, "script", NULL), .domid = domid,
				    .kind = xl_disk_kind(disk), .devid = devid_of(disk) };
}

/* Tell the back end: this is the file. Last, since it looks at once. */
static int write_path(struct xl *xl, const char *back, const char *path)
{
	char node[128];
	struct stat st;
	int err = 0;

	if (!stat(path, &st) && S_ISBLK(st.st_mode)) {
		snprintf(node, sizeof(node), "%s/physical-device", back);
		err = xsc_printf(xl->xs, XSC_TX_NONE, node, "%x:%x", major(st.st_rdev), minor(st.st_rdev));
	}
	snprintf(node, sizeof(node), "%s/hotplug-status", back);
	if (!err)
		err = xsc_write(xl->xs, XSC_TX_NONE, node, "connected", 9);
	snprintf(node, sizeof(node), "%s/physical-device-path", back);
	return err ? err : xsc_write(xl->xs, XSC_TX_NONE, node, path, strlen(path));
}

/* What a script left: physical-device-path, or the numbers of older ones, "7:0" in hexadecimal. */
static int path_from_script(struct xl *xl, const char *back, char path[PATH_MAX])
{
	char *text DOM_CLEANUP_FREE = NULL;
	unsigned major, minor;

	text = xl_read(xl, XSC_TX_NONE, "%s/physical-device-path", back);
	if (text && *text) {
		snprintf(path, PATH_MAX, "%s", text);
		return 0;
	}
	free(text);
	text = xl_read(xl, XSC_TX_NONE, "%s/physical-device", back);
	if (!text || sscanf(text, "%x:%x", &major, &minor) != 2)
		return -ENOENT;
	snprintf(path, PATH_MAX, "/dev/block/%u:%u", major, minor);
	return 0;
}

/* The file itself, or the socket of the program that understands or reaches it. */
static int find_image(struct xl *xl, unsigned domid, struct json_object *disk, char path[PATH_MAX],
		      struct dom_err *err)
{
	const char *target = xl_js_str(disk, "pdev_path", "");
	char sock[DOM_PATH_MAX];
	int r;

	if (xl_nbd_remote(disk))
		snprintf(path, PATH_MAX, "%s", target);
	else if (*target && !realpath(target, path))
		return dom_err_set(err, -errno, "Disk vdev=%s: %s: %s", xl_js_str(disk, "vdev", ""), target,
				   strerror(errno));
	if (!xl_nbd_serves(disk))
		return 0;
	r = xl_nbd_start(xl, domid, devid_of(disk), disk, path, sock, err);
	snprintf(path, PATH_MAX, "%s", sock);
	return r;
}

/*
 * Xen's own script gives up on a back end that does not wait for its front end: the kernel's does before
 * any script runs. Ours waits for what the script finds, so that we see by its state when it has that.
 */
static int run_script(struct xl *xl, const char *back, const struct xl_hotplug *h, struct dom_err *err)
{
	char state[96];
	int r;

	snprintf(state, sizeof(state), "%s/state", back);
	r = xsc_printf(xl->xs, XSC_TX_NONE, state, "%d", XL_STATE_INIT_WAIT);
	if (!r)
		r = xl_hotplug_run(xl, h, "add", err);
	if (!r)
		r = xsc_printf(xl->xs, XSC_TX_NONE, state, "%d", XL_STATE_INITIALISING);
	return r;
}

/*
 * The file of a disk that is described in the store, in @path; empty for a drive without a medium.
 */
static int find_path(struct xl *xl, unsigned domid, struct json_object *disk, char path[PATH_MAX],
		     struct dom_err *err)
{
	const struct xl_hotplug h = hotplug(domid, disk);
	char back[80];
	int r;

	path[0] = '\0';
	if (!h.script)
		return find_image(xl, domid, disk, path, err);
	back_path(back, domid, disk);
	r = run_script(xl, back, &h, err);
	if (!r) {
		r = path_from_script(xl, back, path);
		if (r)
			dom_err_set(err, r, "Disk vdev=%s: script %s left no physical-device",
				    xl_js_str(disk, "vdev", ""), h.script);
	}
	return r;
}

int xl_blkdevs_up(struct xl_life *l)
{
	struct json_object *disks = xl_js_get(l->json, "disks");
	int err = 0;

	for (size_t i = 0; disks && i < json_object_array_length(disks) && !err; i++) {
		struct json_object *disk = json_object_array_get_idx(disks, i);
		char path[PATH_MAX], back[80];

		back_path(back, l->domid, disk);
		err = find_path(l->xl, l->domid, disk, path, &l->err);
		if (!err && *path) {
			err = write_path(l->xl, back, path);
			if (err)
				dom_err_set(&l->err, err, "Disk vdev=%s: the store refuses its path: %s",
					    xl_js_str(disk, "vdev", ""), strerror(-err));
		}
	}
	return err;
}

/* What find_path() has started or set up; the back end has let go of it. */
static void lose_path(struct xl *xl, unsigned domid, struct json_object *disk)
{
	const struct xl_hotplug h = hotplug(domid, disk);

	if (h.script)
		xl_hotplug_undo(xl, &h, "remove");
	else if (xl_nbd_serves(disk))
		xl_nbd_stop(xl, domid, devid_of(disk));
}

void xl_blkdevs_down(struct xl *xl, unsigned domid, struct json_object *json)
{
	struct json_object *disks = xl_js_get(json, "disks");

	for (size_t i = 0; disks && i < json_object_array_length(disks); i++)
		lose_path(xl, domid, json_object_array_get_idx(disks, i));
}

/* Hot plug. */

/* Open @path as the back end will ask for it, and send that to the VMM. */
static int give_image(struct xl *xl, unsigned domid, const char *path, bool readonly,
		      struct dom_err *err)
{
	int mode = readonly ? O_RDONLY : O_RDWR;
	int fds[2] = { dom_open_any(path, mode), dom_open(path, mode | O_DIRECT, 0) };
	unsigned count = fds[1] >= 0 ? 2 : 1;
	int r = fds[0];

	if (r < 0)
		dom_err_set(err, r, "cannot open disk image %s: %s", path, strerror(-r));
	else
		r = xl_ctl_files(xl, domid, path, fds, count, err);
	dom_close_fd(&fds[0]);
	dom_close_fd(&fds[1]);
	return r;
}

/*
 * Remove a disk from the store, after its script, which looks there, and before its server, which ends
 * when the back end closes the disk. @disk may be NULL: a disk that was not attached by us.
 */
static int remove_disk(struct xl *xl, unsigned domid, const char *kind, unsigned devid,
		       struct json_object *disk)
{
	bool script = xl_js_str(disk, "script", NULL);
	int r;

	if (disk && script)
		lose_path(xl, domid, disk);
	r = xl_layout_remove(xl, domid, kind, devid);
	if (disk && !script)
		lose_path(xl, domid, disk);
	return r;
}

/* Give the image, or a server that is started for it, to the back end; @path is empty without a medium. */
static int supply(struct xl *xl, unsigned domid, struct json_object *disk, char path[PATH_MAX],
		  struct dom_err *err)
{
	int r = find_path(xl, domid, disk, path, err);
	char back[80];

	if (r || !*path)
		return r;
	r = give_image(xl, domid, path, !xl_js_int(disk, "readwrite", 0), err);
	back_path(back, domid, disk);
	return r ? r : write_path(xl, back, path);
}

static int plug(struct xl *xl, unsigned domid, struct json_object *disk, struct dom_err *err)
{
	char path[PATH_MAX], back[80], name[64];
	int r = supply(xl, domid, disk, path, err);

	/* A drive without a medium is there as soon as it is described. */
	if (r || !*path)
		return r;
	back_path(back, domid, disk);
	snprintf(name, sizeof(name), "Disk vdev=%s", xl_js_str(disk, "vdev", ""));
	return xl_plug_attached(xl, back, name, err);
}

/* Is this the disk that is there already, and has its server died? Then it only needs another one. */
static bool lacks_server(struct xl *xl, unsigned domid, struct json_object *disk)
{
	char back[80], params[DOM_PATH_MAX + 16];
	char *there DOM_CLEANUP_FREE = NULL;

	if (!xl_nbd_serves(disk) || xl_nbd_runs(xl, domid, devid_of(disk)))
		return false;
	back_path(back, domid, disk);
	there = xl_read(xl, XSC_TX_NONE, "%s/params", back);
	snprintf(params, sizeof(params), "%s:%s", xl_js_str(disk, "format", ""),
		 xl_js_str(disk, "pdev_path", ""));
	return there && !strcmp(there, params);
}

int xl_blkdev_attach(struct xl *xl, unsigned domid, struct json_object *disk, struct dom_err *err)
{
	int r = xl_blkdev_check(disk, err);

	if (!r)
		r = xl_layout_disk(xl, domid, disk, err);
	if (r == -EEXIST && lacks_server(xl, domid, disk)) {
		xl_nbd_stop(xl, domid, devid_of(disk));		/* what is left of it */
		*err = (struct dom_err){ 0 };
		return plug(xl, domid, disk, err);
	}
	if (r)
		return r;
	r = plug(xl, domid, disk, err);
	if (r) {
		(void)remove_disk(xl, domid, xl_disk_kind(disk), devid_of(disk), disk);
		return err->code ? r : dom_err_set(err, r, "the store does not take the disk: %s",
						   strerror(-r));
	}
	xl_plug_store(xl, domid, "disks", devid_of, devid_of(disk), disk);
	return 0;
}

/* The disk of a stored configuration, NULL when it has none of that number. */
static struct json_object *disk_of(struct json_object *json, unsigned long devid)
{
	struct json_object *disks = xl_js_get(json, "disks");

	for (size_t i = 0; disks && i < json_object_array_length(disks); i++) {
		struct json_object *disk = json_object_array_get_idx(disks, i);

		if (devid_of(disk) == devid)
			return disk;
	}
	return NULL;
}

/* Have the nodes of the back end been removed? */
static bool gone(struct xl *xl, const char *back)
{
	char *online DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "%s/online", back);

	return !online;
}

int xl_blkdev_restore(struct xl *xl, unsigned domid, const char *devid, struct dom_err *err)
{
	struct json_object *json = xl_config_load(xl, domid);
	struct json_object *disk = disk_of(json, strtoul(devid, NULL, 10));
	char back[80] = "", path[PATH_MAX];
	int r = -ENOENT;

	if (disk)
		back_path(back, domid, disk);
	/* One that runs is about to end, or is new; who detaches a disk says so before it ends. */
	if (disk && lacks_server(xl, domid, disk) &&
	    xl_read_uint(xl, XSC_TX_NONE, 0, "%s/online", back) == 1) {
		xl_nbd_stop(xl, domid, devid_of(disk));		/* what is left of it */
		r = supply(xl, domid, disk, path, err);
		/*
		 * Who has removed the disk meanwhile may have looked for its server before that was to be
		 * found, and what we wrote may be all that is there. Who does it later finds the server.
		 */
		if (gone(xl, back)) {
			xl_nbd_stop(xl, domid, devid_of(disk));
			(void)xl_layout_remove(xl, domid, xl_disk_kind(disk), devid_of(disk));
		}
	}
	json_object_put(json);
	return r;
}

int xl_blkdev_detach(struct xl *xl, unsigned domid, unsigned devid, bool force,
		     struct dom_err *err)
{
	char *back DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "/libxl/%u/device/vbd/%u/backend", domid,
					      devid);
	struct json_object *json;
	int r;

	if (!back || strlen(back) > 79)
		return -ENOENT;
	r = xl_plug_close(xl, back, force, err);
	if (r)
		return r;
	json = xl_config_load(xl, domid);
	r = remove_disk(xl, domid, strstr(back, "/qdisk/") ? "qdisk" : "vbd", devid, disk_of(json, devid));
	json_object_put(json);
	xl_plug_store(xl, domid, "disks", devid_of, devid, NULL);
	return r ? dom_err_set(err, r, "the store does not remove its nodes: %s", strerror(-r)) : 0;
}
