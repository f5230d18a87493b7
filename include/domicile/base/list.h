// SPDX-License-Identifier: MIT
/*
 * Intrusive doubly linked list. A list is a dom_list that links to itself when empty; members
 * embed a dom_list and are recovered with DOM_CONTAINER_OF.
 */
#ifndef DOM_BASE_LIST_H
#define DOM_BASE_LIST_H

#include <stdbool.h>

#include "domicile/base/cc.h"

struct dom_list {
	struct dom_list *next, *prev;
};

static inline void dom_list_init(struct dom_list *l)
{
	l->next = l->prev = l;
}

static inline bool dom_list_empty(const struct dom_list *l)
{
	return l->next == l;
}

/** dom_list_append - add @node at the end of @l */
static inline void dom_list_append(struct dom_list *l, struct dom_list *node)
{
	node->prev = l->prev;
	node->next = l;
	l->prev->next = node;
	l->prev = node;
}

/** dom_list_remove - take @node out of its list; it links to itself then, so twice is harmless */
static inline void dom_list_remove(struct dom_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	dom_list_init(node);
}

#define dom_list_for_each(pos, l) \
	for (struct dom_list *pos = (l)->next; pos != (l); pos = pos->next)

/* The current node may be removed by the body; its successor may not. */
#define dom_list_for_each_safe(pos, l)                                                             \
	for (struct dom_list *pos = (l)->next, *pos##_next = pos->next; pos != (l);                \
	     pos = pos##_next, pos##_next = pos->next)

#endif
