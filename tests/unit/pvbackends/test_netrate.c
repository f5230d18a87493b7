// SPDX-License-Identifier: MIT
/* The rate limit: net_rate.c, and what a queue makes of it. */
#include "net_fix.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_is_kept_in_the_long_run),
		BOTH(limited_queue_waits_and_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
