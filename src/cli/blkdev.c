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
#include "hotplug.h"
#include "js.h"
#include "layout.h"
#include "nbd.h"

#define ATTACH_MS 20000		/* for the back end to open an image */
#define REMOVE_MS 45000		/* for another process to have run a script */
#define DETACH_MS 10000		/* for the guest to let go, as libxl */

enum { STATE_INIT_WAIT = 2, STATE_CLOSING = 5, STATE_CLOSED = 6 };	/* XenbusState* */

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
	if (*target && !xl_js_get(disk, "script") && stat(target, &st))
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
	snprintf(buf, 80, "/local/domain/0/backend/%s/%u/%u", xl_layout_disk_kind(disk), domid,
		 devid_of(disk));
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

/* The file itself, or the socket of the program that understands it. */
static int find_image(struct xl *xl, unsigned domid, struct json_object *disk, char path[PATH_MAX],
		      struct dom_err *err)
{
	const char *target = xl_js_str(disk, "pdev_path", ""), *format = xl_js_str(disk, "format", "");
	char sock[DOM_PATH_MAX];
	int r;

	if (*target && !realpath(target, path))
		return dom_err_set(err, -errno, "Disk vdev=%s: %s: %s", xl_js_str(disk, "vdev", ""), target,
				   strerror(errno));
	if (!*target || !xl_nbd_format(format))
		return 0;
	r = xl_nbd_start(xl, domid, devid_of(disk), path, format, !xl_js_int(disk, "readwrite", 0), sock,
			 err);
	snprintf(path, PATH_MAX, "%s", sock);
	return r;
}

/*
 * The file of a disk that is described in the store, in @path; empty for a drive without a medium.
 */
static int find_path(struct xl *xl, unsigned domid, struct json_object *disk, char path[PATH_MAX],
		     struct dom_err *err)
{
	const char *script = xl_js_str(disk, "script", NULL);
	char back[80];
	int r;

	path[0] = '\0';
	if (!script)
		return find_image(xl, domid, disk, path, err);
	back_path(back, domid, disk);
	r = xl_hotplug_run(xl, script, "add", xl_layout_disk_kind(disk), domid, devid_of(disk), err);
	if (!r) {
		r = path_from_script(xl, back, path);
		if (r)
			dom_err_set(err, r, "Disk vdev=%s: script %s left no physical-device",
				    xl_js_str(disk, "vdev", ""), script);
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

/*
 * Values of hotplug-status while a disk with a script is taken away. Two may do that at once, the
 * monitor and `xl destroy`: one runs the script, the other waits, because the script looks into the
 * store, which is cleaned next.
 */
static const char removing[] = "removing", removed[] = "removed";

enum claim { NOTHING_TO_DO, MINE, ANOTHERS };

static enum claim claim(struct xl *xl, const char *back)
{
	enum claim c = NOTHING_TO_DO;
	char node[128];
	xsc_tx tx;
	int err;

	snprintf(node, sizeof(node), "%s/hotplug-status", back);
	do {
		char *script DOM_CLEANUP_FREE = NULL, *status DOM_CLEANUP_FREE = NULL;

		if (!xl_store(xl) || xsc_transaction_start(xl->xs, &tx))
			return NOTHING_TO_DO;
		script = xl_read(xl, tx, "%s/script", back);
		status = xl_read(xl, tx, "%s/hotplug-status", back);
		if (!script || (status && !strcmp(status, removed)))
			c = NOTHING_TO_DO;
		else
			c = status && !strcmp(status, removing) ? ANOTHERS : MINE;
		err = c == MINE ? xsc_write(xl->xs, tx, node, removing, strlen(removing)) : 0;
		if (err)
			xsc_transaction_end(xl->xs, tx, true);
		else
			err = xsc_transaction_end(xl->xs, tx, false);
	} while (err == -EAGAIN);
	return err ? NOTHING_TO_DO : c;
}

/* What find_path() has started or set up; the back end has let go of it. */
static void lose_path(struct xl *xl, unsigned domid, struct json_object *disk)
{
	const char *script = xl_js_str(disk, "script", NULL);
	struct dom_err err = { 0 };
	char back[80], node[128];
	enum claim c;

	if (!script) {
		if (xl_nbd_format(xl_js_str(disk, "format", "")))
			xl_nbd_stop(xl, domid, devid_of(disk));
		return;
	}
	back_path(back, domid, disk);
	for (int i = 0; (c = claim(xl, back)) == ANOTHERS && i < REMOVE_MS / 20; i++)
		usleep(20000);
	if (c != MINE)
		return;
	if (xl_hotplug_run(xl, script, "remove", xl_layout_disk_kind(disk), domid, devid_of(disk), &err))
		fprintf(stderr, "xl: warning: %s\n", err.msg);
	snprintf(node, sizeof(node), "%s/hotplug-status", back);
	xsc_write(xl->xs, XSC_TX_NONE, node, removed, strlen(removed));
}

void xl_blkdevs_down(struct xl *xl, unsigned domid, struct json_object *json)
{
	struct json_object *disks = xl_js_get(json, "disks");

	for (size_t i = 0; disks && i < json_object_array_length(disks); i++)
		lose_path(xl, domid, json_object_array_get_idx(disks, i));
}

/* Hot plug. */

/*
 * Wait until the state of our end is one of the bits in @states. Returns it; -ETIMEDOUT; -ENOENT
 * when the device has vanished.
 */
static int wait_state(struct xl *xl, const char *back, unsigned states, int ms)
{
	char node[96];
	int r = -ETIMEDOUT;

	snprintf(node, sizeof(node), "%s/state", back);
	if (xsc_watch(xl->xs, node, "state"))
		return -EIO;
	for (;;) {
		struct xsc_event ev;
		uint64_t state;

		if (xsc_next_event(xl->xs, ms, &ev))
			break;
		state = xl_read_uint(xl, XSC_TX_NONE, UINT_MAX, "%s", node);
		if (state > 31 || states >> state & 1) {
			r = state > 31 ? -ENOENT : (int)state;
			break;
		}
	}
	xsc_unwatch(xl->xs, node, "state");
	return r;
}

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

static int plug(struct xl *xl, unsigned domid, struct json_object *disk, struct dom_err *err)
{
	char path[PATH_MAX], back[80], *why DOM_CLEANUP_FREE = NULL;
	int r = find_path(xl, domid, disk, path, err);

	if (!r && *path)
		r = give_image(xl, domid, path, !xl_js_int(disk, "readwrite", 0), err);
	back_path(back, domid, disk);
	if (!r && *path)
		r = write_path(xl, back, path);
	/* A drive without a medium is there as soon as it is described. */
	if (r || !*path)
		return r;
	r = wait_state(xl, back, 1u << STATE_INIT_WAIT | 1u << 3 | 1u << 4 | 1u << STATE_CLOSED,
		       ATTACH_MS);
	if (r == -ETIMEDOUT)
		return dom_err_set(err, r, "Disk vdev=%s: the back end of domain %u does not answer",
				   xl_js_str(disk, "vdev", ""), domid);
	if (r != STATE_CLOSED)
		return r < 0 ? r : 0;
	why = xl_read(xl, XSC_TX_NONE, "%s/error", back);
	return dom_err_set(err, -EIO, "Disk vdev=%s: %s", xl_js_str(disk, "vdev", ""),
			   why ? why : "the back end refuses it");
}

/* The stored configuration follows, so that a restart finds the same disks. */
static void store_config(struct xl *xl, unsigned domid, unsigned devid, struct json_object *disk)
{
	struct json_object *json = xl_config_load(xl, domid), *disks;

	if (!json)
		return;
	disks = xl_js_array(json, "disks");
	for (size_t i = json_object_array_length(disks); i-- > 0;) {
		if (devid_of(json_object_array_get_idx(disks, i)) == devid)
			json_object_array_del_idx(disks, i, 1);
	}
	if (disk)
		json_object_array_add(disks, json_object_get(disk));
	if (xl_config_save(xl, domid, json))
		fprintf(stderr, "xl: warning: the stored configuration of domain %u does not change\n",
			domid);
	json_object_put(json);
}

int xl_blkdev_attach(struct xl *xl, unsigned domid, struct json_object *disk, struct dom_err *err)
{
	int r = xl_blkdev_check(disk, err);

	if (!r)
		r = xl_layout_disk(xl, domid, disk, err);
	if (r)
		return r;
	r = plug(xl, domid, disk, err);
	if (r) {
		(void)remove_disk(xl, domid, xl_layout_disk_kind(disk), devid_of(disk), disk);
		return err->code ? r : dom_err_set(err, r, "the store does not take the disk: %s",
						   strerror(-r));
	}
	store_config(xl, domid, devid_of(disk), disk);
	return 0;
}

/* As libxl: the back end's end is closed, which the front end follows. */
static int ask_to_close(struct xl *xl, const char *back)
{
	char node[128];
	int r;

	snprintf(node, sizeof(node), "%s/online", back);
	r = xsc_write(xl->xs, XSC_TX_NONE, node, "0", 1);
	snprintf(node, sizeof(node), "%s/state", back);
	if (!r && xl_read_uint(xl, XSC_TX_NONE, 0, "%s", node) != STATE_CLOSED)
		r = xsc_printf(xl->xs, XSC_TX_NONE, node, "%d", STATE_CLOSING);
	return r;
}

int xl_blkdev_detach(struct xl *xl, unsigned domid, unsigned devid, bool force,
		     struct dom_err *err)
{
	char *back DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "/libxl/%u/device/vbd/%u/backend", domid,
					      devid);
	struct json_object *json, *disks, *mine = NULL;
	int r;

	if (!back || strlen(back) > 79)
		return -ENOENT;
	r = ask_to_close(xl, back);
	if (!r && !force)
		r = wait_state(xl, back, 1u << STATE_CLOSED, DETACH_MS);
	if (r == -ETIMEDOUT)
		return dom_err_set(err, r, "the guest still uses it; it goes when the guest lets go of it");
	if (r < 0 && r != -ENOENT)
		return dom_err_set(err, r, "the store does not let it go: %s", strerror(-r));
	json = xl_config_load(xl, domid);
	disks = xl_js_get(json, "disks");
	for (size_t i = 0; disks && i < json_object_array_length(disks); i++) {
		if (devid_of(json_object_array_get_idx(disks, i)) == devid)
			mine = json_object_array_get_idx(disks, i);
	}
	r = remove_disk(xl, domid, strstr(back, "/qdisk/") ? "qdisk" : "vbd", devid, mine);
	json_object_put(json);
	store_config(xl, domid, devid, NULL);
	return r ? dom_err_set(err, r, "the store does not remove its nodes: %s", strerror(-r)) : 0;
}
