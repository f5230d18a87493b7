// SPDX-License-Identifier: MIT
/*
 * From the guest to the host.
 *
 * A frame is a chain of requests, copied out of the ring once and then checked. Its pages are
 * pinned, the link writes it from them, and it is answered: when net_tx_run() returns, no page of
 * the guest is in use any more.
 *
 * Of a frame that lacks its checksum, or is to be cut into segments, the headers are looked into.
 * The guest could change them in its pages meanwhile, so what was looked into is a copy, and it is
 * this copy that is sent. The rest of the frame is the guest's to spoil.
 *
 * A chain whose end is missing or whose extra infos are unknown cannot be answered: where the next
 * frame begins is anybody's guess. The queue is stopped then. Anything else that is wrong with a
 * frame is an error of that frame.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "domicile/base/once.h"
#include "net/net.h"

/*
 * The ring has one page and entries of one size, and a large frame has nineteen of them: worth a way
 * in and out without the generality of sring.h. Entry by entry the indices are in registers, and so
 * is the copy of a request until it is checked.
 */
struct ring {
	uint8_t *entries;
	uint32_t mask;
};

static inline struct ring ring_of(const struct pvb_sring *r)
{
	return (struct ring){ r->page[0] + XA_RING_ENTRIES, r->entries - 1 };
}

static inline uint8_t *entry(struct ring r, uint32_t index)
{
	return r.entries + (size_t)(index & r.mask) * sizeof(struct netif_tx_request);
}

/* Copy a request: two loads, each byte once. */
static inline struct netif_tx_request get(const uint8_t *entry)
{
	uint64_t first;
	uint32_t last;

	_Static_assert(sizeof(struct netif_tx_request) == sizeof(first) + sizeof(last), "two loads");
	dom_copy_once(&first, entry, sizeof(first));
	dom_copy_once(&last, entry + sizeof(first), sizeof(last));
	return (struct netif_tx_request){
		.gref = (uint32_t)first,
		.offset = (uint16_t)(first >> 32),
		.flags = (uint16_t)(first >> 48),
		.id = (uint16_t)last,
		.size = (uint16_t)(last >> 16),
	};
}

static inline void put(uint8_t *entry, uint16_t id, int status)
{
	const struct netif_tx_response rsp = { .id = id, .status = (int16_t)status };
	uint32_t word;

	_Static_assert(sizeof(rsp) == sizeof(word), "a response is one store");
	memcpy(&word, &rsp, sizeof(word));
	DOM_STORE((uint32_t *)(void *)entry, word);
}

/* Decoding. */

/* Extra infos follow the first request as long as each says so. */
static int pop_extras(struct pvb_sring *r, unsigned *left, struct net_tx *t)
{
	for (bool more = true; more; t->nextras++) {
		struct netif_extra_info info;

		if (!*left || t->nextras == NET_MAX_EXTRAS)
			return -EPROTO;
		dom_copy_once(&info, entry(ring_of(r), r->req_cons++), sizeof(info));
		--*left;
		if (!info.type || info.type > NET_MAX_EXTRAS)
			return -EPROTO;
		t->extra[info.type] = info;
		more = info.flags & XEN_NETIF_EXTRA_FLAG_MORE;
	}
	return 0;
}

/*
 * The other requests of a chain whose first has @flags. What the fragments say must fit together: each
 * within its page, all of them in the total. Returns 0; -EINVAL if they do not; -EPROTO.
 */
static int pop_slots(struct pvb_sring *r, unsigned left, uint16_t flags, struct net_tx *t)
{
	const struct ring ring = ring_of(r);
	uint32_t at = r->req_cons;
	unsigned n = 1, rest = 0, size = t->size;
	bool fit = true;

	for (; flags & NETTXF_more_data; n++) {
		struct netif_tx_request req;

		if (!left-- || n == NET_MAX_CHAIN)
			return -EPROTO;
		req = get(entry(ring, at++));
		flags = req.flags;
		t->id[n] = req.id;
		t->gref[n] = req.gref;
		t->piece[n] = (struct net_tx_piece){ req.offset, req.size };
		fit &= req.offset + req.size <= (int)XEN_PAGE_SIZE;
		rest += req.size;
	}
	r->req_cons = at;
	t->nslots = n;
	if (!fit || n > NET_MAX_SLOTS || size < NET_ETH_HLEN || rest > size ||
	    t->piece[0].offset + size - rest > XEN_PAGE_SIZE)
		return -EINVAL;
	t->piece[0].size = (uint16_t)(size - rest);
	return 0;
}

static bool is_mcast(const struct net_tx *t)
{
	return t->extra[XEN_NETIF_EXTRA_TYPE_MCAST_ADD].type ||
	       t->extra[XEN_NETIF_EXTRA_TYPE_MCAST_DEL].type;
}

/*
 * Take the next frame, of @avail > 0 requests, from the ring. All but t->piece[0].size is set in any
 * case but -EPROTO, for the responses. Returns 0; -EINVAL for a frame that makes no sense; -EPROTO when
 * not even its end is known.
 */
static int decode(struct pvb_sring *r, unsigned avail, struct net_tx *t)
{
	struct netif_tx_request req = get(entry(ring_of(r), r->req_cons++));
	int e;

	avail--;
	t->id[0] = req.id;
	t->gref[0] = req.gref;
	t->piece[0].offset = req.offset;
	t->nextras = 0;
	t->size = req.size;
	t->flags = req.flags;
	for (unsigned i = 0; i <= NET_MAX_EXTRAS; i++)
		t->extra[i].type = 0;
	if (req.flags & NETTXF_extra_info) {
		e = pop_extras(r, &avail, t);
		if (e < 0)
			return e;
	}
	e = pop_slots(r, avail, req.flags, t);
	return e == -EINVAL && is_mcast(t) ? 0 : e;
}

/* Answering. */

static void answer(struct net_queue *q, int status)
{
	const struct net_tx *t = &q->frame;
	struct pvb_sring *r = &q->tx;
	const struct ring ring = ring_of(r);
	uint32_t at = r->rsp_prod;

	put(entry(ring, at++), t->id[0], status);
	for (unsigned i = 0; i < t->nextras; i++)
		put(entry(ring, at++), 0, NETIF_RSP_NULL);
	for (unsigned i = 1; i < t->nslots; i++)
		put(entry(ring, at++), t->id[i], status);
	r->rsp_prod = at;
}

static void push(struct net_queue *q)
{
	if (pvb_sring_push(&q->tx))
		net_notify(q, 0);
}

/* Sending. */

/* Pin the pages of a frame; @frag becomes its bytes, pieces that are adjacent for us joined. */
static int pin(struct net_queue *q, struct iovec frag[NET_MAX_SLOTS])
{
	struct net_tx *t = &q->frame;
	void *page[NET_MAX_SLOTS];
	uint8_t *start = NULL, *end = NULL;
	unsigned n = 0;
	int r = pvb_map_all(q->domain, t->gref, t->nslots, false, page);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < t->nslots; i++) {
		uint8_t *base = (uint8_t *)page[i] + t->piece[i].offset;

		if (!t->piece[i].size)
			continue;
		if (base != end) {
			start = base;
			n++;
		}
		end = base + t->piece[i].size;
		frag[n - 1] = (struct iovec){ start, (size_t)(end - start) };
	}
	return (int)n;
}

static void unpin(struct net_queue *q)
{
	xa_grants_unmap(q->domain, q->frame.gref, q->frame.nslots, false);
}

/* Copy the first bytes of a frame, up to @max, into q->header; returns how many. */
static size_t copy_header(struct net_queue *q, const struct iovec *frag, unsigned n, size_t max)
{
	size_t len = 0;

	for (unsigned i = 0; i < n && len < max; i++) {
		size_t part = DOM_MIN(frag[i].iov_len, max - len);

		dom_copy_once(q->header + len, frag[i].iov_base, part);
		len += part;
	}
	return len;
}

/* The first @len bytes are sent from elsewhere. */
static void skip(struct iovec *frag, size_t len)
{
	for (; len; frag++) {
		size_t part = DOM_MIN(frag->iov_len, len);

		frag->iov_base = (uint8_t *)frag->iov_base + part;
		frag->iov_len -= part;
		len -= part;
	}
}

static int set_gso(const struct net_tx *t, const struct net_headers *h, struct virtio_net_hdr *vh)
{
	const struct netif_extra_info *gso = &t->extra[XEN_NETIF_EXTRA_TYPE_GSO];
	bool v4 = gso->u.gso.type == XEN_NETIF_GSO_TYPE_TCPV4;

	if (!gso->type || gso->u.gso.type == XEN_NETIF_GSO_TYPE_NONE)
		return 0;
	if (gso->u.gso.type > XEN_NETIF_GSO_TYPE_TCPV6 || gso->u.gso.size < NET_GSO_MIN ||
	    gso->u.gso.size == NET_GSO_NONE || h->version != (v4 ? 4 : 6) || net_csum_offset(h) != 16)
		return -EINVAL;
	vh->gso_type = v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	vh->gso_size = gso->u.gso.size;
	vh->hdr_len = h->payload;
	return 0;
}

/*
 * Say where the checksum is of a frame of @n fragments. Its headers, and they alone, become
 * @ret_header: payload that begins where the host's copy of it begins is copied faster.
 */
static int set_offload(struct net_queue *q, struct iovec *frag, unsigned n, struct virtio_net_hdr *vh,
		       struct iovec *ret_header)
{
	static const size_t sizes[] = { NET_HEADER_USUAL, NET_HEADER_MAX };
	const struct net_tx *t = &q->frame;
	struct net_headers h;
	unsigned offset = 0;

	for (unsigned i = 0; i < DOM_ARRAY_LEN(sizes) && !offset; i++) {
		size_t len = copy_header(q, frag, n, sizes[i]);

		h = net_parse(q->header, len);
		offset = h.payload <= len ? net_csum_offset(&h) : 0;
	}
	if (!offset || set_gso(t, &h, vh) < 0)
		return -EINVAL;
	skip(frag, h.payload);
	*ret_header = (struct iovec){ q->header, h.payload };
	vh->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vh->csum_start = h.l4;
	vh->csum_offset = (uint16_t)offset;
	if (!(t->flags & NETTXF_csum_blank)) {
		/* To be cut, but with a checksum: each segment gets its own. */
		uint16_t sum = net_csum_fold(net_csum_pseudo(&h, q->header, t->size));

		memcpy(q->header + h.l4 + offset, &sum, 2);
	}
	return 0;
}

static int send(struct net_queue *q)
{
	const struct net_tx *t = &q->frame;
	struct net_link *link = &q->vif->link;
	struct virtio_net_hdr vh = { 0 };
	bool gso = t->extra[XEN_NETIF_EXTRA_TYPE_GSO].type;
	struct iovec *iov = q->iov;
	int n, r = 0;

	/* One that is looked for may have no descriptors, and nothing that knows what it can do. */
	if (q->vif->link_lost)
		return -ENODEV;
	if (gso && !link->ops->offload)
		return -EINVAL;
	n = pin(q, iov + 2);
	if (n < 0)
		return n;
	/* The link's header, a copy of the frame's if it is looked into, pages. */
	if (gso || t->flags & NETTXF_csum_blank) {
		r = set_offload(q, iov + 2, (unsigned)n, &vh, iov + 1);
		n++;
	} else {
		iov++;
	}
	iov[0] = (struct iovec){ &vh, sizeof(vh) };
	if (r == 0)
		r = link->ops->send(link, q->index, iov, (unsigned)n + 1, t->size);
	unpin(q);
	return r;
}

/* The multicast filter is changed by frames that are none. */
static int change_mcast(struct net_vif *vif, const struct net_tx *t)
{
	bool add = t->extra[XEN_NETIF_EXTRA_TYPE_MCAST_ADD].type;
	const uint8_t *addr = t->extra[add ? XEN_NETIF_EXTRA_TYPE_MCAST_ADD :
					     XEN_NETIF_EXTRA_TYPE_MCAST_DEL].u.mcast.addr;
	unsigned i = 0;

	while (i < vif->nmcast && memcmp(vif->mcast[i], addr, 6) != 0)
		i++;
	if (add) {
		if (i == NET_MAX_MCAST)
			return -ENOSPC;
		if (i == vif->nmcast)
			memcpy(vif->mcast[vif->nmcast++], addr, 6);
	} else if (i < vif->nmcast) {
		vif->nmcast--;
		memmove(vif->mcast[i], vif->mcast[i + 1],
			(vif->nmcast - i) * sizeof(vif->mcast[0]));
	}
	return 0;
}

static void send_one(struct net_queue *q)
{
	struct net_vif *vif = q->vif;
	int r = is_mcast(&q->frame) ? change_mcast(vif, &q->frame) : send(q);

	if (r == 0 && !is_mcast(&q->frame)) {
		vif->stats.tx_frames++;
		vif->stats.tx_bytes += q->frame.size;
		vif->rate.credit -= q->frame.size;
	}
	if (r == 0) {
		answer(q, NETIF_RSP_OKAY);
	} else if (r == -EINVAL || r == -EFAULT || r == -EACCES || r == -ENOSPC) {
		vif->stats.tx_errors++;
		answer(q, NETIF_RSP_ERROR);
	} else {
		vif->stats.tx_dropped++;
		answer(q, NETIF_RSP_DROPPED);
		if (r == -EBADFD || r == -EPIPE)
			net_link_lost(vif, r);
	}
}

/* Take the next frame of @avail requests; false when the queue is stopped. */
static bool take_one(struct net_queue *q, unsigned avail)
{
	int r = decode(&q->tx, avail, &q->frame);

	if (r == -EPROTO) {
		net_queue_break(q, "a chain of requests without end");
		return false;
	}
	if (r < 0) {
		q->vif->stats.tx_errors++;
		answer(q, NETIF_RSP_ERROR);
	} else {
		send_one(q);
	}
	return true;
}

/* A link that has not yet sent all of the last frame is called when it can go on. */
static bool link_is_busy(struct net_queue *q)
{
	struct net_link *link = &q->vif->link;

	if (q->vif->link_lost || !link->ops->unsent || !link->ops->unsent(link))
		return false;
	if (ev_idle(&q->writable))
		ev_poll(&q->writable, link->fd[0], POLLOUT);
	return true;
}

/* Is there no credit left? Then we are called when there is. */
static bool is_over_rate(struct net_queue *q)
{
	uint64_t until = net_rate_wait(&q->vif->rate, q->vif->rate.bytes ? ev_now() : 0);

	if (until)
		ev_timer(&q->tx_later, until);
	return until != 0;
}

void net_tx_run(struct net_queue *q)
{
	int n = 0;

	for (unsigned taken = 0; !q->broken && !link_is_busy(q);) {
		n = pvb_sring_pending(&q->tx);
		if (n < 0) {
			net_queue_break(q, "impossible ring indices");
			return;
		}
		if (n == 0) {
			push(q);
			if (!pvb_sring_sleep(&q->tx))
				return;
			continue;
		}
		if (is_over_rate(q))
			break;
		if (taken++ == NET_BUDGET) {
			ev_timer(&q->tx_later, 0);
			break;
		}
		if (!take_one(q, (unsigned)n))
			return;
	}
	push(q);
}
