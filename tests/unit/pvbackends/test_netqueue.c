// SPDX-License-Identifier: MIT
/* Life of a queue, with links that go and guests that misbehave: net_queue.c. */
#include <fcntl.h>

#include "net_fix.h"

#include "fake_ring.h"	/* after cmocka.h */

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

/* As between the loss of a tap and the next one. */
static void link_that_is_looked_for_takes_frames_of_all_kinds(void **state)
{
	struct fix *f = *state;
	struct netif_extra_info gso = { .type = XEN_NETIF_EXTRA_TYPE_GSO,
					.u.gso = { .size = 1448, .type = XEN_NETIF_GSO_TYPE_TCPV4 } };
	static uint8_t frame[9000];
	struct fe_cut c = fe_cut_pages(sizeof(frame));
	uint64_t end_of_stall;

	f->vif.drain_ns = f->vif.stall_ns = 5000000;
	start(f);
	turns(f, 2);
	f->vif.link_lost = true;
	f->vif.link.ops = NULL;
	headers(frame, sizeof(frame), 4, 0, 6);
	fe_tx_frame(&f->fe, frame, sizeof(frame), &c, NETTXF_csum_blank, &gso);
	tx_chain(f, c.n + 1, true, NETIF_RSP_DROPPED);
	fe_tx_raw(&f->fe, FE_TX_PAGE, 0, 100, 0);
	assert_int_equal(tx_status(f), NETIF_RSP_DROPPED);
	/* No pages for so long that the carrier would go off; then some. */
	f->q->rx.held = 60;
	end_of_stall = ev_now() + 30000000;
	while (ev_now() < end_of_stall)
		ev_loop_turn(f->l, ev_now() + 5000000);
	fe_rx_give(&f->fe, 20);
	turns(f, 3);
	assert_false(f->q->rx.stalled);
	assert_int_equal(f->losses, 0);
}

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
		end(f);
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

static void flip(void *arg, uint32_t *rnd)
{
	struct fix *f = arg;
	uint64_t one = 1;

	for (int i = 0; i < 200; i++) {
		uint32_t r = fake_rnd(rnd);

		/* Requests of both rings, headers of frames. */
		fake_guest_scribble(f->d->ram + (r & 1 ? 0 : 4096) + 64 + (r >> 16) % 4000,
				    (uint8_t)((r >> 8) % (r % 4 ? 16 : 256)));
		fake_guest_scribble(f->d->ram + (FE_TX_PAGE + i % 16) * 4096ul + (r >> 16) % 100,
				    (uint8_t)(r >> 8));
	}
	for (unsigned ring = 0; ring < 2; ring++) {
		DOM_STORE(fake_u32(f->d, ring, XA_RING_REQ_PROD),
			  DOM_LOAD(fake_u32(f->d, ring, XA_RING_RSP_PROD)) + (*rnd >> 8) % 200);
		if (write(f->fe.kick[ring], &one, 8) != 8)
			abort();
	}
}

static void requests_rewritten_during_service_harm_nobody(void **state)
{
	struct fix *f = *state;
	struct fake_racer w = { .step = flip, .arg = f };
	uint64_t end = ev_now() + 500000000;
	static uint8_t frame[NET_FRAME_MAX + 64];

	start(f);
	fake_race_start(&w);
	while (ev_now() < end) {
		(void)!write(f->host, frame, 10 + ev_now() % 5000);
		ev_loop_turn(f->l, ev_now() + 1000000);
		while (read(f->host, frame, sizeof(frame)) >= 0)
			;
		f->q->broken = false;
	}
	fake_race_stop(&w);
	f->q->broken = true;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(link_that_goes_away_is_told_once_and_drops),
		BOTH(link_that_is_looked_for_takes_frames_of_all_kinds),
		BOTH(free_at_any_time_unpins_everything),
		BOTH(bad_rings_and_ports_are_refused),
		BOTH(requests_before_the_connection_are_served),
		BOTH(requests_rewritten_during_service_harm_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
