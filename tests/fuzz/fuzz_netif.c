// SPDX-License-Identifier: MIT
/*
 * A hostile front end for the network back end, on a link that is hostile too: the input is a script
 * of raw writes to the rings and to pages, grants given and taken, frames of both well- and ill-formed
 * kinds in both directions, control messages and wake-ups. The link is a socket with message
 * boundaries, or a stream.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../unit/pvbackends/fake_netfront.h"
#include "fuzz_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGES 40u

struct run {
	struct ev_loop *l;
	struct xa_domain *d;
	struct net_vif vif;
	struct net_link_ops ops;
	struct net_queue *q;
	struct net_ctrl *ctrl;
	struct netfront fe;
	int host;
};

static void complain(struct net_vif *vif DOM_UNUSED, const char *what DOM_UNUSED,
		     int error DOM_UNUSED)
{
}

static void lost(struct net_vif *vif DOM_UNUSED)
{
}

static void op_bytes(struct run *r, struct dom_cur *cur)
{
	fuzz_bytes(r->d, cur, PAGES * 4096);
}

static void op_produce(struct run *r, struct dom_cur *cur)
{
	uint16_t n = dom_cur_u16(cur);

	*fake_u32(r->d, n % 3, XA_RING_REQ_PROD) += n >> 2 & 511u;
}

static void op_kick(struct run *r, struct dom_cur *cur)
{
	uint8_t which = dom_cur_u8(cur) % 3;
	int fd = which == 2 ? r->d->backend_fd[FE_CTRL_PORT] : r->q->eventfd[which];

	fuzz_kick(r->l, fd, 3);
}

static void op_grant(struct run *r, struct dom_cur *cur)
{
	fuzz_grant(r->d, cur, PAGES);
}

static void op_fail_grant(struct run *r, struct dom_cur *cur)
{
	r->d->fail_grant = dom_cur_u8(cur);
}

/* A chain of requests, well-formed but for some bits: flags, extra infos, sizes, the frame itself. */
static void op_frame(struct run *r, struct dom_cur *cur)
{
	uint8_t n = dom_cur_u8(cur) % 22, how = dom_cur_u8(cur), at = dom_cur_u8(cur);
	uint8_t bits = dom_cur_u8(cur);
	struct netif_extra_info e = { .type = how >> 4 };
	uint8_t *frame = r->d->ram + 3 * 4096;

	r->fe.tx_prod = DOM_LOAD(fake_u32(r->d, 0, XA_RING_REQ_PROD));
	for (unsigned i = 0; i < 64; i++)
		frame[i] ^= dom_cur_u8(cur);
	memcpy(frame + 12, how & 2 ? "\x08\x00\x45" : "\x86\xdd\x60", 3);
	frame[how & 2 ? 23 : 20] = how & 4 ? 6 : 17;
	e.u.gso.size = 100;
	e.u.gso.type = how & 2 ? 1 : 2;
	for (unsigned i = 0; i <= n; i++) {
		fe_tx_raw(&r->fe, 3 + i % (PAGES - 3), 0, i ? 50 : 100 + 50u * n,
			  (i < n ? NETTXF_more_data : 0) |
			  (i ? 0 : (how & 1) | (e.type ? NETTXF_extra_info : 0)));
		if (i == 0 && e.type)
			fe_tx_extra(&r->fe, &e);
	}
	fe_tx_entry(&r->fe, r->fe.tx_prod - 1 - at % (n + 1u))[at % 12] ^= bits;
	DOM_STORE(fake_u32(r->d, 0, XA_RING_REQ_PROD), r->fe.tx_prod);
}

static void op_give(struct run *r, struct dom_cur *cur)
{
	uint8_t n = dom_cur_u8(cur) % 32;

	r->fe.rx_prod = DOM_LOAD(fake_u32(r->d, 1, XA_RING_REQ_PROD));
	for (; n; n--) {
		struct netif_rx_request req = { .gref = 3 + r->fe.rx_prod % (PAGES - 3) };

		memcpy(fe_rx_entry(&r->fe, r->fe.rx_prod++), &req, sizeof(req));
	}
	DOM_STORE(fake_u32(r->d, 1, XA_RING_REQ_PROD), r->fe.rx_prod);
}

/* From the host. */
static void op_host(struct run *r, struct dom_cur *cur)
{
	static uint8_t frame[70000];
	uint16_t len = dom_cur_u16(cur);
	uint8_t how = dom_cur_u8(cur);

	memset(frame, how, sizeof(frame));
	for (unsigned i = 0; i < 80 && dom_cur_left(cur); i++)
		frame[i] = dom_cur_u8(cur);
	(void)!send(r->host, frame, len + (how & 1 ? 4096u : 0), MSG_DONTWAIT | MSG_NOSIGNAL);
	while (recv(r->host, frame, sizeof(frame), MSG_DONTWAIT) > 0)
		;
}

static void op_control(struct run *r, struct dom_cur *cur)
{
	uint32_t prod = DOM_LOAD(fake_u32(r->d, 2, XA_RING_REQ_PROD));
	struct xen_netif_ctrl_request req = { .type = dom_cur_u8(cur) % 12 };

	for (unsigned i = 0; i < 3; i++)
		req.data[i] = dom_cur_u8(cur);
	memcpy(r->d->ram + 2 * 4096 + 64 + prod % 128 * 16, &req, sizeof(req));
	DOM_STORE(fake_u32(r->d, 2, XA_RING_REQ_PROD), prod + 1);
}

static void op_settings(struct run *r, struct dom_cur *cur)
{
	uint8_t how = dom_cur_u8(cur);

	r->vif.mcast_control = how & 1;
	r->vif.headroom = how & 2 ? 256 : how & 4 ? NET_MAX_HEADROOM : 0;
}

static void (*const ops[])(struct run *r, struct dom_cur *cur) = {
	op_bytes, op_produce, op_kick, op_grant, op_fail_grant, op_frame, op_give, op_host, op_control,
	op_settings, op_frame, op_kick,
};

static void set_up(struct run *r, uint8_t how)
{
	int pair[2];
	struct net_queue_config cfg;

	if (socketpair(AF_UNIX, (how & 1 ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_NONBLOCK, 0, pair))
		abort();
	r->host = pair[1];
	r->ops = how & 1 ? net_link_stream : net_link_tap;
	r->ops.carrier = NULL;
	r->vif = (struct net_vif){
		.loop = r->l, .domain = r->d, .complain = complain, .lost = lost, .sg = how & 2,
		.offload = { how & 4, how & 4, how & 4 }, .stall_ns = 2, .drain_ns = 1,
		.link = { .ops = &r->ops, .fd = { pair[0] }, .nfds = 1 },
	};
	if (how & 1 && r->ops.start(&r->vif.link, 1, &r->vif.offload))
		abort();
	fe_init(&r->fe, r->d);
	cfg = fe_config(&r->fe);
	cfg.ports = how & 8 ? 2 : 1;
	if (net_queue_new(&r->vif, &cfg, &r->q))
		abort();
	if (cfg.ports == 1)
		r->q->eventfd[1] = dup(r->q->eventfd[0]);
	r->vif.queue[0] = r->q;
	r->vif.nqueues = 1;
	if (net_ctrl_new(&r->vif, 2, FE_CTRL_PORT, &r->ctrl))
		abort();
	net_queue_start(r->q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ev_loop *loop;
	struct dom_cur cur = dom_cur_init(data, size);
	struct run r = { .d = fake_domain_new(PAGES) };

	if (!loop && ev_loop_new(NULL, &loop, NULL))
		abort();
	r.l = loop;
	set_up(&r, dom_cur_u8(&cur));
	while (dom_cur_left(&cur) && !cur.bad)
		ops[dom_cur_u8(&cur) % DOM_ARRAY_LEN(ops)](&r, &cur);
	net_queue_free(r.q, NULL);
	net_ctrl_free(r.ctrl, NULL);
	do {
		ev_loop_turn(loop, ev_loop_armed(loop) ? EV_FOREVER : 0);
	} while (ev_loop_armed(loop));
	ev_loop_turn(loop, 0);
	/* Nothing may stay mapped. */
	if (fake_grants_in_use(r.d))
		abort();
	close(r.vif.link.fd[0]);
	free(r.vif.link.priv);
	close(r.host);
	fake_domain_free(r.d);
	return 0;
}
