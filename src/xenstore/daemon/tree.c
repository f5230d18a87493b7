// SPDX-License-Identifier: MIT
/*
 * An immutable tree with structural sharing.
 *
 * Whoever holds a root holds a version of the store that nobody can change: a transaction, or a
 * snapshot that is being written, is one reference. To change a version, the nodes from the root
 * down to the change are copied, and everything else is shared:
 *
 *	before   /  ->  a, b        b -> c, d            held by a transaction
 *	write /b/c in the live store:
 *	after    /' ->  a, b'       b' -> c', d          a and d are shared, /, b and c are not
 *
 * A node that only one version refers to need not be copied, so without transactions a write
 * happens in place and allocates nothing. "Owned" below means exactly that: the node, and all
 * above it, have one reference.
 *
 * Here are paths, changes and versions; the nodes themselves are in node.c, the children of one in
 * map.c, visits to all below one in walk.c.
 *
 * No function recurses over the depth of the tree: a guest may build 1500 levels.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

/* --- paths --- */

/* Where components start: behind the slash of an absolute path. */
static size_t first_comp(const char *path)
{
	return path[0] == '/';
}

/* Which characters may stand in a name. Spec: docs/misc/xenstore.txt */
static const bool name_chars[256] = {
	['-'] = true, ['@'] = true, ['_'] = true,
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

/* Take @path apart into the memo; false if it is not canonical. */
static bool memorize(struct xsd_gen *g, const char *path, size_t len)
{
	size_t pos = first_comp(path);
	uint32_t sum = g->seed;
	unsigned n = 0;

	g->memo.len = g->memo.n = 0;
	while (pos < len) {
		struct xsd_comp *c = &g->memo.comp[n++];
		uint32_t h = g->seed;
		size_t i = pos;

		for (; i < len && name_chars[(unsigned char)path[i]]; i++)
			h = (h ^ (unsigned char)path[i]) * 0x01000193u;
		if (i == pos || (i < len && (path[i] != '/' || i + 1 == len)))
			return false;
		h ^= h >> 15;
		sum = (sum ^ h) * 0x01000193u;
		*c = (struct xsd_comp){ .at = (uint16_t)pos, .len = (uint16_t)(i - pos),
			.hash = h, .sum = sum };
		pos = i + 1;
	}
	memcpy(g->memo.text, path, len);
	g->memo.len = len;
	g->memo.n = n;
	return true;
}

bool xsd_split_valid(struct xsd_gen *g, const char *path, size_t len)
{
	if (!len || (path[0] != '/' && path[0] != '@'))
		return false;
	return (len == g->memo.len && !memcmp(g->memo.text, path, len)) || memorize(g, path, len);
}

unsigned xsd_split(struct xsd_gen *g, const char *path, size_t len)
{
	unsigned n = g->memo.n;

	if (len > g->memo.len || memcmp(g->memo.text, path, len) ||
	    (len < g->memo.len && g->memo.text[len] != '/' && (len != 1 || path[0] != '/'))) {
		memorize(g, path, len);
		return g->memo.n;
	}
	/* The same path, or one of a node above. */
	while (n && (size_t)g->memo.comp[n - 1].at + g->memo.comp[n - 1].len > len)
		n--;
	return n;
}

void xsd_find(const struct xsd_tree *t, struct xsd_gen *g, const char *path, size_t len,
	      struct xsd_found *ret)
{
	const struct xsd_comp *c = g->memo.comp, *end = c + xsd_split(g, path, len);
	struct xsd_node *n = t->root[path[0] == '@'];
	bool owned = true, near_owned = n->refs == 1;
	size_t start = first_comp(path);

	*ret = (struct xsd_found){ .near = n, .near_len = start };
	for (; n && c < end; c++) {
		ret->near = n;
		ret->near_len = start;
		near_owned = owned && n->refs == 1;
		owned = near_owned;
		n = xsd_map_find(n->kids, c, path + c->at, &owned);
		start = c->at + c->len;
	}
	ret->node = n;
	ret->owned = near_owned;
	if (!n)
		ret->missing = (unsigned)(end - c) + 1;
}

/*
 * The place of the deepest existing node on @path, owned with everything above; *ret_missing
 * components are below it. NULL without memory.
 */
static struct xsd_node **own_path(struct xsd_tree *t, struct xsd_gen *g, const char *path,
				  size_t len, unsigned *ret_missing)
{
	const struct xsd_comp *c = g->memo.comp, *end = c + xsd_split(g, path, len);
	struct xsd_node **slot = &t->root[path[0] == '@'], *n = xsd_node_own(g, slot);
	int found = 1;

	for (; n && c < end; c++) {
		found = xsd_map_slot(g, &n->kids, c, path + c->at, &slot);
		if (found <= 0)
			break;
		n = xsd_node_own(g, slot);
	}
	*ret_missing = (unsigned)(end - c);
	return n && found >= 0 ? slot : NULL;
}

/* --- changes --- */

/* Permissions of nodes created below @near, one reference for the caller. */
static struct xsd_perms *inherit(const struct xsd_node *near, int creator)
{
	struct xsd_perms *p = near->perms, *own;

	if (creator < 0 || p->v[0].domid == creator) {
		p->refs++;
		return p;
	}
	own = xsd_perms_new(p->n, p->gen);
	if (!own)
		return NULL;
	memcpy(own->v, p->v, p->n * sizeof(p->v[0]));
	own->v[0].domid = (uint16_t)creator;
	return own;
}

/*
 * The last @missing components of @path as a chain of nodes, the last one with the value. Takes
 * over the reference to @perms.
 */
static struct xsd_node *new_chain(struct xsd_gen *g, const char *path, size_t len, unsigned missing,
				  const void *val, size_t val_len, struct xsd_perms *perms)
{
	const struct xsd_comp *c = g->memo.comp + xsd_split(g, path, len);
	struct xsd_node *below = NULL, *n;

	for (; missing; missing--) {
		c--;
		perms->refs++;
		n = xsd_node_new(g, path + c->at, c->len, c->hash, val, below ? 0 : val_len, perms);
		if (n && below && xsd_map_insert(g, &n->kids, below)) {
			xsd_node_unref(n);
			n = NULL;
		} else if (n && below) {
			n->n_kids = 1;
			n->kids_len = below->name_len + 1u;
		}
		if (!n) {
			xsd_node_unref(below);
			break;
		}
		below = n;
	}
	xsd_perms_unref(perms);
	return missing ? NULL : below;
}

/* Create the last @missing components of @path below @near, which is owned. */
static int create(struct xsd_gen *g, struct xsd_acct *a, const char *path, size_t len,
		  struct xsd_node *near, unsigned missing, const void *val, size_t val_len,
		  int creator)
{
	struct xsd_perms *perms = inherit(near, creator);
	struct xsd_node *top;
	unsigned n_perms;
	uint16_t owner;
	long names;

	if (!perms)
		return -ENOMEM;
	n_perms = perms->n;
	owner = perms->v[0].domid;
	top = new_chain(g, path, len, missing, val, val_len, perms);
	if (!top || xsd_map_insert(g, &near->kids, top)) {
		xsd_node_unref(top);
		return -ENOMEM;
	}
	near->n_kids++;
	near->kids_len += top->name_len + 1u;
	near->kids_gen = ++g->gen;
	near->by = g->by;
	/* Names without the slashes between them. */
	names = (long)len - g->memo.comp[xsd_split(g, path, len) - missing].at - (long)missing + 1;
	a->add(a, owner, (int)missing,
	       xsd_node_mem(n_perms, 0, 0) * (long)missing + names + (long)val_len);
	return 0;
}

int xsd_tree_set(struct xsd_tree *t, struct xsd_gen *g, struct xsd_acct *a, const char *path,
		 size_t len, const struct xsd_found *found, const void *val, size_t val_len,
		 bool keep, int creator)
{
	unsigned missing;
	struct xsd_node **slot;
	long change;

	if (found && found->missing && found->owned)
		return create(g, a, path, len, found->near, found->missing, val, val_len,
			      creator);
	slot = own_path(t, g, path, len, &missing);
	if (!slot)
		return -ENOMEM;
	if (missing)
		return create(g, a, path, len, *slot, missing, val, val_len, creator);
	if (keep)
		return 0;
	change = (long)val_len - (*slot)->val_len;
	if (xsd_node_set(slot, val, val_len))
		return -ENOMEM;
	(*slot)->gen = ++g->gen;
	(*slot)->by = g->by;
	a->add(a, (*slot)->perms->v[0].domid, 0, change);
	return 0;
}

int xsd_tree_set_perms(struct xsd_tree *t, struct xsd_gen *g, struct xsd_acct *a,
		       const char *path, size_t len, struct xsd_perms *perms)
{
	unsigned missing;
	struct xsd_node **slot = own_path(t, g, path, len, &missing), *n;

	if (!slot)
		return -ENOMEM;
	n = *slot;
	a->add(a, n->perms->v[0].domid, -1, -xsd_node_mem(n->perms->n, n->name_len, n->val_len));
	a->add(a, perms->v[0].domid, 1, xsd_node_mem(perms->n, n->name_len, n->val_len));
	xsd_perms_unref(n->perms);
	n->perms = perms;
	n->gen = ++g->gen;
	n->by = g->by;
	return 0;
}

/* What a subtree weighs in the accounts of its owners. */
struct tally {
	struct tally_row {
		uint16_t owner;
		int nodes;
		long bytes;
	} *rows;
	unsigned n, cap;
};

static int tally_add(struct tally *t, const struct xsd_node *n)
{
	uint16_t owner = n->perms->v[0].domid;
	unsigned i = 0;

	while (i < t->n && t->rows[i].owner != owner)
		i++;
	if (i == t->cap) {
		unsigned cap = t->cap ? t->cap * 2 : 4;
		struct tally_row *rows = realloc(t->rows, cap * sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		t->rows = rows;
		t->cap = cap;
	}
	if (i == t->n)
		t->rows[t->n++] = (struct tally_row){ .owner = owner };
	t->rows[i].nodes++;
	t->rows[i].bytes += xsd_node_mem(n->perms->n, n->name_len, n->val_len);
	return 0;
}

static int tally_subtree(struct tally *t, struct xsd_node *n)
{
	struct xsd_walk w;
	int err = 0;

	xsd_walk_init(&w, n, "", 0);
	while (!err && (err = xsd_walk_next(&w)) > 0)
		err = w.leaving ? 0 : tally_add(t, w.node);
	xsd_walk_fini(&w);
	return err;
}

int xsd_tree_rm(struct xsd_tree *t, struct xsd_gen *g, struct xsd_acct *a, const char *path,
		size_t len)
{
	struct tally tally = { 0 };
	struct xsd_node **slot, *n = NULL;
	struct xsd_found f;
	unsigned missing;
	int err;

	xsd_find(t, g, path, len, &f);
	err = tally_subtree(&tally, f.node);
	if (!err) {
		slot = own_path(t, g, path, f.near_len, &missing);
		n = slot ? xsd_map_remove(g, &(*slot)->kids, f.node->data, f.node->name_len,
					  f.node->hash) : NULL;
		err = n ? 0 : -ENOMEM;
	}
	if (!err) {
		(*slot)->n_kids--;
		(*slot)->kids_len -= n->name_len + 1u;
		(*slot)->kids_gen = ++g->gen;
		(*slot)->by = g->by;
		for (unsigned i = 0; i < tally.n; i++)
			a->add(a, tally.rows[i].owner, -tally.rows[i].nodes, -tally.rows[i].bytes);
		xsd_node_unref(n);
	}
	free(tally.rows);
	return err;
}

/* --- versions --- */

int xsd_tree_init(struct xsd_tree *t, struct xsd_gen *g)
{
	*t = (struct xsd_tree){ 0 };
	for (int i = 0; i < 2; i++) {
		struct xsd_perms *perms = xsd_perms_new(1, 0);

		if (perms) {
			perms->v[0] = (struct xsc_perm){ .domid = 0, .perms = XSC_PERM_NONE };
			t->root[i] = xsd_node_new(g, "", 0, 0, NULL, 0, perms);
		}
	}
	if (t->root[0] && t->root[1])
		return 0;
	xsd_tree_fini(t);
	return -ENOMEM;
}

void xsd_tree_fini(struct xsd_tree *t)
{
	xsd_node_unref(t->root[0]);
	xsd_node_unref(t->root[1]);
	*t = (struct xsd_tree){ 0 };
}

struct xsd_tree xsd_tree_share(const struct xsd_tree *t)
{
	t->root[0]->refs++;
	t->root[1]->refs++;
	return *t;
}
