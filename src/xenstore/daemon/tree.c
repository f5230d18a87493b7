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
 * Children are kept in a hash trie. Up to LEAF_MAX children are one array in creation order; larger
 * ones branch 32 ways by five bits of the name's hash. Creation order is kept as a number in
 * each child and restored by sorting, which only listings of large directories have to do.
 *
 * No function recurses over the depth of the tree: a guest may build 1500 levels.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/cc.h"
#include "tree.h"

#define LEAF_MAX 16u
#define FAN 32u
#define FAN_BITS 5u
#define HASH_BITS 30u

struct xsd_map {
	uint32_t refs;
	uint16_t n;		/* children of a leaf */
	uint16_t cap;		/* places of a leaf; 0: inner, sub[FAN] */
	union {
		struct xsd_map *sub[1];
		struct xsd_node *kid[1];	/* cap of them, then cap hashes */
	};
};

static uint32_t *leaf_hashes(struct xsd_map *m)
{
	return (uint32_t *)(void *)(m->kid + m->cap);
}

static size_t leaf_size(unsigned cap)
{
	return offsetof(struct xsd_map, kid) + cap * (sizeof(struct xsd_node *) + sizeof(uint32_t));
}

static size_t inner_size(void)
{
	return offsetof(struct xsd_map, sub) + FAN * sizeof(struct xsd_map *);
}

/* --- references --- */

struct xsd_perms *xsd_perms_new(unsigned n, uint64_t gen)
{
	struct xsd_perms *p = calloc(1, sizeof(*p) + n * sizeof(p->v[0]));

	if (p)
		*p = (struct xsd_perms){ .refs = 1, .n = n, .gen = gen };
	return p;
}

void xsd_perms_unref(struct xsd_perms *p)
{
	if (p && --p->refs == 0)
		free(p);
}

/* Drop a map; children that nobody else holds are chained at *dead through their seq field. */
static void map_unref(struct xsd_map *m, struct xsd_node **dead)
{
	if (!m || --m->refs)
		return;
	/* At most seven levels deep, see HASH_BITS. */
	for (unsigned i = 0; !m->cap && i < FAN; i++)
		map_unref(m->sub[i], dead);
	for (unsigned i = 0; i < (m->cap ? m->n : 0); i++) {
		if (--m->kid[i]->refs)
			continue;
		m->kid[i]->seq = (uintptr_t)*dead;
		*dead = m->kid[i];
	}
	free(m);
}

void xsd_node_unref(struct xsd_node *n)
{
	struct xsd_node *dead = NULL;

	if (!n || --n->refs)
		return;
	n->seq = 0;
	for (dead = n; dead;) {
		n = dead;
		dead = (struct xsd_node *)(uintptr_t)n->seq;
		xsd_perms_unref(n->perms);
		map_unref(n->kids, &dead);
		free(n);
	}
}

/* --- copies for writing --- */

static struct xsd_map *map_own(struct xsd_gen *g, struct xsd_map **slot)
{
	struct xsd_map *m = *slot, *copy;
	size_t size = m->cap ? leaf_size(m->cap) : inner_size();

	if (m->refs == 1)
		return m;
	copy = malloc(size);
	if (!copy)
		return NULL;
	memcpy(copy, m, size);
	g->copied += size;
	copy->refs = 1;
	for (unsigned i = 0; m->cap && i < m->n; i++)
		m->kid[i]->refs++;
	for (unsigned i = 0; !m->cap && i < FAN; i++)
		if (m->sub[i])
			m->sub[i]->refs++;
	m->refs--;
	*slot = copy;
	return copy;
}

static struct xsd_node *node_own(struct xsd_gen *g, struct xsd_node **slot)
{
	struct xsd_node *n = *slot, *copy;

	if (n->refs == 1)
		return n;
	copy = malloc(sizeof(*n) + n->cap);
	if (!copy)
		return NULL;
	memcpy(copy, n, sizeof(*n) + n->name_len + n->val_len);
	g->copied += sizeof(*n) + n->cap;
	copy->refs = 1;
	copy->perms->refs++;
	if (copy->kids)
		copy->kids->refs++;
	n->refs--;
	*slot = copy;
	return copy;
}

/* Takes over the reference to @perms. */
static struct xsd_node *node_new(struct xsd_gen *g, const char *name, size_t name_len,
				 uint32_t hash, const void *val, size_t val_len,
				 struct xsd_perms *perms)
{
	size_t cap = (name_len + val_len + 15) & ~(size_t)15;
	struct xsd_node *n = malloc(sizeof(*n) + cap);

	if (!n) {
		xsd_perms_unref(perms);
		return NULL;
	}
	*n = (struct xsd_node){ .refs = 1, .hash = hash, .gen = ++g->gen, .seq = ++g->seq,
		.perms = perms, .name_len = (uint16_t)name_len, .val_len = (uint16_t)val_len,
		.cap = (uint16_t)cap, .by = g->by };
	n->kids_gen = n->gen;
	memcpy(n->data, name, name_len);
	if (val_len)
		memcpy(n->data + name_len, val, val_len);
	return n;
}

/* --- children --- */

static int leaf_index(struct xsd_map *m, const char *name, size_t len, uint32_t hash)
{
	const uint32_t *hashes = leaf_hashes(m);

	for (unsigned i = 0; i < m->n; i++)
		if (hashes[i] == hash && m->kid[i]->name_len == len &&
		    !memcmp(m->kid[i]->data, name, len))
			return (int)i;
	return -1;
}

/* *owned becomes false if another version refers to a map on the way. */
static struct xsd_node *map_find(struct xsd_map *m, const struct xsd_comp *c, const char *name,
				 bool *owned)
{
	unsigned refs = 1;
	int i;

	for (unsigned shift = 0; m && !m->cap; shift += FAN_BITS) {
		refs |= m->refs;
		m = m->sub[c->hash >> shift & (FAN - 1)];
	}
	if (!m)
		return NULL;
	if ((refs | m->refs) != 1)
		*owned = false;
	i = leaf_index(m, name, c->len, c->hash);
	return i < 0 ? NULL : m->kid[i];
}

/*
 * The place of a child in *ret, with all maps on the way owned; 1, 0 if there is no such child,
 * -ENOMEM.
 */
static int map_slot(struct xsd_gen *g, struct xsd_map **slot, const struct xsd_comp *c,
		    const char *name, struct xsd_node ***ret)
{
	struct xsd_map *m = *slot ? map_own(g, slot) : NULL;
	int i;

	if (!*slot)
		return 0;
	for (unsigned shift = 0; m && !m->cap; shift += FAN_BITS) {
		slot = &m->sub[c->hash >> shift & (FAN - 1)];
		if (!*slot)
			return 0;
		m = map_own(g, slot);
	}
	if (!m)
		return -ENOMEM;
	i = leaf_index(m, name, c->len, c->hash);
	if (i < 0)
		return 0;
	*ret = &m->kid[i];
	return 1;
}

static struct xsd_map *leaf_new(unsigned cap)
{
	struct xsd_map *m = malloc(leaf_size(cap));

	if (m) {
		m->refs = 1;
		m->n = 0;
		m->cap = (uint16_t)cap;
	}
	return m;
}

static void leaf_append(struct xsd_map *m, struct xsd_node *kid)
{
	leaf_hashes(m)[m->n] = kid->hash;
	m->kid[m->n++] = kid;
}

/* Replace an owned, full leaf by one with twice the places. */
static int leaf_grow(struct xsd_map **slot)
{
	struct xsd_map *m = *slot, *big = m->cap < 0x4000 ? leaf_new(m->cap * 2u) : NULL;

	if (!big)
		return -ENOMEM;
	for (unsigned i = 0; i < m->n; i++)
		leaf_append(big, m->kid[i]);
	free(m);
	*slot = big;
	return 0;
}

/* Replace an owned, full leaf by an inner map over leaves; bits below @shift are used up. */
static int leaf_split(struct xsd_map **slot, unsigned shift)
{
	struct xsd_map *m = *slot, *inner = calloc(1, inner_size());
	struct xsd_node *dead = NULL;

	if (!inner)
		return -ENOMEM;
	inner->refs = 1;
	for (unsigned i = 0; i < m->n; i++) {
		struct xsd_map **sub = &inner->sub[m->kid[i]->hash >> shift & (FAN - 1)];

		if (!*sub && !(*sub = leaf_new(LEAF_MAX)))
			goto nomem;
		m->kid[i]->refs++;
		leaf_append(*sub, m->kid[i]);
	}
	map_unref(m, &dead);
	*slot = inner;
	return 0;
nomem:
	map_unref(inner, &dead);
	return -ENOMEM;
}

/* Takes over the reference to @kid on success. */
static int map_insert(struct xsd_gen *g, struct xsd_map **slot, struct xsd_node *kid)
{
	for (unsigned shift = 0;; shift += FAN_BITS) {
		struct xsd_map *m;
		int err = 0;

		if (!*slot && !(*slot = leaf_new(shift ? LEAF_MAX : 2)))
			return -ENOMEM;
		m = map_own(g, slot);
		if (!m)
			return -ENOMEM;
		if (m->cap && m->n == m->cap)
			err = m->cap < LEAF_MAX || shift >= HASH_BITS ? leaf_grow(slot) :
									leaf_split(slot, shift);
		if (err)
			return err;
		m = *slot;
		if (m->cap) {
			leaf_append(m, kid);
			return 0;
		}
		slot = &m->sub[kid->hash >> shift & (FAN - 1)];
	}
}

/* Take an existing child out; its reference goes to the caller. NULL without memory. */
static struct xsd_node *map_remove(struct xsd_gen *g, struct xsd_map **slot, const char *name,
				   size_t len, uint32_t hash)
{
	struct xsd_map **way[HASH_BITS / FAN_BITS + 2];
	struct xsd_node *kid;
	struct xsd_map *m;
	unsigned depth = 0, i;
	uint32_t *hashes;

	for (unsigned shift = 0;; shift += FAN_BITS) {
		way[depth++] = slot;
		m = map_own(g, slot);
		if (!m)
			return NULL;
		if (m->cap)
			break;
		slot = &m->sub[hash >> shift & (FAN - 1)];
	}
	hashes = leaf_hashes(m);
	i = (unsigned)leaf_index(m, name, len, hash);
	kid = m->kid[i];
	m->n--;
	memmove(m->kid + i, m->kid + i + 1, (m->n - i) * sizeof(m->kid[0]));
	memmove(hashes + i, hashes + i + 1, (m->n - i) * sizeof(hashes[0]));
	while (depth--) {
		bool used = (*way[depth])->n;

		for (i = 0; !(*way[depth])->cap && i < FAN && !used; i++)
			used = (*way[depth])->sub[i];
		if (used)
			break;
		free(*way[depth]);
		*way[depth] = NULL;
	}
	return kid;
}

static void map_collect(const struct xsd_map *m, struct xsd_node **list, unsigned *n)
{
	for (unsigned i = 0; !m->cap && i < FAN; i++)
		if (m->sub[i])
			map_collect(m->sub[i], list, n);
	for (unsigned i = 0; m->cap && i < m->n; i++)
		list[(*n)++] = m->kid[i];
}

static int by_seq(const void *a, const void *b)
{
	const struct xsd_node *x = *(struct xsd_node *const *)a, *y = *(struct xsd_node *const *)b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

int xsd_kids(const struct xsd_node *n, struct xsd_node ***ret)
{
	struct xsd_node **list;
	unsigned count = 0;

	if (!n->kids) {
		*ret = NULL;
		return 0;
	}
	list = malloc(n->n_kids * sizeof(*list));
	if (!list)
		return -ENOMEM;
	map_collect(n->kids, list, &count);
	if (!n->kids->cap)
		qsort(list, count, sizeof(*list), by_seq);
	*ret = list;
	return 0;
}

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
		n = map_find(n->kids, c, path + c->at, &owned);
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
	struct xsd_node **slot = &t->root[path[0] == '@'], *n = node_own(g, slot);
	int found = 1;

	for (; n && c < end; c++) {
		found = map_slot(g, &n->kids, c, path + c->at, &slot);
		if (found <= 0)
			break;
		n = node_own(g, slot);
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
		n = node_new(g, path + c->at, c->len, c->hash, val, below ? 0 : val_len, perms);
		if (n && below && map_insert(g, &n->kids, below)) {
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
	if (!top || map_insert(g, &near->kids, top)) {
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

/* Give the owned node at @slot another value. */
static int modify(struct xsd_node **slot, const void *val, size_t val_len)
{
	struct xsd_node *n = *slot;
	size_t need = (n->name_len + val_len + 15) & ~(size_t)15;

	if (need > n->cap || (n->cap > 256 && need < n->cap / 4)) {
		n = realloc(n, sizeof(*n) + need);
		if (!n)
			return -ENOMEM;
		n->cap = (uint16_t)need;
		*slot = n;
	}
	if (val_len)
		memcpy(n->data + n->name_len, val, val_len);
	n->val_len = (uint16_t)val_len;
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
	if (modify(slot, val, val_len))
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
		n = slot ? map_remove(g, &(*slot)->kids, f.node->data, f.node->name_len,
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
			t->root[i] = node_new(g, "", 0, 0, NULL, 0, perms);
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

/* --- walking --- */

static int walk_push(struct xsd_walk *w, struct xsd_node *n)
{
	struct xsd_node **kids = NULL;

	if (w->depth == w->cap) {
		unsigned cap = w->cap ? w->cap * 2 : 16;
		struct xsd_walk_frame *stack = realloc(w->stack, cap * sizeof(*stack));

		if (!stack)
			return -ENOMEM;
		w->stack = stack;
		w->cap = cap;
	}
	/* A leaf lists its children in creation order already. */
	if (n->kids && n->kids->cap)
		kids = n->kids->kid;
	else if (xsd_kids(n, &kids))
		return -ENOMEM;
	w->stack[w->depth++] = (struct xsd_walk_frame){ .node = n, .kids = kids,
		.path_len = w->len };
	return 0;
}

static void walk_pop(struct xsd_walk *w)
{
	struct xsd_walk_frame *f = &w->stack[--w->depth];

	if (f->node->kids && !f->node->kids->cap)
		free(f->kids);
}

void xsd_walk_init(struct xsd_walk *w, struct xsd_node *node, const char *path, size_t len)
{
	w->stack = NULL;
	w->depth = w->cap = 0;
	w->started = w->leaving = false;
	memcpy(w->path, path, len);
	w->path[len] = 0;
	w->len = len;
	w->node = w->top = node;
	node->refs++;
}

int xsd_walk_next(struct xsd_walk *w)
{
	struct xsd_walk_frame *f;

	if (!w->started) {
		w->started = true;
		return walk_push(w, w->node) ? -ENOMEM : 1;
	}
	if (w->leaving) {
		walk_pop(w);
		if (!w->depth)
			return 0;
	}
	f = &w->stack[w->depth - 1];
	w->len = f->path_len;
	w->leaving = f->next == f->node->n_kids;
	if (w->leaving) {
		w->node = f->node;
	} else {
		w->node = f->kids[f->next++];
		if (w->len > 1 || (w->len && w->path[0] != '/'))
			w->path[w->len++] = '/';
		memcpy(w->path + w->len, w->node->data, w->node->name_len);
		w->len += w->node->name_len;
		if (walk_push(w, w->node))
			return -ENOMEM;
	}
	w->path[w->len] = 0;
	return 1;
}

void xsd_walk_skip(struct xsd_walk *w)
{
	w->stack[w->depth - 1].next = w->node->n_kids;
}

void xsd_walk_fini(struct xsd_walk *w)
{
	while (w->depth)
		walk_pop(w);
	free(w->stack);
	w->stack = NULL;
	xsd_node_unref(w->top);
	w->top = NULL;
}
