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
