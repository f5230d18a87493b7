// SPDX-License-Identifier: MIT
/*
 * Block devices as the store describes them: what a toolstack asks for, what we offer, what the
 * front end chose.
 *
 * Our directory, as libxl writes it: params or physical-device-path (the image), mode ("r", "w"),
 * device-type ("disk", "cdrom"), removable, discard-enable, script; "persistent" = 1 of our own offers
 * persistent grants. They are not offered by default: guests then copy all data to and from pages
 * that stay granted, to save the back end mapping them, which costs us nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blk/blk.h"
#include "xenabi/io_xenbus.h"

#define TOLD_NS 60000000000ull	/* an error that repeats is logged once in this time */

/* Servers of an image that die are replaced so many times within this time. */
#define SERVERS_MAX 3u
#define SERVERS_NS 60000000000ull

struct blk_dev {
	struct blk_disk disk;
	struct pvb_dev *dev;
	bool readonly, no_discard, opened;
	int told;			/* last error in the log, so that it is there once */
	uint64_t told_until;		/* ns; the same error is news again afterwards */
	unsigned servers;		/* that have taken the place of a dead one */
	uint64_t servers_until;		/* ns; counted anew afterwards */
	uint64_t vdisk;			/* VDISK_* */
	struct blk_queue *queues[BLK_MAX_QUEUES];
	unsigned nqueues, closing;	/* queues in use; those not yet idle */
};

/* Describing. */

static void complain(struct blk_disk *disk, const char *what, int error)
{
	struct blk_dev *b = DOM_CONTAINER_OF(disk, struct blk_dev, disk);
	struct pvb_env env = pvb_env(b->dev);
	uint64_t now = ev_now();

	if (error == b->told && now < b->told_until)
		return;
	b->told = error;
	b->told_until = now + TOLD_NS;
	dom_log_guest(env.log, env.limit, DOM_LOG_WARN, "domain %u: vbd %u: %s: %s", env.domid,
		      b->dev->id, what, strerror(-error));
}

/*
 * The image may have grown or shrunk: tell the guest, by writing our state once more. A device that was
 * taken away has no sectors any more. The guest is not told: its requests shall fail, where reading at
 * the end of a disk is no error.
 */
static void resized(struct blk_disk *disk)
{
	struct blk_dev *b = DOM_CONTAINER_OF(disk, struct blk_dev, disk);
	int64_t sectors = blk_img_sectors(&disk->img);

	if (!b->dev->connected || sectors <= 0 || (uint64_t)sectors == disk->lim.sectors)
		return;
	disk->lim.sectors = (uint64_t)sectors;
	if (pvb_printf(b->dev, "sectors", "%llu", (unsigned long long)sectors) == 0)
		(void)pvb_printf(b->dev, "state", "%u", XenbusStateConnected);
}

/* Only the toolstack's own servers come again by themselves. */
static bool ask_server(struct blk_disk *disk)
{
	struct blk_dev *b = DOM_CONTAINER_OF(disk, struct blk_dev, disk);

	if (b->dev->drv != &blk_qdisk_driver)
		return false;
	if (ev_now() >= b->servers_until)
		b->servers = 0;
	return b->servers < SERVERS_MAX && pvb_ask_server(b->dev);
}

/*
 * Path of the image. A device with a hotplug script has none until the script has run and left it
 * in physical-device-path, nor has one whose format another program reads. Returns 0; -EAGAIN for that; -errno.
 */
static int image_path(struct pvb_dev *dev, char **ret)
{
	char *script = NULL;
	int r = pvb_read(dev, dev->be, "physical-device-path", ret);

	if (r != -ENOENT)
		return r;
	if (dev->drv == &blk_qdisk_driver)
		return -EAGAIN;
	if (pvb_read(dev, dev->be, "script", &script) == 0 && script[0]) {
		free(script);
		return -EAGAIN;
	}
	free(script);
	return pvb_read(dev, dev->be, "params", ret);
}

/* How the disk is described: read anew whenever the image may be opened, for it may be another one. */
static int read_description(struct blk_dev *b, struct dom_err *err)
{
	struct pvb_dev *dev = b->dev;
	const struct {
		const char *key, *value;
		uint64_t flag;		/* of the disk, when the node has the value */
	} flags[] = {
		{ "device-type", "cdrom", VDISK_CDROM },
		{ "removable", "1", VDISK_REMOVABLE },
	};
	char *text;
	int r = pvb_read(dev, dev->be, "mode", &text);

	if (r < 0)
		return dom_err_set(err, r, "cannot read %s/mode: %s", dev->be, strerror(-r));
	/* "w", "w!": anything else is read-only, to be on the safe side. */
	b->readonly = text[0] != 'w';
	free(text);
	b->vdisk = b->readonly ? VDISK_READONLY : 0;
	for (unsigned i = 0; i < DOM_ARRAY_LEN(flags); i++) {
		if (pvb_read(dev, dev->be, flags[i].key, &text) < 0)
			continue;
		b->vdisk |= strcmp(text, flags[i].value) == 0 ? flags[i].flag : 0;
		free(text);
	}
	b->no_discard = false;
	if (pvb_read(dev, dev->be, "discard-enable", &text) == 0) {
		b->no_discard = text[0] == '0';
		free(text);
	}
	return 0;
}

static int open_image(struct blk_dev *b, struct dom_err *err)
{
	char *path;
	int r = read_description(b, err);

	if (r < 0)
		return r;
	r = image_path(b->dev, &path);
	if (r == -EAGAIN)
		return r;
	if (r < 0)
		return dom_err_set(err, r, "the store names no image (%s/params): %s", b->dev->be,
				   strerror(-r));
	r = blk_img_open(b->dev, path, b->readonly, &b->disk, err);
	free(path);
	b->opened = r == 0;
	if (b->opened) {
		ev_file_register(b->disk.loop, b->disk.img.fd);
		ev_file_register(b->disk.loop, b->disk.img.buffered_fd);
	}
	b->disk.lim.discard &= !b->no_discard;
	return r;
}

static int blk_probe(struct pvb_dev *dev, struct dom_err *err)
{
	struct blk_dev *b = calloc(1, sizeof(*b));
	struct pvb_env env = pvb_env(dev);
	char *text = NULL;
	int r;

	if (!b)
		return dom_err_set(err, -ENOMEM, "out of memory");
	dev->priv = b;
	b->dev = dev;
	b->disk = (struct blk_disk){ .loop = env.loop, .domain = env.domain, .complain = complain,
				     .look = resized, .ask_server = ask_server,
				     .spin_max = BLK_SPIN_MAX_NS,
				     .img = { .fd = -1, .buffered_fd = -1 } };
	r = open_image(b, err);
	if (r < 0 && r != -EAGAIN)
		return r;
	/*
	 * Whoever attaches a disk sees by our state when it has been opened. A drive without a medium
	 * has nothing to wait for, and nothing to connect to.
	 */
	if (r == -EAGAIN && pvb_read(dev, dev->be, "params", &text) == 0) {
		dev->waiting = text[0] != '\0';
		free(text);
	}
	r = pvb_printf(dev, "max-ring-page-order", "%u", BLK_MAX_RING_ORDER);
	if (r == 0)
		r = pvb_printf(dev, "max-ring-pages", "%u", 1u << BLK_MAX_RING_ORDER);
	if (r == 0)
		r = pvb_printf(dev, "multi-queue-max-queues", "%u", BLK_MAX_QUEUES);
	return r < 0 ? dom_err_set(err, r, "cannot write to %s: %s", dev->be, strerror(-r)) : 0;
}

/* What the front end reads once we are connected. */
static int write_features(struct blk_dev *b)
{
	const struct blk_limits *lim = &b->disk.lim;
	uint64_t persistent = 0;
	const struct {
		const char *key;
		uint64_t value;
	} nodes[] = {
		{ "feature-flush-cache", 1 },
		{ "feature-barrier", 1 },
		{ "feature-discard", lim->discard },
		{ "discard-granularity", lim->sector_size },
		{ "discard-alignment", 0 },
		{ "discard-secure", 0 },
		{ "feature-max-indirect-segments", BLK_MAX_SEGMENTS },
		{ "sectors", lim->sectors },
		{ "info", b->vdisk },
		{ "sector-size", lim->sector_size },
		{ "physical-sector-size", lim->sector_size },
	};
	int r = 0;

	(void)pvb_read_uint(b->dev, b->dev->be, "persistent", 1, &persistent);
	for (unsigned i = 0; i < DOM_ARRAY_LEN(nodes) && r == 0; i++)
		r = pvb_printf(b->dev, nodes[i].key, "%llu", (unsigned long long)nodes[i].value);
	return r ? r : pvb_printf(b->dev, "feature-persistent", "%u", (unsigned)persistent);
}

/* The front end's choice. */

/*
 * Pages of a ring: ring-page-order (Linux) or num-ring-pages (others) says how many; one page is
 * "ring-ref", more are "ring-ref0" and on.
 */
static int read_ring(struct blk_dev *b, const char *dir, struct blk_queue_config *cfg,
		     struct dom_err *err)
{
	struct pvb_dev *dev = b->dev;
	uint64_t order = 0, pages = 1, v;
	bool many = pvb_read_uint(dev, dev->fe, "ring-page-order", UINT32_MAX, &order) == 0;

	if (!many)
		many = pvb_read_uint(dev, dev->fe, "num-ring-pages", UINT32_MAX, &pages) == 0 &&
		       pages > 1;
	else if (order <= BLK_MAX_RING_ORDER)
		pages = 1u << order;
	if (order > BLK_MAX_RING_ORDER || !pages || pages > PVB_SRING_PAGES || (pages & (pages - 1)))
		return dom_err_set(err, -EINVAL, "the front end asks for a ring of %llu pages",
				   (unsigned long long)(order ? 1ull << DOM_MIN(order, 63u) : pages));
	for (unsigned i = 0; i < pages; i++) {
		char key[16];

		snprintf(key, sizeof(key), many ? "ring-ref%u" : "ring-ref", i);
		if (pvb_read_uint(dev, dir, key, UINT32_MAX, &v) < 0)
			return dom_err_set(err, -EINVAL, "cannot read %s/%s", dir, key);
		cfg->ring[i] = (grant_ref_t)v;
	}
	cfg->pages = (unsigned)pages;
	if (pvb_read_uint(dev, dir, "event-channel", UINT32_MAX, &v) < 0)
		return dom_err_set(err, -EINVAL, "cannot read %s/event-channel", dir);
	cfg->port = (evtchn_port_t)v;
	return 0;
}

static int connect_queue(struct blk_dev *b, unsigned i, const char *dir,
			 const struct blk_layout *lay, struct dom_err *err)
{
	struct blk_queue_config cfg = { .lay = lay };
	int r = read_ring(b, dir, &cfg, err);

	if (r < 0)
		return r;
	r = blk_queue_new(&b->disk, &cfg, &b->queues[i]);
	if (r < 0)
		return dom_err_set(err, r, "cannot use the ring of queue %u: %s", i, strerror(-r));
	b->nqueues++;
	return 0;
}

static int connect_queues(struct blk_dev *b, const struct blk_layout *lay, struct dom_err *err)
{
	struct pvb_dev *dev = b->dev;
	uint64_t n = 0;
	int r = 0;

	if (pvb_read_uint(dev, dev->fe, "multi-queue-num-queues", BLK_MAX_QUEUES, &n) < 0 || n == 0)
		return connect_queue(b, 0, dev->fe, lay, err);
	for (unsigned i = 0; i < n && r == 0; i++) {
		char dir[512];

		snprintf(dir, sizeof(dir), "%s/queue-%u", dev->fe, i);
		/* One queue may be described either way. */
		r = connect_queue(b, i, n == 1 ? dev->fe : dir, lay, err);
	}
	return r;
}

static int blk_connect(struct pvb_dev *dev, struct dom_err *err)
{
	const struct blk_layout *lay = &blk_layouts[0];
	struct blk_dev *b = dev->priv;
	char *protocol;
	int r = b->opened ? 0 : open_image(b, err);

	if (r < 0)
		return r;
	if (pvb_read(dev, dev->fe, "protocol", &protocol) == 0) {
		lay = blk_layout_find(protocol);
		free(protocol);
		if (!lay)
			return dom_err_set(err, -EINVAL, "the front end asks for an unknown protocol");
	}
	r = write_features(b);
	if (r < 0)
		return dom_err_set(err, r, "cannot write to %s: %s", dev->be, strerror(-r));
	return connect_queues(b, lay, err);
}

static void queue_idle(struct blk_queue *q)
{
	struct blk_dev *b = DOM_CONTAINER_OF(q->disk, struct blk_dev, disk);

	if (--b->closing == 0)
		pvb_disconnected(b->dev);
}

static void blk_disconnect(struct pvb_dev *dev)
{
	struct blk_dev *b = dev->priv;
	unsigned n = b->nqueues;

	b->nqueues = 0;
	b->closing = n;
	for (unsigned i = 0; i < n; i++)
		blk_queue_free(b->queues[i], queue_idle);
	if (n == 0)
		pvb_disconnected(dev);
}

/* A hotplug script may have said now where the image is. */
static void late_image(struct blk_dev *b)
{
	struct dom_err err = { 0 };
	int r = b->opened ? 0 : open_image(b, &err);

	if (r == 0)
		b->dev->waiting = false;
	else if (r != -EAGAIN)
		pvb_fail(b->dev, &err);
}

static void count_server(struct blk_dev *b)
{
	if (b->servers++ == 0)
		b->servers_until = ev_now() + SERVERS_NS;
}

/*
 * The server of an image has died; whoever started another one changes something in our directory,
 * most likely by naming the socket once more. What it serves must be what the guest knows.
 */
static void renew_server(struct blk_dev *b)
{
	struct blk_disk *disk = &b->disk;
	struct blk_img old = disk->img;
	struct blk_limits lim = disk->lim;
	char *path;

	if (!old.nbd || !blk_nbd_dead(old.nbd) || image_path(b->dev, &path) < 0)
		return;
	if (blk_img_open(b->dev, path, b->readonly, disk, NULL) < 0) {
		disk->img = old;	/* none is there yet */
	} else if (!disk->img.nbd || disk->lim.sectors != lim.sectors ||
		   (disk->lim.readonly && !lim.readonly)) {
		blk_img_close(&disk->img);
		disk->img = old;
		complain(disk, "another image is served now", -ESTALE);
	} else {
		b->told = 0;
		count_server(b);
		blk_nbd_succeed(disk->img.nbd, old.nbd);
		blk_nbd_close(old.nbd);
	}
	disk->lim = lim;
	free(path);
}

static void blk_changed(struct pvb_dev *dev)
{
	struct blk_dev *b = dev->priv;

	renew_server(b);
	if (dev->connected)
		resized(&b->disk);
	else
		late_image(b);
}

static void blk_remove(struct pvb_dev *dev)
{
	struct blk_dev *b = dev->priv;

	if (b) {
		ev_file_unregister(b->disk.loop, b->disk.img.fd);
		ev_file_unregister(b->disk.loop, b->disk.img.buffered_fd);
		blk_img_close(&b->disk.img);
	}
	free(b);
}

static void blk_info(const struct pvb_dev *dev, struct pvb_dev_info *info)
{
	const struct blk_dev *b = dev->priv;
	const struct blk_stats *st = &b->disk.stats;
	uint64_t begun = 0, waiting = 0;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "reads",       st->ops[BLK_READ] },
		{ "writes",      st->ops[BLK_WRITE] + st->ops[BLK_BARRIER] },
		{ "flushes",     st->ops[BLK_FLUSH] },
		{ "discards",    st->ops[BLK_DISCARD] },
		{ "read-bytes",  st->bytes[BLK_READ] },
		{ "write-bytes", st->bytes[BLK_WRITE] + st->bytes[BLK_BARRIER] },
		{ "errors",      st->errors },
		{ "joined",      st->joined },
		{ "kicks",       st->kicks },
		{ "notifies",    st->notifies },
	};

	for (unsigned i = 0; i < DOM_ARRAY_LEN(rows); i++)
		pvb_count(info, rows[i].name, rows[i].value);
	for (unsigned i = 0; i < b->nqueues; i++)
		blk_queue_count(b->queues[i], &begun, &waiting);
	pvb_count(info, "in-flight", begun);
	pvb_count(info, "not-taken", waiting);
}

#define BLK_DRIVER(directory) {		\
	.kind = directory,		\
	.probe = blk_probe,		\
	.connect = blk_connect,		\
	.disconnect = blk_disconnect,	\
	.changed = blk_changed,		\
	.remove = blk_remove,		\
	.info = blk_info,		\
}

const struct pvb_driver blk_driver = BLK_DRIVER("vbd");
const struct pvb_driver blk_qdisk_driver = BLK_DRIVER("qdisk");
