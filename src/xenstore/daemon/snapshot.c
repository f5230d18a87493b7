// SPDX-License-Identifier: MIT
/*
 * When the state file has grown to twice its last snapshot, a new snapshot is written to the other
 * of the two files, some nodes per round of the loop, from a version of the tree that is held
 * meanwhile. What happened since is then copied behind it, and the files change roles by the
 * epoch in their headers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/num.h"
#include "xsd.h"

#define SLACK (1u << 20)		/* growth that is never worth a snapshot */
#define STEP_NODES 256			/* nodes of a snapshot per round */

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
	return xsd_file_put(f, &a);
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
		err = err ? err : xsd_file_put(f, &a);
	}
	return err;
}

/* Limits, domains and their watches: few, written at once. */
static int put_all_but_nodes(struct xsd *s, struct xsd_file *f)
{
	int err = 0;

	for (int q = 0; q < XSD_Q_COUNT && !err; q++) {
		struct xsd_rec_args a = { .type = XSD_REC_QUOTA, .num = q, .a = &s->hard[q],
			.a_len = 4, .b = &s->soft[q], .b_len = 4 };

		err = xsd_file_put(f, &a);
	}
	dom_list_for_each(l, &s->conns) {
		const struct xsd_conn *c = DOM_CONTAINER_OF(l, struct xsd_conn, all);
		struct xsd_rec_dom r;
		struct xsd_rec_args a;

		if (err || !c->owner)
			continue;
		a = xsd_rec_dom(c->owner, &r);
		err = xsd_file_put(f, &a);
		if (!err)
			err = put_watches(f, c);
	}
	return err;
}

void xsd_snapshot_end(struct xsd *s)
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
	err = xsd_file_begin(s, f);
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

	if (f->used + tail > f->size && xsd_file_grow(f, f->used + tail))
		return -ENOSPC;
	if (tail)
		memcpy(f->map + f->used, old->map + st->snap->from, tail);
	f->used += tail;
	xsd_file_publish(f);
	st->cur = !st->cur;
	st->base = base;
	xsd_file_empty(old);
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

bool xsd_snapshot_step(struct xsd *s)
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
		xsd_file_empty(&st->file[!st->cur]);
		st->base = f->used;
	}
	xsd_snapshot_end(s);
	return false;
}

int xsd_snapshot_now(struct xsd *s)
{
	struct xsd_state *st = &s->state;
	int err = snapshot_begin(s);

	if (err)
		return err;
	st->snap->from = st->file[st->cur].used;
	while ((err = snapshot_nodes(s, STEP_NODES)) > 0)
		;
	if (!err)
		err = snapshot_switch(s);
	xsd_snapshot_end(s);
	return err;
}
