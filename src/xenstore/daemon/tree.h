// SPDX-License-Identifier: MIT
/*
 * The store itself: an immutable tree with structural sharing. tree.c explains it.
 */
#ifndef XSD_TREE_H
#define XSD_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xenstore/xenstore.h"

/* Longest canonical path: a full payload behind the longest home. */
#define XSD_PATH_MAX (XENSTORE_PAYLOAD_MAX + 32u)

/** struct xsd_perms - permissions, shared by the nodes that inherited them */
struct xsd_perms {
	uint32_t refs;
	uint32_t n;		/* entries, >= 1; the first is the owner */
	uint64_t gen;		/* when they were set; entries of domains that died later are void */
	struct xsc_perm v[];
};

struct xsd_map;

/** struct xsd_node - one node; read-only while anybody else holds a reference */
struct xsd_node {
	uint32_t refs;
	uint32_t hash;		/* of the name */
	uint64_t gen;		/* last change of value or permissions */
	uint64_t kids_gen;	/* last change of the list of children */
	uint64_t seq;		/* siblings are listed in this order */
	struct xsd_perms *perms;
	struct xsd_map *kids;	/* NULL when there are none */
	uint32_t n_kids;
	uint32_t kids_len;	/* bytes of all children's names with their NULs */
	uint16_t name_len;
	uint16_t val_len;
	uint16_t cap;		/* bytes allocated at data */
	uint16_t by;		/* domain that made the last change, of the children too */
	char data[];		/* name, then value */
};

/** struct xsd_tree - one version of the whole store: [0] the nodes, [1] the special "@" ones */
struct xsd_tree {
	struct xsd_node *root[2];
};

/** struct xsd_found - what a path leads to */
struct xsd_found {
	struct xsd_node *node;	/* NULL when missing */
	struct xsd_node *near;	/* deepest existing node above it; the root is above itself */
	size_t near_len;	/* bytes of the path that lead there */
	unsigned missing;	/* components that do not exist, 0 if node is set */
	bool owned;		/* no other version refers to near, nor to anything above it */
};

/** struct xsd_acct - receives what changes in the accounts of owners */
struct xsd_acct {
	void (*add)(struct xsd_acct *a, uint16_t owner, int nodes, long bytes);
};

/** struct xsd_comp - one component of a path */
struct xsd_comp {
	uint16_t at, len;	/* where it is in the path */
	uint32_t hash;		/* of the name */
	uint32_t sum;		/* of the path up to here */
};

/** struct xsd_gen - sources of generation numbers and of the hash seed, one per process */
struct xsd_gen {
	uint64_t gen;		/* last number given out */
	uint64_t seq;		/* last sibling number given out */
	uint64_t copied;	/* bytes copied so far because another version held on to them */
	uint32_t seed;
	uint16_t by;		/* domain that changes are made for */
	/*
	 * The path last taken apart. A request asks for the same one, and for nodes above, half
	 * a dozen times: in the tree, in its transaction's, among the watches.
	 */
	struct {
		size_t len;
		unsigned n;
		struct xsd_comp comp[XSD_PATH_MAX / 2];
		char text[XSD_PATH_MAX];
	} memo;
};

/**
 * xsd_split - take the @len < XSD_PATH_MAX bytes of a canonical path apart
 *
 * Returns the number of components, which are in @g->memo until another path is taken apart.
 */
unsigned xsd_split(struct xsd_gen *g, const char *path, size_t len);

/** xsd_split_valid - is it a canonical path at all? As xsc_path_valid(), and takes it apart */
bool xsd_split_valid(struct xsd_gen *g, const char *path, size_t len);

/** xsd_path_hash - the sum of the last component; the seed for a path without any, "/" */
static inline uint32_t xsd_path_hash(struct xsd_gen *g, const char *path, size_t len)
{
	unsigned n = xsd_split(g, path, len);

	return n ? g->memo.comp[n - 1].sum : g->seed;
}

/** xsd_tree_init - a root and special nodes owned by domain 0; 0 or -ENOMEM */
int xsd_tree_init(struct xsd_tree *t, struct xsd_gen *g);

/** xsd_tree_fini - drop a version; accepts one that was zeroed */
void xsd_tree_fini(struct xsd_tree *t);

/** xsd_tree_share - a second reference to the same version */
struct xsd_tree xsd_tree_share(const struct xsd_tree *t);

/** xsd_tree_same - are both the same version? */
static inline bool xsd_tree_same(const struct xsd_tree *a, const struct xsd_tree *b)
{
	return a->root[0] == b->root[0] && a->root[1] == b->root[1];
}

/** xsd_find - look up a canonical path */
void xsd_find(const struct xsd_tree *t, struct xsd_gen *g, const char *path, size_t len,
	      struct xsd_found *ret);

/** xsd_perms_above - permissions that speak for what is above; above special nodes is "/" */
static inline const struct xsd_perms *xsd_perms_above(const struct xsd_tree *t,
						      const struct xsd_found *f)
{
	return f->near == t->root[1] ? t->root[0]->perms : f->near->perms;
}

/**
 * xsd_tree_set - set a value, creating the node and its parents as needed
 * @found:   what xsd_find() says about @path in this version now; NULL: not looked up
 * @keep:    true: leave the value of an existing node alone (MKDIR)
 * @creator: domain that owns created nodes; -1: owner is inherited with the permissions
 *
 * Returns 0 or -ENOMEM, then nothing has changed.
 */
int xsd_tree_set(struct xsd_tree *t, struct xsd_gen *g, struct xsd_acct *a, const char *path,
		 size_t len, const struct xsd_found *found, const void *val, size_t val_len,
		 bool keep, int creator);

/** xsd_tree_set_perms - give an existing node @perms, whose reference is taken over on success */
int xsd_tree_set_perms(struct xsd_tree *t, struct xsd_gen *g, struct xsd_acct *a,
		       const char *path, size_t len, struct xsd_perms *perms);

/** xsd_tree_rm - remove an existing node with everything below; not a root. 0 or -ENOMEM */
int xsd_tree_rm(struct xsd_tree *t, struct xsd_gen *g, struct xsd_acct *a, const char *path,
		size_t len);

/** xsd_perms_new - permissions with @n entries for the caller to fill in; NULL without memory */
struct xsd_perms *xsd_perms_new(unsigned n, uint64_t gen);
void xsd_perms_unref(struct xsd_perms *p);

/** xsd_node_unref - drop a reference to a node; the last one frees what only it held */
void xsd_node_unref(struct xsd_node *n);

static inline const char *xsd_node_value(const struct xsd_node *n)
{
	return n->data + n->name_len;
}

/** xsd_node_size - bytes that count against the node-size quota, as in C xenstored */
static inline size_t xsd_node_size(unsigned n_perms, size_t val_len, size_t kids_len)
{
	return 24 + 8u * n_perms + val_len + kids_len;
}

/** xsd_node_mem - bytes that count against the memory quota of the owner */
static inline long xsd_node_mem(unsigned n_perms, size_t name_len, size_t val_len)
{
	return (long)(sizeof(struct xsd_node) + 32 + 4u * n_perms + name_len + val_len);
}

/** xsd_kids - the children in creation order, allocated; *ret is NULL when there are none */
int xsd_kids(const struct xsd_node *n, struct xsd_node ***ret);

/**
 * struct xsd_walk - visits a subtree without recursion, each node before and after its children
 *
 * Holds a reference to the version it walks through, so that it may be continued later.
 */
struct xsd_walk {
	struct xsd_walk_frame {
		struct xsd_node *node;
		struct xsd_node **kids;
		unsigned next;
		size_t path_len;
	} *stack;
	unsigned depth, cap;
	bool started;
	bool leaving;			/* the current node's children have been visited */
	struct xsd_node *top;		/* where the walk began; holds a reference */
	struct xsd_node *node;		/* current node */
	size_t len;			/* bytes of its path */
	char path[XSD_PATH_MAX + 2];	/* path of the current node, NUL-terminated */
};

/** xsd_walk_init - start at @node, whose path is @path */
void xsd_walk_init(struct xsd_walk *w, struct xsd_node *node, const char *path, size_t len);

/** xsd_walk_next - go on; 1 with a current node, 0 at the end, -ENOMEM */
int xsd_walk_next(struct xsd_walk *w);

/** xsd_walk_skip - do not visit the children of the node just entered */
void xsd_walk_skip(struct xsd_walk *w);

void xsd_walk_fini(struct xsd_walk *w);

#endif
