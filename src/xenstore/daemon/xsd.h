// SPDX-License-Identifier: MIT
/*
 * domicile-xenstored: what its files offer to each other.
 *
 *	main.c     options, start, the steps into confinement
 *	loop.c     epoll, accepting, fairness between connections
 *	conn.c     one connection: bytes in, bytes out, events not sent yet
 *	req.c      the table of requests; req_*.c: their handlers, what they have in common
 *	txn.c      transactions: what they read, what they wrote, commit
 *	tree.c     the nodes; node.c, map.c and walk.c: what it is made of
 *	watch.c    who wants to know about which path
 *	fan.c      what too many want to know at once
 *	fair.c     what one domain may do to the others' transactions
 *	domain.c   domains: introduction, death, identity
 *	quota.c    the table of limits and the accounts
 *	perm.c     who may do what with a node
 *	control.c  the table of control commands
 *	state.c    the state: recording, start and stop; state_file.c, snapshot.c: where it is kept
 *	record.c   what changes are written as; replay.c: and how they are made
 *	live.c     live update
 *	confine.c  user, capabilities, namespaces, system calls
 *
 * Each subject has its header: domain.h, conn.h, req.h, tree.h, txn.h, watch.h, state.h. This one
 * brings all of them, and struct xsd.
 *
 * One thread, one struct xsd, built in main.
 */
#ifndef XSD_H
#define XSD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "xenabi/io_xs.h"
#include "domicile/base/list.h"
#include "domicile/base/log.h"
#include "conn.h"
#include "domain.h"
#include "req.h"
#include "state.h"
#include "tree.h"
#include "txn.h"
#include "watch.h"

/* --- loop.c --- */

int xsd_loop_init(struct xsd *s);
int xsd_loop_add(struct xsd *s, int fd, uint32_t events, void *ptr);
void xsd_loop_round(struct xsd *s, int timeout_ms);
void xsd_loop_fini(struct xsd *s);

/* --- main.c, confine.c --- */

#define XSD_LISTEN_MAX 4

/** struct xsd - the daemon */
struct xsd {
	struct dom_log log;
	int epoll;
	int listeners[XSD_LISTEN_MAX];
	unsigned n_listeners;
	bool stop;
	bool recovering;	/* replaying: nothing is recorded and nobody told */
	bool keep_orphans;
	struct xsd_acct live;	/* accounts of the live tree; must stay embedded here */
	struct xsd_tree tree;
	struct xsd_gen gen;
	uint64_t seed;
	struct dom_list conns;
	struct dom_list ready;	/* connections that want a turn and owe nothing: served first */
	struct dom_list later;	/* those that had theirs and want more, or owe for it */
	struct dom_list held;	/* those that wait for their credit */
	struct dom_list dirty, graves;
	struct dom_list telling;	/* committed transactions whose events are being queued */
	struct dom_list fans;	/* xsd_fanout.turn of those with changes that many are told of */
	struct xsd_fanout *fan_for;	/* whose changes are being made */
	uint64_t fan_from;	/* xsd.work when that began */
	struct xsd_fanout orphans;	/* of those that are gone */
	struct dom_list guest_txns;	/* open transactions of guests, oldest first */
	unsigned n_txns;
	uint64_t work;		/* nodes and events handled so far, what turns are measured in */
	struct xsd_watches watches;
	struct xsd_dom **doms[256];
	uint32_t hard[XSD_Q_COUNT], soft[XSD_Q_COUNT];
	uint64_t seen[XSD_Q_COUNT];
	struct xsd_state state;
	struct {
		char *binary;
		char *cmdline;
		bool start;
		struct xsd_conn *conn;
		struct xsd_sockmsg hdr;
	} live_update;
	char **argv;
	int log_file;		/* of CONTROL logfile; -1 */
	bool trace;
	/* The list of children last sent, for DIRECTORY_PART. */
	char *listing;
	size_t listing_len;
	uint64_t listing_gen;
	char path[XSD_PATH_MAX];	/* a request's relative path, made absolute */
	struct xsd_txn *spare_txn;	/* one that ended, for its buffers */
	char *spare[32];	/* standard buffers not in use */
	unsigned n_spare;
	char rx[16384 + 1];	/* what is being read */
};

/** xsd_init - an empty store without sockets and state file; 0 or -ENOMEM */
int xsd_init(struct xsd *s);

/** xsd_fini - free everything */
void xsd_fini(struct xsd *s);

/** struct xsd_confine - how far to lock in */
struct xsd_confine {
	const char *user;	/* to become, when root; NULL: the daemon's own */
	bool sandbox;		/* all that nobody asked for by name */
};

/** xsd_confine - take the steps into confinement; fails only if @cfg->user cannot be become */
int xsd_confine(struct xsd *s, const struct xsd_confine *cfg);

#endif
