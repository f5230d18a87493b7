// SPDX-License-Identifier: MIT
/*
 * One client: a tool on the socket, or a domain.
 */
#ifndef XSD_CONN_H
#define XSD_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xenabi/io_xs.h"
#include "domicile/base/list.h"
#include "domain.h"
#include "watch.h"

struct xsd;
struct xsd_txn;

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
static inline bool xsd_conn_privileged(const struct xsd_conn *c)
{
	return c->dom->domid == 0;
}

#endif
