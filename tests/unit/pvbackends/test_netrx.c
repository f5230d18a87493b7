// SPDX-License-Identifier: MIT
/* Frames to the guest: net_rx.c, and the multicast filter of both halves. */
#include "net_fix.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
