// SPDX-License-Identifier: MIT
/*
 * A network front end for tests: the two rings of one queue, buffers in guest pages, all granted.
 *
 * Guest page 0 is the transmit ring, 1 the receive ring, 2 the control ring, then come 512 pages of
 * frames to be sent and 512 for frames to be received. Grant number n is page n. A receive request in
 * slot k of the ring uses receive page k.
 */
#ifndef FAKE_NETFRONT_H
#define FAKE_NETFRONT_H

#include "fake_guest.h"
#include "pvbackends/net/net.h"

#define FE_TX_PORT 3u
#define FE_RX_PORT 4u
#define FE_CTRL_PORT 5u

#define FE_TX_PAGE 3u
#define FE_RX_PAGE (FE_TX_PAGE + 512u)
#define FE_PAGES (FE_RX_PAGE + 512u)

struct netfront {
	struct xa_domain *d;
	unsigned tx_gfn, rx_gfn;
	unsigned tx_page, rx_page;	/* the first of the next frame's, and of all slots */
	uint32_t tx_prod, tx_cons, rx_prod, rx_cons;
	int kick[2];			/* the back end's eventfds */
};

static inline void fe_init(struct netfront *f, struct xa_domain *d)
{
	*f = (struct netfront){ .d = d, .tx_gfn = 0, .rx_gfn = 1,
				.tx_page = FE_TX_PAGE, .rx_page = FE_RX_PAGE };
	for (uint64_t i = 0; i < d->pages && i < FAKE_GRANTS; i++)
		d->grants[i] = (struct fake_grant){ .gfn = i, .valid = true };
	for (unsigned i = 0; i < 3; i++) {
		memset(d->ram + i * 4096ul, 0, 4096);
		*fake_u32(d, i, XA_RING_REQ_EVENT) = 1;
		*fake_u32(d, i, XA_RING_RSP_EVENT) = 1;
	}
}

static inline struct net_queue_config fe_config(const struct netfront *f)
{
	return (struct net_queue_config){ .tx_ring = f->tx_gfn, .rx_ring = f->rx_gfn, .ports = 2,
					  .port = { FE_TX_PORT, FE_RX_PORT } };
}

static inline uint8_t *fe_tx_data(struct netfront *f, unsigned page)
{
	return f->d->ram + (f->tx_page + page) * 4096ul;
}

static inline uint8_t *fe_rx_data(struct netfront *f, uint32_t slot)
{
	return f->d->ram + (f->rx_page + slot % 256) * 4096ul;
}

static inline uint8_t *fe_tx_entry(struct netfront *f, uint32_t index)
{
	return f->d->ram + f->tx_gfn * 4096ul + XA_RING_ENTRIES + index % 256 * 12;
}

static inline uint8_t *fe_rx_entry(struct netfront *f, uint32_t index)
{
	return f->d->ram + f->rx_gfn * 4096ul + XA_RING_ENTRIES + index % 256 * 8;
}

/* One raw transmit request; its id is its slot. */
static inline void fe_tx_raw(struct netfront *f, grant_ref_t gref, unsigned offset, unsigned size,
			     unsigned flags)
{
	struct netif_tx_request req = { gref, (uint16_t)offset, (uint16_t)flags,
					(uint16_t)(f->tx_prod % 256), (uint16_t)size };

	memcpy(fe_tx_entry(f, f->tx_prod++), &req, sizeof(req));
}

static inline void fe_tx_extra(struct netfront *f, const struct netif_extra_info *extra)
{
	uint8_t *e = fe_tx_entry(f, f->tx_prod++);

	memset(e, 0, 12);
	memcpy(e, extra, sizeof(*extra));
}

/* How a frame is cut: fragment i has cut[i] bytes, from offset[i] of transmit page i on. */
struct fe_cut {
	unsigned n;
	unsigned len[NET_MAX_CHAIN + 2], offset[NET_MAX_CHAIN + 2];
};

static inline struct fe_cut fe_cut_pages(size_t len)
{
	struct fe_cut c = { 0 };

	for (; len; c.n++) {
		c.len[c.n] = (unsigned)DOM_MIN(len, (size_t)4096);
		len -= c.len[c.n];
	}
	return c;
}

/* A frame, with at most one extra info. */
static inline void fe_tx_frame(struct netfront *f, const uint8_t *data, size_t len,
			       const struct fe_cut *c, unsigned flags,
			       const struct netif_extra_info *extra)
{
	size_t at = 0;

	for (unsigned i = 0; i < c->n; i++) {
		memcpy(fe_tx_data(f, i) + c->offset[i], data + at, c->len[i]);
		at += c->len[i];
		fe_tx_raw(f, f->tx_page + i, c->offset[i], i ? c->len[i] : (unsigned)len,
			  (i ? 0 : flags | (extra ? NETTXF_extra_info : 0)) |
			  (i + 1 < c->n ? NETTXF_more_data : 0));
		if (i == 0 && extra)
			fe_tx_extra(f, extra);
	}
}

static inline bool fe_push(struct netfront *f, unsigned ring)
{
	uint64_t gfn = ring ? f->rx_gfn : f->tx_gfn, one = 1;
	uint32_t *prod = fake_u32(f->d, gfn, XA_RING_REQ_PROD), old = DOM_LOAD(prod);
	uint32_t now = ring ? f->rx_prod : f->tx_prod;

	DOM_STORE_RELEASE(prod, now);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!xa_ring_notify(old, now, DOM_LOAD(fake_u32(f->d, gfn, XA_RING_REQ_EVENT))))
		return false;
	if (write(f->kick[ring], &one, 8) != 8)
		abort();
	return true;
}

/* Give @n receive pages. */
static inline void fe_rx_give(struct netfront *f, unsigned n)
{
	for (; n; n--) {
		struct netif_rx_request req = { .id = (uint16_t)(f->rx_prod % 256),
						.gref = f->rx_page + f->rx_prod % 256 };

		memcpy(fe_rx_entry(f, f->rx_prod++), &req, sizeof(req));
	}
	fe_push(f, 1);
}

static inline bool fe_tx_response(struct netfront *f, struct netif_tx_response *ret)
{
	if (DOM_LOAD_ACQUIRE(fake_u32(f->d, f->tx_gfn, XA_RING_RSP_PROD)) == f->tx_cons)
		return false;
	memcpy(ret, fe_tx_entry(f, f->tx_cons++), sizeof(*ret));
	return true;
}

/* A received frame. */
struct fe_frame {
	size_t len;
	unsigned slots;			/* data fragments */
	uint16_t flags;
	bool error;			/* some fragment is an error */
	struct netif_extra_info extra[NET_MAX_EXTRAS + 1];	/* by type */
	uint8_t data[NET_FRAME_MAX];
};

/* The next received frame, put together as Linux' driver does it: by slots. */
static inline bool fe_rx_frame(struct netfront *f, struct fe_frame *ret)
{
	struct netif_rx_response rsp;
	struct netif_extra_info e;
	unsigned flags;

	if (DOM_LOAD_ACQUIRE(fake_u32(f->d, f->rx_gfn, XA_RING_RSP_PROD)) == f->rx_cons)
		return false;
	memset(ret, 0, offsetof(struct fe_frame, data));
	do {
		uint32_t slot = f->rx_cons++;

		if (DOM_LOAD(fake_u32(f->d, f->rx_gfn, XA_RING_RSP_PROD)) == slot)
			abort();	/* a frame without end */
		memcpy(&rsp, fe_rx_entry(f, slot), sizeof(rsp));
		if (rsp.id != slot % 256 || rsp.offset + (rsp.status > 0 ? rsp.status : 0) > 4096)
			abort();
		flags = rsp.flags;
		if (ret->slots++ == 0)
			ret->flags = rsp.flags;
		if (rsp.status < 0) {
			ret->error = true;
		} else {
			memcpy(ret->data + ret->len, fe_rx_data(f, slot) + rsp.offset, (size_t)rsp.status);
			ret->len += (size_t)rsp.status;
		}
		e.flags = ret->slots == 1 && flags & NETRXF_extra_info ? XEN_NETIF_EXTRA_FLAG_MORE : 0;
		while (e.flags & XEN_NETIF_EXTRA_FLAG_MORE) {
			memcpy(&e, fe_rx_entry(f, f->rx_cons++), sizeof(e));
			if (!e.type || e.type > NET_MAX_EXTRAS)
				abort();
			ret->extra[e.type] = e;
		}
	} while (flags & NETRXF_more_data);
	return true;
}

#endif
