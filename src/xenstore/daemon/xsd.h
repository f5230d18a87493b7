// SPDX-License-Identifier: MIT
/*
 * domicile-xenstored: what its files offer to each other.
 *
 *	main.c     options, start, the steps into confinement
 *	loop.c     epoll, accepting, fairness between connections
 *	conn.c     one connection: bytes in, bytes out, events not sent yet
 *	req.c      the table of requests and the plain ones
 *	txn.c      transactions: what they read, what they wrote, commit
 *	tree.c     the nodes
 *	watch.c    who wants to know about which path
 *	fan.c      what too many want to know at once
 *	fair.c     what one domain may do to the others' transactions
 *	domain.c   domains: introduction, death, identity
 *	quota.c    the table of limits and the accounts
 *	control.c  the table of control commands
 *	state.c    the state file: journal, snapshot, recovery
 *	live.c     live update
 *	confine.c  user, capabilities, namespaces, system calls
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
#include "domicile/base/err.h"
#include "domicile/base/list.h"
#include "domicile/base/log.h"
#include "tree.h"

struct xsd;
struct xsd_conn;
struct xsd_dom;
struct xsd_txn;

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

/* --- fan.c --- */

/** struct xsd_change - what watchers are told of */
struct xsd_change {
	const char *path;	/* NUL-terminated */
	size_t len;
	size_t special;		/* bytes of "@releaseDomain" if path is its form with a domid; 0 */
	bool exact;		/* only for those that watch exactly this path */
	const struct xsd_perms *perms[3];	/* see xsd_fire() */
};

/** struct xsd_fanout - changes of one client, or transaction, that are being told */
struct xsd_fanout {
	struct dom_list turn;	/* xsd.fans while there are changes; else itself */
	struct dom_list changes;
	struct xsd_conn *conn;	/* who pays for it; NULL: gone, or nobody */
	bool reply_waits;	/* for the last to be told, see xsd_conn_told() */
};

void xsd_fanout_init(struct xsd_fanout *o, struct xsd_conn *c);

/** xsd_fan_for - what is fired from here on is told for @o; NULL: at once, however much it is */
void xsd_fan_for(struct xsd *s, struct xsd_fanout *o);

/** xsd_fan_must - must changes be noted, for order or because enough has been told at once? */
bool xsd_fan_must(const struct xsd *s);

/** xsd_fan_add - note a change to be told later; -ENOMEM, also if it has to be told at once */
int xsd_fan_add(struct xsd *s, const struct xsd_change *ch);

/** xsd_fan_run - tell a round's worth of what was noted, or @all */
void xsd_fan_run(struct xsd *s, bool all);

/** xsd_fan_orphan - whoever it was for is gone, it is told nevertheless */
void xsd_fan_orphan(struct xsd *s, struct xsd_fanout *o);

/** xsd_fan_leave - @c is about to leave xsd.conns */
void xsd_fan_leave(struct xsd *s, const struct xsd_conn *c);

void xsd_fan_fini(struct xsd *s);

/* --- conn.c --- */

/** struct xsd_buf - bytes waiting in one direction */
struct xsd_buf {
	char *data;
	uint32_t pos, len, cap;	/* bytes [pos, len) wait */
};

/** struct xsd_pending - events queued on a blocked connection, to drop repetitions */
struct xsd_pending {
	uint64_t *hash;		/* 0: free */
	uint64_t *at;		/* stream position of the message */
	uint32_t n, cap;
};

/** struct xsd_conn - one client: a tool on the socket, or a domain */
struct xsd_conn {
	struct dom_list all;	/* xsd.conns */
	struct dom_list ready;	/* xsd.ready or xsd.later while it wants a turn; else itself */
	struct dom_list dirty;	/* xsd.dirty while `out` waits for its first write; else itself */
	struct dom_list watches;
	struct dom_list txns;
	struct xsd_txn *telling;	/* committed, its reply waits until all is told; or NULL */
	struct xsd_fanout fanout;
	struct xsd_sockmsg reply;	/* that fanout.reply_waits is about */
	struct xsd_dom *dom;	/* whose identity it has */
	struct xsd_dom *owner;	/* set for a domain's own connection; NULL for sockets */
	int fd;			/* -1: introduced without a descriptor, or waiting for one */
	int rx_fd;		/* descriptor received, for the next INTRODUCE; -1 */
	uint32_t next_tx;
	uint32_t plain;		/* reads since the last with a descriptor */
	uint32_t n_out;		/* replies in `out` */
	uint32_t home_len;
	uint64_t debt;		/* work beyond its turns so far; it is passed over for that long */
	bool blocked;		/* its socket is full; epoll tells when it is not any more */
	bool readable;		/* bytes, or the end, may wait in its socket */
	bool ended;		/* the other side hung up; it is read until that is found */
	bool lost;		/* there was no memory for a message to it: to be dropped */
	bool dead;		/* to be freed when the loop is done with it */
	bool ignored;		/* broke the protocol: kept until its domain goes */
	char home[24];		/* what relative paths start from */
	struct xsd_buf in, out;
	uint64_t out_base;	/* stream position of out.data[out.pos] */
	struct xsd_pending pending;
};

/** xsd_conn_new - a connection over @fd; NULL without memory, @fd stays the caller's then */
struct xsd_conn *xsd_conn_new(struct xsd *s, int fd, struct xsd_dom *dom);

/** xsd_conn_free - end it with its watches and transactions; frees at the end of the round */
void xsd_conn_free(struct xsd *s, struct xsd_conn *c);

/** xsd_conn_reset - back to the state of a new one, for a guest that reconnects */
void xsd_conn_reset(struct xsd *s, struct xsd_conn *c);

/** xsd_conn_attach - let @c speak over @fd (-1: over nothing) instead of what it had */
int xsd_conn_attach(struct xsd *s, struct xsd_conn *c, int fd);

/** xsd_conn_event - epoll reported @events of it */
void xsd_conn_event(struct xsd *s, struct xsd_conn *c, uint32_t events);

/** xsd_conn_queue - put it on xsd.later if it wants a turn and is on no queue */
void xsd_conn_queue(struct xsd *s, struct xsd_conn *c);

/** xsd_conn_turn - let it have one turn; not on a list when called, on xsd.later if it wants more */
void xsd_conn_turn(struct xsd *s, struct xsd_conn *c);

/** xsd_conn_flush - write what waits; called when writable and once a round */
void xsd_conn_flush(struct xsd *s, struct xsd_conn *c);

/** xsd_conn_takes_fds - would a descriptor that came with a request have been seen? */
bool xsd_conn_takes_fds(const struct xsd_conn *c);

/** xsd_conn_take_fds - look for descriptors again */
void xsd_conn_take_fds(struct xsd_conn *c);

/** xsd_conn_told - all that its request changed has been told: reply, and go on */
void xsd_conn_told(struct xsd *s, struct xsd_conn *c);

/** xsd_conn_send - queue one message; without memory, let the connection be dropped soon */
void xsd_conn_send(struct xsd *s, struct xsd_conn *c, const struct xsd_sockmsg *hdr,
		   const void *a, size_t a_len, const void *b, size_t b_len);

/** xsd_conn_restore - bytes that an earlier process had read (or, with @out, not written) */
int xsd_conn_restore(struct xsd *s, struct xsd_conn *c, const void *data, size_t len, bool out);

/** xsd_conn_privileged - may it do everything? */
static inline bool xsd_conn_privileged(const struct xsd_conn *c);

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

/* --- watch.c --- */

/** struct xsd_watch - one watch of one connection */
struct xsd_watch {
	struct dom_list on_conn;
	struct dom_list on_path;
	struct xsd_wpath *path;
	struct xsd_conn *conn;
	uint64_t seq;
	uint32_t prefix;		/* bytes that a relative watch does not report */
	int32_t depth;			/* levels reported, -1: all */
	uint32_t token_hash;
	uint16_t token_len;
	char token[];
};

/** struct xsd_watches - all watches by path */
struct xsd_watches {
	struct xsd_wpath **slot;
	unsigned n, cap;
	unsigned total;		/* watches */
	unsigned few;		/* so many are told of a change at once, more bit by bit: fan.c */
	uint64_t seq;
	struct xsd_watch **found;	/* scratch of one firing, with room for all */
	unsigned cap_found;
};

int xsd_watch_add(struct xsd *s, struct xsd_conn *c, const char *path, size_t len, uint32_t prefix,
		  const char *token, int depth, struct xsd_watch **ret);
struct xsd_watch *xsd_watch_find(struct xsd *s, struct xsd_conn *c, const char *path, size_t len,
				 const char *token);
void xsd_watch_del(struct xsd *s, struct xsd_watch *w);
void xsd_watch_del_all(struct xsd *s, struct xsd_conn *c);

/** xsd_watch_path - canonical path of a watch, NUL-terminated */
const char *xsd_watch_path(const struct xsd_watch *w, size_t *ret_len);

/** xsd_watch_covers - is @w to be told of a change of @path? See struct xsd_change */
bool xsd_watch_covers(const struct xsd_watch *w, const char *path, size_t len, bool exact,
		      size_t special);

/** xsd_watch_same - would two watches of one client, on different paths, report the same? */
bool xsd_watch_same(const struct xsd_watch *a, const struct xsd_watch *b);

/** xsd_watch_tell - queue an event if @w's domain may see it */
void xsd_watch_tell(struct xsd *s, struct xsd_watch *w, const struct xsd_change *ch);

/** xsd_watch_few - tell all set up to @seq if they are few; false if not, then nobody was told */
bool xsd_watch_few(struct xsd *s, const struct xsd_change *ch, uint64_t seq);

/** xsd_watch_first - queue the event that a watch gets when it is set */
void xsd_watch_first(struct xsd *s, struct xsd_watch *w);

/**
 * xsd_fire - tell all that watch @path, or with @exact only those of exactly it
 * @old, @now, @parent: permissions of before, after and of the node above; NULL: none. A watcher
 *                      must be able to read by one of them.
 */
void xsd_fire(struct xsd *s, const char *path, size_t len, bool exact,
	      const struct xsd_perms *old, const struct xsd_perms *now,
	      const struct xsd_perms *parent);

/** xsd_fire_special - @name is "@introduceDomain" or "@releaseDomain" */
void xsd_fire_special(struct xsd *s, const char *name, uint16_t domid);

void xsd_watches_fini(struct xsd *s);

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

/* --- state.c --- */

/** struct xsd_file - one mapped state file; two take turns, the older one is empty or stale */
struct xsd_file {
	int fd;
	char *map;
	size_t size, used;	/* bytes mapped; bytes valid, header included */
};

/** struct xsd_state - what survives the process; see domicile-xenstored-state(5) */
struct xsd_state {
	struct xsd_file file[2];
	unsigned cur;		/* which one is in use */
	bool on;		/* false: nothing is kept */
	uint64_t epoch;		/* grows with every start and every change of files */
	char boot[40];		/* id of this boot of the host */
	size_t base;		/* bytes that the last snapshot took */
	struct xsd_snapshot *snap;	/* one being written to the other file */
};

/* Types of records. Never renumber. */
enum xsd_rec {
	XSD_REC_NODE = 1,	/* snapshot: path, permissions, value */
	XSD_REC_SET,		/* path, creator, value */
	XSD_REC_MKDIR,		/* path, creator */
	XSD_REC_RM,		/* path */
	XSD_REC_PERMS,		/* path, permissions */
	XSD_REC_DOM,		/* an introduced domain and its settings */
	XSD_REC_RELEASE,	/* domid */
	XSD_REC_WATCH,		/* domid, path, token, depth */
	XSD_REC_UNWATCH,	/* domid, path, token */
	XSD_REC_RESET,		/* domid: all watches gone */
	XSD_REC_QUOTA,		/* a limit */
	/* Only between two binaries, see live.c. */
	XSD_REC_LIVE_LISTENER = 32,
	XSD_REC_LIVE_CONN,
	XSD_REC_LIVE_IN,
	XSD_REC_LIVE_OUT,
	XSD_REC_LIVE_WATCH,
	XSD_REC_LIVE_TXN,
	XSD_REC_LIVE_STATE,
	XSD_REC_END,
};

/** struct xsd_rec_args - contents of a record; unused fields are zero */
struct xsd_rec_args {
	enum xsd_rec type;
	uint16_t domid;
	int32_t num;		/* creator, depth, ... */
	const void *a, *b;
	size_t a_len, b_len;
	const struct xsd_found *found;	/* not part of the record: see xsd_tree_set() */
};

/** xsd_state_open - open the files in @dir and lock them; 0 or -errno */
int xsd_state_open(struct xsd *s, const char *dir, struct dom_err *err);

/** xsd_state_load - replay what is in them, or begin; @dir is for messages only; 0 or -errno */
int xsd_state_load(struct xsd *s, const char *dir, struct dom_err *err);

/** xsd_state_reserve - make sure that @bytes more can be recorded; 0 or -ENOSPC */
int xsd_state_reserve(struct xsd *s, size_t bytes);

size_t xsd_rec_size(const struct xsd_rec_args *a);
void xsd_rec_put(void *dst, const struct xsd_rec_args *a);

/** xsd_state_put - record a change; room has been reserved */
void xsd_state_put(struct xsd *s, const struct xsd_rec_args *a);

/** xsd_state_put_dom - record a domain's settings */
void xsd_state_put_dom(struct xsd *s, const struct xsd_dom *d);

/** xsd_state_put_raw - record @len bytes of records at once */
void xsd_state_put_raw(struct xsd *s, const void *recs, size_t len);

/** xsd_state_step - some work on replacing a file that has grown; true if there is more */
bool xsd_state_step(struct xsd *s);

void xsd_state_close(struct xsd *s);

/** xsd_state_replay - apply @len bytes of records to the store; 0 or -EINVAL at a bad one */
int xsd_state_replay(struct xsd *s, const void *recs, size_t len);

/** xsd_apply - apply one change of the tree, as recorded, to @t */
int xsd_apply(struct xsd *s, struct xsd_tree *t, struct xsd_acct *acct,
	      const struct xsd_rec_args *a);

/** xsd_restore_watch - set or drop the watch of a record on @c without recording it */
int xsd_restore_watch(struct xsd *s, struct xsd_conn *c, const struct xsd_rec_args *a,
		      enum xsd_rec type);

/** xsd_rec_next - decode the record at *pos and go behind it; 1, 0 at the end, -EINVAL */
int xsd_rec_next(const void *recs, size_t len, size_t *pos, struct xsd_rec_args *ret);

/* --- live.c --- */

int xsd_live_control(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		     unsigned argc);

/** xsd_live_start - hand over to the new binary if asked to; returns only on failure */
void xsd_live_start(struct xsd *s);

/** xsd_live_files - take over the state files from the old binary; 0, also if it gave none, or -errno */
int xsd_live_files(struct xsd *s, int fd);

/** xsd_live_resume - take over connections from the old binary; 0 or -errno */
int xsd_live_resume(struct xsd *s, int fd);

/** xsd_live_parse - the parser behind it; with @dry no descriptor is touched */
int xsd_live_parse(struct xsd *s, const void *data, size_t len, bool dry);

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

static inline bool xsd_conn_privileged(const struct xsd_conn *c)
{
	return c->dom->domid == 0;
}

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
