// SPDX-License-Identifier: MIT
/*
 * Requests on nodes: values, lists of children, creation, removal.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/num.h"
#include "xsd.h"

int xsd_do_read(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	struct xsd_target t;
	int err = xsd_target_get(s, c, r, xsd_req_one(r), XSC_PERM_READ, false, XSD_READ_SELF, &t);

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

int xsd_do_directory(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	struct xsd_target t;
	int err = xsd_target_get(s, c, r, xsd_req_one(r), XSC_PERM_READ, false,
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
int xsd_do_directory_part(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[2];
	char buf[XENSTORE_PAYLOAD_MAX];
	struct xsd_target t;
	size_t off, len, max;
	int gen, err;

	if (xsc_wire_strings(r->data, r->hdr.len, arg, 2) != 2)
		return -EINVAL;
	err = xsd_target_get(s, c, r, arg[0], XSC_PERM_READ, false,
			     XSD_READ_SELF | XSD_READ_KIDS, &t);
	if (!err)
		err = list(s, t.f.node);
	if (err)
		return err;
	gen = snprintf(buf, sizeof(buf), "%llu", (unsigned long long)t.f.node->kids_gen) + 1;
	off = DOM_MIN((size_t)xsd_req_number(arg[1]), s->listing_len);
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
	struct xsd_target t;
	int err = xsd_target_get(s, c, r, path, XSC_PERM_WRITE, false, XSD_READ_SELF, &t);
	struct xsd_rec_args a = { .type = type, .b = val, .b_len = val_len,
		.num = xsd_conn_privileged(c) ? -1 : c->dom->domid };

	if (err && err != -ENOENT)
		return err;
	if (!err && type == XSD_REC_MKDIR) {
		xsd_ack(s, c, r);
		return 0;
	}
	err = err ? xsd_target_may_create(s, c, r, &t, val_len) :
		    xsd_target_may_modify(s, c, r, t.f.node, t.f.node->perms->n, val_len);
	if (!err) {
		a.a = t.path;
		a.a_len = t.len;
		a.found = &t.f;
		err = xsd_change(s, c, r, &a);
	}
	if (err)
		return err;
	xsd_target_fire(s, r, &t, NULL);
	xsd_ack(s, c, r);
	return 0;
}

int xsd_do_write(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *path;
	size_t len;

	if (xsc_wire_strings(r->data, r->hdr.len, &path, 1) < 1)
		return -EINVAL;
	len = strlen(path) + 1;
	return set(s, c, r, path, r->data + len, r->hdr.len - len, XSD_REC_SET);
}

int xsd_do_mkdir(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	return set(s, c, r, xsd_req_one(r), NULL, 0, XSD_REC_MKDIR);
}

/* In a transaction a removal depends on, and changes, each node below. */
static int note_subtree(struct xsd *s, struct xsd_conn *c, struct xsd_req *r,
			const struct xsd_target *t)
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

static int remove_node(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char *path,
		       size_t len, const struct xsd_found *f)
{
	struct xsd_rec_args a = { .type = XSD_REC_RM, .a = path, .a_len = len };
	struct xsd_node *top = f->node;
	int err;

	if (r->txn || !s->watches.n)
		return xsd_change(s, c, r, &a);
	/* Events need the removed nodes' permissions: hold on to them. */
	top->refs++;
	f->near->perms->refs++;
	err = xsd_change(s, c, r, &a);
	if (!err)
		xsd_fire_subtree(s, top, f->near->perms, path, len);
	xsd_perms_unref(f->near->perms);
	xsd_node_unref(top);
	return err;
}

int xsd_do_rm(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	struct xsd_target t;
	int err = xsd_target_get(s, c, r, xsd_req_one(r), XSC_PERM_WRITE, false, XSD_READ_SELF, &t);

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
