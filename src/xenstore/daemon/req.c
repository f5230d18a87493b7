// SPDX-License-Identifier: MIT
/*
 * The requests. One row each; what is common (privilege, transaction) is decided before the
 * handler by the row's flags. Handlers return 0 after replying, or a negative errno that becomes
 * the error reply.
 *
 * A change is described by a record of the state file, applied to the live tree or to the
 * transaction's, and recorded before the reply: there is one way to change the store, and
 * recovery takes the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"
#include "xsd.h"

/* --- replies --- */

void xsd_reply(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const void *data, size_t len)
{
	struct xsd_sockmsg hdr = r->hdr;

	hdr.len = (uint32_t)len;
	r->replied = true;
	xsd_conn_send(s, c, &hdr, data, len, NULL, 0);
}

void xsd_ack(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	/* Whoever acts upon the reply finds its events before those of what follows. */
	if (!dom_list_empty(&c->fanout.changes)) {
		c->fanout.reply_waits = true;
		c->reply = r->hdr;
		return;
	}
	xsd_reply(s, c, r, "OK", sizeof("OK"));
}

static void reply_error(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, int err)
{
	const char *name = xsc_wire_error_name(err);

	r->hdr.type = XS_ERROR;
	xsd_reply(s, c, r, name, strlen(name) + 1);
}

/* --- arguments --- */

const char *xsd_req_one(const struct xsd_req *r)
{
	size_t len = r->hdr.len;

	return len && memchr(r->data, 0, len) == r->data + len - 1 ? r->data : NULL;
}

/*
 * Numbers as Xen's daemon reads them: what does not start with a number is 0, what follows one is
 * ignored.
 */
static unsigned number(const char *text)
{
	return (unsigned)strtol(text, NULL, 10);
}

/* Does @path start with "/local/domain/<number>/"? Then its length, which no quota counts. */
static size_t home_part(const char *path, size_t len)
{
	static const char base[] = "/local/domain/";
	size_t n = sizeof(base) - 1, digits = 0;

	if (len <= n || memcmp(path, base, n))
		return 0;
	while (n < len && path[n] >= '0' && path[n] <= '9' && digits < 5) {
		n++;
		digits++;
	}
	return digits && n < len && path[n] == '/' ? n + 1 : 0;
}

int xsd_path(struct xsd *s, struct xsd_conn *c, const char *path, bool special, char *buf,
	     const char **ret, size_t *ret_len)
{
	size_t len = strlen(path);

	if (path[0] == '@' && !special)
		return -EINVAL;
	if (xsc_path_is_relative(path)) {
		memcpy(buf, c->home, c->home_len);
		memcpy(buf + c->home_len, path, len + 1);
		path = buf;
		len += c->home_len;
	}
	if (!xsd_split_valid(&s->gen, path, len))
		return -EINVAL;
	if (xsd_quota_over(s, c, XSD_Q_PATH, len - home_part(path, len)))
		return -EINVAL;
	*ret = path;
	*ret_len = len;
	return 0;
}

/* --- permissions --- */

static bool is_me(const struct xsd_conn *c, uint16_t domid)
{
	return domid == c->dom->domid || (c->dom->has_target && domid == c->dom->target);
}

/* An entry of a domain that has died since is not valid for a new one with its number. */
static bool entry_alive(const struct xsd *s, const struct xsd_perms *p, unsigned i)
{
	const struct xsd_dom *d = xsd_dom_peek(s, p->v[i].domid);

	return !d || p->gen >= d->dead_gen;
}

unsigned xsd_perm(const struct xsd *s, const struct xsd_conn *c, const struct xsd_perms *p)
{
	if (xsd_conn_privileged(c) || is_me(c, p->v[0].domid))
		return XSC_PERM_READ | XSC_PERM_WRITE | XSD_PERM_OWNER;
	for (unsigned i = 1; i < p->n; i++)
		if (p->v[i].domid == DOMID_ANY ||
		    (is_me(c, p->v[i].domid) && entry_alive(s, p, i)))
			return p->v[i].perms;
	return p->v[0].perms;
}

int xsd_set_perms_text(struct xsd *s, const char *text, unsigned n, struct xsd_perms **ret)
{
	struct xsd_perms *p = xsd_perms_new(n, s->gen.gen + 1);
	int err = p ? 0 : -ENOMEM;

	for (unsigned i = 0; !err && i < n; i++, text += strlen(text) + 1) {
		if (xsc_perm_parse(text, &p->v[i]))
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

/* --- the node a request is about --- */

struct target {
	const char *path;
	size_t len;
	const struct xsd_tree *tree;	/* live, or the transaction's */
	int access;		/* in a transaction: what it noted */
	struct xsd_found f;
};

/* Note what a lookup depended on: the node, and if missing what is missing or present above. */
static int note(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, struct target *t, bool above,
		unsigned what)
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

/*
 * Find the node and check that @c has @need. -ENOENT is told only to those who have some of it on
 * what exists above, everybody else gets -EACCES.
 */
static int get(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char *path,
	       unsigned need, bool special, unsigned what, struct target *t)
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

/* --- one way to change the store --- */

static int change(struct xsd *s, struct xsd_conn *c, struct xsd_req *r,
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

static void fire(struct xsd *s, struct xsd_req *r, const struct target *t,
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

/* --- quotas of a change --- */

static int quota_create(struct xsd *s, struct xsd_conn *c, struct xsd_req *r,
			const struct target *t, size_t val_len)
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

static int quota_modify(struct xsd *s, struct xsd_conn *c, struct xsd_req *r,
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

/* --- nodes --- */

static int do_read(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	struct target t;
	int err = get(s, c, r, xsd_req_one(r), XSC_PERM_READ, false, XSD_READ_SELF, &t);

	if (!err)
		xsd_reply(s, c, r, xsd_node_value(t.f.node), t.f.node->val_len);
	return err;
}

/* Make xsd.listing the names of @n's children, each with its NUL. */
static int list(struct xsd *s, const struct xsd_node *n)
{
	struct xsd_node **kids;
	char *p;
	int err;

	if (s->listing && s->listing_gen == n->kids_gen)
		return 0;
	err = xsd_kids(n, &kids);
	p = err ? NULL : realloc(s->listing, n->kids_len + 1u);
	if (!p) {
		free(err ? NULL : kids);
		return -ENOMEM;
	}
	s->listing = p;
	s->listing_len = n->kids_len;
	s->listing_gen = n->kids_gen;
	s->work += n->n_kids / 16;
	for (unsigned i = 0; i < n->n_kids; i++) {
		memcpy(p, kids[i]->data, kids[i]->name_len);
		p += kids[i]->name_len;
		*p++ = 0;
	}
	free(kids);
	return 0;
}

static int do_directory(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	struct target t;
	int err = get(s, c, r, xsd_req_one(r), XSC_PERM_READ, false,
		      XSD_READ_SELF | XSD_READ_KIDS, &t);

	if (!err && t.f.node->kids_len > XENSTORE_PAYLOAD_MAX)
		err = -E2BIG;
	if (!err)
		err = list(s, t.f.node);
	if (!err)
		xsd_reply(s, c, r, s->listing, s->listing_len);
	return err;
}

/* Reply: generation, NUL, names from the offset on, one more NUL behind the last of the list. */
static int do_directory_part(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[2];
	char buf[XENSTORE_PAYLOAD_MAX];
	struct target t;
	size_t off, len, max;
	int gen, err;

	if (xsc_wire_strings(r->data, r->hdr.len, arg, 2) != 2)
		return -EINVAL;
	err = get(s, c, r, arg[0], XSC_PERM_READ, false, XSD_READ_SELF | XSD_READ_KIDS, &t);
	if (!err)
		err = list(s, t.f.node);
	if (err)
		return err;
	gen = snprintf(buf, sizeof(buf), "%llu", (unsigned long long)t.f.node->kids_gen) + 1;
	off = DOM_MIN((size_t)number(arg[1]), s->listing_len);
	len = s->listing_len - off;
	max = sizeof(buf) - (size_t)gen - 1;
	if (len > max)	/* cut behind the last name that fits */
		for (len = max; len && s->listing[off + len - 1]; len--)
			;
	memcpy(buf + gen, s->listing + off, len);
	if (off + len == s->listing_len)
		buf[(size_t)gen + len++] = 0;
	xsd_reply(s, c, r, buf, (size_t)gen + len);
	return 0;
}

static int set(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char *path,
	       const void *val, size_t val_len, enum xsd_rec type)
{
	struct target t;
	int err = get(s, c, r, path, XSC_PERM_WRITE, false, XSD_READ_SELF, &t);
	struct xsd_rec_args a = { .type = type, .b = val, .b_len = val_len,
		.num = xsd_conn_privileged(c) ? -1 : c->dom->domid };

	if (err && err != -ENOENT)
		return err;
	if (!err && type == XSD_REC_MKDIR) {
		xsd_ack(s, c, r);
		return 0;
	}
	err = err ? quota_create(s, c, r, &t, val_len) :
		    quota_modify(s, c, r, t.f.node, t.f.node->perms->n, val_len);
	if (!err) {
		a.a = t.path;
		a.a_len = t.len;
		a.found = &t.f;
		err = change(s, c, r, &a);
	}
	if (err)
		return err;
	fire(s, r, &t, NULL);
	xsd_ack(s, c, r);
	return 0;
}

static int do_write(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *path;
	size_t len;

	if (xsc_wire_strings(r->data, r->hdr.len, &path, 1) < 1)
		return -EINVAL;
	len = strlen(path) + 1;
	return set(s, c, r, path, r->data + len, r->hdr.len - len, XSD_REC_SET);
}

static int do_mkdir(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	return set(s, c, r, xsd_req_one(r), NULL, 0, XSD_REC_MKDIR);
}

/* In a transaction a removal depends on, and changes, each node below. */
static int note_subtree(struct xsd *s, struct xsd_conn *c, struct xsd_req *r,
			const struct target *t)
{
	struct xsd_walk w;
	int err;

	xsd_walk_init(&w, t->f.node, t->path, t->len);
	while ((err = xsd_walk_next(&w)) > 0) {
		if (w.leaving)
			continue;
		s->work++;
		err = xsd_txn_read(s, c, r->txn, w.path, w.len, XSD_READ_SELF | XSD_READ_KIDS);
		if (err < 0)
			break;
		xsd_txn_fire(r->txn, err, w.node != t->f.node);
	}
	xsd_walk_fini(&w);
	return err;
}

void xsd_fire_subtree(struct xsd *s, struct xsd_node *top, const struct xsd_perms *parent,
		      const char *path, size_t len)
{
	struct xsd_walk w;

	if (!s->watches.n || s->recovering)
		return;
	xsd_walk_init(&w, top, path, len);
	while (xsd_walk_next(&w) > 0) {
		if (!w.leaving)
			continue;
		s->work++;
		xsd_fire(s, w.path, w.len, w.node != top, NULL, w.node->perms,
			 w.depth > 1 ? w.stack[w.depth - 2].node->perms : parent);
	}
	xsd_walk_fini(&w);
}

static int remove_node(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char *path,
		       size_t len, const struct xsd_found *f)
{
	struct xsd_rec_args a = { .type = XSD_REC_RM, .a = path, .a_len = len };
	struct xsd_node *top = f->node;
	int err;

	if (r->txn || !s->watches.n)
		return change(s, c, r, &a);
	/* Events need the removed nodes' permissions: hold on to them. */
	top->refs++;
	f->near->perms->refs++;
	err = change(s, c, r, &a);
	if (!err)
		xsd_fire_subtree(s, top, f->near->perms, path, len);
	xsd_perms_unref(f->near->perms);
	xsd_node_unref(top);
	return err;
}

static int do_rm(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	struct target t;
	int err = get(s, c, r, xsd_req_one(r), XSC_PERM_WRITE, false, XSD_READ_SELF, &t);

	if (err == -ENOENT && t.f.missing == 1) {
		xsd_ack(s, c, r);	/* gone already; fine as long as there is a parent */
		return 0;
	}
	if (err)
		return err;
	if (t.len == 1)
		return -EINVAL;
	if (r->txn) {
		err = xsd_txn_read(s, c, r->txn, t.path, t.f.near_len, XSD_READ_SELF);
		if (err >= 0)
			err = note_subtree(s, c, r, &t);
	}
	if (!err)
		err = remove_node(s, c, r, t.path, t.len, &t.f);
	if (!err)
		xsd_ack(s, c, r);
	return err;
}

static int do_get_perms(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	struct target t;
	int err = get(s, c, r, xsd_req_one(r), XSC_PERM_READ, true, XSD_READ_SELF, &t);
	char buf[XENSTORE_PAYLOAD_MAX];
	size_t len = 0;

	for (unsigned i = 0; !err && i < t.f.node->perms->n; i++) {
		char one[8];
		size_t n = strlen(xsc_perm_format(&t.f.node->perms->v[i], one)) + 1;

		if (len + n > sizeof(buf))
			return -E2BIG;
		memcpy(buf + len, one, n);
		len += n;
	}
	if (!err)
		xsd_reply(s, c, r, buf, len);
	return err;
}

/* "@releaseDomain/<domid>" comes into being when permissions are given to it. */
static bool is_special_of_domain(const char *path)
{
	static const char name[] = "@releaseDomain/";
	uint64_t domid;

	return !strncmp(path, name, sizeof(name) - 1) &&
	       !dom_parse_u64(path + sizeof(name) - 1, DOMID_FIRST_RESERVED - 1, &domid);
}

static int set_perms(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, struct target *t,
		     const struct xsd_perms *perms)
{
	struct xsd_rec_args a = { .type = XSD_REC_PERMS, .a = t->path, .a_len = t->len,
		.b = perms->v, .b_len = perms->n * sizeof(perms->v[0]) };
	struct xsd_perms *old = t->f.node->perms;
	int err = quota_modify(s, c, r, t->f.node, perms->n, t->f.node->val_len);

	/* Only privileged callers may give a node away. */
	if (!xsd_conn_privileged(c) && perms->v[0].domid != old->v[0].domid)
		return -EPERM;
	if (err)
		return err;
	old->refs++;
	err = change(s, c, r, &a);
	if (!err)
		fire(s, r, t, old);
	xsd_perms_unref(old);
	return err;
}

/*
 * Whom a caller may name. There is no hypervisor to ask which domains exist: to privileged callers,
 * who give nodes to domains before they introduce them, every domain id exists.
 */
static int check_perms(struct xsd *s, const struct xsd_conn *c, struct xsd_perms *p)
{
	const struct xsd_dom *owner = xsd_dom_peek(s, p->v[0].domid);

	if (owner->domid >= DOMID_FIRST_RESERVED ||
	    (!xsd_conn_privileged(c) && !owner->introduced))
		return -ENOENT;
	/* Without the feature it is the number of no domain. */
	for (unsigned i = 1; i < p->n; i++)
		if (p->v[i].domid == DOMID_ANY &&
		    !(c->dom->features & XENSTORE_SERVER_FEATURE_DOMID_ANY))
			p->v[i].perms = XSC_PERM_NONE;
	return 0;
}

static int do_set_perms(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	unsigned n = xsc_wire_strings(r->data, r->hdr.len, NULL, 0);
	struct xsd_perms *perms;
	struct target t;
	int err;

	if (n < 2)
		return -EINVAL;
	if (xsd_quota_over(s, c, XSD_Q_PERMS, n - 1))
		return -ENOSPC;
	err = xsd_set_perms_text(s, r->data + strlen(r->data) + 1, n - 1, &perms);
	if (err)
		return err;
	err = check_perms(s, c, perms);
	if (err) {
		xsd_perms_unref(perms);
		return err;
	}
	err = get(s, c, r, r->data, XSC_PERM_WRITE | XSD_PERM_OWNER, true, XSD_READ_SELF, &t);
	if (err == -ENOENT && xsd_conn_privileged(c) && is_special_of_domain(t.path)) {
		struct xsd_rec_args mk = { .type = XSD_REC_MKDIR, .a = t.path, .a_len = t.len,
			.num = -1 };

		err = change(s, c, r, &mk);
		xsd_find(t.tree, &s->gen, t.path, t.len, &t.f);
	}
	if (!err)
		err = set_perms(s, c, r, &t, perms);
	xsd_perms_unref(perms);
	if (!err)
		xsd_ack(s, c, r);
	return err;
}

/* --- watches --- */

/* Watches of guests are kept over a restart; tools set theirs again themselves. */
static bool is_kept(const struct xsd_conn *c)
{
	return c->owner && c->owner->domid;
}

static int do_watch(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[3] = { NULL, NULL, NULL }, *path;
	unsigned n = xsc_wire_strings(r->data, r->hdr.len, arg, 3);
	struct xsd_rec_args a = { .type = XSD_REC_WATCH, .domid = c->dom->domid, .num = -1 };
	struct xsd_watch *w;
	char buf[XSD_PATH_MAX];
	size_t len;
	int err;

	if (n != 2 && n != 3)
		return -EINVAL;
	err = xsd_path(s, c, arg[0], true, buf, &path, &len);
	if (err)
		return err;
	if (n == 3) {
		uint64_t depth;

		if (dom_parse_u64(arg[2], INT32_MAX, &depth) || (path[0] == '@' && depth != 1))
			return -EINVAL;
		a.num = (int32_t)depth;
	}
	if (xsd_watch_find(s, c, path, len, arg[1]))
		return -EEXIST;
	if (xsd_quota_over(s, c, XSD_Q_WATCHES, c->dom->acct[XSD_Q_WATCHES] + 1))
		return -E2BIG;
	if (!xsd_conn_privileged(c) &&
	    xsd_quota_over(s, c, XSD_Q_MEMORY, c->dom->acct[XSD_Q_MEMORY] + r->hdr.len + 64))
		return -ENOMEM;
	a.a = arg[0];
	a.a_len = strlen(arg[0]);
	a.b = arg[1];
	a.b_len = strlen(arg[1]);
	err = is_kept(c) ? xsd_state_reserve(s, xsd_rec_size(&a)) : 0;
	if (!err)
		err = xsd_watch_add(s, c, path, len,
				    xsc_path_is_relative(arg[0]) ? c->home_len : 0, arg[1], a.num,
				    &w);
	if (err)
		return err;
	if (is_kept(c))
		xsd_state_put(s, &a);
	xsd_ack(s, c, r);
	xsd_watch_first(s, w);
	return 0;
}

static int do_unwatch(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[2], *path;
	struct xsd_watch *w;
	char buf[XSD_PATH_MAX];
	size_t len;
	int err;

	if (xsc_wire_strings(r->data, r->hdr.len, arg, 2) != 2)
		return -EINVAL;
	err = xsd_path(s, c, arg[0], true, buf, &path, &len);
	if (err)
		return err;
	w = xsd_watch_find(s, c, path, len, arg[1]);
	if (!w)
		return -ENOENT;
	if (is_kept(c)) {
		struct xsd_rec_args a = { .type = XSD_REC_UNWATCH, .domid = c->dom->domid,
			.a = path, .a_len = len, .b = arg[1], .b_len = strlen(arg[1]) };

		err = xsd_state_reserve(s, xsd_rec_size(&a));
		if (err)
			return err;
		xsd_state_put(s, &a);
	}
	xsd_watch_del(s, w);
	xsd_ack(s, c, r);
	return 0;
}

static int do_reset_watches(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	if (is_kept(c)) {
		struct xsd_rec_args a = { .type = XSD_REC_RESET, .domid = c->dom->domid };
		int err = xsd_state_reserve(s, xsd_rec_size(&a));

		if (err)
			return err;
		xsd_state_put(s, &a);
	}
	xsd_watch_del_all(s, c);
	xsd_txn_free_all(s, c);
	r->txn = NULL;
	xsd_ack(s, c, r);
	return 0;
}

/* --- transactions --- */

static int do_transaction_start(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	char text[12];
	uint32_t id;
	int err;

	if (r->txn)
		return -EBUSY;
	if (xsd_quota_over(s, c, XSD_Q_TRANS, c->dom->acct[XSD_Q_TRANS] + 1))
		return -ENOSPC;
	err = xsd_txn_start(s, c, &id);
	if (!err)
		xsd_reply(s, c, r, text, (size_t)snprintf(text, sizeof(text), "%u", id) + 1);
	return err;
}

static int do_transaction_end(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg = xsd_req_one(r);
	struct xsd_txn *t = r->txn;
	int err;

	if (!arg || (strcmp(arg, "T") && strcmp(arg, "F")))
		return -EINVAL;
	if (!t)
		return -ENOENT;
	err = xsd_txn_end(s, c, t, arg[0] == 'T', &r->hdr);
	if (!err)
		xsd_ack(s, c, r);
	return DOM_MIN(err, 0);
}

/* --- domains --- */

static struct xsd_dom *introduced(struct xsd *s, const char *text, int *ret_err)
{
	unsigned domid = text ? number(text) : 0;
	struct xsd_dom *d = text && domid ? xsd_dom_peek(s, domid) : NULL;

	*ret_err = !text || !domid ? -EINVAL : !d || !d->introduced ? -ENOENT : 0;
	return *ret_err ? NULL : d;
}

/*
 * domid, gfn, port; a fourth string "fd" says that the guest's connection came along, and the reply
 * says so, too. EAGAIN: it was not looked for, see conn.c; now it is. Xen's tools send three.
 */
static int do_introduce(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[4];
	unsigned n = xsc_wire_strings(r->data, r->hdr.len, arg, 4), domid;
	bool with_fd = n >= 4 && !strcmp(arg[3], "fd"), known;
	int fd DOM_CLEANUP_FD = dom_fd_steal(&c->rx_fd);
	struct xsd_dom *d;
	int err;

	if (n < 3 || (int)number(arg[2]) <= 0)
		return -EINVAL;
	if (with_fd && fd < 0) {
		err = xsd_conn_takes_fds(c) ? -EINVAL : -EAGAIN;
		xsd_conn_take_fds(c);
		return err;
	}
	domid = number(arg[0]);
	if (domid >= DOMID_FIRST_RESERVED || (with_fd && !domid))
		return -EINVAL;
	d = xsd_dom_peek(s, domid);
	known = d && d->introduced;
	err = xsd_dom_introduce(s, (uint16_t)domid, strtoull(arg[1], NULL, 0), number(arg[2]));
	if (err)
		return err;
	d = xsd_dom_peek(s, domid);
	if (d->conn)
		err = xsd_dom_connect(s, d, with_fd ? fd : -1, known);
	if (err)
		return err;
	if (with_fd)
		dom_fd_steal(&fd);
	xsd_reply(s, c, r, with_fd ? "FD" : "OK", 3);
	return 0;
}

static int do_release(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	int err;
	struct xsd_dom *d = introduced(s, xsd_req_one(r), &err);

	if (!d)
		return err;
	xsd_dom_release(s, d);
	xsd_ack(s, c, r);
	return 0;
}

/* A shutdown that could be news again does not pass through this daemon: nothing to forget. */
static int do_resume(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	int err;

	if (!introduced(s, xsd_req_one(r), &err))
		return err;
	xsd_ack(s, c, r);
	return 0;
}

static int do_set_target(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[2];
	struct xsd_dom *d, *target;

	if (xsc_wire_strings(r->data, r->hdr.len, arg, 2) < 2)
		return -EINVAL;
	d = xsd_dom_peek(s, number(arg[0]));
	target = xsd_dom_peek(s, number(arg[1]));
	if (!d || !d->introduced || !target || !target->introduced)
		return -ENOENT;
	if (xsd_state_reserve(s, 256))
		return -ENOSPC;
	d->target = target->domid;
	d->has_target = true;
	xsd_state_put_dom(s, d);
	xsd_ack(s, c, r);
	return 0;
}

static int do_is_domain_introduced(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg = xsd_req_one(r);
	struct xsd_dom *d;

	if (!arg)
		return -EINVAL;
	d = xsd_dom_peek(s, number(arg));
	xsd_reply(s, c, r, number(arg) == DOMID_SELF || (d && d->introduced) ? "T" : "F", 2);
	return 0;
}

static int do_get_domain_path(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg = xsd_req_one(r);
	char path[32];

	if (!arg)
		return -EINVAL;
	xsd_reply(s, c, r, path,
		  (size_t)snprintf(path, sizeof(path), "/local/domain/%u", number(arg)) + 1);
	return 0;
}

/* --- the table --- */

#define PRIV 1u		/* privileged callers only, others get EACCES */
#define NO_TX 2u	/* takes no notice of the transaction id */

static const struct {
	int (*fn)(struct xsd *s, struct xsd_conn *c, struct xsd_req *r);
	unsigned flags;
} requests[XS_TYPE_COUNT] = {
	[XS_CONTROL]              = { xsd_control,             PRIV },
	[XS_DIRECTORY]            = { do_directory,            0 },
	[XS_READ]                 = { do_read,                 0 },
	[XS_GET_PERMS]            = { do_get_perms,            0 },
	[XS_WATCH]                = { do_watch,                NO_TX },
	[XS_UNWATCH]              = { do_unwatch,              NO_TX },
	[XS_TRANSACTION_START]    = { do_transaction_start,    0 },
	[XS_TRANSACTION_END]      = { do_transaction_end,      0 },
	[XS_INTRODUCE]            = { do_introduce,            PRIV },
	[XS_RELEASE]              = { do_release,              PRIV },
	[XS_GET_DOMAIN_PATH]      = { do_get_domain_path,      0 },
	[XS_WRITE]                = { do_write,                0 },
	[XS_MKDIR]                = { do_mkdir,                0 },
	[XS_RM]                   = { do_rm,                   0 },
	[XS_SET_PERMS]            = { do_set_perms,            0 },
	[XS_IS_DOMAIN_INTRODUCED] = { do_is_domain_introduced, PRIV },
	[XS_RESUME]               = { do_resume,               PRIV },
	[XS_SET_TARGET]           = { do_set_target,           PRIV },
	[XS_RESET_WATCHES]        = { do_reset_watches,        0 },
	[XS_DIRECTORY_PART]       = { do_directory_part,       0 },
	[XS_GET_FEATURE]          = { xsd_get_feature,         0 },
	[XS_SET_FEATURE]          = { xsd_set_feature,         PRIV },
	[XS_GET_QUOTA]            = { xsd_get_quota,           0 },
	[XS_SET_QUOTA]            = { xsd_set_quota,           PRIV },
};

static int find_txn(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	r->txn = xsd_txn_find(c, r->hdr.tx_id);
	if (!r->txn && c->owner && r->hdr.tx_id <= c->owner->tx_stale)
		r->txn = xsd_txn_stale(s, c, r->hdr.tx_id);
	return r->txn ? 0 : -ENOENT;
}

void xsd_request(struct xsd *s, struct xsd_conn *c, const struct xsd_sockmsg *hdr,
		 const char *data)
{
	struct xsd_req r = { .hdr = *hdr, .data = data };
	uint32_t type = hdr->type;
	int err = 0;

	s->gen.by = c->dom->domid;
	xsd_fan_for(s, &c->fanout);
	if (type >= XS_TYPE_COUNT || !requests[type].fn)
		err = -ENOSYS;
	else if ((requests[type].flags & PRIV) && !xsd_conn_privileged(c))
		err = -EACCES;
	else if (hdr->tx_id && !(requests[type].flags & NO_TX))
		err = find_txn(s, c, &r);
	if (!err)
		err = requests[type].fn(s, c, &r);
	if (err)
		reply_error(s, c, &r, err);
	xsd_fan_for(s, &s->orphans);
}
