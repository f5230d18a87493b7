// SPDX-License-Identifier: MIT
/*
 * The node a request is about: found, checked, changed, and those told who watch it.
 *
 * A change is described by a record of the state file, applied to the live tree or to the
 * transaction's, and recorded before the reply: there is one way to change the store, and
 * recovery takes the same.
 */
#include <errno.h>
#include <string.h>

#include "domicile/base/num.h"
#include "xsd.h"

/* Note what a lookup depended on: the node, and if missing what is missing or present above. */
static int note(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, struct xsd_target *t,
		bool above, unsigned what)
{
	size_t len = t->len;
	int got;

	if (!r->txn)
		return 0;
	got = t->access = xsd_txn_read(s, c, r->txn, t->path, len, what);
	while (got >= 0 && above && len > t->f.near_len) {
		do
			len--;
		while (len > t->f.near_len && t->path[len] != '/');
		got = xsd_txn_read(s, c, r->txn, t->path, len ? len : 1, XSD_READ_SELF);
	}
	return DOM_MIN(got, 0);
}

int xsd_target_get(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char *path,
		   unsigned need, bool special, unsigned what, struct xsd_target *t)
{
	bool allowed;
	int err;

	if (!path)
		return -EINVAL;
	err = xsd_path(s, c, path, special, s->path, &t->path, &t->len);
	if (err)
		return err;
	t->tree = r->txn ? &r->txn->tree : &s->tree;
	xsd_find(t->tree, &s->gen, t->path, t->len, &t->f);
	allowed = t->f.node && (xsd_perm(s, c, t->f.node->perms) & need) == need;
	err = note(s, c, r, t, !allowed, what);
	if (err || allowed)
		return err;
	if (!(xsd_perm(s, c, xsd_perms_above(t->tree, &t->f)) & need))
		return -EACCES;
	return t->f.node ? -EACCES : -ENOENT;
}

int xsd_change(struct xsd *s, struct xsd_conn *c, struct xsd_req *r,
	       const struct xsd_rec_args *a)
{
	size_t size = xsd_rec_size(a);
	void *log;
	int err;

	if (!r->txn) {
		err = xsd_state_reserve(s, size);
		if (!err)
			err = xsd_apply(s, &s->tree, &s->live, a);
		if (!err)
			xsd_state_put(s, a);
		return err;
	}
	err = xsd_txn_log(s, c, r->txn, size, &log);
	if (err)
		return err;
	err = xsd_apply(s, &r->txn->tree, &r->txn->acct, a);
	if (err) {
		r->txn->fail = true;
		r->txn->log_len -= (uint32_t)size;
	} else {
		xsd_rec_put(log, a);
	}
	return err;
}

void xsd_target_fire(struct xsd *s, struct xsd_req *r, const struct xsd_target *t,
		     const struct xsd_perms *old)
{
	struct xsd_found f;

	if (r->txn) {
		xsd_txn_fire(r->txn, t->access, false);
		return;
	}
	if (!s->watches.n)
		return;
	xsd_find(t->tree, &s->gen, t->path, t->len, &f);
	xsd_fire(s, t->path, t->len, false, old, f.node ? f.node->perms : NULL, f.near->perms);
}

int xsd_target_may_create(struct xsd *s, struct xsd_conn *c, struct xsd_req *r,
			  const struct xsd_target *t, size_t val_len)
{
	const struct xsd_node *near = t->f.near;
	unsigned n_perms = near->perms->n;
	size_t tail = t->len - t->f.near_len;
	int64_t nodes, bytes;

	if (xsd_conn_privileged(c))
		return 0;
	nodes = (int64_t)c->dom->acct[XSD_Q_NODES] + t->f.missing;
	bytes = (int64_t)c->dom->acct[XSD_Q_MEMORY] + (long)val_len +
		xsd_node_mem(n_perms, 0, 0) * (long)t->f.missing + (long)tail;
	if (r->txn) {
		nodes += xsd_txn_nodes(r->txn, c->dom->domid);
		bytes += xsd_txn_bytes(r->txn, c->dom->domid);
	}
	if (xsd_quota_over(s, c, XSD_Q_NODES, (uint64_t)DOM_MAX(nodes, 0)) ||
	    xsd_quota_over(s, c, XSD_Q_NODE_SIZE, xsd_node_size(n_perms, val_len, 0)) ||
	    xsd_quota_over(s, c, XSD_Q_NODE_SIZE,
			   xsd_node_size(n_perms, near->val_len, near->kids_len + tail)))
		return -ENOSPC;
	return xsd_quota_over(s, c, XSD_Q_MEMORY, (uint64_t)DOM_MAX(bytes, 0)) ? -ENOMEM : 0;
}

int xsd_target_may_modify(struct xsd *s, struct xsd_conn *c, struct xsd_req *r,
			  const struct xsd_node *n, unsigned n_perms, size_t val_len)
{
	int64_t bytes = (int64_t)c->dom->acct[XSD_Q_MEMORY] +
		xsd_node_mem(n_perms, n->name_len, val_len) -
		xsd_node_mem(n->perms->n, n->name_len, n->val_len);

	if (xsd_conn_privileged(c))
		return 0;
	if (r->txn)
		bytes += xsd_txn_bytes(r->txn, c->dom->domid);
	if (xsd_quota_over(s, c, XSD_Q_NODE_SIZE, xsd_node_size(n_perms, val_len, n->kids_len)))
		return -ENOSPC;
	return xsd_quota_over(s, c, XSD_Q_MEMORY, (uint64_t)DOM_MAX(bytes, 0)) ? -ENOMEM : 0;
}
