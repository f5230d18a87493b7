// SPDX-License-Identifier: MIT
/*
 * What the files of the tree share: nodes as they are changed, and the map of a node's children.
 *
 *	map.c   the children of a node
 *	node.c  a node
 *	walk.c  all nodes of a subtree
 *	tree.c  paths, changes, versions
 *
 * A node or map is "owned" when one version alone refers to it, and to all above it: then it may be
 * changed in place. tree.c explains it.
 */
#ifndef XSD_NODE_H
#define XSD_NODE_H

#include "tree.h"

/* --- map.c --- */

/** struct xsd_map - children of a node: an array of them, or of maps */
struct xsd_map {
	uint32_t refs;
	uint16_t n;		/* children of a leaf */
	uint16_t cap;		/* places of a leaf; 0: inner, 32 in sub */
	union {
		struct xsd_map *sub[1];
		struct xsd_node *kid[1];	/* cap of them, then cap hashes */
	};
};

/** xsd_map_own - make the map at @slot owned, as all above it is; NULL without memory */
struct xsd_map *xsd_map_own(struct xsd_gen *g, struct xsd_map **slot);

/** xsd_map_unref - drop a map; children that nobody else holds are chained at *dead by their seq */
void xsd_map_unref(struct xsd_map *m, struct xsd_node **dead);

/** xsd_map_find - the child of that name; *owned becomes false if a map on the way is shared */
struct xsd_node *xsd_map_find(struct xsd_map *m, const struct xsd_comp *c, const char *name,
			      bool *owned);

/**
 * xsd_map_slot - the place of a child in *ret, with all maps on the way owned
 *
 * Returns 1; 0 if there is no such child; -ENOMEM.
 */
int xsd_map_slot(struct xsd_gen *g, struct xsd_map **slot, const struct xsd_comp *c,
		 const char *name, struct xsd_node ***ret);

/** xsd_map_insert - add a child, whose reference is taken over on success; 0 or -ENOMEM */
int xsd_map_insert(struct xsd_gen *g, struct xsd_map **slot, struct xsd_node *kid);

/** xsd_map_remove - take an existing child out, with its reference; NULL without memory */
struct xsd_node *xsd_map_remove(struct xsd_gen *g, struct xsd_map **slot, const char *name,
				size_t len, uint32_t hash);

/* --- node.c --- */

/** xsd_node_new - a node; the reference to @perms is taken over, also on failure: NULL */
struct xsd_node *xsd_node_new(struct xsd_gen *g, const char *name, size_t name_len, uint32_t hash,
			      const void *val, size_t val_len, struct xsd_perms *perms);

/** xsd_node_own - make the node at @slot owned; NULL without memory */
struct xsd_node *xsd_node_own(struct xsd_gen *g, struct xsd_node **slot);

/** xsd_node_set - give the owned node at @slot another value; 0 or -ENOMEM */
int xsd_node_set(struct xsd_node **slot, const void *val, size_t val_len);

#endif
