// SPDX-License-Identifier: MIT
/*
 * A block front end for tests: one ring in any layout, buffers in guest pages, all granted.
 *
 * The first ring_pages guest pages (from number 0 on, if fe_init_at() does not say otherwise) are the
 * ring, then come 8 pages for indirect segments, then data. Grant number n is page n.
 */
#ifndef FAKE_BLKFRONT_H
#define FAKE_BLKFRONT_H

#include "fake_guest.h"
#include "pvbackends/blk/blk.h"

#define FE_PORT 3u

struct blkfront {
	struct xa_domain *d;
	const struct blk_layout *lay;
	unsigned first;			/* its first page */
	evtchn_port_t port;
	unsigned ring_pages, indirect_page, data_page;	/* counted from there */
	uint32_t entries, entry_size, req_prod, rsp_cons;
	int kick;			/* the back end's eventfd */
	bool always_kick;
};

static inline void fe_init_at(struct blkfront *f, struct xa_domain *d, const struct blk_layout *lay,
			      unsigned order, unsigned first, evtchn_port_t port)
{
	*f = (struct blkfront){ .d = d, .lay = lay, .ring_pages = 1u << order, .first = first,
				.port = port };
	f->indirect_page = f->ring_pages;
	f->data_page = f->ring_pages + 8;
	f->entry_size = lay->req_size;
	f->entries = xa_ring_entries(f->ring_pages * 4096u, f->entry_size);
	for (uint64_t i = 0; i < d->pages && i < FAKE_GRANTS; i++)
		d->grants[i] = (struct fake_grant){ .gfn = i, .valid = true };
	*fake_u32(d, first, XA_RING_REQ_EVENT) = 1;
	*fake_u32(d, first, XA_RING_RSP_EVENT) = 1;
}

static inline void fe_init(struct blkfront *f, struct xa_domain *d, const struct blk_layout *lay,
			   unsigned order)
{
	fe_init_at(f, d, lay, order, 0, FE_PORT);
}

static inline struct blk_queue_config fe_config(const struct blkfront *f)
{
	struct blk_queue_config cfg = { .lay = f->lay, .pages = f->ring_pages, .port = f->port };

	for (unsigned i = 0; i < f->ring_pages; i++)
		cfg.ring[i] = f->first + i;
	return cfg;
}

static inline uint8_t *fe_data(struct blkfront *f, unsigned page)
{
	return f->d->ram + (f->first + f->data_page + page) * 4096ul;
}

static inline uint8_t *fe_entry(struct blkfront *f, uint32_t index)
{
	/* The fake's pages are adjacent, so that an entry is contiguous here. */
	return f->d->ram + f->first * 4096ul + XA_RING_ENTRIES +
	       (index & (f->entries - 1)) * f->entry_size;
}

/* A request of @n segments; larger ones than a direct request may have are sent as indirect. */
static inline void fe_request(struct blkfront *f, uint8_t op, uint64_t id, uint64_t sector,
			      const struct blkif_request_segment *segs, unsigned n)
{
	uint8_t *e = fe_entry(f, f->req_prod++);
	bool indirect = n > BLKIF_MAX_SEGMENTS_PER_REQUEST;

	memset(e, 0, f->entry_size);
	memcpy(e + f->lay->id, &id, 8);
	memcpy(e + f->lay->sector, &sector, 8);
	if (n == 0) {
		e[0] = op;
	} else if (indirect) {
		uint16_t nsegs = (uint16_t)n;
		/* One page of segments per slot: 8 of them are there. */
		grant_ref_t ref = f->first + f->indirect_page + (f->req_prod - 1) % 8;

		e[0] = BLKIF_OP_INDIRECT;
		e[1] = op;
		memcpy(e + 2, &nsegs, 2);
		memcpy(e + f->lay->indirect_grefs, &ref, 4);
		memcpy(f->d->ram + ref * 4096ul, segs, n * sizeof(*segs));
	} else {
		e[0] = op;
		e[1] = (uint8_t)n;
		memcpy(e + f->lay->segments, segs, n * sizeof(*segs));
	}
}

/* A request for whole pages, from data page @page on. */
static inline void fe_pages(struct blkfront *f, uint8_t op, uint64_t id, uint64_t sector,
			    unsigned page, unsigned n)
{
	struct blkif_request_segment segs[BLK_MAX_SEGMENTS];

	for (unsigned i = 0; i < n; i++)
		segs[i] = (struct blkif_request_segment){ .gref = f->first + f->data_page + page + i,
							  .last_sect = 7 };
	fe_request(f, op, id, sector, segs, n);
}

static inline void fe_discard(struct blkfront *f, uint64_t id, uint64_t sector, uint64_t sectors,
			      uint8_t flag)
{
	uint8_t *e = fe_entry(f, f->req_prod++);

	memset(e, 0, f->entry_size);
	e[0] = BLKIF_OP_DISCARD;
	e[1] = flag;
	memcpy(e + f->lay->id, &id, 8);
	memcpy(e + f->lay->sector, &sector, 8);
	memcpy(e + f->lay->discard_sectors, &sectors, 8);
}

/* Show the requests to the back end; true if it wanted an event. */
static inline bool fe_push(struct blkfront *f)
{
	uint32_t *prod = fake_u32(f->d, f->first, XA_RING_REQ_PROD);
	uint32_t old = DOM_LOAD(prod);
	uint64_t one = 1;

	DOM_STORE_RELEASE(prod, f->req_prod);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!xa_ring_notify(old, f->req_prod, DOM_LOAD(fake_u32(f->d, f->first, XA_RING_REQ_EVENT))))
		return false;
	if (write(f->kick, &one, 8) != 8)
		abort();
	return true;
}

/* The next response, if there is one. */
static inline bool fe_response(struct blkfront *f, struct blkif_response *ret)
{
	if (DOM_LOAD_ACQUIRE(fake_u32(f->d, f->first, XA_RING_RSP_PROD)) == f->rsp_cons)
		return false;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, fe_entry(f, f->rsp_cons++), f->lay->rsp_size);
	return true;
}

/* Ask for an interrupt with the next response; false if one is there already. */
static inline bool fe_sleep(struct blkfront *f)
{
	DOM_STORE(fake_u32(f->d, f->first, XA_RING_RSP_EVENT), f->rsp_cons + 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return DOM_LOAD_ACQUIRE(fake_u32(f->d, f->first, XA_RING_RSP_PROD)) == f->rsp_cons;
}

#endif
