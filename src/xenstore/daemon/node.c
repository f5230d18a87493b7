// SPDX-License-Identifier: MIT
/*
 * Nodes and their permissions: made, referred to, copied to be changed, freed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

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
		xsd_map_unref(n->kids, &dead);
		free(n);
	}
}

struct xsd_node *xsd_node_own(struct xsd_gen *g, struct xsd_node **slot)
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

struct xsd_node *xsd_node_new(struct xsd_gen *g, const char *name, size_t name_len,
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

int xsd_node_set(struct xsd_node **slot, const void *val, size_t val_len)
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
