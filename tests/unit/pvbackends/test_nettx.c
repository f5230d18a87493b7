// SPDX-License-Identifier: MIT
/* Frames from the guest: net_tx.c. */
#include "net_fix.h"

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
		/* Thousands of segments of a frame; and what the host's kernel takes for something else. */
		{ XEN_NETIF_GSO_TYPE_TCPV4, 6, 1, 4 }, { XEN_NETIF_GSO_TYPE_TCPV6, 6, 7, 6 },
		{ XEN_NETIF_GSO_TYPE_TCPV4, 6, 0xffff, 4 }, { XEN_NETIF_GSO_TYPE_TCPV6, 6, 0xffff, 6 },
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
		end(f);
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
		end(f);
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
		end(f);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
