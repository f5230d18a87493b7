// SPDX-License-Identifier: MIT
/*
 * The state file: what survives the process. Format: domicile-xenstored-state(5).
 *
 * A header and then records, each one change. Files are mapped, and a change is copied there before
 * its reply is sent: the pages belong to the kernel, so they survive kill -9 without a single
 * system call. The header's length moves when a change, or a whole transaction, is complete; what
 * is behind it does not exist.
 *
 * When the file has grown to twice its last snapshot, a new snapshot is written to the other of
 * the two files, some nodes per round of the loop, from a version of the tree that is held
 * meanwhile. What happened since is then copied behind it, and the files change roles by the
 * epoch in their headers. Nothing is renamed: after the start the daemon needs no path.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "domicile/base/cur.h"
#include "domicile/base/fd.h"
#include "domicile/base/once.h"
#include "xsd.h"

#define MAGIC "DOMXSST1"
#define VERSION 1u
#define FIRST_SIZE (64u << 10)
#define SLACK (1u << 20)		/* growth that is never worth a snapshot */
#define KEPT_SIZE (4u << 20)		/* space that the file not in use may hold on to */
#define STEP_NODES 256			/* nodes of a snapshot per round */

struct header {
	char magic[8];
	uint32_t version;
	uint32_t size;		/* of this header */
	uint64_t epoch;		/* the file with the higher one counts */
	uint64_t used;		/* bytes valid, this header included; 0: file not complete */
	char boot[40];		/* boot id: a store does not outlive its host's domains */
	char reserved[56];
};
_Static_assert(sizeof(struct header) == 128, "state file header has another size");

/* Precedes every record; a and b follow, then zeros up to a multiple of 8. */
struct rec_head {
	uint32_t size;		/* of the record, with this */
	uint16_t type;		/* enum xsd_rec */
	uint16_t domid;
	int32_t num;
	uint32_t a_len, b_len;
	uint32_t reserved;
};
_Static_assert(sizeof(struct rec_head) == 24, "state record has another size");

/* Contents of XSD_REC_DOM, in a. */
struct rec_dom {
	uint64_t gfn;
	uint32_t port;
	uint32_t tx_mark;
	uint32_t features;
	uint16_t target;
	uint8_t has_target;
	uint8_t introduced;
	uint32_t limit[XSD_Q_COUNT];
	uint32_t reserved;
};
_Static_assert(sizeof(struct rec_dom) == 64, "domain record has another size");

/* --- records --- */

size_t xsd_rec_size(const struct xsd_rec_args *a)
{
	return (sizeof(struct rec_head) + a->a_len + a->b_len + 7) & ~(size_t)7;
}

void xsd_rec_put(void *dst, const struct xsd_rec_args *a)
{
	struct rec_head h = { .size = (uint32_t)xsd_rec_size(a), .type = (uint16_t)a->type,
		.domid = a->domid, .num = a->num, .a_len = (uint32_t)a->a_len,
		.b_len = (uint32_t)a->b_len };
	char *p = dst;

	memcpy(p, &h, sizeof(h));
	p += sizeof(h);
	if (a->a_len)
		memcpy(p, a->a, a->a_len);
	if (a->b_len)
		memcpy(p + a->a_len, a->b, a->b_len);
	memset(p + a->a_len + a->b_len, 0, h.size - sizeof(h) - a->a_len - a->b_len);
}

int xsd_rec_next(const void *recs, size_t len, size_t *pos, struct xsd_rec_args *ret)
{
	struct dom_cur c = dom_cur_init(recs, len);
	struct rec_head h;

	if (*pos == len)
		return 0;
	dom_cur_seek(&c, *pos);
	if (!dom_cur_copy(&c, &h, sizeof(h)) || h.size < sizeof(h) || h.size % 8 ||
	    h.size - sizeof(h) > dom_cur_left(&c) || h.a_len > h.size - sizeof(h) ||
	    h.b_len > h.size - sizeof(h) - h.a_len || !h.type || h.type >= XSD_REC_END)
		return -EINVAL;
	*ret = (struct xsd_rec_args){ .type = h.type, .domid = h.domid, .num = h.num,
		.a = dom_cur_take(&c, h.a_len), .a_len = h.a_len,
		.b = dom_cur_take(&c, h.b_len), .b_len = h.b_len };
	*pos += h.size;
	return 1;
}

/* --- applying records to the tree --- */

static bool good_path(const struct xsd_rec_args *a)
{
	return a->a_len < XSD_PATH_MAX && xsc_path_valid(a->a, a->a_len) &&
	       a->b_len <= XENSTORE_PAYLOAD_MAX && a->num >= -1 && a->num <= UINT16_MAX;
}

static int apply_set(struct xsd *s, struct xsd_tree *t, struct xsd_acct *acct,
		     const struct xsd_rec_args *a)
{
	if (a->num >= 0 && !xsd_dom_get(s, (uint16_t)a->num))
		return -ENOMEM;
	return xsd_tree_set(t, &s->gen, acct, a->a, a->a_len, a->found, a->b, a->b_len,
			    a->type == XSD_REC_MKDIR, a->num);
}

static int apply_rm(struct xsd *s, struct xsd_tree *t, struct xsd_acct *acct,
		    const struct xsd_rec_args *a)
{
	struct xsd_found f;

	xsd_find(t, &s->gen, a->a, a->a_len, &f);
	if (!f.node || f.node == f.near)
		return -ENOENT;
	return xsd_tree_rm(t, &s->gen, acct, a->a, a->a_len);
}

/* @n permissions of four bytes each; -EINVAL when they are not valid, -ENOMEM. */
static int read_perms(struct xsd *s, const void *data, size_t n, struct xsd_perms **ret)
{
	const char *v = data;
	struct xsd_perms *p = n ? xsd_perms_new((unsigned)n, s->gen.gen + 1) : NULL;
	int err = !n ? -EINVAL : !p ? -ENOMEM : 0;

	for (size_t i = 0; !err && i < n; i++) {
		memcpy(&p->v[i], v + i * sizeof(p->v[i]), sizeof(p->v[i]));
		if (p->v[i].perms > (XSC_PERM_READ | XSC_PERM_WRITE))
			err = -EINVAL;
		else if (!xsd_dom_get(s, p->v[i].domid))
			err = -ENOMEM;
	}
	if (err)
		xsd_perms_unref(p);
	else
		*ret = p;
	return err;
}

static int apply_perms(struct xsd *s, struct xsd_tree *t, struct xsd_acct *acct,
		       const struct xsd_rec_args *a)
{
	struct xsd_perms *p;
	struct xsd_found f;
	int err = a->b_len % sizeof(struct xsc_perm) ? -EINVAL :
		read_perms(s, a->b, a->b_len / sizeof(struct xsc_perm), &p);

	if (err)
		return err;
	xsd_find(t, &s->gen, a->a, a->a_len, &f);
	err = f.node ? xsd_tree_set_perms(t, &s->gen, acct, a->a, a->a_len, p) : -ENOENT;
	if (err)
		xsd_perms_unref(p);
	return err;
}

/* A node of a snapshot: num permissions, then the value, in b. */
static int apply_node(struct xsd *s, struct xsd_tree *t, struct xsd_acct *acct,
		      const struct xsd_rec_args *a)
{
	size_t perms_len = (size_t)a->num * sizeof(struct xsc_perm);
	struct xsd_perms *p;
	int err;

	if (a->num < 1 || perms_len > a->b_len || a->b_len - perms_len > XENSTORE_PAYLOAD_MAX)
		return -EINVAL;
	err = read_perms(s, a->b, (size_t)a->num, &p);
	if (err)
		return err;
	err = xsd_tree_set(t, &s->gen, acct, a->a, a->a_len, NULL, (const char *)a->b + perms_len,
			   a->b_len - perms_len, false, -1);
	if (!err)
		err = xsd_tree_set_perms(t, &s->gen, acct, a->a, a->a_len, p);
	if (err)
		xsd_perms_unref(p);
	return err;
}

static int (*const appliers[XSD_REC_END])(struct xsd *s, struct xsd_tree *t, struct xsd_acct *acct,
					  const struct xsd_rec_args *a) = {
	[XSD_REC_NODE]  = apply_node,
	[XSD_REC_SET]   = apply_set,
	[XSD_REC_MKDIR] = apply_set,
	[XSD_REC_RM]    = apply_rm,
	[XSD_REC_PERMS] = apply_perms,
};

int xsd_apply(struct xsd *s, struct xsd_tree *t, struct xsd_acct *acct,
	      const struct xsd_rec_args *a)
{
	return appliers[a->type] ? appliers[a->type](s, t, acct, a) : -EINVAL;
}

/* --- applying records to the rest --- */

static int restore_dom(struct xsd *s, const struct xsd_rec_args *a)
{
	struct xsd_dom *d = xsd_dom_get(s, a->domid);
	struct rec_dom r;

	if (!d || a->a_len != sizeof(r) || a->domid >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	memcpy(&r, a->a, sizeof(r));
	if (r.introduced && a->domid && !d->conn) {
		d->conn = xsd_conn_new(s, -1, d);
		if (!d->conn)
			return -ENOMEM;
		d->conn->owner = d;
	}
	d->introduced = r.introduced;
	d->reattach = d->conn != NULL;
	d->gfn = r.gfn;
	d->port = r.port;
	d->features = r.features;
	d->target = r.target;
	d->has_target = r.has_target;
	d->tx_mark = d->tx_stale = r.tx_mark;
	if (d->conn)
		d->conn->next_tx = r.tx_mark + 1;
	memcpy(d->limit, r.limit, sizeof(d->limit));
	return 0;
}

static int restore_release(struct xsd *s, const struct xsd_rec_args *a)
{
	struct xsd_dom *d = xsd_dom_get(s, a->domid);
	bool keep = s->keep_orphans;

	if (!d || !a->domid)
		return -EINVAL;
	s->keep_orphans = a->num;
	xsd_dom_release(s, d);
	s->keep_orphans = keep;
	return 0;
}

/* Strings of a record are not terminated; NULL when they do not fit or hold a NUL. */
static const char *text(const void *p, size_t len, char *buf, size_t size)
{
	if (len >= size || memchr(p, 0, len))
		return NULL;
	memcpy(buf, p, len);
	buf[len] = 0;
	return buf;
}

int xsd_restore_watch(struct xsd *s, struct xsd_conn *c, const struct xsd_rec_args *a,
		      enum xsd_rec type)
{
	char path[XSD_PATH_MAX], token[XENSTORE_PAYLOAD_MAX], buf[XSD_PATH_MAX];
	struct xsd_watch *w;
	const char *full;
	size_t len;

	if (a->num < -1 || !text(a->a, a->a_len, path, XENSTORE_PAYLOAD_MAX) ||
	    !text(a->b, a->b_len, token, sizeof(token)) ||
	    xsd_path(s, c, path, true, buf, &full, &len))
		return -EINVAL;
	w = xsd_watch_find(s, c, full, len, token);
	if (type == XSD_REC_UNWATCH) {
		if (w)
			xsd_watch_del(s, w);
		return 0;
	}
	if (w)
		return 0;
	return xsd_watch_add(s, c, full, len, xsc_path_is_relative(path) ? c->home_len : 0, token,
			     a->num, &w);
}

static int restore_watch(struct xsd *s, const struct xsd_rec_args *a)
{
	struct xsd_dom *d = xsd_dom_peek(s, a->domid);

	return d && d->conn ? xsd_restore_watch(s, d->conn, a, a->type) : -EINVAL;
}

static int restore_reset(struct xsd *s, const struct xsd_rec_args *a)
{
	struct xsd_dom *d = xsd_dom_peek(s, a->domid);

	if (!d || !d->conn)
		return -EINVAL;
	xsd_watch_del_all(s, d->conn);
	return 0;
}

/* num: which one; a: its name's value as four bytes, b: soft level likewise. */
static int restore_quota(struct xsd *s, const struct xsd_rec_args *a)
{
	if (a->num < 0 || a->num >= XSD_Q_COUNT || a->a_len != 4 || a->b_len != 4)
		return -EINVAL;
	memcpy(&s->hard[a->num], a->a, 4);
	memcpy(&s->soft[a->num], a->b, 4);
	return 0;
}

static int (*const restorers[XSD_REC_END])(struct xsd *s, const struct xsd_rec_args *a) = {
	[XSD_REC_DOM]     = restore_dom,
	[XSD_REC_RELEASE] = restore_release,
	[XSD_REC_WATCH]   = restore_watch,
	[XSD_REC_UNWATCH] = restore_watch,
	[XSD_REC_RESET]   = restore_reset,
	[XSD_REC_QUOTA]   = restore_quota,
};

int xsd_state_replay(struct xsd *s, const void *recs, size_t len)
{
	struct xsd_rec_args a;
	size_t pos = 0;
	int more;

	while ((more = xsd_rec_next(recs, len, &pos, &a)) > 0) {
		int err = -EINVAL;

		if (restorers[a.type])
			err = restorers[a.type](s, &a);
		else if (good_path(&a) || (a.type == XSD_REC_NODE && a.a_len < XSD_PATH_MAX &&
					   xsc_path_valid(a.a, a.a_len)))
			err = xsd_apply(s, &s->tree, &s->live, &a);
		if (err)
			return err;
	}
	return more;
}

/* --- files --- */

static int file_grow(struct xsd_file *f, size_t need)
{
	size_t size = f->size ? f->size : FIRST_SIZE;
	char *map;
	int err;

	/* In small steps: each is a pause for everybody. */
	while (size < need)
		size += DOM_MIN(size, (size_t)256 << 10);
	/* Reserve the space: a page that the file system cannot provide later would kill us. */
	do
		err = posix_fallocate(f->fd, 0, (off_t)size);
	while (err == EINTR);
	if (err)
		return -err;
	map = f->map ? mremap(f->map, f->size, size, MREMAP_MAYMOVE) :
		       mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (map == MAP_FAILED)
		return -ENOMEM;
	f->map = map;
	f->size = size;
	return 0;
}

static int file_put(struct xsd_file *f, const struct xsd_rec_args *a)
{
	size_t size = xsd_rec_size(a);

	if (f->used + size > f->size && file_grow(f, f->used + size))
		return -ENOSPC;
	xsd_rec_put(f->map + f->used, a);
	f->used += size;
	return 0;
}

/* From here on the file's contents count up to `used`. */
static void file_publish(struct xsd_file *f)
{
	struct header *h = (struct header *)(void *)f->map;

	DOM_STORE_RELEASE(&h->used, f->used);
}

static void boot_id(char *buf, size_t size)
{
	int fd DOM_CLEANUP_FD = dom_open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0);

	memset(buf, 0, size);
	if (fd < 0 || dom_read_all(fd, buf, size - 1) < 0)
		buf[0] = 0;
}

static int file_begin(struct xsd *s, struct xsd_file *f)
{
	struct header h = { .magic = MAGIC, .version = VERSION, .size = sizeof(h),
		.epoch = s->state.epoch };
	int err = file_grow(f, FIRST_SIZE);

	if (err)
		return err;
	memcpy(h.boot, s->state.boot, sizeof(h.boot));
	memcpy(f->map, &h, sizeof(h));
	f->used = sizeof(h);
	return 0;
}

/*
 * What a file holds does not count any more. Its space is kept for the next snapshot, as having
 * pages cleared and mapped again costs more than all the copying; much space is given back.
 */
static void file_empty(struct xsd_file *f)
{
	f->used = 0;
	if (f->map && f->size >= sizeof(struct header) && f->size <= KEPT_SIZE) {
		file_publish(f);
		return;
	}
	if (f->map)
		munmap(f->map, f->size);
	*f = (struct xsd_file){ .fd = f->fd };
	/* Should this fail, the file is stale, and its epoch says so. */
	if (f->fd >= 0 && ftruncate(f->fd, 0))
		return;
}

/* --- snapshots --- */

struct xsd_snapshot {
	struct xsd_tree tree;
	struct xsd_walk walk;
	int root;		/* which of the tree's roots is being walked */
	size_t from;		/* the current file's length when the snapshot began */
};

static int put_perms_and_value(struct xsd *s, struct xsd_file *f, const struct xsd_walk *w)
{
	const struct xsd_perms *p = w->node->perms;
	char buf[XENSTORE_PAYLOAD_MAX * 2];
	struct xsd_rec_args a = { .type = XSD_REC_NODE, .a = w->path, .a_len = w->len, .b = buf };

	/* Entries of dead domains must not come back to life. */
	for (unsigned i = 0; i < p->n && a.num < (int)(XENSTORE_PAYLOAD_MAX / 4); i++) {
		const struct xsd_dom *d = xsd_dom_peek(s, p->v[i].domid);

		if (i && d && p->gen < d->dead_gen)
			continue;
		memcpy(buf + (size_t)a.num++ * sizeof(p->v[0]), &p->v[i], sizeof(p->v[0]));
	}
	a.b_len = (size_t)a.num * sizeof(p->v[0]);
	memcpy(buf + a.b_len, xsd_node_value(w->node), w->node->val_len);
	a.b_len += w->node->val_len;
	return file_put(f, &a);
}

static int put_watches(struct xsd_file *f, const struct xsd_conn *c)
{
	int err = 0;

	dom_list_for_each(l, &c->watches) {
		const struct xsd_watch *w = DOM_CONTAINER_OF(l, struct xsd_watch, on_conn);
		struct xsd_rec_args a = { .type = XSD_REC_WATCH, .domid = c->dom->domid,
			.num = w->depth, .b = w->token, .b_len = w->token_len };

		a.a = xsd_watch_path(w, &a.a_len) + w->prefix;
		a.a_len -= w->prefix;
		err = err ? err : file_put(f, &a);
	}
	return err;
}

static struct xsd_rec_args dom_rec(const struct xsd_dom *d, struct rec_dom *r)
{
	*r = (struct rec_dom){ .gfn = d->gfn, .port = d->port, .tx_mark = d->tx_mark,
		.features = d->features, .target = d->target, .has_target = d->has_target,
		.introduced = d->introduced };
	memcpy(r->limit, d->limit, sizeof(r->limit));
	return (struct xsd_rec_args){ .type = XSD_REC_DOM, .domid = d->domid, .a = r,
		.a_len = sizeof(*r) };
}

/* Limits, domains and their watches: few, written at once. */
static int put_all_but_nodes(struct xsd *s, struct xsd_file *f)
{
	int err = 0;

	for (int q = 0; q < XSD_Q_COUNT && !err; q++) {
		struct xsd_rec_args a = { .type = XSD_REC_QUOTA, .num = q, .a = &s->hard[q],
			.a_len = 4, .b = &s->soft[q], .b_len = 4 };

		err = file_put(f, &a);
	}
	dom_list_for_each(l, &s->conns) {
		const struct xsd_conn *c = DOM_CONTAINER_OF(l, struct xsd_conn, all);
		struct rec_dom r;
		struct xsd_rec_args a;

		if (err || !c->owner)
			continue;
		a = dom_rec(c->owner, &r);
		err = file_put(f, &a);
		if (!err)
			err = put_watches(f, c);
	}
	return err;
}

static void snapshot_end(struct xsd *s)
{
	struct xsd_snapshot *n = s->state.snap;

	xsd_walk_fini(&n->walk);
	xsd_tree_fini(&n->tree);
	free(n);
	s->state.snap = NULL;
}

static int snapshot_begin(struct xsd *s)
{
	struct xsd_file *f = &s->state.file[!s->state.cur];
	struct xsd_snapshot *n;
	int err;

	s->state.epoch++;
	err = file_begin(s, f);
	if (!err)
		err = put_all_but_nodes(s, f);
	n = err ? NULL : malloc(sizeof(*n));
	if (!n)
		return -ENOSPC;
	n->tree = xsd_tree_share(&s->tree);
	n->root = 0;
	n->from = s->state.file[s->state.cur].used;
	xsd_walk_init(&n->walk, n->tree.root[0], "/", 1);
	s->state.snap = n;
	return 0;
}

/* All nodes are there: add what happened since, and let this file be the one that counts. */
static int snapshot_switch(struct xsd *s)
{
	struct xsd_state *st = &s->state;
	struct xsd_file *old = &st->file[st->cur], *f = &st->file[!st->cur];
	size_t tail = st->snap ? old->used - st->snap->from : 0;
	size_t base = f->used;

	if (f->used + tail > f->size && file_grow(f, f->used + tail))
		return -ENOSPC;
	if (tail)
		memcpy(f->map + f->used, old->map + st->snap->from, tail);
	f->used += tail;
	file_publish(f);
	st->cur = !st->cur;
	st->base = base;
	file_empty(old);
	return 0;
}

/* Some nodes more; 1: there are others, 0: done, or -errno. */
static int snapshot_nodes(struct xsd *s, int count)
{
	struct xsd_snapshot *n = s->state.snap;
	struct xsd_file *f = &s->state.file[!s->state.cur];

	while (count--) {
		int more = xsd_walk_next(&n->walk);

		if (more < 0)
			return more;
		if (!more) {
			xsd_walk_fini(&n->walk);
			if (n->root++)
				return 0;
			xsd_walk_init(&n->walk, n->tree.root[1], "", 0);
			continue;
		}
		if (n->walk.leaving || !n->walk.len)
			continue;
		more = put_perms_and_value(s, f, &n->walk);
		if (more)
			return more;
	}
	return 1;
}

bool xsd_state_step(struct xsd *s)
{
	struct xsd_state *st = &s->state;
	struct xsd_file *f = &st->file[st->cur];
	int more;

	if (!st->snap) {
		if (!st->on || f->used < st->base * 2 + SLACK)
			return false;
		if (snapshot_begin(s)) {
			st->base = f->used;	/* no space: try again when it has grown more */
			return false;
		}
	}
	more = snapshot_nodes(s, STEP_NODES);
	if (more == 0)
		more = snapshot_switch(s);
	if (more > 0)
		return true;
	if (more < 0) {
		dom_log(&s->log, DOM_LOG_WARN, "state file: no space for a new snapshot");
		file_empty(&st->file[!st->cur]);
		st->base = f->used;
	}
	snapshot_end(s);
	return false;
}

/* --- recording --- */

int xsd_state_reserve(struct xsd *s, size_t bytes)
{
	struct xsd_file *f = &s->state.file[s->state.cur];

	if (!s->state.on || s->recovering || f->used + bytes <= f->size)
		return 0;
	return file_grow(f, f->used + bytes) ? -ENOSPC : 0;
}

void xsd_state_put_raw(struct xsd *s, const void *recs, size_t len)
{
	struct xsd_file *f = &s->state.file[s->state.cur];

	if (!s->state.on || s->recovering || !len)
		return;
	memcpy(f->map + f->used, recs, len);
	f->used += len;
	file_publish(f);
}

void xsd_state_put(struct xsd *s, const struct xsd_rec_args *a)
{
	struct xsd_file *f = &s->state.file[s->state.cur];

	if (!s->state.on || s->recovering)
		return;
	xsd_rec_put(f->map + f->used, a);
	f->used += xsd_rec_size(a);
	file_publish(f);
}

void xsd_state_put_dom(struct xsd *s, const struct xsd_dom *d)
{
	struct rec_dom r;
	struct xsd_rec_args a = dom_rec(d, &r);

	xsd_state_put(s, &a);
}

/* --- start and stop --- */

/* Epoch of a complete file of this boot; 0: nothing usable in it. */
static uint64_t file_epoch(const struct xsd *s, struct xsd_file *f)
{
	off_t size = lseek(f->fd, 0, SEEK_END);
	struct header h;

	if (size < (off_t)sizeof(h))
		return 0;
	f->map = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->map == MAP_FAILED) {
		f->map = NULL;
		return 0;
	}
	f->size = (size_t)size;
	memcpy(&h, f->map, sizeof(h));
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) || h.version != VERSION ||
	    h.size != sizeof(h) || h.used < sizeof(h) || h.used > f->size ||
	    memcmp(h.boot, s->state.boot, sizeof(h.boot)))
		return 0;
	f->used = h.used;
	return h.epoch;
}

int xsd_state_open(struct xsd *s, const char *dir, struct dom_err *err)
{
	for (int i = 0; i < 2; i++) {
		char path[300];
		int fd;

		snprintf(path, sizeof(path), "%s/state.%d", dir, i);
		/* In a sticky directory not even root may "create" what is there and another's. */
		fd = dom_open(path, O_RDWR | O_NOFOLLOW, 0);
		if (fd == -ENOENT)
			fd = dom_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
		if (fd < 0)
			return dom_err_set(err, fd, "cannot open state file %s: %s", path,
					   strerror(-fd));
		s->state.file[i].fd = fd;
		if (i == 0 && flock(fd, LOCK_EX | LOCK_NB))
			return dom_err_set(err, -errno, "another xenstored uses %s", dir);
	}
	return 0;
}

int xsd_state_load(struct xsd *s, const char *dir, struct dom_err *err)
{
	struct xsd_state *st = &s->state;
	uint64_t epoch[2];
	int ret;

	boot_id(st->boot, sizeof(st->boot));
	for (int i = 0; i < 2; i++)
		epoch[i] = file_epoch(s, &st->file[i]);
	st->cur = epoch[1] > epoch[0];
	st->epoch = epoch[st->cur];
	if (st->epoch) {
		struct xsd_file *f = &st->file[st->cur];

		s->recovering = true;
		ret = xsd_state_replay(s, f->map + sizeof(struct header),
				       f->used - sizeof(struct header));
		s->recovering = false;
		if (ret)
			return dom_err_set(err, ret, "state file %s/state.%u is damaged; remove it to start with an empty store",
					   dir, st->cur);
		dom_log(&s->log, DOM_LOG_INFO, "store recovered from %s/state.%u", dir, st->cur);
	}
	/* Generations of before must not be met again. */
	s->gen.gen += (st->epoch + 1) << 32;
	/* Continue in a fresh snapshot, so that what was replayed is not replayed again. */
	file_empty(&st->file[!st->cur]);
	ret = snapshot_begin(s);
	if (ret)
		return dom_err_set(err, ret, "no space for the state file in %s", dir);
	st->snap->from = st->file[st->cur].used;
	while ((ret = snapshot_nodes(s, STEP_NODES)) > 0)
		;
	if (!ret)
		ret = snapshot_switch(s);
	snapshot_end(s);
	if (ret)
		return dom_err_set(err, ret, "no space for the state file in %s", dir);
	st->on = true;
	return 0;
}

void xsd_state_close(struct xsd *s)
{
	if (s->state.snap)
		snapshot_end(s);
	for (int i = 0; i < 2; i++) {
		struct xsd_file *f = &s->state.file[i];

		if (f->map)
			munmap(f->map, f->size);
		dom_close_fd(&f->fd);
		f->map = NULL;
	}
	s->state.on = false;
}
