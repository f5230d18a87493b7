// SPDX-License-Identifier: MIT
/*
 * Domains: introduction, identity, death.
 *
 * Whoever speaks over a domain's descriptor is that domain; the descriptor came with the
 * introduction. Closing it is death, as is RELEASE: the domain's watches, transactions and nodes
 * go, permissions that name it become void, and @releaseDomain fires.
 */
#include <errno.h>
#include <stdlib.h>

#include "xsd.h"

#define PAGE 256u

struct xsd_dom *xsd_dom_peek(const struct xsd *s, unsigned domid)
{
	if (domid > UINT16_MAX || !s->doms[domid / PAGE])
		return NULL;
	return s->doms[domid / PAGE][domid % PAGE];
}

struct xsd_dom *xsd_dom_next(const struct xsd *s, unsigned *id)
{
	for (; *id <= UINT16_MAX; (*id)++) {
		if (!s->doms[*id / PAGE])
			*id |= PAGE - 1;
		else if (s->doms[*id / PAGE][*id % PAGE])
			return s->doms[*id / PAGE][*id % PAGE];
	}
	return NULL;
}

struct xsd_dom *xsd_dom_get(struct xsd *s, uint16_t domid)
{
	struct xsd_dom ***page = &s->doms[domid / PAGE], *d = xsd_dom_peek(s, domid);

	if (d)
		return d;
	if (!*page)
		*page = calloc(PAGE, sizeof(**page));
	d = *page ? calloc(1, sizeof(*d)) : NULL;
	if (!d)
		return NULL;
	d->domid = domid;
	d->features = XSD_FEATURES;
	(*page)[domid % PAGE] = d;
	return d;
}

int xsd_dom_introduce(struct xsd *s, uint16_t domid, uint64_t gfn, uint32_t port)
{
	struct xsd_dom *d = xsd_dom_get(s, domid);
	bool news = d && !d->introduced;

	if (!d)
		return -ENOMEM;
	if (xsd_state_reserve(s, 256))
		return -ENOSPC;
	if (!d->conn && domid) {
		d->conn = xsd_conn_new(s, -1, d);
		if (!d->conn)
			return -ENOMEM;
		d->conn->owner = d;
	}
	d->introduced = true;
	d->gfn = gfn;
	d->port = port;
	xsd_state_put_dom(s, d);
	if (news)
		xsd_fire_special(s, "@introduceDomain", domid);
	return 0;
}

int xsd_dom_connect(struct xsd *s, struct xsd_dom *d, int fd, bool known)
{
	struct xsd_rec_args reset = { .type = XSD_REC_RESET, .domid = d->domid };
	int err;

	if (d->reattach && fd >= 0) {
		err = xsd_conn_attach(s, d->conn, fd);
		if (err)
			return err;
		d->reattach = false;
		/* Changes may have been missed: each watch fires once. */
		dom_list_for_each(l, &d->conn->watches)
			xsd_watch_first(s, DOM_CONTAINER_OF(l, struct xsd_watch, on_conn));
		return 0;
	}
	if (xsd_state_reserve(s, xsd_rec_size(&reset)))
		return -ENOSPC;
	if (fd >= 0) {
		err = xsd_conn_attach(s, d->conn, fd);
		if (err)
			return err;
	}
	if (known) {
		xsd_state_put(s, &reset);
		xsd_conn_reset(s, d->conn);
	}
	d->reattach = false;
	return 0;
}

/* --- death --- */

/* Take a node and all below out, and tell watchers. The record of the release stands for it. */
static int remove_node(struct xsd *s, const char *path, size_t len, const struct xsd_found *f)
{
	struct xsd_perms *parent = f->near->perms;
	struct xsd_node *top = f->node;
	int err;

	top->refs++;
	parent->refs++;
	err = xsd_tree_rm(&s->tree, &s->gen, &s->live, path, len);
	if (!err)
		xsd_fire_subtree(s, top, parent, path, len);
	xsd_perms_unref(parent);
	xsd_node_unref(top);
	return err;
}

static int give_to_dom0(struct xsd *s, const char *path, size_t len, const struct xsd_node *n)
{
	struct xsd_perms *perms = xsd_perms_new(n->perms->n, s->gen.gen + 1);
	int err;

	if (!perms)
		return -ENOMEM;
	memcpy(perms->v, n->perms->v, perms->n * sizeof(perms->v[0]));
	perms->v[0].domid = 0;
	err = xsd_tree_set_perms(&s->tree, &s->gen, &s->live, path, len, perms);
	if (err)
		xsd_perms_unref(perms);
	return err;
}

/* Nodes of the dead go; special ones, "/" and, with keep_orphans, all become domain 0's. */
static int bury_node(struct xsd *s, struct xsd_dom *d, const char *path, size_t len)
{
	struct xsd_found f;

	xsd_find(&s->tree, &s->gen, path, len, &f);
	if (!f.node || f.node->perms->v[0].domid != d->domid)
		return 0;
	if (s->keep_orphans || len == 1 || path[0] == '@')
		return give_to_dom0(s, path, len, f.node);
	return remove_node(s, path, len, &f);
}

/* Bury what the dead domain owns at @start and below. */
static void bury_below(struct xsd *s, struct xsd_dom *d, const char *start, size_t len)
{
	struct xsd_found f;
	struct xsd_walk w;

	xsd_find(&s->tree, &s->gen, start, len, &f);
	if (!f.node)
		return;
	xsd_walk_init(&w, f.node, start, len);
	while (d->acct[XSD_Q_NODES] && xsd_walk_next(&w) > 0) {
		if (w.leaving || w.node->perms->v[0].domid != d->domid)
			continue;
		if (!s->keep_orphans && w.len > 1)
			xsd_walk_skip(&w);
		if (bury_node(s, d, w.path, w.len))
			dom_log(&s->log, DOM_LOG_ERROR, "domain %u: %s stays: out of memory",
				d->domid, w.path);
	}
	xsd_walk_fini(&w);
}

void xsd_dom_remove_nodes(struct xsd *s, struct xsd_dom *d)
{
	struct xsd_found f;
	char path[40];
	size_t len;

	/* Nearly all of them are here; the whole store is searched only if some are left. */
	len = (size_t)snprintf(path, sizeof(path), "/local/domain/%u", d->domid);
	bury_below(s, d, path, len);
	bury_below(s, d, "/", 1);
	bury_node(s, d, "@introduceDomain", strlen("@introduceDomain"));
	bury_node(s, d, "@releaseDomain", strlen("@releaseDomain"));
	len = (size_t)snprintf(path, sizeof(path), "@releaseDomain/%u", d->domid);
	xsd_find(&s->tree, &s->gen, path, len, &f);
	if (f.node)
		xsd_tree_rm(&s->tree, &s->gen, &s->live, path, len);
}

static void forget_target(struct xsd *s, uint16_t domid)
{
	dom_list_for_each(l, &s->conns) {
		struct xsd_conn *c = DOM_CONTAINER_OF(l, struct xsd_conn, all);

		if (c->owner && c->owner->has_target && c->owner->target == domid)
			c->owner->has_target = false;
	}
}

void xsd_dom_release(struct xsd *s, struct xsd_dom *d)
{
	struct xsd_rec_args rec = { .type = XSD_REC_RELEASE, .domid = d->domid,
		.num = s->keep_orphans };
	bool was = d->introduced;

	if (d->conn)
		xsd_conn_free(s, d->conn);
	d->conn = NULL;
	if (!s->recovering && xsd_state_reserve(s, xsd_rec_size(&rec)) == 0)
		xsd_state_put(s, &rec);
	xsd_dom_remove_nodes(s, d);
	d->introduced = d->reattach = d->has_target = false;
	d->dead_gen = ++s->gen.gen;
	d->tx_mark = d->tx_stale = 0;
	d->features = XSD_FEATURES;
	memset(d->limit, 0, sizeof(d->limit));
	forget_target(s, d->domid);
	if (was)
		xsd_fire_special(s, "@releaseDomain", d->domid);
}

void xsd_dom_fini(struct xsd *s)
{
	for (unsigned i = 0; i < DOM_ARRAY_LEN(s->doms); i++) {
		for (unsigned j = 0; s->doms[i] && j < PAGE; j++)
			free(s->doms[i][j]);
		free(s->doms[i]);
		s->doms[i] = NULL;
	}
}
