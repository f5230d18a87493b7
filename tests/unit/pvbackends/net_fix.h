// SPDX-License-Identifier: MIT
/*
 * A queue of the network back end against a front end in the test itself, for the tests of each half.
 * The host's side is a socket that keeps message boundaries, as a tap does.
 */
#ifndef NET_FIX_H
#define NET_FIX_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "both_engines.h"
#include "fake_netfront.h"

struct fix {
	enum ev_engine_choice engine;
	struct ev_loop *l;
	struct xa_domain *d;
	struct net_vif vif;
	struct net_link_ops ops;
	struct net_queue *q;
	struct netfront fe;
	int host;			/* the other end of the link */
	int complaints, losses;
	struct fe_frame in;		/* last frame received by the guest */
};

static inline void complain(struct net_vif *vif, const char *what DOM_UNUSED, int error DOM_UNUSED)
{
	DOM_CONTAINER_OF(vif, struct fix, vif)->complaints++;
}

static inline void lost(struct net_vif *vif)
{
	DOM_CONTAINER_OF(vif, struct fix, vif)->losses++;
}

static inline int set_up(void **state, enum ev_engine_choice engine)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct ev_config ec = { .engine = engine };
	int pair[2], size = 1 << 20;

	assert_non_null(f);
	*state = f;
	f->d = fake_domain_new(FE_PAGES);
	assert_int_equal(ev_loop_new(&ec, &f->l, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	f->ops = net_link_tap;
	f->ops.carrier = NULL;
	f->vif = (struct net_vif){
		.loop = f->l, .domain = f->d, .complain = complain, .lost = lost, .sg = true,
		.offload = { true, true, true }, .stall_ns = NET_STALL_NS, .drain_ns = NET_DRAIN_NS,
		.link = { .ops = &f->ops, .fd = { pair[0] }, .nfds = 1 },
	};
	f->host = pair[1];
	return 0;
}

static inline int tear_down(void **state)
{
	struct fix *f = *state;

	net_queue_free(f->q, NULL);
	ev_loop_free(f->l);
	assert_int_equal(fake_grants_in_use(f->d), 0);
	assert_false(f->d->bound[FE_TX_PORT]);
	close(f->vif.link.fd[0]);
	free(f->vif.link.priv);
	close(f->host);
	fake_domain_free(f->d);
	free(f);
	return 0;
}

static inline void start(struct fix *f)
{
	struct net_queue_config cfg;

	fe_init(&f->fe, f->d);
	cfg = fe_config(&f->fe);
	assert_int_equal(net_queue_new(&f->vif, &cfg, &f->q), 0);
	f->vif.queue[0] = f->q;
	f->vif.nqueues = 1;
	f->fe.kick[0] = f->q->eventfd[0];
	f->fe.kick[1] = f->q->eventfd[1];
	net_queue_start(f->q);
}

static inline void turns(struct fix *f, unsigned n)
{
	while (n--)
		ev_loop_turn(f->l, ev_now() + 1000000);
}

/* Push and wait for one response to a transmit request. */
static inline int tx_status(struct fix *f)
{
	struct netif_tx_response rsp;
	uint64_t end = ev_now() + 5000000000u;

	fe_push(&f->fe, 0);
	while (!fe_tx_response(&f->fe, &rsp)) {
		assert_true(ev_now() < end);
		ev_loop_turn(f->l, ev_now() + 10000000);
	}
	return rsp.status;
}

/* Responses to a chain of @n requests, of which the second is an extra info or not. */
static inline void tx_chain(struct fix *f, unsigned n, bool extra, int status)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(tx_status(f), extra && i == 1 ? NETIF_RSP_NULL : status);
}

/* The frame that the host got, -1 if none. */
static inline int host_got(struct fix *f, struct virtio_net_hdr *hdr, uint8_t *frame, size_t size)
{
	struct iovec iov[2] = { { hdr, sizeof(*hdr) }, { frame, size } };
	ssize_t n = readv(f->host, iov, 2);

	return n < 0 ? -1 : (int)n - (int)sizeof(*hdr);
}

static inline void host_sends(struct fix *f, const struct virtio_net_hdr *hdr, const uint8_t *frame,
		       size_t len)
{
	struct virtio_net_hdr none = { 0 };
	struct iovec iov[2] = { { hdr ? (void *)(uintptr_t)hdr : &none, sizeof(none) },
				{ (void *)(uintptr_t)frame, len } };

	assert_int_equal(writev(f->host, iov, 2), sizeof(none) + len);
}

/* Wait for a frame to the guest, into f->in. */
static inline bool guest_gets(struct fix *f, unsigned ms)
{
	uint64_t end = ev_now() + ms * 1000000ull;

	while (!fe_rx_frame(&f->fe, &f->in)) {
		if (ev_now() >= end)
			return false;
		ev_loop_turn(f->l, ev_now() + 1000000);
	}
	return true;
}

static inline void fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = (uint8_t)(seed >> 16);
	}
}

/* Headers of a frame of @len bytes: Ethernet, @tags VLAN tags, IP, @proto. */
static inline unsigned headers(uint8_t *f, size_t len, int version, unsigned tags, uint8_t proto)
{
	unsigned at = 12;

	memset(f, 0, 14 + tags * 4 + 60);
	f[0] = 2;
	while (tags--) {
		f[at] = 0x81;
		f[at + 3] = 5;
		at += 4;
	}
	f[at] = version == 4 ? 0x08 : 0x86;
	f[at + 1] = version == 4 ? 0x00 : 0xdd;
	at += 2;
	f[at] = version == 4 ? 0x45 : 0x60;
	if (version == 4) {
		f[at + 2] = (uint8_t)((len - at) >> 8);
		f[at + 3] = (uint8_t)(len - at);
		f[at + 9] = proto;
		memcpy(f + at + 12, "\x0a\x01\x02\x03\x0a\x01\x02\x04", 8);
		at += 20;
	} else {
		f[at + 6] = proto;
		fill(f + at + 8, 32, 7);
		at += 40;
	}
	if (proto == 6)
		f[at + 12] = 0x50;
	return at;
}

/* The queue goes, with all that it had begun. */
static inline void end(struct fix *f)
{
	net_queue_free(f->q, NULL);
	f->q = NULL;
	while (ev_loop_armed(f->l))
		ev_loop_turn(f->l, EV_FOREVER);
	ev_loop_turn(f->l, 0);
}

#endif
