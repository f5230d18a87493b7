// SPDX-License-Identifier: MIT
/*
 * Visits to all nodes of a subtree.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

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
