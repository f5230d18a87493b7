// SPDX-License-Identifier: MIT
/*
 * The network back end's queues against a front end in the test itself. The host's side is a socket
 * that keeps message boundaries, as a tap does.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

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

static void complain(struct net_vif *vif, const char *what DOM_UNUSED, int error DOM_UNUSED)
{
	DOM_CONTAINER_OF(vif, struct fix, vif)->complaints++;
}

static void lost(struct net_vif *vif)
{
	DOM_CONTAINER_OF(vif, struct fix, vif)->losses++;
}

static int set_up(void **state, enum ev_engine_choice engine)
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

static int set_up_uring(void **state)
{
	return set_up(state, EV_ENGINE_URING);
}

static int set_up_poll(void **state)
{
	return set_up(state, EV_ENGINE_POLL);
}

static int tear_down(void **state)
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

static void start(struct fix *f)
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

static void turns(struct fix *f, unsigned n)
{
	while (n--)
		ev_loop_turn(f->l, ev_now() + 1000000);
}

/* Push and wait for one response to a transmit request. */
static int tx_status(struct fix *f)
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
static void tx_chain(struct fix *f, unsigned n, bool extra, int status)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(tx_status(f), extra && i == 1 ? NETIF_RSP_NULL : status);
}

/* The frame that the host got, -1 if none. */
static int host_got(struct fix *f, struct virtio_net_hdr *hdr, uint8_t *frame, size_t size)
{
	struct iovec iov[2] = { { hdr, sizeof(*hdr) }, { frame, size } };
	ssize_t n = readv(f->host, iov, 2);

	return n < 0 ? -1 : (int)n - (int)sizeof(*hdr);
}

static void host_sends(struct fix *f, const struct virtio_net_hdr *hdr, const uint8_t *frame,
		       size_t len)
{
	struct virtio_net_hdr none = { 0 };
	struct iovec iov[2] = { { hdr ? (void *)(uintptr_t)hdr : &none, sizeof(none) },
				{ (void *)(uintptr_t)frame, len } };

	assert_int_equal(writev(f->host, iov, 2), sizeof(none) + len);
}

/* Wait for a frame to the guest, into f->in. */
static bool guest_gets(struct fix *f, unsigned ms)
{
	uint64_t end = ev_now() + ms * 1000000ull;

	while (!fe_rx_frame(&f->fe, &f->in)) {
		if (ev_now() >= end)
			return false;
		ev_loop_turn(f->l, ev_now() + 1000000);
	}
	return true;
}

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = (uint8_t)(seed >> 16);
	}
}

/* Headers of a frame of @len bytes: Ethernet, @tags VLAN tags, IP, @proto. */
static unsigned headers(uint8_t *f, size_t len, int version, unsigned tags, uint8_t proto)
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

/* To the host. */

static void frames_arrive_however_they_are_cut(void **state)
{
	struct fix *f = *state;
	static uint8_t want[65536], got[NET_FRAME_MAX];
	struct virtio_net_hdr hdr;
	uint32_t rnd = 1;

	start(f);
	for (unsigned round = 0; round < 600; round++) {
		struct fe_cut c = { .n = 1 + round % NET_MAX_SLOTS };
		size_t len = 0;

		for (unsigned i = 0; i < c.n; i++) {
			rnd = rnd * 1103515245 + 12345;
			/* Empty ones, of one byte, small and large ones; 64 KiB are the most in all. */
			c.len[i] = (rnd >> 8) % 4 == 0 ? (rnd >> 10) % 2 :
				   (rnd >> 8) % 4 == 1 ? (rnd >> 10) % 64 : (rnd >> 10) % 3600;
			c.offset[i] = (rnd >> 4) % (4096 - c.len[i] + 1);
			len += c.len[i];
		}
		if (len < NET_ETH_HLEN) {
			c.len[0] += 20;
			c.offset[0] = 0;
			len += 20;
		}
		fill(want, len, round);
		fe_tx_frame(&f->fe, want, len, &c, NETTXF_data_validated, NULL);
		tx_chain(f, c.n, false, NETIF_RSP_OKAY);
		assert_int_equal(host_got(f, &hdr, got, sizeof(got)), len);
		assert_memory_equal(got, want, len);
		assert_int_equal(hdr.flags, 0);
		assert_int_equal(hdr.gso_type, 0);
	}
	assert_int_equal(f->vif.stats.tx_frames, 600);
	assert_int_equal(f->vif.stats.tx_errors, 0);
}

static void split_headers_are_understood(void **state)
{
	struct fix *f = *state;
	static uint8_t want[9000], got[9000];
	struct virtio_net_hdr hdr;

	start(f);
	for (unsigned i = 0; i < 4 * 3 * 17; i++) {
		int version = i & 1 ? 6 : 4;
		uint8_t proto = i & 2 ? 17 : 6;
		unsigned tags = i / 4 % 3, cut = i / 12, l4;
		size_t len = 1500;
		struct fe_cut c = { .n = cut + 1 };

		fill(want, len, i);
		l4 = headers(want, len, version, tags, proto);
		/* The header, a few bytes at a time: 7 each, then the rest. */
		for (unsigned k = 0; k < cut; k++)
			c.len[k] = 7;
		c.len[cut] = (unsigned)len - 7 * cut;
		fe_tx_frame(&f->fe, want, len, &c, NETTXF_csum_blank | NETTXF_data_validated, NULL);
		tx_chain(f, c.n, false, NETIF_RSP_OKAY);
		assert_int_equal(host_got(f, &hdr, got, sizeof(got)), len);
		assert_memory_equal(got, want, len);
		assert_int_equal(hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(hdr.csum_start, l4);
		assert_int_equal(hdr.csum_offset, proto == 6 ? 16 : 6);
	}
}

static void frames_without_a_checksum_to_fill_are_errors(void **state)
{
	struct fix *f = *state;
	static uint8_t frame[1500];
	struct fe_cut c = fe_cut_pages(sizeof(frame));
	uint8_t junk[2000];
	struct virtio_net_hdr hdr;
	unsigned l4;

	start(f);
	for (unsigned i = 0; i < 8; i++) {
		l4 = headers(frame, sizeof(frame), 4, 0, 6);
		switch (i) {
		case 0: frame[13] = 6; break;			/* ARP */
		case 1: frame[14 + 9] = 1; break;		/* ICMP */
		case 2: frame[14 + 6] = 0x20; break;		/* a fragment */
		case 3: frame[14 + 7] = 1; break;		/* a later one */
		case 4: frame[14] = 0x44; break;		/* header of 16 bytes */
		case 5: frame[14] = 0x65; break;		/* not version 4 */
		case 6: frame[l4 + 12] = 0x40; break;		/* TCP header of 16 bytes */
		case 7: headers(frame, sizeof(frame), 6, 0, 0);	/* extension headers without end */
			for (unsigned k = 0; k < 30; k++)
				memset(frame + 54 + 8 * k, 0, 8);
			break;
		}
		fe_tx_frame(&f->fe, frame, sizeof(frame), &c, NETTXF_csum_blank, NULL);
		assert_int_equal(tx_status(f), NETIF_RSP_ERROR);
		assert_int_equal(host_got(f, &hdr, junk, sizeof(junk)), -1);
	}
	/* Headers longer than the frame. */
	c.len[0] = 40;
	headers(frame, 40, 4, 0, 6);
	fe_tx_frame(&f->fe, frame, 40, &c, NETTXF_csum_blank, NULL);
	assert_int_equal(tx_status(f), NETIF_RSP_ERROR);
	assert_int_equal(f->vif.stats.tx_errors, 9);
	assert_false(f->q->broken);
}

static void large_frames_carry_their_segment_size(void **state)
{
	struct fix *f = *state;
	static uint8_t want[65535], got[NET_FRAME_MAX];
	struct netif_extra_info gso = { .type = XEN_NETIF_EXTRA_TYPE_GSO };
	struct virtio_net_hdr hdr;

	start(f);
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned blank = 0; blank < 2; blank++) {
			struct fe_cut c = fe_cut_pages(sizeof(want));
			unsigned l4;

			fill(want, sizeof(want), v6);
			l4 = headers(want, sizeof(want), v6 ? 6 : 4, 0, 6);
			gso.u.gso.size = 1448;
			gso.u.gso.type = v6 ? XEN_NETIF_GSO_TYPE_TCPV6 : XEN_NETIF_GSO_TYPE_TCPV4;
			fe_tx_frame(&f->fe, want, sizeof(want), &c, blank ? NETTXF_csum_blank : 0, &gso);
			tx_chain(f, c.n + 1, true, NETIF_RSP_OKAY);
			assert_int_equal(host_got(f, &hdr, got, sizeof(got)), sizeof(want));
			assert_int_equal(hdr.gso_type, v6 ? VIRTIO_NET_HDR_GSO_TCPV6 :
							    VIRTIO_NET_HDR_GSO_TCPV4);
			assert_int_equal(hdr.gso_size, 1448);
			assert_int_equal(hdr.hdr_len, l4 + 20);
			assert_int_equal(hdr.csum_start, l4);
			if (!blank) {
				/* The sum of the pseudo header took the place of the checksum. */
				struct net_headers h = net_parse(want, 256);
				uint16_t sum = net_csum_fold(net_csum_pseudo(&h, want, sizeof(want)));

				memcpy(want + l4 + 16, &sum, 2);
			}
			assert_memory_equal(got, want, sizeof(want));
		}
}

static void wrong_segment_infos_are_errors(void **state)
{
	struct fix *f = *state;
	static uint8_t frame[9000];
	struct netif_extra_info gso = { .type = XEN_NETIF_EXTRA_TYPE_GSO };
	struct fe_cut c = fe_cut_pages(sizeof(frame));
	struct virtio_net_hdr hdr;
	static const struct {
		uint8_t type, proto;
		uint16_t size;
		int version;
	} bad[] = {
		{ XEN_NETIF_GSO_TYPE_TCPV4, 6, 0, 4 }, { XEN_NETIF_GSO_TYPE_TCPV4, 6, 1448, 6 },
		{ XEN_NETIF_GSO_TYPE_TCPV6, 6, 1448, 4 }, { XEN_NETIF_GSO_TYPE_TCPV4, 17, 1448, 4 },
		{ 3, 6, 1448, 4 }, { 255, 6, 1448, 4 },
	};

	start(f);
	for (unsigned i = 0; i < DOM_ARRAY_LEN(bad); i++) {
		headers(frame, sizeof(frame), bad[i].version, 0, bad[i].proto);
		gso.u.gso.size = bad[i].size;
		gso.u.gso.type = bad[i].type;
		fe_tx_frame(&f->fe, frame, sizeof(frame), &c, NETTXF_csum_blank, &gso);
		tx_chain(f, c.n + 1, true, NETIF_RSP_ERROR);
		assert_int_equal(host_got(f, &hdr, frame, sizeof(frame)), -1);
	}
	assert_int_equal(fake_grants_in_use(f->d), 2);		/* the rings */
}

static void requests_that_make_no_sense_are_errors(void **state)
{
	struct fix *f = *state;
	static const struct {
		unsigned n;
		struct { unsigned offset, size; } slot[3];
	} bad[] = {
		{ 1, { { 0, 13 } } }, { 1, { { 0, 0 } } }, { 1, { { 4090, 100 } } },
		{ 1, { { 0, 4097 } } }, { 1, { { 65535, 65535 } } },
		{ 2, { { 0, 100 }, { 0, 101 } } },		/* more in the rest than in all */
		{ 2, { { 0, 5000 }, { 0, 100 } } },		/* 4900 in the first */
		{ 2, { { 4000, 200 }, { 0, 100 } } },
		{ 3, { { 0, 200 }, { 4000, 97 }, { 0, 10 } } },
		{ 3, { { 0, 60000 }, { 0, 65535 }, { 0, 65535 } } },
	};

	start(f);
	for (unsigned i = 0; i < DOM_ARRAY_LEN(bad); i++) {
		for (unsigned k = 0; k < bad[i].n; k++)
			fe_tx_raw(&f->fe, FE_TX_PAGE + k, bad[i].slot[k].offset, bad[i].slot[k].size,
				  k + 1 < bad[i].n ? NETTXF_more_data : 0);
		tx_chain(f, bad[i].n, false, NETIF_RSP_ERROR);
	}
	fe_tx_raw(&f->fe, 4000, 0, 100, 0);		/* no such grant */
	assert_int_equal(tx_status(f), NETIF_RSP_ERROR);
	assert_int_equal(fake_grants_in_use(f->d), 2);
	assert_false(f->q->broken);
	fe_tx_raw(&f->fe, FE_TX_PAGE, 0, 100, 0);
	assert_int_equal(tx_status(f), NETIF_RSP_OKAY);
}

static void chains_up_to_twenty_are_answered_longer_ones_stop_the_queue(void **state)
{
	struct fix *f = *state;

	for (unsigned n = 17; n <= 21; n++) {
		start(f);
		for (unsigned i = 0; i < n; i++)
			fe_tx_raw(&f->fe, FE_TX_PAGE + i, 0, i ? 10 : 1000, i + 1 < n ? NETTXF_more_data : 0);
		if (n <= 20) {
			tx_chain(f, n, false, n <= 18 ? NETIF_RSP_OKAY : NETIF_RSP_ERROR);
		} else {
			fe_push(&f->fe, 0);
			turns(f, 3);
			assert_true(f->q->broken);
			assert_int_equal(f->complaints, 1);
		}
		net_queue_free(f->q, NULL);
		f->q = NULL;
		while (ev_loop_armed(f->l))
			ev_loop_turn(f->l, EV_FOREVER);
		ev_loop_turn(f->l, 0);
	}
}

static void chains_without_end_stop_the_queue(void **state)
{
	struct fix *f = *state;
	struct netif_extra_info extra = { .type = XEN_NETIF_EXTRA_TYPE_GSO,
					  .flags = XEN_NETIF_EXTRA_FLAG_MORE };

	for (unsigned kind = 0; kind < 5; kind++) {
		int before = f->complaints;

		start(f);
		extra.type = kind == 2 ? 0 : kind == 3 ? NET_MAX_EXTRAS + 1 : XEN_NETIF_EXTRA_TYPE_GSO;
		if (kind == 0) {
			fe_tx_raw(&f->fe, FE_TX_PAGE, 0, 100, NETTXF_more_data);
		} else {
			fe_tx_raw(&f->fe, FE_TX_PAGE, 0, 100, NETTXF_extra_info);
			/* 1: no extra info; 2, 3: of no known type; 4: always one more */
			for (unsigned i = 0; kind > 1 && i < (kind == 4 ? 200 : 1); i++)
				fe_tx_extra(&f->fe, &extra);
		}
		fe_push(&f->fe, 0);
		turns(f, 3);
		assert_true(f->q->broken);
		assert_int_equal(f->complaints, before + 1);
		/* Nothing is served any more, nothing is said any more. */
		f->fe.tx_prod += 3;
		fe_push(&f->fe, 0);
		turns(f, 2);
		assert_int_equal(f->complaints, before + 1);
		net_queue_free(f->q, NULL);
		f->q = NULL;
		while (ev_loop_armed(f->l))
			ev_loop_turn(f->l, EV_FOREVER);
		ev_loop_turn(f->l, 0);
	}
}

static void failing_grant_undoes_the_others(void **state)
{
	struct fix *f = *state;

	start(f);
	for (unsigned k = 1; k <= 18; k++) {
		for (unsigned i = 0; i < 18; i++)
			fe_tx_raw(&f->fe, FE_TX_PAGE + i, 0, i ? 10 : 1000, i < 17 ? NETTXF_more_data : 0);
		f->d->fail_grant = k;
		tx_chain(f, 18, false, NETIF_RSP_ERROR);
		assert_int_equal(fake_grants_in_use(f->d), 2);
	}
	assert_int_equal(f->vif.stats.tx_frames, 0);
}

static void impossible_index_stops_only_this_queue(void **state)
{
	struct fix *f = *state;
	uint64_t one = 1;

	for (unsigned ring = 0; ring < 2; ring++) {
		start(f);
		DOM_STORE(fake_u32(f->d, ring, XA_RING_REQ_PROD), 257);
		assert_int_equal(write(f->fe.kick[ring], &one, 8), 8);
		turns(f, 3);
		assert_true(f->q->broken);
		assert_int_equal(f->complaints, ring + 1);
		DOM_STORE(fake_u32(f->d, ring, XA_RING_REQ_PROD), 1);
		assert_int_equal(write(f->fe.kick[ring], &one, 8), 8);
		turns(f, 3);
		assert_int_equal(DOM_LOAD(fake_u32(f->d, ring, XA_RING_RSP_PROD)), 0);
		net_queue_free(f->q, NULL);
		f->q = NULL;
		while (ev_loop_armed(f->l))
			ev_loop_turn(f->l, EV_FOREVER);
		ev_loop_turn(f->l, 0);
	}
}

static void full_ring_is_one_kick_and_few_interrupts(void **state)
{
	struct fix *f = *state;
	struct netif_tx_response rsp;
	static uint8_t frame[2000];
	struct virtio_net_hdr hdr;
	unsigned got = 0, sent = 0;

	start(f);
	for (unsigned i = 0; i < 256; i++)
		fe_tx_raw(&f->fe, FE_TX_PAGE + i, 0, 60, 0);
	fe_push(&f->fe, 0);
	for (unsigned i = 0; i < 1000 && got < 256; i++) {
		ev_loop_turn(f->l, ev_now() + 10000000);
		while (fe_tx_response(&f->fe, &rsp))
			got++;
		while (host_got(f, &hdr, frame, sizeof(frame)) >= 0)
			sent++;
	}
	assert_int_equal(got, 256);
	assert_true(sent + f->vif.stats.tx_dropped == 256);
	assert_int_equal(f->vif.stats.kicks, 1);
	assert_true(fake_notifies(f->d, FE_TX_PORT) <= 4);
	/* Asked for no interrupt until the very last: none more. */
	assert_int_equal(fake_notifies(f->d, FE_RX_PORT), 0);
}

/* To the guest. */

static void frames_of_all_sizes_reach_the_guest(void **state)
{
	struct fix *f = *state;
	static uint8_t want[65549];
	static const size_t sizes[] = { 14, 60, 1514, 4095, 4096, 4097, 8192, 9014, 65535, 65549 };

	start(f);
	for (unsigned round = 0; round < 60; round++) {
		size_t len = sizes[round % DOM_ARRAY_LEN(sizes)];
		struct virtio_net_hdr hdr = {
			.gso_type = round & 1 ? VIRTIO_NET_HDR_GSO_TCPV4 : 0,
			.gso_size = round & 1 ? 1448 : 0,
			.flags = round & 1 ? VIRTIO_NET_HDR_F_NEEDS_CSUM : VIRTIO_NET_HDR_F_DATA_VALID,
		};

		fe_rx_give(&f->fe, 256 - (f->fe.rx_prod - f->fe.rx_cons));
		fill(want, len, round);
		host_sends(f, &hdr, want, len);
		assert_true(guest_gets(f, 5000));
		assert_false(f->in.error);
		assert_int_equal(f->in.len, len);
		assert_memory_equal(f->in.data, want, len);
		assert_int_equal(f->in.slots, (len + 4095) / 4096);
		assert_int_equal(f->in.extra[XEN_NETIF_EXTRA_TYPE_GSO].type,
				 round & 1 ? XEN_NETIF_EXTRA_TYPE_GSO : 0);
		assert_int_equal(f->in.extra[XEN_NETIF_EXTRA_TYPE_GSO].u.gso.size, round & 1 ? 1448 : 0);
		assert_int_equal(f->in.flags & 3, round & 1 ? 3 : 1);
	}
	assert_int_equal(f->vif.stats.rx_dropped, 0);
}

static void headroom_is_left_and_told(void **state)
{
	struct fix *f = *state;
	static uint8_t want[9000];

	f->vif.headroom = 256;
	start(f);
	for (unsigned i = 0; i < 20; i++) {
		size_t len = i % 3 ? 1514 : 9000;

		fe_rx_give(&f->fe, 256 - (f->fe.rx_prod - f->fe.rx_cons));
		fill(want, len, i);
		memset(fe_rx_data(&f->fe, f->fe.rx_cons), 0xaa, 4096);
		host_sends(f, NULL, want, len);
		assert_true(guest_gets(f, 5000));
		assert_int_equal(f->in.len, len);
		assert_memory_equal(f->in.data, want, len);
		assert_int_equal(f->in.extra[XEN_NETIF_EXTRA_TYPE_XDP].u.xdp.headroom, 256);
		assert_int_equal(fe_rx_data(&f->fe, f->fe.rx_cons - f->in.slots - 1)[255], 0xaa);
	}
}

static void pages_that_come_late_lose_no_frame(void **state)
{
	struct fix *f = *state;
	static uint8_t want[30000];

	start(f);
	for (unsigned round = 0; round < 40; round++) {
		struct virtio_net_hdr gso = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .gso_size = 1400 };

		fill(want, sizeof(want), round);
		host_sends(f, round & 1 ? &gso : NULL, want, sizeof(want));
		/* One page after the other: the frame needs 8, or 9 slots. */
		for (unsigned i = 0; i < 8u + (round & 1); i++) {
			assert_false(guest_gets(f, 0));
			fe_rx_give(&f->fe, 1);
			turns(f, 2);
		}
		assert_true(guest_gets(f, 5000));
		assert_int_equal(f->in.len, sizeof(want));
		assert_memory_equal(f->in.data, want, sizeof(want));
	}
	assert_int_equal(f->vif.stats.rx_frames, 40);
	assert_int_equal(f->vif.stats.rx_dropped, 0);
}

static void bytes_behind_a_frame_stay_as_they_were(void **state)
{
	struct fix *f = *state;
	uint8_t frame[100];

	start(f);
	fe_rx_give(&f->fe, 100);
	for (unsigned i = 0; i < 100; i++)
		memset(fe_rx_data(&f->fe, i), 0xee, 4096);
	fill(frame, sizeof(frame), 3);
	for (unsigned i = 0; i < 50; i++) {
		host_sends(f, NULL, frame, sizeof(frame));
		assert_true(guest_gets(f, 5000));
	}
	for (unsigned i = 0; i < 100; i++)
		for (unsigned k = i < 50 ? sizeof(frame) : 0; k < 4096; k++)
			assert_int_equal(fe_rx_data(&f->fe, i)[k], 0xee);
}

static void bad_pages_are_errors_of_their_frame_only(void **state)
{
	struct fix *f = *state;
	static uint8_t want[9000];

	start(f);
	f->d->grants[FE_RX_PAGE + 1].valid = false;
	f->d->grants[FE_RX_PAGE + 3].readonly = true;
	fe_rx_give(&f->fe, 64);
	fill(want, sizeof(want), 1);
	for (unsigned i = 0; i < 6; i++)
		host_sends(f, NULL, want, i < 4 ? 1000 : 9000);
	for (unsigned i = 0; i < 6; i++) {
		assert_true(guest_gets(f, 5000));
		assert_int_equal(f->in.error, i == 1 || i == 3);
		if (!f->in.error)
			assert_memory_equal(f->in.data, want, f->in.len);
	}
	assert_int_equal(f->in.len, 9000);
}

static void guest_without_pages_holds_no_memory_and_wastes_no_time(void **state)
{
	struct fix *f = *state;
	uint8_t frame[1000] = { 0 };
	struct ev_stats before, after;
	unsigned sent = 0;

	start(f);
	while (sent < 2000) {
		struct iovec iov = { frame, sizeof(frame) };

		if (writev(f->host, &iov, 1) < 0)
			break;		/* the link is full: nobody takes frames from it */
		sent++;
	}
	turns(f, 5);
	assert_int_equal(errno, EAGAIN);
	ev_loop_stats(f->l, &before);
	turns(f, 20);
	ev_loop_stats(f->l, &after);
	assert_true(after.completions - before.completions <= 1);
	/* One page: one frame, and the rest waits on. */
	fe_rx_give(&f->fe, 1);
	assert_true(guest_gets(f, 5000));
	assert_false(guest_gets(f, 20));
	assert_int_equal(f->vif.stats.rx_frames, 1);
}

struct carrier_log {
	struct net_link_ops ops;
	int changes[16], n;
};
static struct carrier_log *carrier_log;		/* of the one test that runs */

static void log_carrier(struct net_link *l DOM_UNUSED, bool on)
{
	assert_true(carrier_log->n < 16);
	carrier_log->changes[carrier_log->n++] = on;
}

static void guest_that_stalls_loses_frames_then_the_carrier_until_it_is_back(void **state)
{
	struct fix *f = *state;
	struct carrier_log log = { .ops = f->ops };
	uint8_t frame[1000] = { 0 };
	uint64_t end = ev_now() + 10000000000u;

	carrier_log = &log;
	log.ops.carrier = log_carrier;
	f->vif.link.ops = &log.ops;
	f->vif.drain_ns = 20000000;
	f->vif.stall_ns = 60000000;
	start(f);
	/* Quiet links do not stall. */
	while (ev_now() + 9800000000u < end)
		ev_loop_turn(f->l, ev_now() + 10000000);
	assert_int_equal(log.n, 0);
	while (log.n == 0 && ev_now() < end) {
		(void)!write(f->host, frame, sizeof(frame));
		ev_loop_turn(f->l, ev_now() + 5000000);
	}
	assert_int_equal(log.n, 1);
	assert_int_equal(log.changes[0], 0);
	assert_true(f->vif.stats.rx_dropped > 0);
	fe_rx_give(&f->fe, 10);
	turns(f, 5);
	assert_int_equal(log.n, 2);
	assert_int_equal(log.changes[1], 1);
	fill(frame, sizeof(frame), 9);
	host_sends(f, NULL, frame, sizeof(frame));
	do
		assert_true(guest_gets(f, 5000));
	while (memcmp(f->in.data, frame, sizeof(frame)) != 0);
}

static void interrupts_for_frames_are_as_asked_for(void **state)
{
	struct fix *f = *state;
	uint8_t frame[100] = { 0 };

	start(f);
	fe_rx_give(&f->fe, 200);
	turns(f, 2);
	/* Wanted with the tenth only. */
	DOM_STORE(fake_u32(f->d, 1, XA_RING_RSP_EVENT), 10);
	for (unsigned i = 0; i < 9; i++) {
		host_sends(f, NULL, frame, sizeof(frame));
		assert_true(guest_gets(f, 5000));
	}
	assert_int_equal(fake_notifies(f->d, FE_RX_PORT), 0);
	host_sends(f, NULL, frame, sizeof(frame));
	assert_true(guest_gets(f, 5000));
	assert_int_equal(fake_notifies(f->d, FE_RX_PORT), 1);
}

static void guest_without_sg_gets_no_large_frame(void **state)
{
	struct fix *f = *state;
	static uint8_t frame[4097];

	f->vif.sg = false;
	f->vif.offload = (struct net_offload){ 0 };
	start(f);
	fe_rx_give(&f->fe, 64);
	host_sends(f, NULL, frame, 4097);
	host_sends(f, NULL, frame, 4096);
	assert_true(guest_gets(f, 5000));
	assert_int_equal(f->in.len, 4096);
	assert_int_equal(f->vif.stats.rx_dropped, 1);
}

static void tagged_frames_are_given_their_checksum(void **state)
{
	struct fix *f = *state;
	uint8_t frame[1000];
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	struct net_headers h;
	uint16_t sum;

	start(f);
	fe_rx_give(&f->fe, 64);
	fill(frame, sizeof(frame), 5);
	hdr.csum_start = (uint16_t)headers(frame, sizeof(frame), 4, 1, 6);
	hdr.csum_offset = 16;
	h = net_parse(frame, sizeof(frame));
	assert_int_equal(h.l4, hdr.csum_start);
	sum = net_csum_fold(net_csum_pseudo(&h, frame, sizeof(frame)));
	memcpy(frame + h.l4 + 16, &sum, 2);
	host_sends(f, &hdr, frame, sizeof(frame));
	assert_true(guest_gets(f, 5000));
	assert_int_equal(f->in.flags & (NETRXF_csum_blank | NETRXF_data_validated), NETRXF_data_validated);
	/* A sum over all, checksum included, is that of the pseudo header plus its complement. */
	sum = net_csum_fold(net_csum_add(net_csum_pseudo(&h, f->in.data, f->in.len), f->in.data + h.l4,
					 f->in.len - h.l4));
	assert_int_equal(sum, 0xffff);
	/* An untagged one is left to the guest. */
	hdr.csum_start = (uint16_t)headers(frame, sizeof(frame), 4, 0, 6);
	host_sends(f, &hdr, frame, sizeof(frame));
	assert_true(guest_gets(f, 5000));
	assert_true(f->in.flags & NETRXF_csum_blank);
	/* Offsets from the host that do not fit the frame. */
	headers(frame, sizeof(frame), 4, 1, 6);
	hdr.csum_start = 999;
	host_sends(f, &hdr, frame, sizeof(frame));
	assert_true(guest_gets(f, 5000));
	assert_int_equal(f->in.len, sizeof(frame));
}

/* Is the checksum of this frame right, and that of its IPv4 header? */
static void assert_sums(const uint8_t *frame, size_t len, const struct net_headers *h)
{
	assert_int_equal(net_csum_fold(net_csum_add(net_csum_pseudo(h, frame, len), frame + h->l4,
						    len - h->l4)), 0xffff);
	if (h->version == 4)
		assert_int_equal(net_csum_fold(net_csum_add(0, frame + h->l3, 20)), 0xffff);
}

/*
 * Linux guests drop a tagged frame without checksum, and netback gives them none. @pages: how many the
 * guest gives at a time.
 */
static void cut_and_compare(struct fix *f, int version, size_t len, unsigned mss, unsigned pages)
{
	static uint8_t frame[65000];
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_offset = 16, .gso_size = (uint16_t)mss,
		.gso_type = version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
	};
	struct net_headers h;
	size_t at;
	unsigned n = 0;

	fill(frame, len, 11);
	hdr.csum_start = (uint16_t)headers(frame, len, version, 1, 6);
	h = net_parse(frame, len);
	hdr.hdr_len = h.payload;
	memcpy(frame + h.l4 + 4, "\xff\xff\xff\x00", 4);	/* the sequence number wraps around */
	frame[h.l4 + 13] = 0x99;			/* CWR ACK PSH FIN */
	host_sends(f, &hdr, frame, len);
	for (at = h.payload; at < len; at += mss, n++) {
		size_t part = DOM_MIN(len - at, (size_t)mss);
		struct net_headers s;
		uint32_t seq;

		if (f->fe.rx_prod - f->fe.rx_cons < pages)
			fe_rx_give(&f->fe, pages);
		assert_true(guest_gets(f, 5000));
		assert_int_equal(f->in.len, h.payload + part);
		assert_int_equal(f->in.flags & (NETRXF_csum_blank | NETRXF_data_validated | NETRXF_extra_info),
				 NETRXF_data_validated);
		s = net_parse(f->in.data, f->in.len);
		assert_int_equal(s.payload, h.payload);
		assert_sums(f->in.data, f->in.len, &s);
		assert_memory_equal(f->in.data, frame, h.l3);
		assert_memory_equal(f->in.data + s.payload, frame + at, part);
		memcpy(&seq, f->in.data + s.l4 + 4, 4);
		assert_int_equal(__builtin_bswap32(seq), 0xffffff00u + (uint32_t)(at - h.payload));
		assert_int_equal(f->in.data[s.l4 + 13], 0x10 | (n ? 0 : 0x80) | (at + part == len ? 0x09 : 0));
		if (version == 4)
			assert_int_equal(f->in.data[s.l3 + 3] | f->in.data[s.l3 + 2] << 8, f->in.len - s.l3);
		else
			assert_int_equal(f->in.data[s.l3 + 5] | f->in.data[s.l3 + 4] << 8, f->in.len - s.l4);
	}
	assert_false(guest_gets(f, 5));
}

static void tagged_large_frames_are_cut(void **state)
{
	struct fix *f = *state;

	start(f);
	cut_and_compare(f, 4, 5000, 1448, 32);
	cut_and_compare(f, 6, 5000, 1428, 32);
	cut_and_compare(f, 4, 65000, 1448, 4);
	cut_and_compare(f, 6, 9000, 48, 1);		/* less than the headers */
	cut_and_compare(f, 4, 700, 1448, 2);
	cut_and_compare(f, 4, 30000, 9000, 3);		/* segments of several pages */
	assert_int_equal(f->vif.stats.rx_dropped, 0);
}

static void tagged_frames_that_cannot_be_cut_arrive_whole(void **state)
{
	struct fix *f = *state;
	uint8_t frame[3000];
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_offset = 16, .gso_size = 1,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	};

	start(f);
	fe_rx_give(&f->fe, 64);
	hdr.csum_start = (uint16_t)headers(frame, sizeof(frame), 4, 1, 6);
	host_sends(f, &hdr, frame, sizeof(frame));	/* one byte per segment */
	assert_true(guest_gets(f, 5000));
	assert_int_equal(f->in.len, sizeof(frame));
	hdr.gso_size = 1448;
	headers(frame, sizeof(frame), 4, 1, 17);	/* not TCP */
	host_sends(f, &hdr, frame, sizeof(frame));
	assert_true(guest_gets(f, 5000));
	assert_int_equal(f->in.len, sizeof(frame));
}

/* Multicast. */

static int mcast(struct fix *f, uint8_t type, const uint8_t addr[6])
{
	struct netif_extra_info e = { .type = type };
	int status;

	memcpy(e.u.mcast.addr, addr, 6);
	fe_tx_raw(&f->fe, 0, 0, 0, NETTXF_extra_info);
	fe_tx_extra(&f->fe, &e);
	status = tx_status(f);
	assert_int_equal(tx_status(f), NETIF_RSP_NULL);
	return status;
}

static bool passes(struct fix *f, const uint8_t dst[6])
{
	uint8_t frame[100] = { 0 };
	uint64_t before = f->vif.stats.rx_dropped;

	memcpy(frame, dst, 6);
	host_sends(f, NULL, frame, sizeof(frame));
	for (unsigned i = 0; i < 1000 && f->vif.stats.rx_dropped == before; i++)
		if (guest_gets(f, 5))
			return true;
	return false;
}

static void multicast_is_filtered_when_asked_for(void **state)
{
	struct fix *f = *state;
	uint8_t addr[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 }, one[6] = { 2, 0, 0, 0, 0, 1 };

	start(f);
	fe_rx_give(&f->fe, 200);
	assert_true(passes(f, addr));
	f->vif.mcast_control = true;
	assert_false(passes(f, addr));
	assert_true(passes(f, all));
	assert_true(passes(f, one));
	assert_int_equal(mcast(f, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, addr), NETIF_RSP_OKAY);
	assert_int_equal(mcast(f, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, addr), NETIF_RSP_OKAY);
	assert_true(passes(f, addr));
	assert_int_equal(mcast(f, XEN_NETIF_EXTRA_TYPE_MCAST_DEL, addr), NETIF_RSP_OKAY);
	assert_false(passes(f, addr));
	assert_int_equal(mcast(f, XEN_NETIF_EXTRA_TYPE_MCAST_DEL, addr), NETIF_RSP_OKAY);
	for (unsigned i = 0; i <= NET_MAX_MCAST; i++) {
		addr[5] = (uint8_t)i;
		assert_int_equal(mcast(f, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, addr),
				 i < NET_MAX_MCAST ? NETIF_RSP_OKAY : NETIF_RSP_ERROR);
	}
	addr[5] = 5;
	assert_int_equal(mcast(f, XEN_NETIF_EXTRA_TYPE_MCAST_DEL, addr), NETIF_RSP_OKAY);
	assert_int_equal(f->vif.nmcast, NET_MAX_MCAST - 1);
	assert_false(passes(f, addr));
	addr[5] = 6;
	assert_true(passes(f, addr));
	assert_int_equal(f->vif.stats.tx_frames, 0);
}

/* Rate. */

static void rate_is_kept_in_the_long_run(void **state DOM_UNUSED)
{
	struct net_rate r;
	uint64_t now = 1000, sent = 0;

	assert_true(net_rate_init(&r, "125000,50000", now));	/* 20 Mb/s */
	/* Two seconds with a frame whenever there is credit. */
	for (now = 1000; now < 2000001000; now += 10000) {
		if (net_rate_wait(&r, now))
			continue;
		r.credit -= 1514;
		sent += 1514;
	}
	assert_true(sent > 4900000 && sent < 5150000);
	/* A pause of a century saves one window's worth, or 128 KiB. */
	now += 3155760000000000000u;
	for (sent = 0; !net_rate_wait(&r, now); sent += 1514)
		r.credit -= 1514;
	assert_true(sent >= 125000 && sent <= 128 * 1024 + 1514);
	assert_true(net_rate_wait(&r, now) > now);
	assert_false(net_rate_init(&r, "", 0));
	assert_false(net_rate_init(&r, "1", 0));
	assert_false(net_rate_init(&r, "1,", 0));
	assert_false(net_rate_init(&r, "0,5", 0));
	assert_false(net_rate_init(&r, "5,0", 0));
	assert_false(net_rate_init(&r, "-1,50", 0));
	assert_false(net_rate_init(&r, "99999999999999999999999999,50", 0));
	assert_int_equal(net_rate_wait(&r, 0), 0);
}

static void limited_queue_waits_and_goes_on(void **state)
{
	struct fix *f = *state;
	struct netif_tx_response rsp;
	struct virtio_net_hdr hdr;
	uint8_t frame[2000];
	uint64_t t0 = ev_now(), end = t0 + 20000000000u;
	unsigned got = 0, sent = 0;

	assert_true(net_rate_init(&f->vif.rate, "15000,20000", t0));
	start(f);
	for (unsigned i = 0; i < 100; i++)
		fe_tx_raw(&f->fe, FE_TX_PAGE + i, 0, 1500, 0);
	fe_push(&f->fe, 0);
	while (got < 100 && ev_now() < end) {
		ev_loop_turn(f->l, ev_now() + 10000000);
		while (fe_tx_response(&f->fe, &rsp))
			got++;
		while (host_got(f, &hdr, frame, sizeof(frame)) >= 0)
			sent++;
	}
	assert_int_equal(sent, 100);
	/* 10 at once, then 10 with each of 9 more windows. */
	assert_true(ev_now() - t0 >= 8 * 20000000ull);
}

/* Links. */

static void link_that_goes_away_is_told_once_and_drops(void **state)
{
	struct fix *f = *state;
	struct ev_stats before, after;
	int junk = open("/dev/null", O_RDONLY | O_CLOEXEC);

	start(f);
	fe_rx_give(&f->fe, 20);
	turns(f, 2);
	/* A descriptor that reads nothing and cannot be written. */
	assert_true(dup2(junk, f->vif.link.fd[0]) >= 0);
	close(junk);
	close(f->host);
	f->host = -1;
	fe_rx_give(&f->fe, 20);
	net_rx_run(f->q);
	assert_int_equal(f->losses, 1);
	assert_int_equal(f->complaints, 1);
	for (unsigned i = 0; i < 5; i++) {
		fe_tx_raw(&f->fe, FE_TX_PAGE, 0, 100, 0);
		assert_int_equal(tx_status(f), NETIF_RSP_DROPPED);
	}
	ev_loop_stats(f->l, &before);
	turns(f, 20);
	ev_loop_stats(f->l, &after);
	assert_true(after.completions - before.completions <= 2);
	assert_int_equal(f->losses, 1);
}

static void use_stream(struct fix *f)
{
	int pair[2];

	close(f->vif.link.fd[0]);
	close(f->host);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->vif.link.fd[0] = pair[0];
	f->host = pair[1];
	f->ops = net_link_stream;
	assert_int_equal(f->ops.start(&f->vif.link, 1, &f->vif.offload), 0);
}

static void host_reads(struct fix *f, uint8_t *buf, size_t n)
{
	uint64_t end = ev_now() + 10000000000u;
	size_t at = 0;

	while (at < n) {
		ssize_t r = recv(f->host, buf + at, n - at, MSG_DONTWAIT);

		assert_true(ev_now() < end);
		if (r > 0)
			at += (size_t)r;
		else
			ev_loop_turn(f->l, ev_now() + 1000000);
	}
}

static void stream_carries_frames_behind_their_length(void **state)
{
	struct fix *f = *state;
	static uint8_t want[65535], got[65539];
	static const size_t sizes[] = { 14, 1514, 65535, 9000 };

	use_stream(f);
	start(f);
	for (unsigned i = 0; i < 40; i++) {
		size_t len = sizes[i % 4];
		struct fe_cut c = fe_cut_pages(len);

		fill(want, len, i);
		fe_tx_frame(&f->fe, want, len, &c, 0, NULL);
		fe_push(&f->fe, 0);
		host_reads(f, got, len + 4);
		assert_int_equal(got[0] << 24 | got[1] << 16 | got[2] << 8 | got[3], len);
		assert_memory_equal(got + 4, want, len);
		tx_chain(f, c.n, false, NETIF_RSP_OKAY);
		/* Back, in two pieces. */
		fe_rx_give(&f->fe, 256 - (f->fe.rx_prod - f->fe.rx_cons));
		assert_int_equal(send(f->host, got, 3, 0), 3);
		turns(f, 2);
		for (size_t at = 3; at < len + 4;) {
			ssize_t n = send(f->host, got + at, len + 4 - at, MSG_DONTWAIT);

			at += n > 0 ? (size_t)n : 0;
			turns(f, 1);
		}
		assert_true(guest_gets(f, 5000));
		assert_int_equal(f->in.len, len);
		assert_memory_equal(f->in.data, want, len);
	}
}

static void stream_that_is_full_makes_the_guest_wait(void **state)
{
	struct fix *f = *state;
	static uint8_t want[60000], got[60004];
	struct fe_cut c = fe_cut_pages(sizeof(want));
	struct netif_tx_response rsp;

	use_stream(f);
	start(f);
	/* 15 requests each; 12 frames are more than a socket takes. */
	fill(want, sizeof(want), 4);
	for (unsigned i = 0; i < 12; i++)
		fe_tx_frame(&f->fe, want, sizeof(want), &c, 0, NULL);
	fe_push(&f->fe, 0);
	turns(f, 10);
	assert_true(DOM_LOAD(fake_u32(f->d, 0, XA_RING_RSP_PROD)) < 12 * c.n);
	for (unsigned i = 0; i < 12; i++) {
		host_reads(f, got, sizeof(got));
		assert_memory_equal(got + 4, want, sizeof(want));
	}
	turns(f, 5);
	for (unsigned i = 0; i < 12 * c.n; i++) {
		assert_true(fe_tx_response(&f->fe, &rsp));
		assert_int_equal(rsp.status, NETIF_RSP_OKAY);
	}
}

static void stream_completes_checksums_and_refuses_large_frames(void **state)
{
	struct fix *f = *state;
	uint8_t frame[1000], got[1004];
	struct fe_cut c = fe_cut_pages(sizeof(frame));
	struct netif_extra_info gso = { .type = XEN_NETIF_EXTRA_TYPE_GSO,
					.u.gso = { .size = 100, .type = XEN_NETIF_GSO_TYPE_TCPV4 } };
	struct net_headers h;
	uint16_t sum;

	use_stream(f);
	start(f);
	for (int version = 4; version <= 6; version += 2) {
		fill(frame, sizeof(frame), 5);
		headers(frame, sizeof(frame), version, 0, 17);
		h = net_parse(frame, sizeof(frame));
		sum = net_csum_fold(net_csum_pseudo(&h, frame, sizeof(frame)));
		memcpy(frame + h.l4 + 6, &sum, 2);
		fe_tx_frame(&f->fe, frame, sizeof(frame), &c, NETTXF_csum_blank, NULL);
		assert_int_equal(tx_status(f), NETIF_RSP_OKAY);
		host_reads(f, got, sizeof(got));
		sum = net_csum_fold(net_csum_add(net_csum_pseudo(&h, got + 4, sizeof(frame)),
						 got + 4 + h.l4, sizeof(frame) - h.l4));
		assert_int_equal(sum, 0xffff);
	}
	headers(frame, sizeof(frame), 4, 0, 6);
	fe_tx_frame(&f->fe, frame, sizeof(frame), &c, NETTXF_csum_blank, &gso);
	tx_chain(f, 2, true, NETIF_RSP_ERROR);
}

static void stream_out_of_step_or_ended_is_a_lost_link(void **state)
{
	struct fix *f = *state;

	use_stream(f);
	start(f);
	fe_rx_give(&f->fe, 20);
	assert_int_equal(send(f->host, "\xff\xff\xff\xff more", 9, 0), 9);
	turns(f, 5);
	assert_int_equal(f->losses, 1);
	fe_tx_raw(&f->fe, FE_TX_PAGE, 0, 100, 0);
	assert_int_equal(tx_status(f), NETIF_RSP_DROPPED);
	f->vif.link_lost = false;
	shutdown(f->host, SHUT_RDWR);
	fe_tx_raw(&f->fe, FE_TX_PAGE, 0, 100, 0);
	assert_int_equal(tx_status(f), NETIF_RSP_DROPPED);
	assert_int_equal(f->losses, 2);
}

/* Life. */

static void free_at_any_time_unpins_everything(void **state)
{
	struct fix *f = *state;
	static uint8_t frame[60000];

	for (unsigned round = 0; round < 20; round++) {
		start(f);
		for (unsigned i = 0; i < 30; i++)
			fe_tx_raw(&f->fe, FE_TX_PAGE + i, 0, 100, 0);
		fe_push(&f->fe, 0);
		host_sends(f, NULL, frame, sizeof(frame));
		fe_rx_give(&f->fe, round);
		turns(f, round % 4);
		net_queue_free(f->q, NULL);
		f->q = NULL;
		while (ev_loop_armed(f->l))
			ev_loop_turn(f->l, EV_FOREVER);
		ev_loop_turn(f->l, 0);
		assert_int_equal(fake_grants_in_use(f->d), 0);
		while (read(f->vif.link.fd[0], frame, sizeof(frame)) > 0)
			;
		while (read(f->host, frame, sizeof(frame)) > 0)
			;
	}
}

static void bad_rings_and_ports_are_refused(void **state)
{
	struct fix *f = *state;
	struct net_queue_config cfg;

	fe_init(&f->fe, f->d);
	for (unsigned i = 0; i < 4; i++) {
		cfg = fe_config(&f->fe);
		if (i == 0)
			cfg.tx_ring = 4090;
		if (i == 1)
			cfg.rx_ring = 4090;
		if (i == 2)
			cfg.port[1] = 99;
		if (i == 3)
			cfg.port[1] = cfg.port[0];
		assert_int_equal(net_queue_new(&f->vif, &cfg, &f->q), -EINVAL);
		assert_null(f->q);
	}
	DOM_STORE(fake_u32(f->d, 0, XA_RING_REQ_PROD), 1000);
	cfg = fe_config(&f->fe);
	assert_int_equal(net_queue_new(&f->vif, &cfg, &f->q), -EPROTO);
	while (ev_loop_armed(f->l))
		ev_loop_turn(f->l, EV_FOREVER);
}

static void requests_before_the_connection_are_served(void **state)
{
	struct fix *f = *state;
	struct net_queue_config cfg;

	fe_init(&f->fe, f->d);
	fe_tx_raw(&f->fe, FE_TX_PAGE, 0, 100, 0);
	DOM_STORE(fake_u32(f->d, 0, XA_RING_REQ_PROD), 1);
	cfg = fe_config(&f->fe);
	cfg.ports = 1;
	assert_int_equal(net_queue_new(&f->vif, &cfg, &f->q), 0);
	f->vif.queue[0] = f->q;
	f->vif.nqueues = 1;
	net_queue_start(f->q);
	assert_int_equal(f->vif.stats.tx_frames, 1);
	assert_int_equal(fake_notifies(f->d, FE_TX_PORT), 1);
}

/* Hostility. */

struct flipper {
	struct fix *f;
	bool stop;
};

static void *flip(void *arg)
{
	struct flipper *w = arg;
	struct fix *f = w->f;
	uint32_t rnd = 1;
	uint64_t one = 1;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < 200; i++) {
			rnd = rnd * 1103515245 + 12345;
			/* Requests of both rings, headers of frames. */
			fake_guest_scribble(f->d->ram + (rnd & 1 ? 0 : 4096) + 64 + (rnd >> 16) % 4000,
					    (uint8_t)((rnd >> 8) % (rnd % 4 ? 16 : 256)));
			fake_guest_scribble(f->d->ram + (FE_TX_PAGE + i % 16) * 4096ul + (rnd >> 16) % 100,
					    (uint8_t)(rnd >> 8));
		}
		for (unsigned ring = 0; ring < 2; ring++) {
			DOM_STORE(fake_u32(f->d, ring, XA_RING_REQ_PROD),
				  DOM_LOAD(fake_u32(f->d, ring, XA_RING_RSP_PROD)) + (rnd >> 8) % 200);
			if (write(f->fe.kick[ring], &one, 8) != 8)
				abort();
		}
	}
	return NULL;
}

static void requests_rewritten_during_service_harm_nobody(void **state)
{
	struct fix *f = *state;
	struct flipper w = { .f = f };
	uint64_t end = ev_now() + 500000000;
	static uint8_t frame[NET_FRAME_MAX + 64];
	pthread_t t;

	start(f);
	assert_int_equal(pthread_create(&t, NULL, flip, &w), 0);
	while (ev_now() < end) {
		(void)!write(f->host, frame, 10 + ev_now() % 5000);
		ev_loop_turn(f->l, ev_now() + 1000000);
		while (read(f->host, frame, sizeof(frame)) >= 0)
			;
		f->q->broken = false;
	}
	__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	f->q->broken = true;
}

#define BOTH(name)                                                                                 \
	{ #name " (io_uring)", name, set_up_uring, tear_down, NULL },                              \
	{ #name " (poll)", name, set_up_poll, tear_down, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(frames_arrive_however_they_are_cut),
		BOTH(split_headers_are_understood),
		BOTH(frames_without_a_checksum_to_fill_are_errors),
		BOTH(large_frames_carry_their_segment_size),
		BOTH(wrong_segment_infos_are_errors),
		BOTH(requests_that_make_no_sense_are_errors),
		BOTH(chains_up_to_twenty_are_answered_longer_ones_stop_the_queue),
		BOTH(chains_without_end_stop_the_queue),
		BOTH(failing_grant_undoes_the_others),
		BOTH(impossible_index_stops_only_this_queue),
		BOTH(full_ring_is_one_kick_and_few_interrupts),
		BOTH(frames_of_all_sizes_reach_the_guest),
		BOTH(headroom_is_left_and_told),
		BOTH(pages_that_come_late_lose_no_frame),
		BOTH(bytes_behind_a_frame_stay_as_they_were),
		BOTH(bad_pages_are_errors_of_their_frame_only),
		BOTH(guest_without_pages_holds_no_memory_and_wastes_no_time),
		BOTH(guest_that_stalls_loses_frames_then_the_carrier_until_it_is_back),
		BOTH(interrupts_for_frames_are_as_asked_for),
		BOTH(guest_without_sg_gets_no_large_frame),
		BOTH(tagged_frames_are_given_their_checksum),
		BOTH(tagged_large_frames_are_cut),
		BOTH(tagged_frames_that_cannot_be_cut_arrive_whole),
		BOTH(multicast_is_filtered_when_asked_for),
		cmocka_unit_test(rate_is_kept_in_the_long_run),
		BOTH(limited_queue_waits_and_goes_on),
		BOTH(link_that_goes_away_is_told_once_and_drops),
		BOTH(stream_carries_frames_behind_their_length),
		BOTH(stream_that_is_full_makes_the_guest_wait),
		BOTH(stream_completes_checksums_and_refuses_large_frames),
		BOTH(stream_out_of_step_or_ended_is_a_lost_link),
		BOTH(free_at_any_time_unpins_everything),
		BOTH(bad_rings_and_ports_are_refused),
		BOTH(requests_before_the_connection_are_served),
		BOTH(requests_rewritten_during_service_harm_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
