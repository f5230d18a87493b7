// SPDX-License-Identifier: MIT
/*
 * The control ring of a device: settings that are too large for the store. Every message is done at
 * once.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "domicile/base/fd.h"
#include "net/net.h"

struct net_ctrl {
	struct net_vif *vif;
	struct xa_domain *domain;
	struct pvb_sring ring;
	grant_ref_t gref;
	evtchn_port_t port;
	bool mapped, bound, broken;
	int eventfd;
	struct ev_group group;
	struct ev_op kick;
	void (*idle)(struct net_vif *vif);
};

static void serve_one(struct net_ctrl *c)
{
	struct xen_netif_ctrl_request req;
	struct xen_netif_ctrl_response rsp;

	pvb_sring_pop(&c->ring, &req);
	rsp = (struct xen_netif_ctrl_response){ .id = req.id, .type = req.type };
	rsp.status = net_hash_control(&c->vif->hash, c->domain, c->vif->nqueues, &req, &rsp.data);
	pvb_sring_put(&c->ring, &rsp);
}

static void serve(struct net_ctrl *c)
{
	/* A guest can be faster than us: bounded. Its next kick comes when we slept. */
	for (unsigned turn = 0; turn < NET_BUDGET && !c->broken; turn++) {
		int n = pvb_sring_pending(&c->ring);

		if (n < 0) {
			c->broken = true;
			c->vif->complain(c->vif, "impossible indices of the control ring", n);
			return;
		}
		while (n-- > 0)
			serve_one(c);
		if (pvb_sring_push(&c->ring)) {
			c->vif->stats.notifies++;
			(void)xa_evtchn_notify(c->domain, c->port);
		}
		if (!pvb_sring_sleep(&c->ring))
			return;
	}
}

static void on_kick(struct ev_op *op, int res)
{
	if (res >= 0)
		serve(DOM_CONTAINER_OF(op, struct net_ctrl, kick));
}

static void ctrl_gone(struct ev_group *g)
{
	struct net_ctrl *c = DOM_CONTAINER_OF(g, struct net_ctrl, group);

	if (c->mapped)
		xa_grant_unmap(c->domain, c->gref, true);
	dom_close_fd(&c->eventfd);
	if (c->idle)
		c->idle(c->vif);
	free(c);
}

void net_ctrl_free(struct net_ctrl *c, void (*idle)(struct net_vif *vif))
{
	if (!c)
		return;
	if (c->bound)
		xa_evtchn_close_backend(c->domain, c->port);
	c->broken = true;
	c->idle = idle;
	ev_group_close(&c->group, ctrl_gone);
}

static int set_up(struct net_ctrl *c)
{
	void *page;
	int r = xa_grant_map(c->domain, c->gref, true, &page);

	if (r < 0)
		return r;
	c->mapped = true;
	c->ring.page[0] = page;
	r = pvb_sring_init(&c->ring, 1, sizeof(struct xen_netif_ctrl_request),
			   sizeof(struct xen_netif_ctrl_response));
	if (r < 0)
		return r;
	c->eventfd = eventfd(0, EFD_CLOEXEC);
	if (c->eventfd < 0)
		return -errno;
	r = xa_evtchn_bind_backend(c->domain, c->port, c->eventfd);
	c->bound = r == 0;
	return r;
}

int net_ctrl_new(struct net_vif *vif, grant_ref_t ring, evtchn_port_t port, struct net_ctrl **ret)
{
	struct net_ctrl *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	*c = (struct net_ctrl){ .vif = vif, .domain = vif->domain, .gref = ring, .port = port,
				.eventfd = -1 };
	ev_group_init(&c->group, vif->loop);
	ev_op_init(&c->kick, vif->loop, on_kick, &c->group);
	r = set_up(c);
	if (r < 0) {
		net_ctrl_free(c, NULL);
		return r;
	}
	ev_event(&c->kick, c->eventfd);
	serve(c);
	*ret = c;
	return 0;
}
