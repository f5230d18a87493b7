// SPDX-License-Identifier: MIT
/*
 * The xenstore ring bridge between a front end and a store daemon, both in the test itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "both_engines.h"
#include "domicile/pvb.h"
#include "fake_ring.h"
#include "xenabi/io_xs.h"

#define RING 2u
#define PORT 1u

struct fix {
	struct fake_ring r;
	struct pvb_xsring *x;
	struct pvb_xsring_config cfg;
	int daemon;		/* the daemon's end of the newest connection; -1 */
	int introduced;		/* times */
	bool down;		/* the daemon does not answer */
};

static int introduce(void *arg, int *ret_fd)
{
	struct fix *f = arg;
	int fd[2];

	f->introduced++;
	if (f->down)
		return -ECONNREFUSED;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd), 0);
	if (f->daemon >= 0)
		close(f->daemon);
	f->daemon = fd[0];
	*ret_fd = fd[1];
	return 0;
}

static int set_up(void **state, enum ev_engine_choice engine)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	fake_ring_init(&f->r, engine, 4, PORT);
	f->daemon = -1;
	f->cfg = (struct pvb_xsring_config){
		.loop = f->r.l, .domain = f->r.d, .domid = 7,
		.ring = { .gfn = { RING }, .port = PORT, .eventfd = f->r.kick },
		.introduce = introduce, .arg = f,
	};
	return 0;
}

static int tear_down(void **state)
{
	struct fix *f = *state;

	pvb_xsring_free(f->x);
	if (f->daemon >= 0)
		close(f->daemon);
	fake_ring_fini(&f->r);
	free(f);
	return 0;
}

static void start(struct fix *f)
{
	struct dom_err err = { 0 };

	if (pvb_xsring_new(&f->cfg, &f->x, &err))
		fail_msg("%s", err.msg);
}

static void settle(struct fix *f)
{
	for (int idle = 0; idle < 2;) {
		int n = ev_loop_turn(f->r.l, ev_now() + 1000000);

		assert_true(n >= 0);
		idle = n ? 0 : idle + 1;
	}
}

/* Turn until @ms have passed. */
static void turn_for(struct fix *f, unsigned ms)
{
	uint64_t end = ev_now() + ms * 1000000ull;

	while (ev_now() < end)
		assert_true(ev_loop_turn(f->r.l, end) >= 0);
}

static uint32_t get(struct fix *f, unsigned offset)
{
	return DOM_LOAD_ACQUIRE(fake_u32(f->r.d, RING, offset));
}

static void set(struct fix *f, unsigned offset, uint32_t v)
{
	DOM_STORE_RELEASE(fake_u32(f->r.d, RING, offset), v);
}

/* The front end: as many bytes as fit. */
static uint32_t fe_put(struct fix *f, const void *data, uint32_t len)
{
	uint32_t prod = get(f, XENSTORE_RING_REQ_PROD);
	uint32_t n = DOM_MIN(len, XENSTORE_RING_SIZE - (prod - get(f, XENSTORE_RING_REQ_CONS)));

	for (uint32_t i = 0; i < n; i++)
		f->r.d->ram[RING * 4096 + XENSTORE_RING_REQ + MASK_XENSTORE_IDX(prod + i)] =
			((const uint8_t *)data)[i];
	set(f, XENSTORE_RING_REQ_PROD, prod + n);
	fake_ring_kick(&f->r);
	return n;
}

static uint32_t fe_get(struct fix *f, void *data, uint32_t len)
{
	uint32_t cons = get(f, XENSTORE_RING_RSP_CONS);
	uint32_t n = DOM_MIN(len, get(f, XENSTORE_RING_RSP_PROD) - cons);

	for (uint32_t i = 0; i < n; i++)
		((uint8_t *)data)[i] =
			f->r.d->ram[RING * 4096 + XENSTORE_RING_RSP + MASK_XENSTORE_IDX(cons + i)];
	set(f, XENSTORE_RING_RSP_CONS, cons + n);
	fake_ring_kick(&f->r);
	return n;
}

/* A message with @len bytes of payload; @buf has room for it. Returns its length. */
static uint32_t message(uint8_t *buf, uint32_t type, uint32_t id, uint32_t len)
{
	struct xsd_sockmsg hdr = { .type = type, .req_id = id, .len = len };

	memcpy(buf, &hdr, sizeof(hdr));
	for (uint32_t i = 0; i < len; i++)
		buf[sizeof(hdr) + i] = (uint8_t)(id + i * 7);
	return (uint32_t)sizeof(hdr) + len;
}

static void request_and_reply_pass_through(void **state)
{
	struct fix *f = *state;
	uint8_t msg[64], got[64];
	uint32_t n;

	start(f);
	assert_int_equal(get(f, XENSTORE_RING_SERVER_FEATURES), 15);
	n = message(msg, XS_READ, 1, 10);
	assert_int_equal(fe_put(f, msg, n), n);
	settle(f);
	assert_int_equal(read(f->daemon, got, sizeof(got)), n);
	assert_memory_equal(got, msg, n);
	assert_int_equal(fake_notifies(f->r.d, PORT), 0);
	n = message(msg, XS_READ, 1, 33);
	assert_int_equal(write(f->daemon, msg, n), n);
	settle(f);
	assert_int_equal(fake_notifies(f->r.d, PORT), 1);
	assert_int_equal(fe_get(f, got, sizeof(got)), n);
	assert_memory_equal(got, msg, n);
}

static void messages_longer_than_the_ring_pass_in_both_directions(void **state)
{
	struct fix *f = *state;
	static uint8_t msg[8192], got[8192];
	uint32_t n = message(msg, XS_WRITE, 5, XENSTORE_PAYLOAD_MAX), put = 0, len = 0;
	ssize_t r;

	start(f);
	for (int i = 0; i < 50 && put < n; i++) {
		put += fe_put(f, msg + put, n - put);
		settle(f);
	}
	assert_int_equal(put, n);
	while ((r = read(f->daemon, got + len, sizeof(got) - len)) > 0)
		len += (uint32_t)r;
	assert_int_equal(len, n);
	assert_memory_equal(got, msg, n);
	assert_int_equal(write(f->daemon, msg, n), n);
	len = 0;
	for (int i = 0; i < 50 && len < n; i++) {
		settle(f);
		len += fe_get(f, got + len, (uint32_t)sizeof(got) - len);
	}
	assert_int_equal(len, n);
	assert_memory_equal(got, msg, n);
}

static void guest_that_takes_no_replies_is_held_up_without_growth(void **state)
{
	struct fix *f = *state;
	static uint8_t msg[1024], got[1024];
	uint32_t n = message(msg, XS_WATCH_EVENT, 0, 500), sent = 0, taken = 0;

	start(f);
	for (int i = 0; i < 2000; i++) {
		ssize_t r = write(f->daemon, msg, n);

		if (r < 0)
			break;
		assert_int_equal(r, n);
		sent += n;
		settle(f);
	}
	assert_true(sent < 1000000);	/* the socket filled up: the daemon notices */
	while (taken < sent) {
		uint32_t len = fe_get(f, got, sizeof(got));

		assert_true(len > 0);
		taken += len;
		settle(f);
	}
	assert_int_equal(taken, sent);
}

static void bad_request_index_sets_the_error_and_ends_the_service(void **state)
{
	struct fix *f = *state;
	uint8_t msg[64];
	struct pvb_xsring_stats st;

	start(f);
	set(f, XENSTORE_RING_REQ_PROD, XENSTORE_RING_SIZE + 1);
	fake_ring_kick(&f->r);
	settle(f);
	assert_int_equal(get(f, XENSTORE_RING_ERROR), XENSTORE_ERROR_RINGIDX);
	assert_int_equal(f->introduced, 2);	/* watches and transactions are gone */
	set(f, XENSTORE_RING_REQ_PROD, message(msg, XS_READ, 1, 4));
	fake_ring_kick(&f->r);
	settle(f);
	assert_int_equal(read(f->daemon, msg, sizeof(msg)), -1);
	pvb_xsring_stats(f->x, &st);
	assert_int_equal(st.errors, 1);
}

static void bad_reply_index_sets_the_error(void **state)
{
	struct fix *f = *state;

	start(f);
	set(f, XENSTORE_RING_RSP_CONS, 1);
	fake_ring_kick(&f->r);
	settle(f);
	assert_int_equal(get(f, XENSTORE_RING_ERROR), XENSTORE_ERROR_RINGIDX);
}

static void long_payload_is_a_protocol_error_and_reconnect_recovers(void **state)
{
	struct fix *f = *state;
	struct xsd_sockmsg hdr = { .type = XS_WRITE, .len = XENSTORE_PAYLOAD_MAX + 1 };
	uint8_t msg[64], got[64];
	uint32_t n;

	start(f);
	fe_put(f, &hdr, sizeof(hdr));
	settle(f);
	assert_int_equal(get(f, XENSTORE_RING_ERROR), XENSTORE_ERROR_PROTO);
	set(f, XENSTORE_RING_CONNECTION, XENSTORE_RECONNECT);
	fake_ring_kick(&f->r);
	turn_for(f, 250);
	assert_int_equal(get(f, XENSTORE_RING_CONNECTION), XENSTORE_CONNECTED);
	assert_int_equal(get(f, XENSTORE_RING_ERROR), XENSTORE_ERROR_NONE);
	assert_int_equal(get(f, XENSTORE_RING_REQ_PROD), 0);
	assert_int_equal(get(f, XENSTORE_RING_REQ_CONS), 0);
	n = message(msg, XS_READ, 1, 4);
	fe_put(f, msg, n);
	settle(f);
	assert_int_equal(read(f->daemon, got, sizeof(got)), n);
}

static void reconnect_forgets_what_was_on_its_way(void **state)
{
	struct fix *f = *state;
	uint8_t msg[64], got[64];
	uint32_t n = message(msg, XS_WATCH_EVENT, 1, 20);

	start(f);
	/* A reply that the guest has not taken, half a request. */
	assert_int_equal(write(f->daemon, msg, n), n);
	fe_put(f, msg, 10);
	settle(f);
	set(f, XENSTORE_RING_CONNECTION, XENSTORE_RECONNECT);
	fake_ring_kick(&f->r);
	settle(f);
	assert_int_equal(get(f, XENSTORE_RING_CONNECTION), XENSTORE_CONNECTED);
	assert_int_equal(get(f, XENSTORE_RING_RSP_PROD), 0);
	assert_int_equal(f->introduced, 2);
	n = message(msg, XS_READ, 9, 5);
	fe_put(f, msg, n);
	settle(f);
	assert_int_equal(read(f->daemon, got, sizeof(got)), n);
	assert_memory_equal(got, msg, n);
}

static void reconnects_are_limited_in_rate(void **state)
{
	struct fix *f = *state;
	uint64_t end = ev_now() + 350000000;

	start(f);
	while (ev_now() < end) {
		set(f, XENSTORE_RING_CONNECTION, XENSTORE_RECONNECT);
		fake_ring_kick(&f->r);
		ev_loop_turn(f->r.l, ev_now() + 1000000);
	}
	assert_in_range(f->introduced, 3, 6);
}

static void daemon_restart_answers_each_request_once(void **state)
{
	struct fix *f = *state;
	uint8_t a[64], b[64], got[256];
	uint32_t na = message(a, XS_READ, 1, 4), nb = message(b, XS_READ, 2, 6);
	struct pvb_xsring_stats st;

	start(f);
	fe_put(f, a, na);
	fe_put(f, b, nb);
	settle(f);
	assert_int_equal(read(f->daemon, got, sizeof(got)), na + nb);
	/* One is answered, then the daemon dies and stays away for a while. */
	assert_int_equal(write(f->daemon, a, na), na);
	settle(f);
	f->down = true;
	close(f->daemon);
	f->daemon = -1;
	turn_for(f, 60);
	assert_true(f->introduced >= 2);
	assert_int_equal(fe_get(f, got, sizeof(got)), na);
	/* A request meanwhile. */
	fe_put(f, a, na);
	settle(f);
	f->down = false;
	turn_for(f, 400);
	assert_int_equal(read(f->daemon, got, sizeof(got)), nb + na);
	assert_memory_equal(got, b, nb);
	assert_int_equal(write(f->daemon, b, nb), nb);
	assert_int_equal(write(f->daemon, a, na), na);
	settle(f);
	assert_int_equal(fe_get(f, got, sizeof(got)), nb + na);
	assert_memory_equal(got, b, nb);
	assert_int_equal(get(f, XENSTORE_RING_ERROR), XENSTORE_ERROR_NONE);
	pvb_xsring_stats(f->x, &st);
	assert_int_equal(st.daemon_restarts, 1);
}

static void reconnect_waits_for_an_absent_daemon(void **state)
{
	struct fix *f = *state;

	start(f);
	f->down = true;
	set(f, XENSTORE_RING_CONNECTION, XENSTORE_RECONNECT);
	fake_ring_kick(&f->r);
	turn_for(f, 50);
	assert_int_equal(get(f, XENSTORE_RING_CONNECTION), XENSTORE_RECONNECT);
	f->down = false;
	turn_for(f, 300);
	assert_int_equal(get(f, XENSTORE_RING_CONNECTION), XENSTORE_CONNECTED);
}

static void missing_daemon_is_an_error_at_start(void **state)
{
	struct fix *f = *state;
	struct dom_err err = { 0 };

	f->down = true;
	assert_int_equal(pvb_xsring_new(&f->cfg, &f->x, &err), -ECONNREFUSED);
	assert_non_null(strstr(err.msg, "xenstored"));
	f->cfg.ring.gfn.v = 99;
	assert_int_equal(pvb_xsring_new(&f->cfg, &f->x, &err), -EINVAL);
	assert_null(f->x);
}

static void features_can_be_withheld(void **state)
{
	struct fix *f = *state;

	f->cfg.features_off = XENSTORE_SERVER_FEATURE_RECONNECTION;
	start(f);
	assert_int_equal(get(f, XENSTORE_RING_SERVER_FEATURES), 14);
}

static void reset_gives_a_cleared_ring_a_fresh_connection(void **state)
{
	struct fix *f = *state;
	uint8_t msg[64], got[64];
	uint32_t n = message(msg, XS_READ, 1, 4);

	start(f);
	fe_put(f, msg, n);
	settle(f);
	memset(f->r.d->ram + RING * 4096, 0, 4096);
	assert_int_equal(pvb_xsring_reset(f->x, &f->cfg.ring), 0);
	assert_int_equal(f->introduced, 2);
	assert_int_equal(get(f, XENSTORE_RING_SERVER_FEATURES), 15);
	fe_put(f, msg, n);
	settle(f);
	assert_int_equal(read(f->daemon, got, sizeof(got)), n);
}

static void flip(void *arg, uint32_t *seed)
{
	struct fix *f = arg;
	uint8_t *page = f->r.d->ram + RING * 4096;
	uint32_t rnd = 0;

	for (int i = 0; i < 64; i++) {
		rnd = fake_rnd(seed);
		fake_guest_scribble(page + (rnd >> 16) % 2048,
				    (uint8_t)(rnd >> 8) & (uint8_t)-(rnd % 3 == 0));
	}
	set(f, XENSTORE_RING_REQ_PROD, get(f, XENSTORE_RING_REQ_CONS) + (rnd >> 8) % 1024);
	set(f, XENSTORE_RING_RSP_CONS, get(f, XENSTORE_RING_RSP_PROD));
	if (rnd % 64 == 0)
		set(f, XENSTORE_RING_CONNECTION, XENSTORE_RECONNECT);
	fake_ring_kick(&f->r);
}

static void page_rewritten_during_service_harms_nobody(void **state)
{
	struct fix *f = *state;
	struct fake_racer w = { .step = flip, .arg = f };
	uint64_t end = ev_now() + 300000000;

	start(f);
	fake_race_start(&w);
	while (ev_now() < end) {
		uint8_t buf[4096], msg[64];
		uint32_t n = message(msg, XS_WATCH_EVENT, 0, 40);

		ev_loop_turn(f->r.l, ev_now() + 1000000);
		while (read(f->daemon, buf, sizeof(buf)) > 0)
			;
		(void)!write(f->daemon, msg, n);
	}
	fake_race_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(request_and_reply_pass_through),
		BOTH(messages_longer_than_the_ring_pass_in_both_directions),
		BOTH(guest_that_takes_no_replies_is_held_up_without_growth),
		BOTH(bad_request_index_sets_the_error_and_ends_the_service),
		BOTH(bad_reply_index_sets_the_error),
		BOTH(long_payload_is_a_protocol_error_and_reconnect_recovers),
		BOTH(reconnect_forgets_what_was_on_its_way),
		BOTH(reconnects_are_limited_in_rate),
		BOTH(daemon_restart_answers_each_request_once),
		BOTH(reconnect_waits_for_an_absent_daemon),
		BOTH(missing_daemon_is_an_error_at_start),
		BOTH(features_can_be_withheld),
		BOTH(reset_gives_a_cleared_ring_a_fresh_connection),
		BOTH(page_rewritten_during_service_harms_nobody),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
