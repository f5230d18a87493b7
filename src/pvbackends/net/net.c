// SPDX-License-Identifier: MIT
/*
 * Network interfaces as the store describes them: what a toolstack asks for, what we offer, what
 * the front end chose.
 *
 * Our directory, as libxl writes it: mac, handle, bridge, ip, script, rate ("bytes,microseconds"),
 * vifname, hotplug-status ("connected" once the host's side is ready; a front end has to wait for
 * it if the node is there). Ours is to write "carrier": "0" while the host's side is gone. A node
 * "passt" of our own asks for a user-mode network in place of a tap.
 *
 * The host's side is opened when the device is described, since a confined process gets it then; if
 * hotplug-status says that it is not ready yet, when the front end connects.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net.h"
#include "xenabi/io_xenbus.h"

struct net_dev {
	struct net_vif vif;
	struct pvb_dev *dev;
	char ifname[16];
	unsigned found;			/* queues of the link when it was last there; 0: never */
	struct net_ctrl *ctrl;
	struct ev_group group;		/* while connected */
	struct ev_op retry;		/* look for a link that went away */
	uint64_t retry_ns;		/* in so much time */
	bool grouped;
	unsigned closing;		/* queues, control ring and group that are not yet idle */
};

/* Describing. */

static void complain(struct net_vif *vif, const char *what, int error)
{
	struct net_dev *b = DOM_CONTAINER_OF(vif, struct net_dev, vif);
	struct pvb_env env = pvb_env(b->dev);

	dom_log_guest(env.log, env.limit, DOM_LOG_WARN, "domain %u: vif %u: %s: %s", env.domid,
		      b->dev->id, what, strerror(-error));
}

/* A node of ours or the guest's that is 0 or 1; @def when it is neither. */
static bool flag(struct net_dev *b, const char *key, bool def)
{
	uint64_t v = def;

	(void)pvb_read_uint(b->dev, b->dev->fe, key, 1, &v);
	return v;
}

/* Has whoever makes the host's side said that it is ready? Without the node there is nobody. */
static bool is_plugged(struct net_dev *b)
{
	char *status;
	bool ready;

	if (pvb_read(b->dev, b->dev->be, "hotplug-status", &status) < 0)
		return true;
	ready = !strcmp(status, "connected");
	free(status);
	return ready;
}

static int open_link(struct net_dev *b, struct dom_err *err)
{
	char *passt = NULL;
	int r;

	(void)pvb_read(b->dev, b->dev->be, "passt", &passt);
	r = net_link_open(b->dev, b->ifname, passt, &b->vif.link);
	free(passt);
	if (r < 0)
		return dom_err_set(err, r, "cannot use interface %s: %s", b->ifname, strerror(-r));
	b->found = b->vif.link.nfds;
	if (b->vif.link.ops->carrier)
		b->vif.link.ops->carrier(&b->vif.link, false);
	return 0;
}

static int write_features(struct net_dev *b)
{
	const struct net_link *link = &b->vif.link;
	bool offload = !link->ops || link->ops->offload;
	const struct {
		const char *key;
		unsigned value;
	} nodes[] = {
		{ "feature-sg", 1 },
		{ "feature-gso-tcpv4", offload },
		{ "feature-gso-tcpv6", offload },
		{ "feature-no-csum-offload", !offload },
		{ "feature-ipv6-csum-offload", offload },
		{ "feature-rx-copy", 1 },
		{ "feature-rx-flip", 0 },
		{ "feature-xdp-headroom", 1 },
		{ "feature-multicast-control", 1 },
		{ "feature-dynamic-multicast-control", 1 },
		{ "feature-split-event-channels", 1 },
		{ "feature-ctrl-ring", 1 },
		{ "multi-queue-max-queues", link->ops ? link->nfds : NET_MAX_QUEUES },
	};
	int r = 0;

	for (unsigned i = 0; i < DOM_ARRAY_LEN(nodes) && r == 0; i++)
		r = pvb_printf(b->dev, nodes[i].key, "%u", nodes[i].value);
	return r;
}

static void read_rate(struct net_dev *b)
{
	char *text;

	if (pvb_read(b->dev, b->dev->be, "rate", &text) < 0)
		return;
	if (text[0] && !net_rate_init(&b->vif.rate, text, ev_now()))
		complain(&b->vif, "rate is not understood, no limit", -EINVAL);
	free(text);
}

static void read_name(struct net_dev *b)
{
	char *text;

	snprintf(b->ifname, sizeof(b->ifname), "vif%u.%u", pvb_env(b->dev).domid,
		 b->dev->id & 0xffffu);
	if (pvb_read(b->dev, b->dev->be, "vifname", &text) < 0)
		return;
	if (text[0] && strlen(text) < sizeof(b->ifname))
		memcpy(b->ifname, text, strlen(text) + 1);
	free(text);
}

static void link_lost(struct net_vif *vif);

static int net_probe(struct pvb_dev *dev, struct dom_err *err)
{
	struct net_dev *b = calloc(1, sizeof(*b));
	struct pvb_env env = pvb_env(dev);
	int r;

	if (!b)
		return dom_err_set(err, -ENOMEM, "out of memory");
	dev->priv = b;
	b->dev = dev;
	b->vif = (struct net_vif){ .loop = env.loop, .domain = env.domain, .complain = complain,
				   .lost = link_lost, .stall_ns = NET_STALL_NS,
				   .drain_ns = NET_DRAIN_NS };
	read_name(b);
	read_rate(b);
	if (is_plugged(b)) {
		r = open_link(b, err);
		if (r < 0)
			return r;
	}
	r = write_features(b);
	return r < 0 ? dom_err_set(err, r, "cannot write to %s: %s", dev->be, strerror(-r)) : 0;
}

/* A link that went away. */

static void set_carrier(struct net_dev *b, bool on)
{
	(void)pvb_printf(b->dev, "carrier", "%d", on);
}

static void retry_later(struct net_dev *b)
{
	ev_timer(&b->retry, ev_now() + b->retry_ns);
	b->retry_ns = DOM_MIN(2 * b->retry_ns, (uint64_t)NET_RETRY_MAX_NS);
}

static void link_lost(struct net_vif *vif)
{
	struct net_dev *b = DOM_CONTAINER_OF(vif, struct net_dev, vif);

	set_carrier(b, false);
	b->retry_ns = NET_RETRY_NS;
	if (b->grouped)
		retry_later(b);
}

/* Descriptors may be closed when nobody waits on them. */
static bool is_unused(struct net_dev *b)
{
	bool idle = true;

	for (unsigned i = 0; i < b->vif.nqueues; i++) {
		struct net_queue *q = b->vif.queue[i];

		ev_cancel(&q->readable);
		ev_cancel(&q->writable);
		idle &= ev_idle(&q->readable) && ev_idle(&q->writable);
	}
	return idle;
}

static void on_retry(struct ev_op *op, int res)
{
	struct net_dev *b = DOM_CONTAINER_OF(op, struct net_dev, retry);
	struct net_link *link = &b->vif.link;
	struct dom_err ignored;

	if (res < 0)
		return;
	if (is_unused(b)) {
		net_link_close(link);
		if (open_link(b, &ignored) == 0 && link->nfds >= b->vif.nqueues &&
		    link->ops->start(link, b->vif.nqueues, &b->vif.offload) == 0) {
			b->vif.link_lost = false;
			b->vif.stalled = 0;
			set_carrier(b, true);
			for (unsigned i = 0; i < b->vif.nqueues; i++) {
				b->vif.queue[i]->rx.stalled = false;
				net_rx_run(b->vif.queue[i]);
				net_tx_run(b->vif.queue[i]);
			}
			return;
		}
	}
	retry_later(b);
}

/* The front end's choice. */

static void read_headroom(struct net_dev *b)
{
	uint64_t v = 0;

	(void)pvb_read_uint(b->dev, b->dev->fe, "xdp-headroom", XEN_NETIF_MAX_XDP_HEADROOM, &v);
	b->vif.headroom = (uint16_t)DOM_MIN(v, (uint64_t)NET_MAX_HEADROOM);
}

/* What may change while connected. */
static void net_changed(struct pvb_dev *dev)
{
	struct net_dev *b = dev->priv;

	read_headroom(b);
	b->vif.mcast_control = flag(b, "request-multicast-control", false);
}

static int read_features(struct net_dev *b, struct dom_err *err)
{
	struct net_vif *vif = &b->vif;

	if (!flag(b, "request-rx-copy", false))
		return dom_err_set(err, -EOPNOTSUPP, "the front end does not ask for copying receive");
	if (!flag(b, "feature-rx-notify", false))
		return dom_err_set(err, -EOPNOTSUPP, "the front end does not notify of receive requests");
	vif->sg = flag(b, "feature-sg", false);
	/* The host asks for both families at once: a guest that takes one of them gets neither. */
	vif->offload.csum = !flag(b, "feature-no-csum-offload", false) &&
			    flag(b, "feature-ipv6-csum-offload", false);
	vif->offload.tso4 = vif->sg && vif->offload.csum && flag(b, "feature-gso-tcpv4", false);
	vif->offload.tso6 = vif->sg && vif->offload.csum && flag(b, "feature-gso-tcpv6", false);
	vif->nmcast = 0;
	vif->hash = (struct net_hash){ 0 };
	vif->stalled = 0;
	vif->link_lost = false;
	net_changed(b->dev);
	return 0;
}

/* Rings and event channels in @dir: one channel for both rings, or one for each. */
static int read_queue(struct net_dev *b, const char *dir, struct net_queue_config *cfg,
		      struct dom_err *err)
{
	struct pvb_dev *dev = b->dev;
	uint64_t tx, rx, port[2];

	if (pvb_read_uint(dev, dir, "tx-ring-ref", UINT32_MAX, &tx) < 0 ||
	    pvb_read_uint(dev, dir, "rx-ring-ref", UINT32_MAX, &rx) < 0)
		return dom_err_set(err, -EINVAL, "cannot read %s/tx-ring-ref and rx-ring-ref", dir);
	cfg->tx_ring = (grant_ref_t)tx;
	cfg->rx_ring = (grant_ref_t)rx;
	cfg->ports = 2;
	if (pvb_read_uint(dev, dir, "event-channel-tx", UINT32_MAX, &port[0]) < 0 ||
	    pvb_read_uint(dev, dir, "event-channel-rx", UINT32_MAX, &port[1]) < 0) {
		cfg->ports = 1;
		if (pvb_read_uint(dev, dir, "event-channel", UINT32_MAX, &port[0]) < 0)
			return dom_err_set(err, -EINVAL, "cannot read %s/event-channel", dir);
		port[1] = port[0];
	}
	cfg->port[0] = (evtchn_port_t)port[0];
	cfg->port[1] = (evtchn_port_t)port[1];
	return 0;
}

static int connect_queue(struct net_dev *b, unsigned i, const char *dir, struct dom_err *err)
{
	struct net_queue_config cfg = { .index = i };
	int r = read_queue(b, dir, &cfg, err);

	if (r < 0)
		return r;
	r = net_queue_new(&b->vif, &cfg, &b->vif.queue[i]);
	if (r < 0)
		return dom_err_set(err, r, "cannot use the rings of queue %u: %s", i, strerror(-r));
	b->vif.nqueues++;
	return 0;
}

static int connect_queues(struct net_dev *b, struct dom_err *err)
{
	struct pvb_dev *dev = b->dev;
	uint64_t n = 1;
	int r = pvb_read_uint(dev, dev->fe, "multi-queue-num-queues", UINT32_MAX, &n);

	if (r == -EINVAL || n == 0 || n > b->found)
		return dom_err_set(err, -EINVAL, "the front end asks for a number of queues not offered");
	r = 0;
	for (unsigned i = 0; i < n && r == 0; i++) {
		char dir[512];

		snprintf(dir, sizeof(dir), "%s/queue-%u", dev->fe, i);
		r = connect_queue(b, i, n == 1 ? dev->fe : dir, err);
	}
	return r;
}

static int connect_ctrl(struct net_dev *b, struct dom_err *err)
{
	struct pvb_dev *dev = b->dev;
	uint64_t ref, port;
	int r = pvb_read_uint(dev, dev->fe, "ctrl-ring-ref", UINT32_MAX, &ref);

	if (r == -ENOENT)
		return 0;
	if (r < 0 || pvb_read_uint(dev, dev->fe, "event-channel-ctrl", UINT32_MAX, &port) < 0)
		return dom_err_set(err, -EINVAL, "cannot read %s/ctrl-ring-ref and event-channel-ctrl",
				   dev->fe);
	r = net_ctrl_new(&b->vif, (grant_ref_t)ref, (evtchn_port_t)port, &b->ctrl);
	return r < 0 ? dom_err_set(err, r, "cannot use the control ring: %s", strerror(-r)) : 0;
}

static int net_connect(struct pvb_dev *dev, struct dom_err *err)
{
	struct net_dev *b = dev->priv;
	struct net_link *link = &b->vif.link;
	int r;

	if (!is_plugged(b))
		return -EAGAIN;
	r = link->ops ? 0 : open_link(b, err);
	/* One that was there before is looked for, as if the guest had been connected when it went away. */
	if (r == 0 || b->found)
		r = read_features(b, err);
	if (r == 0)
		r = connect_queues(b, err);
	if (r == 0)
		r = connect_ctrl(b, err);
	if (r < 0)
		return r;
	ev_group_init(&b->group, b->vif.loop);
	ev_op_init(&b->retry, b->vif.loop, on_retry, &b->group);
	b->grouped = true;
	r = link->ops ? link->ops->start(link, b->vif.nqueues, &b->vif.offload) : -ENODEV;
	if (r < 0)
		net_link_lost(&b->vif, r);
	else
		set_carrier(b, true);
	for (unsigned i = 0; i < b->vif.nqueues; i++)
		net_queue_start(b->vif.queue[i]);
	return 0;
}

/* The end. */

static void part_idle(struct net_dev *b)
{
	if (--b->closing == 0)
		pvb_disconnected(b->dev);
}

static void queue_idle(struct net_queue *q)
{
	part_idle(DOM_CONTAINER_OF(q->vif, struct net_dev, vif));
}

static void ctrl_idle(struct net_vif *vif)
{
	part_idle(DOM_CONTAINER_OF(vif, struct net_dev, vif));
}

static void group_idle(struct ev_group *g)
{
	part_idle(DOM_CONTAINER_OF(g, struct net_dev, group));
}

static void net_disconnect(struct pvb_dev *dev)
{
	struct net_dev *b = dev->priv;
	unsigned n = b->vif.nqueues;
	struct net_ctrl *ctrl = b->ctrl;

	b->closing = n + (ctrl != NULL) + b->grouped;
	if (b->closing == 0) {
		pvb_disconnected(dev);
		return;
	}
	b->vif.nqueues = 0;
	b->ctrl = NULL;
	if (b->vif.link.ops && b->vif.link.ops->stop && !b->vif.link_lost)
		b->vif.link.ops->stop(&b->vif.link);
	for (unsigned i = 0; i < n; i++)
		net_queue_free(b->vif.queue[i], queue_idle);
	net_ctrl_free(ctrl, ctrl_idle);
	if (b->grouped)
		ev_group_close(&b->group, group_idle);
	b->grouped = false;
}

static void net_remove(struct pvb_dev *dev)
{
	struct net_dev *b = dev->priv;

	if (b)
		net_link_close(&b->vif.link);
	free(b);
}

static void net_info(const struct pvb_dev *dev, struct pvb_dev_info *info)
{
	const struct net_stats *st = &((const struct net_dev *)dev->priv)->vif.stats;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "rx-frames",  st->rx_frames },
		{ "rx-bytes",   st->rx_bytes },
		{ "rx-dropped", st->rx_dropped },
		{ "tx-frames",  st->tx_frames },
		{ "tx-bytes",   st->tx_bytes },
		{ "tx-dropped", st->tx_dropped },
		{ "tx-errors",  st->tx_errors },
		{ "kicks",      st->kicks },
		{ "notifies",   st->notifies },
	};

	for (unsigned i = 0; i < DOM_ARRAY_LEN(rows); i++)
		pvb_count(info, rows[i].name, rows[i].value);
}

static const char *const watched[] = { "request-multicast-control", "xdp-headroom", NULL };

const struct pvb_driver net_driver = {
	.kind = "vif",
	.probe = net_probe,
	.connect = net_connect,
	.disconnect = net_disconnect,
	.changed = net_changed,
	.watches = watched,
	.remove = net_remove,
	.info = net_info,
};
