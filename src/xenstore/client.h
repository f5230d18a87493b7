// SPDX-License-Identifier: MIT
/*
 * What the files of the client library share.
 *
 *	client_msg.c    requests and replies over the connection as it is
 *	client.c        the connection, and making it again
 *	client_node.c   calls on nodes
 *	client_watch.c  watches and events
 *	client_dom.c    transactions, domains, control commands
 *
 * Each uses those above it.
 */
#ifndef XENSTORE_CLIENT_H
#define XENSTORE_CLIENT_H

#include "xenstore.h"

/** struct xsc_queued - an event that the caller has not taken yet */
struct xsc_queued {
	struct xsc_queued *next;
	size_t token;		/* offset of the token behind the path */
	char path[];
};

/** struct xsc_watched - a watch, to be set again on a new connection */
struct xsc_watched {
	char *path, *token;
	int depth;		/* -1: none given */
};

struct xsc {
	int fd;
	char path[108];
	unsigned generation;
	int reconnect_ms;
	uint32_t last_id;
	char *rx;			/* bytes received and not yet taken */
	size_t rx_len, rx_cap;
	struct xsc_queued *first, **last;	/* queued events */
	unsigned n_events;
	struct xsc_queued *taken;	/* the one the caller looks at */
	struct xsc_watched *watches;
	unsigned n_watches;
};

/** struct xsc_piece - part of a request's payload */
struct xsc_piece {
	const void *data;
	size_t len;
};

/* --- client_msg.c --- */

/** xsc_lost - forget the connection, keep what outlives it: watches and events; -ECONNRESET */
int xsc_lost(struct xsc *xs);

/** xsc_receive - receive some bytes; -EAGAIN when @flags forbid waiting and there are none */
int xsc_receive(struct xsc *xs, int flags);

/**
 * xsc_take - take the first message out of what was received
 * @ret: its payload with a NUL behind, to be freed; may be NULL
 *
 * Returns 1: it is not an event and is in *hdr and *ret; 0: it was an event, now queued; -EAGAIN:
 * not complete yet; -ENOMEM; -ECONNRESET.
 */
int xsc_take(struct xsc *xs, struct xsd_sockmsg *hdr, char **ret);

/**
 * xsc_exchange - one request and its reply over the connection as it is
 * @p:       the payload, in @n <= 5 pieces
 * @pass_fd: descriptor that goes along; -1: none
 * @ret, @ret_len: the reply, as of xsc_call()
 */
int xsc_exchange(struct xsc *xs, uint32_t tx, uint32_t type, const struct xsc_piece *p, unsigned n,
		 int pass_fd, char **ret, size_t *ret_len);

/* --- client.c --- */

/** xsc_now_ms - the monotonic clock */
uint64_t xsc_now_ms(void);

/** xsc_reconnect_wait - reconnect, trying for as long as xsc_set_reconnect() says; -ECONNRESET */
int xsc_reconnect_wait(struct xsc *xs);

/** xsc_call_pieces - xsc_call() of a payload in pieces that may take a descriptor along */
int xsc_call_pieces(struct xsc *xs, xsc_tx tx, uint32_t type, const struct xsc_piece *p,
		    unsigned n, int pass_fd, char **ret, size_t *ret_len);

/** xsc_call_path - xsc_call() of a payload that is one string */
int xsc_call_path(struct xsc *xs, xsc_tx tx, uint32_t type, const char *path, char **ret,
		  size_t *ret_len);

#endif
