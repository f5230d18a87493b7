// SPDX-License-Identifier: MIT
/*
 * Request rings, see sring.h.
 */
#include <errno.h>

#include "domicile/base/cc.h"
#include "domicile/base/once.h"
#include "sring.h"
#include "xenabi/base.h"

static uint32_t *index_at(const struct pvb_sring *r, unsigned offset)
{
	return (uint32_t *)(void *)(r->page[0] + offset);
}

int pvb_sring_init(struct pvb_sring *r, unsigned pages, uint32_t req_size, uint32_t rsp_size)
{
	r->req_size = req_size;
	r->rsp_size = rsp_size;
	r->entry_size = DOM_MAX(req_size, rsp_size);
	r->entries = xa_ring_entries(pages * XEN_PAGE_SIZE, r->entry_size);
	r->rsp_prod = r->rsp_told = r->req_cons = DOM_LOAD(index_at(r, XA_RING_RSP_PROD));
	return pvb_sring_pending(r) < 0 ? -EPROTO : 0;
}

int pvb_sring_pending(const struct pvb_sring *r)
{
	uint32_t prod = DOM_LOAD_ACQUIRE(index_at(r, XA_RING_REQ_PROD));

	/* Room for a response is free only once its request was answered. */
	if (prod - r->rsp_prod > r->entries || prod - r->req_cons > r->entries)
		return -EPROTO;
	return (int)(prod - r->req_cons);
}

void pvb_sring_pop(struct pvb_sring *r, void *req)
{
	uint32_t at = XA_RING_ENTRIES + (r->req_cons++ & (r->entries - 1)) * r->entry_size;
	uint32_t in_page = at % XEN_PAGE_SIZE;
	uint32_t first = DOM_MIN(r->req_size, XEN_PAGE_SIZE - in_page);

	dom_copy_once(req, r->page[at / XEN_PAGE_SIZE] + in_page, first);
	if (first < r->req_size)
		dom_copy_once((uint8_t *)req + first, r->page[at / XEN_PAGE_SIZE + 1],
			      r->req_size - first);
}

void pvb_sring_put(struct pvb_sring *r, const void *rsp)
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

bool pvb_sring_push(struct pvb_sring *r)
{
	uint32_t told = r->rsp_told;

	if (told == r->rsp_prod)
		return false;
	r->rsp_told = r->rsp_prod;
	DOM_STORE_RELEASE(index_at(r, XA_RING_RSP_PROD), r->rsp_prod);
	/* The other end writes rsp_event, then reads rsp_prod; we the other way round. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return xa_ring_notify(told, r->rsp_prod, DOM_LOAD(index_at(r, XA_RING_RSP_EVENT)));
}

bool pvb_sring_sleep(struct pvb_sring *r)
{
	DOM_STORE(index_at(r, XA_RING_REQ_EVENT), r->req_cons + 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return pvb_sring_pending(r) != 0;
}
