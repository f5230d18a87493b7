// SPDX-License-Identifier: MIT
/*
 * Domains, the limits they have and the accounts they fill.
 */
#ifndef XSD_DOMAIN_H
#define XSD_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "domicile/base/log.h"

struct xsd;
struct xsd_conn;
struct xsd_dom;

/* --- quota.c --- */

/* Index of a limit and of the account it limits. Rows: quota.c. */
enum xsd_quota {
	XSD_Q_NODES,
	XSD_Q_WATCHES,
	XSD_Q_OUTSTANDING,
	XSD_Q_MEMORY,
	XSD_Q_TRANS,
	XSD_Q_TRANS_NODES,
	XSD_Q_PERMS,
	XSD_Q_PATH,
	XSD_Q_NODE_SIZE,
	XSD_Q_COUNT,
};

/** struct xsd_quota_row - one limit */
struct xsd_quota_row {
	const char *name;
	const char *text;	/* as `xenstore-control quota` prints it */
	uint32_t hard;		/* default; 0 means no limit */
	uint32_t soft;		/* default of the level that is logged; 0: none */
};

extern const struct xsd_quota_row xsd_quotas[XSD_Q_COUNT];

/** xsd_quota_find - index of the limit called @name, -1 if there is none */
int xsd_quota_find(const char *name);

/** xsd_quota_limit - limit in force for @d */
uint32_t xsd_quota_limit(const struct xsd *s, const struct xsd_dom *d, enum xsd_quota q);

/** xsd_quota_over - would @value exceed the limit of @c's domain? Records it as seen if not */
bool xsd_quota_over(struct xsd *s, struct xsd_conn *c, enum xsd_quota q, uint64_t value);

/** xsd_quota_add - change an account; the caller has checked the limit */
void xsd_quota_add(struct xsd *s, struct xsd_dom *d, enum xsd_quota q, long change);

/* --- domain.c --- */

/** struct xsd_dom - what is known about a domain id; made when first mentioned, never freed */
struct xsd_dom {
	uint16_t domid;
	bool introduced;
	bool reattach;		/* restored: the VMM has yet to hand in a connection */
	bool has_target;
	bool soft_warned, hard_warned;
	uint64_t conflicts;	/* when, in ms, its quarrels will be forgotten; see fair.c */
	uint16_t target;
	uint32_t port;
	uint64_t gfn;
	uint64_t dead_gen;	/* permissions set before this are of an earlier domain */
	uint32_t features;	/* server features offered, see xsd_features */
	uint32_t tx_mark;	/* recorded: ids up to this may have been given out */
	uint32_t tx_stale;	/* transactions up to this id were lost in a restart */
	struct xsd_conn *conn;	/* of an introduced domain */
	uint64_t acct[XSD_Q_COUNT], seen[XSD_Q_COUNT];
	uint64_t counted;	/* nodes, by xsd_check() */
	uint32_t limit[XSD_Q_COUNT];	/* own limit + 1; 0: the general one */
	struct dom_ratelimit log_limit;
};

/** xsd_dom_get - the entry of @domid; NULL without memory (never for one that exists) */
struct xsd_dom *xsd_dom_get(struct xsd *s, uint16_t domid);

/** xsd_dom_peek - the entry of @domid, NULL if nobody mentioned it yet */
struct xsd_dom *xsd_dom_peek(const struct xsd *s, unsigned domid);

/** xsd_dom_next - first entry at or above *id, which moves there; NULL when there is none */
struct xsd_dom *xsd_dom_next(const struct xsd *s, unsigned *id);

/** xsd_dom_introduce - make @domid known and tell watchers; 0 or -errno */
int xsd_dom_introduce(struct xsd *s, uint16_t domid, uint64_t gfn, uint32_t port);

/**
 * xsd_dom_connect - (re)start the connection of an introduced domain
 * @fd:    its descriptor, taken over on success; -1 leaves the one it has
 * @known: the domain had been introduced before: unless it waits for its descriptor since a
 *         restart, it starts over without watches and transactions
 */
int xsd_dom_connect(struct xsd *s, struct xsd_dom *d, int fd, bool known);

/** xsd_dom_release - domain is dead: drop connection and nodes, tell watchers */
void xsd_dom_release(struct xsd *s, struct xsd_dom *d);

/** xsd_dom_remove_nodes - the part of a release that changes the tree; also used in recovery */
void xsd_dom_remove_nodes(struct xsd *s, struct xsd_dom *d);

void xsd_dom_fini(struct xsd *s);

#endif
