// SPDX-License-Identifier: MIT
/*
 * Transactions, and what one domain may do to those of the others.
 */
#ifndef XSD_TXN_H
#define XSD_TXN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xenabi/io_xs.h"
#include "domicile/base/list.h"
#include "tree.h"
#include "watch.h"

struct xsd;
struct xsd_conn;
struct xsd_dom;

/* --- txn.c --- */

/** struct xsd_access - one node that a transaction looked at or changed */
struct xsd_access {
	uint32_t hash;
	uint32_t path;		/* offset into the arena */
	uint16_t len;
	bool read_self, read_kids;	/* what the outcome depends on */
	bool fire, exact;	/* event at commit */
};

struct xsd_txn {
	struct dom_list link;	/* xsd_conn.txns; xsd.telling once committed */
	struct dom_list age;	/* xsd.guest_txns, oldest first; dom0's: itself */
	struct xsd_acct acct;	/* first changes of accounts, until commit */
	struct xsd *xsd;
	struct xsd_dom *dom;
	struct xsd_conn *conn;	/* NULL once it is gone */
	struct xsd_sockmsg hdr;	/* of the commit */
	uint32_t id;
	bool fail;		/* ran out of memory or quota: commit is refused */
	bool doomed;		/* lost its base, or is of before a restart: commit says EAGAIN */
	uint64_t copied;	/* xsd_gen.copied when it took its base */
	uint64_t charged;	/* bytes charged to the domain's memory */
	unsigned told;		/* accesses whose events are queued, or in fanout */
	struct xsd_fanout fanout;
	struct xsd_tree base, tree;
	struct xsd_access *access;
	unsigned n_access, cap_access;
	uint32_t *index;	/* hash table of access number + 1 */
	unsigned cap_index;
	char *arena;
	uint32_t arena_len, arena_cap;
	char *log;		/* state records of what it changed */
	uint32_t log_len, log_cap;
	struct xsd_txn_acct {
		uint16_t owner;
		int nodes;
		long bytes;
	} *accts;
	unsigned n_accts, cap_accts;
};

/** xsd_txn_fini - free what is kept of ended transactions */
void xsd_txn_fini(struct xsd *s);

struct xsd_txn *xsd_txn_find(struct xsd_conn *c, uint32_t id);
int xsd_txn_start(struct xsd *s, struct xsd_conn *c, uint32_t *ret_id);

/** xsd_txn_end - 0, -errno, or 1 if the reply to @hdr will be sent when all watchers are told */
int xsd_txn_end(struct xsd *s, struct xsd_conn *c, struct xsd_txn *t, bool commit,
		const struct xsd_sockmsg *hdr);

/** xsd_txn_tell - queue some events of committed transactions, or @all */
void xsd_txn_tell(struct xsd *s, bool all);

/** xsd_txn_trim - let the oldest transactions go when they hold on to too much */
void xsd_txn_trim(struct xsd *s);

void xsd_txn_free_all(struct xsd *s, struct xsd_conn *c);

/** xsd_txn_stale - continue a transaction that a restart lost, so that its end can say EAGAIN */
struct xsd_txn *xsd_txn_stale(struct xsd *s, struct xsd_conn *c, uint32_t id);

/* What an access depends on. */
#define XSD_READ_SELF 1u
#define XSD_READ_KIDS 2u

/** xsd_txn_read - note that the outcome depends on @path; number of the access, -ENOSPC, -ENOMEM */
int xsd_txn_read(struct xsd *s, struct xsd_conn *c, struct xsd_txn *t, const char *path,
		 size_t len, unsigned what);

/** xsd_txn_fire - note an event for the node of an access */
void xsd_txn_fire(struct xsd_txn *t, int access, bool exact);

/** xsd_txn_nodes - change of the number of nodes of @owner so far */
int xsd_txn_nodes(const struct xsd_txn *t, uint16_t owner);
long xsd_txn_bytes(const struct xsd_txn *t, uint16_t owner);

/** xsd_txn_log - room for a record of @len bytes in the log; -ENOMEM, also over quota */
int xsd_txn_log(struct xsd *s, struct xsd_conn *c, struct xsd_txn *t, size_t len, void **ret);

/* --- fair.c --- */

/** xsd_conflict - a change by @culprit has cost @c a transaction */
void xsd_conflict(struct xsd *s, struct xsd_conn *c, unsigned culprit);

/** xsd_hold - must @c wait for its credit? Then it is on xsd.held */
bool xsd_hold(struct xsd *s, struct xsd_conn *c);

/** xsd_release_held - let those go on that have waited long enough; ms until the next, or -1 */
int xsd_release_held(struct xsd *s);

#endif
