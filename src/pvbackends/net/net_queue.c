// SPDX-License-Identifier: MIT
/*
 * Life of a queue: its rings, its event channels, and who calls net_tx_run() and net_rx_run().
 *
 * One eventfd and one op for each event channel. Where the guest has one channel for both rings,
 * the second stays unused and every kick is for both.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "net/net.h"

void net_notify(struct net_queue *q, unsigned ring)
{
	q->vif->stats.notifies++;
	(void)xa_evtchn_notify(q->domain, q->port[q->ports == 2 ? ring : 0]);
}

void net_queue_break(struct net_queue *q, const char *what)
{
	q->broken = true;
	q->vif->complain(q->vif, what, -EPROTO);
}

void net_link_lost(struct net_vif *vif, int error)
{
	if (vif->link_lost)
		return;
	vif->link_lost = true;
	vif->complain(vif, "the host's side of the interface is gone", error);
	vif->lost(vif);
}

/* Events. */

static void on_kick_tx(struct ev_op *op, int res)
{
	struct net_queue *q = DOM_CONTAINER_OF(op, struct net_queue, kick[0]);

	if (res < 0)
		return;
	q->vif->stats.kicks++;
	net_tx_run(q);
	if (q->ports == 1)
		net_rx_run(q);
}

static void on_kick_rx(struct ev_op *op, int res)
{
	struct net_queue *q = DOM_CONTAINER_OF(op, struct net_queue, kick[1]);

	if (res < 0)
		return;
	q->vif->stats.kicks++;
	net_rx_run(q);
}

static void on_readable(struct ev_op *op, int res)
{
	struct net_queue *q = DOM_CONTAINER_OF(op, struct net_queue, readable);

	if (res >= 0)
		net_rx_run(q);
}

static void on_writable(struct ev_op *op, int res)
{
	struct net_queue *q = DOM_CONTAINER_OF(op, struct net_queue, writable);
	struct net_link *link = &q->vif->link;

	if (res < 0 || q->broken)
		return;
	if (!q->vif->link_lost) {
		res = link->ops->resume(link);
		if (res < 0)
			net_link_lost(q->vif, res);
	}
	net_tx_run(q);
}

static void on_tx_later(struct ev_op *op, int res)
{
	if (res >= 0)
		net_tx_run(DOM_CONTAINER_OF(op, struct net_queue, tx_later));
}

static void on_rx_later(struct ev_op *op, int res)
{
	if (res >= 0)
		net_rx_run(DOM_CONTAINER_OF(op, struct net_queue, rx_later));
}

static void on_rx_stall(struct ev_op *op, int res)
{
	if (res >= 0)
		net_rx_check_stall(DOM_CONTAINER_OF(op, struct net_queue, rx_stall));
}

/* Life cycle. */

static int map_ring(struct net_queue *q, grant_ref_t ref, struct pvb_sring *ring, uint32_t req_size,
		    uint32_t rsp_size)
{
	void *page;
	int r = xa_grant_map(q->domain, ref, true, &page);

	if (r < 0)
		return r;
	q->ring_gref[q->mapped++] = ref;
	ring->page[0] = page;
	return pvb_sring_init(ring, 1, req_size, rsp_size);
}

static int bind_ports(struct net_queue *q, const struct net_queue_config *cfg)
{
	for (unsigned i = 0; i < cfg->ports; i++) {
		int r;

		q->eventfd[i] = eventfd(0, EFD_CLOEXEC);
		if (q->eventfd[i] < 0)
			return -errno;
		r = xa_evtchn_bind_backend(q->domain, cfg->port[i], q->eventfd[i]);
		if (r < 0)
			return r;
		q->port[i] = cfg->port[i];
		q->bound++;
	}
	return 0;
}

static void queue_gone(struct ev_group *g)
{
	struct net_queue *q = DOM_CONTAINER_OF(g, struct net_queue, group);

	net_rx_release(q);
	for (unsigned i = 0; i < q->mapped; i++)
		xa_grant_unmap(q->domain, q->ring_gref[i], true);
	dom_close_fd(&q->eventfd[0]);
	dom_close_fd(&q->eventfd[1]);
	if (q->idle)
		q->idle(q);
	free(q);
}

void net_queue_free(struct net_queue *q, void (*idle)(struct net_queue *q))
{
	if (!q)
		return;
	for (unsigned i = 0; i < q->bound; i++)
		xa_evtchn_close_backend(q->domain, q->port[i]);
	q->broken = true;
	q->idle = idle;
	ev_group_close(&q->group, queue_gone);
}

static void init_ops(struct net_queue *q, struct ev_loop *l)
{
	ev_group_init(&q->group, l);
	ev_op_init(&q->kick[0], l, on_kick_tx, &q->group);
	ev_op_init(&q->kick[1], l, on_kick_rx, &q->group);
	ev_op_init(&q->readable, l, on_readable, &q->group);
	ev_op_init(&q->writable, l, on_writable, &q->group);
	ev_op_init(&q->tx_later, l, on_tx_later, &q->group);
	ev_op_init(&q->rx_later, l, on_rx_later, &q->group);
	ev_op_init(&q->rx_stall, l, on_rx_stall, &q->group);
}

int net_queue_new(struct net_vif *vif, const struct net_queue_config *cfg, struct net_queue **ret)
{
	struct net_queue *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	q->vif = vif;
	q->domain = vif->domain;
	q->index = cfg->index;
	q->ports = cfg->ports;
	q->eventfd[0] = q->eventfd[1] = -1;
	init_ops(q, vif->loop);
	r = net_rx_alloc(q);
	if (r == 0)
		r = map_ring(q, cfg->tx_ring, &q->tx, sizeof(struct netif_tx_request),
			     sizeof(struct netif_tx_response));
	if (r == 0)
		r = map_ring(q, cfg->rx_ring, &q->rx.ring, sizeof(struct netif_rx_request),
			     sizeof(struct netif_rx_response));
	if (r == 0)
		r = bind_ports(q, cfg);
	if (r < 0) {
		net_queue_free(q, NULL);
		return r;
	}
	*ret = q;
	return 0;
}

void net_queue_start(struct net_queue *q)
{
	for (unsigned i = 0; i < q->bound; i++)
		ev_event(&q->kick[i], q->eventfd[i]);
	/* Requests may be waiting already: the guest's event was sent before we listened. */
	net_tx_run(q);
	net_rx_run(q);
}
