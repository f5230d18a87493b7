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

#include "domicile/base/cc.h"
#include "domicile/base/once.h"
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
static inline void pvb_sring_pop(struct pvb_sring *r, void *req)
{
	uint32_t at = XA_RING_ENTRIES + (r->req_cons++ & (r->entries - 1)) * r->entry_size;
	uint32_t in_page = at % XEN_PAGE_SIZE;
	uint32_t first = DOM_MIN(r->req_size, XEN_PAGE_SIZE - in_page);

	dom_copy_once(req, r->page[at / XEN_PAGE_SIZE] + in_page, first);
	if (first < r->req_size)
		dom_copy_once((uint8_t *)req + first, r->page[at / XEN_PAGE_SIZE + 1],
			      r->req_size - first);
}

/** pvb_sring_put - write a response, of rsp_size bytes; the guest sees it after the push */
static inline void pvb_sring_put(struct pvb_sring *r, const void *rsp)
{
	uint32_t at = XA_RING_ENTRIES + (r->rsp_prod++ & (r->entries - 1)) * r->entry_size;
	const uint8_t *src = rsp;

	/* Entries and responses are multiples of 4 bytes, so no word lies across two pages. */
	for (uint32_t i = 0; i < r->rsp_size; i += 4, at += 4) {
		uint32_t word;

		__builtin_memcpy(&word, src + i, sizeof(word));
		DOM_STORE((uint32_t *)(void *)(r->page[at / XEN_PAGE_SIZE] + at % XEN_PAGE_SIZE), word);
	}
}

/** pvb_sring_push - show the guest all responses; true if it wants an interrupt for them */
bool pvb_sring_push(struct pvb_sring *r);

/** pvb_sring_sleep - ask for an event with the next request; true if one came meanwhile */
bool pvb_sring_sleep(struct pvb_sring *r);

#endif
