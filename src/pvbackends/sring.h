// SPDX-License-Identifier: MIT
/*
 * A back end's view of a request ring of one or more granted pages. The pages need not be adjacent
 * in our memory, and an entry may lie across two of them.
 *
 * What the guest writes is read once: the producer index into a copy that is checked, a request
 * into a buffer of the caller's. Our own indices are private; those in the page are never read
 * back.
 *   ABI: xen/include/public/io/ring.h
 */
#ifndef PVB_SRING_H
#define PVB_SRING_H

#include <stdbool.h>
#include <stdint.h>

#include "xenabi/io_ring.h"

#define PVB_SRING_PAGES 16u

struct pvb_sring {
	uint8_t *page[PVB_SRING_PAGES];
	uint32_t entries, entry_size, req_size, rsp_size;
	uint32_t req_cons;	/* next request to take */
	uint32_t rsp_prod;	/* next response to write */
	uint32_t rsp_told;	/* rsp_prod as the guest sees it */
};

/**
 * pvb_sring_init - a view of a ring at the start of its life or of its back end's
 * @pages: 1 .. PVB_SRING_PAGES, r->page[] is set
 *
 * Continues where a former back end stopped: the response index is taken from the page, and
 * requests from there on count as new. Returns 0; -EPROTO if the indices make no sense.
 */
int pvb_sring_init(struct pvb_sring *r, unsigned pages, uint32_t req_size, uint32_t rsp_size);

/** pvb_sring_pending - requests to be taken; -EPROTO if the guest's index is impossible */
int pvb_sring_pending(const struct pvb_sring *r);

/** pvb_sring_pop - copy the next request, of req_size bytes; there is one pending */
void pvb_sring_pop(struct pvb_sring *r, void *req);

/** pvb_sring_put - write a response, of rsp_size bytes; the guest sees it after the push */
void pvb_sring_put(struct pvb_sring *r, const void *rsp);

/** pvb_sring_push - show the guest all responses; true if it wants an interrupt for them */
bool pvb_sring_push(struct pvb_sring *r);

/** pvb_sring_sleep - ask for an event with the next request; true if one came meanwhile */
bool pvb_sring_sleep(struct pvb_sring *r);

#endif
