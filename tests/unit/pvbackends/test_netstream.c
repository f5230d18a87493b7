// SPDX-License-Identifier: MIT
/* Links that are stream sockets: link_stream.c. */
#include "net_fix.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(stream_carries_frames_behind_their_length),
		BOTH(stream_that_is_full_makes_the_guest_wait),
		BOTH(stream_completes_checksums_and_refuses_large_frames),
		BOTH(stream_out_of_step_or_ended_is_a_lost_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
