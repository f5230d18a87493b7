// SPDX-License-Identifier: MIT
/*
 * From the host to the guest.
 *
 * The guest's requests name pages; the next ones, enough for the largest frame, are taken from the
 * ring and pinned ahead (rx->ready), and the link reads a frame straight into them. Only then it is
 * known how long the frame is and whether extra infos go with it, each of which takes the slot, and
 * so the page, of a request behind the first. Two guesses make that work: that the next frame of
 * several pages has as many extra infos as the last one had (rx->gap), and that the pages suffice.
 * What does not fit them goes to the end of a buffer of our own. A frame that was guessed wrong is
 * put together in that buffer, and copied from there when the guest has given pages enough
 * (rx->held); at most one frame per queue waits so, the others stay in the link.
 *
 * Frames that are spread by their hash, and those of links that come as bytes, always go that way.
 *
 * A guest that gives no pages makes the link's queue fill up, which has a limit of its own. After
 * some time what waits there is dropped, since it is of no use any more; after more time the
 * carrier goes off.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/once.h"
#include "net/net.h"

#define EXTRAS_MAX 3u		/* GSO, XDP, hash */
#define LARGE_MEMORY 256u	/* frames for which a large one is remembered */

/* A frame on its way, and what is to be said about it. */
struct out {
	size_t len;
	unsigned nextras;
	struct netif_extra_info extra[EXTRAS_MAX];
	uint16_t flags;			/* NETRXF_* of its first fragment */
};

/* Pages. */

static size_t page_room(const struct net_vif *vif)
{
	return XEN_PAGE_SIZE - vif->headroom;
}

static unsigned pages_for(const struct net_vif *vif, size_t len)
{
	return (unsigned)((len + page_room(vif) - 1) / page_room(vif));
}

/* Where frame bytes go in the page of a slot. */
static uint8_t *slot_data(struct net_queue *q, const struct net_rx_slot *s)
{
	return (s->bad ? q->rx.bounce + NET_FRAME_MAX : s->page) + q->vif->headroom;
}

static struct net_rx_slot *ready(struct net_rx *rx, unsigned i)
{
	return &rx->ready[(rx->first + i) % NET_RX_READY];
}

/* Take requests from the ring ahead, and their pages. */
static bool fill(struct net_queue *q)
{
	struct net_rx *rx = &q->rx;
	int pending = pvb_sring_pending(&rx->ring);
	grant_ref_t gref[NET_RX_READY];
	void *page[NET_RX_READY];
	unsigned n;

	if (pending < 0) {
		net_queue_break(q, "impossible ring indices");
		return false;
	}
	n = DOM_MIN((unsigned)pending, NET_RX_READY - rx->nready);
	for (unsigned i = 0; i < n; i++) {
		struct net_rx_slot *s = ready(rx, rx->nready + i);
		struct netif_rx_request req;

		pvb_sring_pop(&rx->ring, &req);
		s->id = req.id;
		s->gref = gref[i] = req.gref;
	}
	if (n)
		(void)xa_grants_map(q->domain, gref, n, true, page);
	for (unsigned i = 0; i < n; i++) {
		struct net_rx_slot *s = ready(rx, rx->nready + i);

		s->page = page[i];
		s->bad = !page[i];
	}
	rx->nready += n;
	return true;
}

static void release(struct net_queue *q, unsigned n)
{
	struct net_rx *rx = &q->rx;
	grant_ref_t gref[NET_RX_READY];
	unsigned used = 0;

	for (unsigned i = 0; i < n; i++)
		if (!ready(rx, i)->bad)
			gref[used++] = ready(rx, i)->gref;
	if (used)
		xa_grants_unmap(q->domain, gref, used, true);
	rx->nready -= n;
	rx->first += n;
}

/* Responses. */

static void push(struct net_queue *q)
{
	if (pvb_sring_push(&q->rx.ring))
		net_notify(q, 1);
}

static void put_fragment(struct net_queue *q, const struct net_rx_slot *s, uint16_t flags,
			 size_t len)
{
	struct netif_rx_response rsp = {
		.id = s->id, .offset = q->vif->headroom, .flags = flags,
		.status = s->bad ? NETIF_RSP_ERROR : (int16_t)len,
	};

	pvb_sring_put(&q->rx.ring, &rsp);
}

/* The frame is in its pages: the first that is ready, and from behind its extra infos on. */
static void respond(struct net_queue *q, struct out *o)
{
	struct net_vif *vif = q->vif;
	unsigned n = pages_for(vif, o->len);
	size_t left = o->len;

	for (unsigned i = 0; i < n; i++) {
		size_t part = DOM_MIN(left, page_room(vif));
		uint16_t flags = i ? 0 : o->flags;

		left -= part;
		put_fragment(q, ready(&q->rx, i ? i + o->nextras : 0),
			     flags | (left ? NETRXF_more_data : 0), part);
		for (unsigned k = 0; i == 0 && k < o->nextras; k++)
			pvb_sring_put(&q->rx.ring, &o->extra[k]);
	}
	release(q, n + o->nextras);
	vif->stats.rx_frames++;
	vif->stats.rx_bytes += o->len;
}

/* Frames. */

static unsigned gso_type(const struct virtio_net_hdr *hdr)
{
	switch (hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return XEN_NETIF_GSO_TYPE_TCPV4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return XEN_NETIF_GSO_TYPE_TCPV6;
	default:
		return XEN_NETIF_GSO_TYPE_NONE;
	}
}

static struct netif_extra_info *add_extra(struct out *o, uint8_t type)
{
	struct netif_extra_info *e = &o->extra[o->nextras++];

	*e = (struct netif_extra_info){ .type = type };
	if (o->nextras > 1)
		e[-1].flags = XEN_NETIF_EXTRA_FLAG_MORE;
	o->flags |= NETRXF_extra_info;
	return e;
}

/* What is to be said about a frame with this header. */
static struct out describe(const struct net_vif *vif, const struct virtio_net_hdr *hdr, size_t len)
{
	struct out o = { .len = len };

	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		o.flags = NETRXF_csum_blank | NETRXF_data_validated;
	else if (hdr->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		o.flags = NETRXF_data_validated;
	if (gso_type(hdr)) {
		struct netif_extra_info *e = add_extra(&o, XEN_NETIF_EXTRA_TYPE_GSO);

		e->u.gso.type = (uint8_t)gso_type(hdr);
		e->u.gso.size = hdr->gso_size;
	}
	if (vif->headroom)
		add_extra(&o, XEN_NETIF_EXTRA_TYPE_XDP)->u.xdp.headroom = vif->headroom;
	return o;
}

static void add_hash(struct out *o, uint32_t value, uint8_t type)
{
	struct netif_extra_info *e = add_extra(o, XEN_NETIF_EXTRA_TYPE_HASH);

	e->u.hash.type = type;
	e->u.hash.algorithm = XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ;
	for (unsigned i = 0; i < 4; i++)
		e->u.hash.value[i] = (uint8_t)(value >> 8 * i);
}

/* Does the guest want a frame to this address, and can it be told of a frame of this size? */
static bool wanted(struct net_vif *vif, const uint8_t dst[6], const struct out *o)
{
	static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
	unsigned n = pages_for(vif, o->len);

	if (o->len < NET_ETH_HLEN || o->len >= NET_FRAME_MAX || n > NET_MAX_SLOTS ||
	    (n > 1 && !vif->sg))
		return false;
	if (!vif->mcast_control || !(dst[0] & 1) || !memcmp(dst, broadcast, 6))
		return true;
	for (unsigned i = 0; i < vif->nmcast; i++)
		if (!memcmp(dst, vif->mcast[i], 6))
			return true;
	return false;
}

/* Copy a frame from @data to the pages of @q, of which there are enough. */
static void copy_out(struct net_queue *q, const uint8_t *data, struct out *o)
{
	size_t room = page_room(q->vif);
	unsigned n = pages_for(q->vif, o->len);

	for (unsigned i = 0; i < n; i++) {
		struct net_rx_slot *s = ready(&q->rx, i ? i + o->nextras : 0);

		memcpy(slot_data(q, s), data + i * room, DOM_MIN(room, o->len - i * room));
	}
	respond(q, o);
}

/* The frame in @data to @q: false when it has no room now. */
static bool deliver(struct net_queue *q, const uint8_t *data, struct out *o)
{
	unsigned want = pages_for(q->vif, o->len) + o->nextras;

	if (q->rx.nready < want && !fill(q))
		return false;
	if (q->rx.nready < want)
		return false;
	copy_out(q, data, o);
	return true;
}

/*
 * A whole frame, to this queue or to the one that its hash names; or it is dropped. Returns 0, or the
 * slots that this queue lacks for it now.
 */
static unsigned deliver_frame(struct net_queue *q, const struct virtio_net_hdr *hdr,
			      const uint8_t *frame, size_t len)
{
	struct net_vif *vif = q->vif;
	struct out o = describe(vif, hdr, len);
	struct net_queue *to = q;
	uint32_t hash;
	uint8_t type;

	if (!wanted(vif, frame, &o)) {
		vif->stats.rx_dropped++;
		return 0;
	}
	if (net_hashing(vif) && net_hash_frame(&vif->hash, frame, len, &hash, &type)) {
		add_hash(&o, hash, type);
		to = vif->queue[net_hash_queue(&vif->hash, hash, vif->nqueues)];
	}
	if (to != q && (to->broken || to->rx.held || !deliver(to, frame, &o)))
		vif->stats.rx_dropped++;
	else if (to != q)
		push(to);
	else if (!deliver(q, frame, &o))
		return pages_for(vif, len) + o.nextras;
	return 0;
}

/* The frame in q->rx.bounce, in one piece or in those into which it is cut. */
static void deliver_bounce(struct net_queue *q, size_t len)
{
	static const struct virtio_net_hdr whole = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	struct net_rx *rx = &q->rx;

	rx->held = rx->want = 0;
	if (!rx->cut.mss) {
		rx->want = deliver_frame(q, &rx->hdr, rx->bounce, len);
	} else {
		while (rx->cut.mss && !rx->want) {
			size_t part;
			uint8_t *seg = net_cut_next(&rx->cut, rx->bounce, len, &part);

			rx->want = deliver_frame(q, &whole, seg, part);
			if (!rx->want)
				net_cut_done(&rx->cut, len);
		}
	}
	if (rx->want)
		rx->held = (uint32_t)len;
}

/*
 * A frame whose checksum the guest could not find: it looks for it behind a plain Ethernet header.
 * So these get it here, and large ones are cut first, as the host would do for an interface of
 * netback. The guest's word is taken for where the tag is, for it is the guest that gets the frame.
 */
static bool is_tagged(const uint8_t *frame)
{
	return (frame[12] == 0x81 && frame[13] == 0) || (frame[12] == 0x88 && frame[13] == 0xa8);
}

static void complete_bounce(struct net_queue *q, size_t len)
{
	struct virtio_net_hdr *hdr = &q->rx.hdr;

	q->rx.cut.mss = 0;
	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || len < NET_ETH_HLEN ||
	    !is_tagged(q->rx.bounce))
		return;
	if (gso_type(hdr)) {
		(void)net_cut_start(&q->rx.cut, q->rx.bounce, len, hdr->gso_size);
		return;
	}
	if (net_csum_fill(q->rx.bounce, len, hdr->csum_start, hdr->csum_offset) == 0)
		hdr->flags = VIRTIO_NET_HDR_F_DATA_VALID;
}

/* Reading from the link. */

struct layout {
	struct iovec iov[2 + NET_RX_READY];
	unsigned n;			/* of iov: header, pages, end of the bounce buffer */
	unsigned pages, gap;
	size_t room;			/* bytes in the pages */
};

/*
 * Pages for a frame: as many as the largest may need where there was a large one lately. A long list
 * is not free, and a frame that is larger than expected is only copied.
 */
static unsigned pages_to_offer(const struct net_queue *q)
{
	if (!q->vif->sg)
		return 1;
	return q->rx.since_large < LARGE_MEMORY ? NET_MAX_SLOTS : 1;
}

static void lay_out(struct net_queue *q, struct layout *l)
{
	struct net_rx *rx = &q->rx;
	unsigned most = pages_to_offer(q);
	size_t room = page_room(q->vif);

	l->iov[0] = (struct iovec){ &rx->hdr, sizeof(rx->hdr) };
	l->n = 1;
	l->pages = 0;
	l->gap = rx->gap;
	for (unsigned i = 0; i < rx->nready && l->pages < most; l->pages++) {
		struct iovec *last = &l->iov[l->n - 1];
		uint8_t *data = slot_data(q, ready(rx, i));

		if (l->n > 1 && (uint8_t *)last->iov_base + last->iov_len == data)
			last->iov_len += room;
		else
			l->iov[l->n++] = (struct iovec){ data, room };
		i += i ? 1 : 1 + l->gap;
	}
	l->room = l->pages * room;
	l->iov[l->n++] = (struct iovec){ rx->bounce + l->room, NET_FRAME_MAX - l->room };
}

/* Put together in the bounce buffer what was read elsewhere. */
static void gather(struct net_queue *q, const struct layout *l, size_t len)
{
	size_t at = 0;

	for (unsigned i = 1; i + 1 < l->n && at < len; i++) {
		size_t part = DOM_MIN(len - at, l->iov[i].iov_len);

		dom_copy_once(q->rx.bounce + at, l->iov[i].iov_base, part);
		at += part;
	}
}

static int receive_direct(struct net_queue *q)
{
	struct net_vif *vif = q->vif;
	struct net_rx *rx = &q->rx;
	uint8_t start[NET_ETH_HLEN];
	struct layout l;
	struct out o;
	unsigned pages;
	int r;

	lay_out(q, &l);
	r = vif->link.ops->recv(&vif->link, q->index, l.iov, l.n);
	if (r < (int)sizeof(rx->hdr))
		return r < 0 ? r : -EIO;
	o = describe(vif, &rx->hdr, (size_t)r - sizeof(rx->hdr));
	pages = pages_for(vif, o.len);
	dom_copy_once(start, l.iov[1].iov_base, sizeof(start));
	rx->since_large++;
	if (pages > 1) {
		rx->gap = o.nextras;
		rx->since_large = 0;
	}
	if (o.len > l.room || (pages > 1 && o.nextras != l.gap) || rx->nready < pages + o.nextras ||
	    (o.flags & NETRXF_csum_blank && is_tagged(start))) {
		gather(q, &l, o.len);
		complete_bounce(q, o.len);
		deliver_bounce(q, o.len);
	} else if (wanted(vif, start, &o)) {
		respond(q, &o);
	} else {
		vif->stats.rx_dropped++;
	}
	return 0;
}

static int receive_bounce(struct net_queue *q)
{
	struct net_rx *rx = &q->rx;
	struct iovec iov[2] = { { &rx->hdr, sizeof(rx->hdr) }, { rx->bounce, NET_FRAME_MAX } };
	int r = q->vif->link.ops->recv(&q->vif->link, q->index, iov, 2);

	if (r < (int)sizeof(rx->hdr))
		return r < 0 ? r : -EIO;
	complete_bounce(q, (size_t)r - sizeof(rx->hdr));
	deliver_bounce(q, (size_t)r - sizeof(rx->hdr));
	return 0;
}

/* Waiting for the guest. */

static void stall(struct net_queue *q, bool on)
{
	struct net_vif *vif = q->vif;
	const struct net_link_ops *ops = vif->link.ops;

	if (q->rx.stalled == on)
		return;
	q->rx.stalled = on;
	vif->stalled += on ? 1 : -1u;
	if (!vif->link_lost && ops->carrier && vif->stalled == (on ? 1 : 0))
		ops->carrier(&vif->link, !on);
}

/* The guest has given no page for some time: what waited that long is of no use any more. */
static void drain(struct net_queue *q, uint64_t now)
{
	struct net_rx *rx = &q->rx;
	struct iovec iov[2] = { { &rx->hdr, sizeof(rx->hdr) }, { rx->bounce, NET_FRAME_MAX } };
	struct net_vif *vif = q->vif;
	unsigned n = rx->held > 0;

	rx->held = rx->want = 0;
	while (n < 4096 && !vif->link_lost &&
	       vif->link.ops->recv(&vif->link, q->index, iov, 2) >= 0)
		n++;
	vif->stats.rx_dropped += n;
	if (n == 0 && !rx->stalled)
		rx->waits_since = now;	/* nobody wants anything of it */
	else if (now - rx->waits_since >= vif->stall_ns)
		stall(q, true);
}

static void wait_for_room(struct net_queue *q)
{
	if (q->rx.waits)
		return;
	q->rx.waits = true;
	q->rx.waits_since = ev_now();
	if (ev_idle(&q->rx_stall))
		ev_timer(&q->rx_stall, q->rx.waits_since + q->vif->drain_ns);
}

static void end_wait(struct net_queue *q)
{
	q->rx.waits = false;
	stall(q, false);
}

void net_rx_check_stall(struct net_queue *q)
{
	uint64_t now = ev_now();

	if (!q->rx.waits || q->broken)
		return;
	/* The timer may be an earlier wait's. */
	if (now >= q->rx.waits_since + q->vif->drain_ns)
		drain(q, now);
	ev_timer(&q->rx_stall, DOM_MAX(now, q->rx.waits_since) + q->vif->drain_ns);
}

/* One frame. Returns 0; -EAGAIN when there is none, and the queue will be called when one comes. */
static int receive(struct net_queue *q)
{
	struct net_link *link = &q->vif->link;
	int r;

	if (q->rx.held) {
		deliver_bounce(q, q->rx.held);
		return 0;
	}
	if (q->vif->link_lost)
		return -EAGAIN;
	r = link->ops->offload && !net_hashing(q->vif) ? receive_direct(q) : receive_bounce(q);
	if (r == -EAGAIN) {
		if (ev_idle(&q->readable))
			ev_poll(&q->readable, link->fd[q->index], POLLIN);
	} else if (r < 0) {
		net_link_lost(q->vif, r);
	}
	return r;
}

void net_rx_run(struct net_queue *q)
{
	struct net_rx *rx = &q->rx;

	for (unsigned n = 0; !q->broken && n < NET_BUDGET;) {
		if (!fill(q))
			return;
		if (rx->nready < DOM_MAX(rx->want, 1u)) {
			push(q);
			if (pvb_sring_sleep(&rx->ring))
				continue;
			wait_for_room(q);
			return;
		}
		end_wait(q);
		if (receive(q) < 0) {
			push(q);
			return;
		}
		n++;
	}
	push(q);
	if (!q->broken)
		ev_timer(&q->rx_later, 0);
}

/* Life cycle. */

int net_rx_alloc(struct net_queue *q)
{
	q->rx.bounce = calloc(1, NET_FRAME_MAX + XEN_PAGE_SIZE);
	return q->rx.bounce ? 0 : -ENOMEM;
}

void net_rx_release(struct net_queue *q)
{
	release(q, q->rx.nready);
	free(q->rx.bounce);
	q->rx.bounce = NULL;
}
