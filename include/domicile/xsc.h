// SPDX-License-Identifier: MIT
/*
 * Client side of xenstore: a connection to the daemon over its socket, and the link that carries
 * a guest's requests there. Works with domicile-xenstored and with Xen's own daemons.
 *
 * Two ways of use, freely mixed on one connection:
 *   blocking   every call sends one request and waits for its reply; watch events that arrive
 *              meanwhile are queued for xsc_next_event()
 *   event loop wait until xsc_fd() is readable, call xsc_dispatch(), then take the queued events
 *              with xsc_next_event(xs, 0, &ev) until it says -EAGAIN
 *
 * A connection belongs to one thread at a time; the library has no state of its own.
 *
 * Results are 0 or a negative errno. Errors of the store itself keep Xen's meaning: -ENOENT no such
 * node, -EACCES, -EPERM, -EINVAL bad path or argument, -EEXIST, -ENOSPC and -EDQUOT quota, -EAGAIN
 * transaction conflict, -E2BIG, -ENOSYS not served. -EMSGSIZE: request longer than a message may
 * be. -ECONNRESET: the daemon went away, see xsc_reconnect(). -ENOMEM. Each call may return any of
 * these; the docstrings below name only what is particular to it.
 */
#ifndef DOM_XSC_H
#define DOM_XSC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "domicile/base/cc.h"
#include "domicile/base/err.h"

/** struct xsc - one connection to the daemon */
struct xsc;

/**
 * xsc_tx - a transaction of one connection; XSC_TX_NONE outside of any
 *
 * Not the number on the wire: a transaction of a connection that was lost since is recognised, and
 * every call with it fails with -EAGAIN.
 */
typedef uint64_t xsc_tx;
#define XSC_TX_NONE ((xsc_tx)0)

/* struct xsc_perm.perms */
#define XSC_PERM_NONE 0u
#define XSC_PERM_READ 1u
#define XSC_PERM_WRITE 2u

/**
 * struct xsc_perm - what one domain may do with a node
 *
 * The first entry of a node names its owner, who may do everything, and what all domains that are
 * not listed may do.
 */
struct xsc_perm {
	uint16_t domid;
	uint8_t perms;	/* XSC_PERM_* */
};

/**
 * struct xsc_event - a watch fired
 *
 * Both strings belong to the connection and live until the next xsc_next_event() or xsc_close().
 */
struct xsc_event {
	const char *path;	/* node that changed, relative if the watch was */
	const char *token;	/* as passed to xsc_watch() */
};

/**
 * xsc_default_path - socket of the daemon: $XENSTORED_PATH, else $XENSTORED_RUNDIR/socket, else
 * /run/xenstored/socket
 * @buf:  receives the path
 * @size: bytes at @buf, 108 suffice
 *
 * Returns @buf; the path is cut off if it does not fit.
 */
const char *xsc_default_path(char *buf, size_t size);

/**
 * xsc_open - connect to the daemon
 * @ret:  the connection, to be closed with xsc_close()
 * @path: socket, or NULL for xsc_default_path()
 * @err:  receives a sentence for a person; may be NULL
 *
 * Returns 0; -ENOENT or -ECONNREFUSED when no daemon listens; -EACCES; -ENAMETOOLONG; -ENOMEM.
 */
int xsc_open(struct xsc **ret, const char *path, struct dom_err *err);

/**
 * xsc_open_or_start - connect to the daemon at xsc_default_path(), which is started if none listens
 * @ret:  the connection, to be closed with xsc_close()
 * @err:  receives a sentence for a person; may be NULL
 *
 * Where systemd runs and knows domicile-xenstored.service, that is started; else the program, which
 * is looked for beside the caller's and in $PATH, and outlives the caller. Blocks, for milliseconds as
 * a rule and at most about 10 s.
 *
 * Returns 0; -EACCES; -ENAMETOOLONG; -ENOMEM; -EIO when the daemon ends at once; -ETIMEDOUT; the errno
 * of the attempt to execute it.
 */
int xsc_open_or_start(struct xsc **ret, struct dom_err *err);

/** xsc_close - end a connection with its watches and transactions; accepts NULL */
void xsc_close(struct xsc *xs);

/** xsc_fd - descriptor to wait on for POLLIN before xsc_dispatch(); -1 while not connected */
int xsc_fd(const struct xsc *xs);

/*
 * Nodes. @path is absolute, or relative to the caller's home (/local/domain/0 on the socket).
 * @tx is XSC_TX_NONE or a transaction of this connection.
 */

/**
 * xsc_read - value of a node
 * @ret_value: allocated, to be freed; a NUL follows the value and is not counted
 * @ret_len:   length of the value; may be NULL
 */
int xsc_read(struct xsc *xs, xsc_tx tx, const char *path, char **ret_value, size_t *ret_len);

/** xsc_write - set the value of a node, creating it and its parents when missing */
int xsc_write(struct xsc *xs, xsc_tx tx, const char *path, const void *value, size_t len);

/** xsc_printf - xsc_write() of a formatted string without its NUL, up to 1023 bytes (-EMSGSIZE) */
DOM_PRINTF(4, 5)
int xsc_printf(struct xsc *xs, xsc_tx tx, const char *path, const char *fmt, ...);

/** xsc_mkdir - create a node without value, and its parents; 0 when it exists already */
int xsc_mkdir(struct xsc *xs, xsc_tx tx, const char *path);

/** xsc_rm - remove a node with everything below; 0 when it is missing but its parent exists */
int xsc_rm(struct xsc *xs, xsc_tx tx, const char *path);

/**
 * xsc_directory - names of a node's children, in the daemon's order
 * @ret_names: one allocation holding the array and the names, to be freed; never NULL on success
 * @ret_count: number of names
 *
 * A list longer than a message is fetched in parts and started anew when it changes meanwhile.
 * Returns 0; -EBUSY when it kept changing (16 attempts).
 */
int xsc_directory(struct xsc *xs, xsc_tx tx, const char *path, char ***ret_names,
		  unsigned *ret_count);

/** xsc_get_perms - permissions of a node; @ret_perms is one allocation, to be freed */
int xsc_get_perms(struct xsc *xs, xsc_tx tx, const char *path, struct xsc_perm **ret_perms,
		  unsigned *ret_count);

/** xsc_set_perms - replace the permissions of a node; @count >= 1 */
int xsc_set_perms(struct xsc *xs, xsc_tx tx, const char *path, const struct xsc_perm *perms,
		  unsigned count);

/**
 * xsc_perm_parse - read one permission as written on the wire and in commands, "r5"
 *
 * Returns 0 or -EINVAL.
 */
int xsc_perm_parse(const char *text, struct xsc_perm *ret);

/** xsc_perm_format - write @perm as "r5" to @buf of at least 8 bytes; returns @buf */
const char *xsc_perm_format(const struct xsc_perm *perm, char *buf);

/*
 * Watches. An event is queued at once when a watch is set, and again at each re-connection, since
 * changes may have been missed.
 */

/**
 * xsc_watch - report changes of @path and below
 * @token: returned with each event; @path and @token together name the watch
 *
 * Returns 0; -EEXIST.
 */
int xsc_watch(struct xsc *xs, const char *path, const char *token);

/**
 * xsc_watch_depth - like xsc_watch(), limited to @depth levels below @path (0: the node itself)
 *
 * "@introduceDomain" and "@releaseDomain" with depth 1 report "@.../<domid>". A daemon without this
 * feature answers -EINVAL.
 */
int xsc_watch_depth(struct xsc *xs, const char *path, const char *token, unsigned depth);

/** xsc_unwatch - remove a watch and its queued events; -ENOENT when there is none */
int xsc_unwatch(struct xsc *xs, const char *path, const char *token);

/**
 * xsc_next_event - take the oldest queued event
 * @timeout_ms: how long to wait for one; 0 does not wait, -1 waits forever
 *
 * Returns 0; -EAGAIN when there was none in time; -ECONNRESET.
 */
int xsc_next_event(struct xsc *xs, int timeout_ms, struct xsc_event *ret);

/**
 * xsc_dispatch - take in what has arrived, without waiting
 *
 * To be called when xsc_fd() is readable. Returns the number of queued events; -ECONNRESET.
 */
int xsc_dispatch(struct xsc *xs);

/*
 * Transactions: all or nothing, as if nobody else was there. On -EAGAIN from the end, start again.
 */

/** xsc_transaction_start - begin a transaction; -ENOSPC when too many are open */
int xsc_transaction_start(struct xsc *xs, xsc_tx *ret_tx);

/** xsc_transaction_end - commit, or drop if @abort; -EAGAIN: somebody interfered. Ends @tx */
int xsc_transaction_end(struct xsc *xs, xsc_tx tx, bool abort);

/*
 * Domains, for the toolstack and the VMM.
 */

/** xsc_introduce - make @domid known, as Xen's tools do; its ring is not served by this */
int xsc_introduce(struct xsc *xs, uint16_t domid, uint64_t gfn, uint32_t port);

/**
 * xsc_introduce_guest - make @domid known and get the connection that speaks with its identity
 * @gfn:    frame of the guest's ring, kept for information
 * @port:   event channel of the guest, kept for information
 * @ret_fd: non-blocking stream socket, close-on-exec; what is written there the daemon executes as
 *          domain @domid, whatever the bytes say
 *
 * Closing @ret_fd tells the daemon that the domain is dead: as after xsc_release(), its nodes are
 * removed and @releaseDomain fires. Keep it open as long as the guest exists.
 *
 * Called again for the same @domid:
 *   while the former descriptor is in use: the domain starts over without watches and transactions
 *     (what a guest asks for with XENSTORE_RECONNECT); the former descriptor reads end-of-file
 *   after the daemon was killed and restarted: the domain has kept its watches, and a transaction
 *     it had open goes on and fails with EAGAIN at its end
 *
 * Only for domicile-xenstored. Returns 0; -EINVAL from other daemons.
 */
int xsc_introduce_guest(struct xsc *xs, uint16_t domid, uint64_t gfn, uint32_t port, int *ret_fd);

/** xsc_release - forget @domid, its connection, watches and nodes; -ENOENT if unknown */
int xsc_release(struct xsc *xs, uint16_t domid);

/** xsc_resume - @domid runs again after a suspend, its next shutdown is news again */
int xsc_resume(struct xsc *xs, uint16_t domid);

/** xsc_set_target - let @domid act with the permissions of @target as well (device models) */
int xsc_set_target(struct xsc *xs, uint16_t domid, uint16_t target);

/** xsc_is_introduced - *ret says whether @domid is known */
int xsc_is_introduced(struct xsc *xs, uint16_t domid, bool *ret);

/** xsc_get_domain_path - home of @domid, "/local/domain/<domid>", known or not; to be freed */
int xsc_get_domain_path(struct xsc *xs, uint16_t domid, char **ret_path);

/**
 * xsc_control - pass a control command with its arguments to the daemon
 * @argv:    command and arguments, NULL-terminated
 * @ret_out: its answer, to be freed
 */
int xsc_control(struct xsc *xs, const char *const *argv, char **ret_out);

/**
 * xsc_call - send any request and wait for its reply
 * @type:    XS_* of xenabi/io_xs.h
 * @payload: request payload, @len bytes, <= 4096 (-EMSGSIZE)
 * @ret:     reply payload with a NUL behind, to be freed; may be NULL
 * @ret_len: its length; may be NULL
 *
 * An error reply becomes its errno, an unknown error name -EINVAL, a reply of another type -EIO.
 */
int xsc_call(struct xsc *xs, xsc_tx tx, uint32_t type, const void *payload, size_t len, char **ret,
	     size_t *ret_len);

/*
 * Re-connection. When the daemon goes away (killed, upgraded, restarted), xsc_fd() becomes -1 and
 * calls fail with -ECONNRESET until the connection is made again. Then all watches are set
 * again and fire once, and transactions of the former connection fail with -EAGAIN.
 */

/**
 * xsc_reconnect - one attempt to make a lost connection again
 *
 * Does nothing on a live one. Returns 0; an error of xsc_open() when the daemon is not back yet.
 */
int xsc_reconnect(struct xsc *xs);

/**
 * xsc_set_reconnect - reconnect by itself inside blocking calls
 * @timeout_ms: how long a call keeps trying before it fails with -ECONNRESET; 0 turns it off, the
 *              default
 *
 * A request whose reply was lost is sent again, so it may be executed twice; of the store's
 * requests only a commit can tell, and it answers -EAGAIN.
 * xsc_dispatch() makes one attempt per call and never waits.
 */
void xsc_set_reconnect(struct xsc *xs, int timeout_ms);

/**
 * xsc_generation - how often the connection has been made, from 1 on
 *
 * A caller that keeps state derived from the store compares it to learn of a re-connection.
 */
unsigned xsc_generation(const struct xsc *xs);

/*
 * The link: what a ring bridge needs between a guest's ring page and the descriptor of
 * xsc_introduce_guest(). It keeps each request until its reply has come, so that after a restart of
 * the daemon the unanswered ones are sent again, and it gives the guest whole replies only, so that
 * the guest never sees the seam. Memory is bounded: 16 KiB in each direction.
 */

/** struct xsc_link - requests and replies in flight of one guest */
struct xsc_link;

/**
 * xsc_link_new - a link over @fd
 * @fd: of xsc_introduce_guest(); the link owns it from now on, also on failure
 *
 * Returns 0; -ENOMEM.
 */
int xsc_link_new(struct xsc_link **ret, int fd);

/** xsc_link_free - close the descriptor, which declares the domain dead; accepts NULL */
void xsc_link_free(struct xsc_link *l);

/** xsc_link_fd - descriptor to wait on; -1 after the daemon went away until xsc_link_attach() */
int xsc_link_fd(const struct xsc_link *l);

/** xsc_link_events - POLLIN and POLLOUT as far as the link waits for them; 0 while detached */
short xsc_link_events(const struct xsc_link *l);

/**
 * xsc_link_put - bytes that the guest produced
 *
 * Returns how many were taken, from the first on: fewer than @len, or 0, means that the guest is to
 * wait for replies. -EPROTO: the guest announced a payload above XENSTORE_PAYLOAD_MAX; tell it with
 * XENSTORE_ERROR_PROTO and serve it no more until it reconnects. Never blocks.
 */
ssize_t xsc_link_put(struct xsc_link *l, const void *data, size_t len);

/**
 * xsc_link_get - bytes for the guest, up to @size
 *
 * Returns how many were stored, 0 when there are none now. Never blocks.
 */
size_t xsc_link_get(struct xsc_link *l, void *buf, size_t size);

/**
 * xsc_link_run - exchange with the daemon, without waiting
 *
 * To be called when xsc_link_fd() is ready, and after xsc_link_put(). Returns 0; -ECONNRESET when
 * the daemon is gone or dropped this domain: the descriptor is closed, the state is kept.
 */
int xsc_link_run(struct xsc_link *l);

/**
 * xsc_link_attach - go on over a new descriptor of xsc_introduce_guest() after -ECONNRESET
 *
 * Unanswered requests are sent again. The link owns @fd.
 */
void xsc_link_attach(struct xsc_link *l, int fd);

/**
 * xsc_link_reset - forget all requests and replies and go on over @fd, for XENSTORE_RECONNECT
 */
void xsc_link_reset(struct xsc_link *l, int fd);

#endif
