// SPDX-License-Identifier: MIT
/*
 * Header of the generic request/response rings. Offsets within the shared page; requests follow at
 * XA_RING_ENTRIES. Indices are free-running and taken modulo the entry count, a power of two.
 *   ABI: xen/include/public/io/ring.h (struct NAME_sring)
 */
#ifndef XENABI_IO_RING_H
#define XENABI_IO_RING_H

#include "xenabi/base.h"

#define XA_RING_REQ_PROD 0u	/* uint32_t: written by the front end */
#define XA_RING_REQ_EVENT 4u	/* uint32_t: back end wants a notification from this index on */
#define XA_RING_RSP_PROD 8u	/* uint32_t: written by the back end */
#define XA_RING_RSP_EVENT 12u	/* uint32_t: front end wants a notification from this index on */
#define XA_RING_ENTRIES 64u

/**
 * xa_ring_entries - entries that fit: the largest power of two
 * @ring_bytes:   bytes of all ring pages
 * @entry_bytes:  size of the larger of request and response, > 0
 */
static inline uint32_t xa_ring_entries(uint32_t ring_bytes, uint32_t entry_bytes)
{
	uint32_t n = (ring_bytes - XA_RING_ENTRIES) / entry_bytes;

	while (n & (n - 1))
		n &= n - 1;
	return n;
}

/**
 * xa_ring_notify - after moving a producer from @old_prod to @new_prod: does the other end want it?
 * @event:  index that the other end left in *_EVENT, read after the producer was written
 */
static inline int xa_ring_notify(uint32_t old_prod, uint32_t new_prod, uint32_t event)
{
	return (uint32_t)(new_prod - event) < (uint32_t)(new_prod - old_prod);
}

#endif
