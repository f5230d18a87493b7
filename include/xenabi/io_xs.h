// SPDX-License-Identifier: MIT
/*
 * The xenstore protocol: message header, operations, error names, the ring page, feature bits.
 *
 * ABI: xen/include/public/io/xs_wire.h
 * Semantics: docs/misc/xenstore.txt, docs/misc/xenstore-ring.txt
 */
#ifndef XENABI_IO_XS_H
#define XENABI_IO_XS_H

#include "xenabi/base.h"

/* Operations, struct xsd_sockmsg.type. 20 was XS_RESTRICT and stays unused. */
enum xsd_sockmsg_type {
	XS_CONTROL = 0,
	XS_DIRECTORY = 1,
	XS_READ = 2,
	XS_GET_PERMS = 3,
	XS_WATCH = 4,
	XS_UNWATCH = 5,
	XS_TRANSACTION_START = 6,
	XS_TRANSACTION_END = 7,
	XS_INTRODUCE = 8,
	XS_RELEASE = 9,
	XS_GET_DOMAIN_PATH = 10,
	XS_WRITE = 11,
	XS_MKDIR = 12,
	XS_RM = 13,
	XS_SET_PERMS = 14,
	XS_WATCH_EVENT = 15,
	XS_ERROR = 16,
	XS_IS_DOMAIN_INTRODUCED = 17,
	XS_RESUME = 18,
	XS_SET_TARGET = 19,
	XS_RESET_WATCHES = 21,
	XS_DIRECTORY_PART = 22,
	XS_GET_FEATURE = 23,
	XS_SET_FEATURE = 24,
	XS_GET_QUOTA = 25,
	XS_SET_QUOTA = 26,
	XS_TYPE_COUNT,
	XS_INVALID = 0xffff,	/* never a valid operation */
};

/* Precedes every message in either direction; @len bytes of payload follow. */
struct xsd_sockmsg {
	uint32_t type;		/* enum xsd_sockmsg_type */
	uint32_t req_id;	/* chosen by the client, echoed in the reply; 0 in events */
	uint32_t tx_id;		/* transaction, 0 for none; echoed in the reply */
	uint32_t len;		/* bytes of payload, <= XENSTORE_PAYLOAD_MAX */
};
XA_CHECK_SIZE(struct xsd_sockmsg, 16);

/* Longer payloads end the connection; longer paths are EINVAL. */
#define XENSTORE_PAYLOAD_MAX 4096u
#define XENSTORE_ABS_PATH_MAX 3072u
#define XENSTORE_REL_PATH_MAX 2048u

/*
 * Errors travel as names, NUL included. A client that meets a name it does not know takes EINVAL
 * for it, a daemon that must report an unlisted number says EINVAL.
 */
#define XSD_ERRORS(X)                                                                              \
	X(EINVAL) X(EACCES) X(EEXIST) X(EISDIR) X(ENOENT) X(ENOMEM) X(ENOSPC) X(EIO) X(ENOTEMPTY)  \
	X(ENOSYS) X(EROFS) X(EBUSY) X(EAGAIN) X(EISCONN) X(E2BIG) X(EPERM)

/* Index of the strings in the payload of a WATCH_EVENT. */
enum xs_watch_type {
	XS_WATCH_PATH = 0,
	XS_WATCH_TOKEN = 1,
};

/*
 * The page shared with a guest: two byte rings, free-running indices, then the fields below. It
 * is addressed by offset, never by a struct.
 */
#define XENSTORE_RING_SIZE 1024u
#define MASK_XENSTORE_IDX(idx) ((idx) & (XENSTORE_RING_SIZE - 1))
#define XENSTORE_RING_REQ 0u			/* char[1024] requests */
#define XENSTORE_RING_RSP 1024u			/* char[1024] replies and events */
#define XENSTORE_RING_REQ_CONS 2048u		/* uint32_t, written by the daemon's side */
#define XENSTORE_RING_REQ_PROD 2052u		/* uint32_t, written by the guest */
#define XENSTORE_RING_RSP_CONS 2056u		/* uint32_t, written by the guest */
#define XENSTORE_RING_RSP_PROD 2060u		/* uint32_t, written by the daemon's side */
#define XENSTORE_RING_SERVER_FEATURES 2064u	/* uint32_t, XENSTORE_SERVER_FEATURE_* */
#define XENSTORE_RING_CONNECTION 2068u		/* uint32_t, XENSTORE_CONNECTED or _RECONNECT */
#define XENSTORE_RING_ERROR 2072u		/* uint32_t, XENSTORE_ERROR_* */

#define XENSTORE_SERVER_FEATURE_RECONNECTION 1u	/* the connection field works */
#define XENSTORE_SERVER_FEATURE_ERROR 2u	/* the error field works */
#define XENSTORE_SERVER_FEATURE_WATCHDEPTH 4u	/* WATCH takes a depth */
#define XENSTORE_SERVER_FEATURE_DOMID_ANY 8u	/* permissions may name DOMID_ANY */

#define XENSTORE_CONNECTED 0u
#define XENSTORE_RECONNECT 1u	/* set by the guest, back to 0 by the daemon's side */

#define XENSTORE_ERROR_NONE 0u
#define XENSTORE_ERROR_COMM 1u		/* communication problem */
#define XENSTORE_ERROR_RINGIDX 2u	/* impossible ring indices */
#define XENSTORE_ERROR_PROTO 3u		/* payload too long */

/*
 * Permission of one domain on one node as it travels: a letter and a decimal domid, NUL-terminated.
 * The first entry of a node is its owner and what everyone else may do.
 * Spec: docs/misc/xenstore.txt, GET_PERMS
 */
#define XS_PERM_CHAR_NONE 'n'
#define XS_PERM_CHAR_READ 'r'
#define XS_PERM_CHAR_WRITE 'w'
#define XS_PERM_CHAR_BOTH 'b'

#endif
