// SPDX-License-Identifier: MIT
/*
 * Requests: what they say, what they are about, who executes them.
 */
#ifndef XSD_REQ_H
#define XSD_REQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xenabi/io_xs.h"
#include "tree.h"

struct xsd;
struct xsd_conn;
struct xsd_rec_args;
struct xsd_txn;

/** struct xsd_req - one request being executed */
struct xsd_req {
	struct xsd_sockmsg hdr;
	const char *data;	/* hdr.len bytes */
	struct xsd_txn *txn;	/* NULL outside of transactions */
	bool replied;
};

/* --- perm.c --- */

/** xsd_perm - XSC_PERM_* bits, and XSD_PERM_OWNER, of @c on something with @p */
unsigned xsd_perm(const struct xsd *s, const struct xsd_conn *c, const struct xsd_perms *p);
#define XSD_PERM_OWNER 4u

/**
 * xsd_perms_made - @p is filled in, or was to be: let its domains be known
 * @err: what has gone wrong so far; @p may be NULL then, and is dropped
 *
 * Returns 0 and *ret; @err; -ENOMEM.
 */
int xsd_perms_made(struct xsd *s, struct xsd_perms *p, int err, struct xsd_perms **ret);

/* --- req_io.c --- */

void xsd_reply(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const void *data, size_t len);
void xsd_ack(struct xsd *s, struct xsd_conn *c, struct xsd_req *r);
void xsd_reply_error(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, int err);

/** xsd_req_one - the only string of a payload, NULL if it is not exactly one */
const char *xsd_req_one(const struct xsd_req *r);

/**
 * xsd_req_number - a number as Xen's daemon reads it: what does not start with one is 0, what
 * follows one is ignored
 */
unsigned xsd_req_number(const char *text);

/**
 * xsd_path - canonical form of a path in a request
 * @buf: XSD_PATH_MAX bytes, used for relative ones
 *
 * Returns 0 or -EINVAL.
 */
int xsd_path(struct xsd *s, struct xsd_conn *c, const char *path, bool special, char *buf,
	     const char **ret, size_t *ret_len);

/** xsd_perms_parse - the @n permissions written at @text; -EINVAL, -ENOMEM */
int xsd_perms_parse(struct xsd *s, const char *text, unsigned n, struct xsd_perms **ret);

/* --- req_target.c --- */

/** struct xsd_target - the node a request is about */
struct xsd_target {
	const char *path;
	size_t len;
	const struct xsd_tree *tree;	/* live, or the transaction's */
	int access;		/* in a transaction: what it noted */
	struct xsd_found f;
};

/**
 * xsd_target_get - find the node and check that @c has @need
 * @special: may it be one of the "@" nodes?
 * @what:    XSD_READ_*: what the outcome of a transaction depends on
 *
 * Returns 0; -EINVAL for a bad path; -ENOENT is told only to those who have some of @need on what
 * exists above, everybody else gets -EACCES; -ENOSPC; -ENOMEM.
 */
int xsd_target_get(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char *path,
		   unsigned need, bool special, unsigned what, struct xsd_target *t);

/** xsd_target_may_create - would creating it with @val_len bytes keep to the quotas? */
int xsd_target_may_create(struct xsd *s, struct xsd_conn *c, struct xsd_req *r,
			  const struct xsd_target *t, size_t val_len);

/** xsd_target_may_modify - would @n with so many permissions and bytes keep to the quotas? */
int xsd_target_may_modify(struct xsd *s, struct xsd_conn *c, struct xsd_req *r,
			  const struct xsd_node *n, unsigned n_perms, size_t val_len);

/** xsd_change - make a change, live or in the transaction, and record it */
int xsd_change(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const struct xsd_rec_args *a);

/** xsd_target_fire - tell of a change of it; @old: the permissions it had; NULL: the same */
void xsd_target_fire(struct xsd *s, struct xsd_req *r, const struct xsd_target *t,
		     const struct xsd_perms *old);

/* --- req.c, and the handlers of its table --- */

/** xsd_request - execute a request and reply */
void xsd_request(struct xsd *s, struct xsd_conn *c, const struct xsd_sockmsg *hdr,
		 const char *data);

/** xsd_handler - a handler of requests: 0 after replying, or a negative errno to be replied */
typedef int xsd_handler(struct xsd *s, struct xsd_conn *c, struct xsd_req *r);

/* req_node.c */
xsd_handler xsd_do_read, xsd_do_directory, xsd_do_directory_part;
xsd_handler xsd_do_write, xsd_do_mkdir, xsd_do_rm;
/* req_perms.c */
xsd_handler xsd_do_get_perms, xsd_do_set_perms;
/* req_watch.c */
xsd_handler xsd_do_watch, xsd_do_unwatch, xsd_do_reset_watches;
/* req_dom.c */
xsd_handler xsd_do_introduce, xsd_do_release, xsd_do_resume, xsd_do_set_target;
xsd_handler xsd_do_is_domain_introduced, xsd_do_get_domain_path;
/* control.c */
xsd_handler xsd_do_control, xsd_do_get_feature, xsd_do_set_feature;
xsd_handler xsd_do_get_quota, xsd_do_set_quota;

/* --- control.c --- */

/** xsd_check - recompute all accounts from the tree; number of differences, -ENOMEM */
int xsd_check(struct xsd *s);

#define XSD_FEATURES                                                                               \
	(XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR |                    \
	 XENSTORE_SERVER_FEATURE_WATCHDEPTH | XENSTORE_SERVER_FEATURE_DOMID_ANY)

#endif
