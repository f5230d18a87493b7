// SPDX-License-Identifier: MIT
/*
 * Nodes of the store from rows: "$x" stands for a variable of the domain or device. A new node has
 * the permissions of its parent, so only rows that differ name theirs.
 */
#ifndef XL_STORETREE_H
#define XL_STORETREE_H

#include "xl.h"

/** enum xl_who - permissions of a node */
enum xl_who {
	XL_PARENT,	/* as its parent */
	XL_HOST_READS,	/* n0,rN: the host's, the guest may read */
	XL_GUEST,	/* nN */
	XL_GUEST_DEV,	/* nN,r0 */
};

/** struct xl_node - a node; in its path and value "$x" stands for variable x */
struct xl_node {
	const char *path, *value;
	enum xl_who who;
	const char *only_if;	/* variable that must not be empty */
};

#define XL_TREE_VARS 32

struct xl_var {
	char name;
	char value[64];
	const char *text;	/* instead of value, when longer */
};

/** struct xl_tree - nodes being written */
struct xl_tree {
	struct xl *xl;
	unsigned domid;
	xsc_tx tx;
	struct xl_var vars[XL_TREE_VARS];
	unsigned count;
	int err;		/* the first failure; sticky */
	char failed[DOM_PATH_MAX];
};

/** xl_tree_text - set a variable; @text has to live as long. Take it back with t->count */
void xl_tree_text(struct xl_tree *t, char name, const char *text);
void xl_tree_num(struct xl_tree *t, char name, int64_t n);

/** xl_tree_expand - @template with its variables filled in; to be freed */
char *xl_tree_expand(const struct xl_tree *t, const char *template);

/** xl_tree_node - write a node, unless something has failed or its condition is not met */
void xl_tree_node(struct xl_tree *t, const struct xl_node *n);

/** xl_tree_nodes - the same for all up to one without a path */
void xl_tree_nodes(struct xl_tree *t, const struct xl_node *nodes);

/**
 * xl_tree_require - fail with -ESHUTDOWN unless the domain, with @uuid unless NULL, is there
 *
 * Nodes written for a domain that was destroyed meanwhile would bring it back, half.
 */
void xl_tree_require(struct xl_tree *t, const char *uuid);

/** xl_tree_commit - write in a transaction, again when somebody interfered; t->err tells the end */
void xl_tree_commit(struct xl_tree *t, struct xl *xl, unsigned domid,
		    void (*write)(struct xl_tree *t, const void *arg), const void *arg);

#endif
