// SPDX-License-Identifier: MIT
/*
 * One request being executed.
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
struct xsd_txn;

/* --- req.c --- */

/** struct xsd_req - one request being executed */
struct xsd_req {
	struct xsd_sockmsg hdr;
	const char *data;	/* hdr.len bytes */
	struct xsd_txn *txn;	/* NULL outside of transactions */
	bool replied;
};

/** xsd_request - execute a request and reply */
void xsd_request(struct xsd *s, struct xsd_conn *c, const struct xsd_sockmsg *hdr,
		 const char *data);

void xsd_reply(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const void *data, size_t len);
void xsd_ack(struct xsd *s, struct xsd_conn *c, struct xsd_req *r);

/** xsd_req_one - the only string of a payload, NULL if it is not exactly one */
const char *xsd_req_one(const struct xsd_req *r);

/** xsd_perm - XSC_PERM_* bits, and XSD_PERM_OWNER, of @c on something with @p */
unsigned xsd_perm(const struct xsd *s, const struct xsd_conn *c, const struct xsd_perms *p);
#define XSD_PERM_OWNER 4u

/**
 * xsd_path - canonical form of a path in a request
 * @buf: XSD_PATH_MAX bytes, used for relative ones
 *
 * Returns 0 or -EINVAL.
 */
int xsd_path(struct xsd *s, struct xsd_conn *c, const char *path, bool special, char *buf,
	     const char **ret, size_t *ret_len);

/** xsd_fire_subtree - events of the removal of @top, children first; @parent: of the node above */
void xsd_fire_subtree(struct xsd *s, struct xsd_node *top, const struct xsd_perms *parent,
		      const char *path, size_t len);

int xsd_set_perms_text(struct xsd *s, const char *text, unsigned n, struct xsd_perms **ret);

/* --- control.c --- */

int xsd_control(struct xsd *s, struct xsd_conn *c, struct xsd_req *r);
int xsd_get_feature(struct xsd *s, struct xsd_conn *c, struct xsd_req *r);
int xsd_set_feature(struct xsd *s, struct xsd_conn *c, struct xsd_req *r);
int xsd_get_quota(struct xsd *s, struct xsd_conn *c, struct xsd_req *r);
int xsd_set_quota(struct xsd *s, struct xsd_conn *c, struct xsd_req *r);

/** xsd_check - recompute all accounts from the tree; number of differences, -ENOMEM */
int xsd_check(struct xsd *s);

#define XSD_FEATURES                                                                               \
	(XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR |                    \
	 XENSTORE_SERVER_FEATURE_WATCHDEPTH | XENSTORE_SERVER_FEATURE_DOMID_ANY)

#endif
