// SPDX-License-Identifier: MIT
/*
 * The children of a node, kept in a hash trie. Up to LEAF_MAX children are one array in creation
 * order; larger ones branch 32 ways by five bits of the name's hash. Creation order is kept as a
 * number in each child and restored by sorting, which only listings of large directories have to
 * do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

#define LEAF_MAX 16u
#define FAN 32u
#define FAN_BITS 5u
#define HASH_BITS 30u

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

void xsd_map_unref(struct xsd_map *m, struct xsd_node **dead)
{
	if (!m || --m->refs)
		return;
	/* At most seven levels deep, see HASH_BITS. */
	for (unsigned i = 0; !m->cap && i < FAN; i++)
		xsd_map_unref(m->sub[i], dead);
	for (unsigned i = 0; i < (m->cap ? m->n : 0); i++) {
		if (--m->kid[i]->refs)
			continue;
		m->kid[i]->seq = (uintptr_t)*dead;
		*dead = m->kid[i];
	}
	free(m);
}

struct xsd_map *xsd_map_own(struct xsd_gen *g, struct xsd_map **slot)
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

static int leaf_index(struct xsd_map *m, const char *name, size_t len, uint32_t hash)
{
	const uint32_t *hashes = leaf_hashes(m);

	for (unsigned i = 0; i < m->n; i++)
		if (hashes[i] == hash && m->kid[i]->name_len == len &&
		    !memcmp(m->kid[i]->data, name, len))
			return (int)i;
	return -1;
}

struct xsd_node *xsd_map_find(struct xsd_map *m, const struct xsd_comp *c, const char *name,
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

int xsd_map_slot(struct xsd_gen *g, struct xsd_map **slot, const struct xsd_comp *c,
		 const char *name, struct xsd_node ***ret)
{
	struct xsd_map *m = *slot ? xsd_map_own(g, slot) : NULL;
	int i;

	if (!*slot)
		return 0;
	for (unsigned shift = 0; m && !m->cap; shift += FAN_BITS) {
		slot = &m->sub[c->hash >> shift & (FAN - 1)];
		if (!*slot)
			return 0;
		m = xsd_map_own(g, slot);
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
	xsd_map_unref(m, &dead);
	*slot = inner;
	return 0;
nomem:
	xsd_map_unref(inner, &dead);
	return -ENOMEM;
}

int xsd_map_insert(struct xsd_gen *g, struct xsd_map **slot, struct xsd_node *kid)
{
	for (unsigned shift = 0;; shift += FAN_BITS) {
		struct xsd_map *m;
		int err = 0;

		if (!*slot && !(*slot = leaf_new(shift ? LEAF_MAX : 2)))
			return -ENOMEM;
		m = xsd_map_own(g, slot);
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

struct xsd_node *xsd_map_remove(struct xsd_gen *g, struct xsd_map **slot, const char *name,
				size_t len, uint32_t hash)
{
	struct xsd_map **way[HASH_BITS / FAN_BITS + 2];
	struct xsd_node *kid;
	struct xsd_map *m;
	unsigned depth = 0, i;
	uint32_t *hashes;

	for (unsigned shift = 0;; shift += FAN_BITS) {
		way[depth++] = slot;
		m = xsd_map_own(g, slot);
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
