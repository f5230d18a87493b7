// SPDX-License-Identifier: MIT
/*
 * Applying records: each type of them to the tree, live or a transaction's, or to the rest. This is
 * how the store is changed, and how it is recovered.
 */
#include <errno.h>
#include <string.h>

#include "xsd.h"

/* --- the tree --- */

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
		err = p->v[i].perms > (XSC_PERM_READ | XSC_PERM_WRITE) ? -EINVAL : 0;
	}
	return xsd_perms_made(s, p, err, ret);
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

/* --- the rest --- */

static int restore_dom(struct xsd *s, const struct xsd_rec_args *a)
{
	struct xsd_dom *d = xsd_dom_get(s, a->domid);
	struct xsd_rec_dom r;

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
