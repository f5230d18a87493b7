// SPDX-License-Identifier: MIT
/*
 * Network interfaces from their description in the store to frames: store, front end and guest are
 * in the test itself, the host's side is a stream socket. Taps are in test_nettap.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>

#include "fake_netfront.h"
#include "fake_store.h"
#include "until.h"

#define BE "/local/domain/0/backend/vif/7/0"
#define FE "/local/domain/7/device/vif/0"

struct fix {
	struct ev_loop *l;
	struct xsc *fs;
	struct xa_domain *d;
	struct pvb *p;
	struct netfront fe;
	int host;			/* other end of the link that was opened last */
	int opened, refuse;		/* times; open_net() fails so often before it works */
	char name[32];
};

static int open_net(void *arg, const char *ifname, const char *passt, unsigned queue)
{
	struct fix *f = arg;
	int pair[2];

	if (queue)
		return -ENOENT;
	if (f->refuse > 0) {
		f->refuse--;
		return -ENODEV;
	}
	snprintf(f->name, sizeof(f->name), "%s%s%s", ifname, passt ? " passt " : "", passt ? passt : "");
	f->opened++;
	if (f->host >= 0)
		close(f->host);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	f->host = pair[1];
	return pair[0];
}

static int set_up(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fs = fs_new();
	f->d = fake_domain_new(FE_PAGES);
	f->host = -1;
	assert_int_equal(ev_loop_new(NULL, &f->l, NULL), 0);
	fe_init(&f->fe, f->d);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fix *f = *state;

	pvb_free(f->p);
	ev_loop_free(f->l);
	assert_int_equal(fake_grants_in_use(f->d), 0);
	if (f->host >= 0)
		close(f->host);
	fake_domain_free(f->d);
	fs_free(f->fs);
	free(f);
	return 0;
}

static int start(struct fix *f, struct dom_err *err)
{
	struct pvb_config cfg = { .loop = f->l, .domain = f->d, .domid = 7, .xs = f->fs,
				  .open_net = open_net, .arg = f };

	return pvb_new(&cfg, &f->p, err);
}

static void settle(struct fix *f)
{
	for (int i = 0; i < 8; i++)
		ev_loop_turn(f->l, ev_now() + 1000000);
}

static void set(struct fix *f, const char *key, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), FE "/%s", key);
	fs_set(f->fs, path, value);
}

static void describe(struct fix *f)
{
	fs_set(f->fs, BE "/frontend", FE);
	fs_set(f->fs, BE "/mac", "00:16:3e:01:02:03");
	fs_set(f->fs, BE "/handle", "0");
	fs_set(f->fs, BE "/online", "1");
	fs_set(f->fs, BE "/hotplug-status", "connected");
	fs_set(f->fs, BE "/state", "1");
	fs_set(f->fs, FE "/state", "1");
}

/* As Linux describes one queue with split channels. */
static void describe_rings(struct fix *f)
{
	set(f, "multi-queue-num-queues", "1");
	set(f, "tx-ring-ref", "0");
	set(f, "rx-ring-ref", "1");
	set(f, "event-channel-tx", "3");
	set(f, "event-channel-rx", "4");
	set(f, "request-rx-copy", "1");
	set(f, "feature-rx-notify", "1");
	set(f, "feature-sg", "1");
	set(f, "feature-gso-tcpv4", "1");
	set(f, "feature-gso-tcpv6", "1");
	set(f, "feature-ipv6-csum-offload", "1");
}

static void expect(struct fix *f, const char *key, const char *value)
{
	char path[256];
	const char *v;

	snprintf(path, sizeof(path), BE "/%s", key);
	v = fs_get(f->fs, path);
	assert_non_null(v);
	assert_string_equal(v, value);
}

static void connect_guest(struct fix *f)
{
	fe_init(&f->fe, f->d);
	describe_rings(f);
	set(f, "state", "3");
	settle(f);
	expect(f, "state", "4");
	f->fe.kick[0] = f->d->backend_fd[FE_TX_PORT];
	f->fe.kick[1] = f->d->backend_fd[FE_RX_PORT];
}

/* A frame there and one back. */
static void frames_pass(struct fix *f, uint8_t mark)
{
	static struct fe_frame in;
	uint8_t frame[100], wire[104] = { 0, 0, 0, 100 };
	struct fe_cut c = fe_cut_pages(sizeof(frame));
	struct netif_tx_response rsp;
	uint64_t end = ev_now() + 5000000000u;

	memset(frame, mark, sizeof(frame));
	frame[0] = 2;
	fe_tx_frame(&f->fe, frame, sizeof(frame), &c, 0, NULL);
	fe_push(&f->fe, 0);
	while (!fe_tx_response(&f->fe, &rsp)) {
		assert_true(ev_now() < end);
		ev_loop_turn(f->l, ev_now() + 1000000);
	}
	assert_int_equal(rsp.status, NETIF_RSP_OKAY);
	assert_int_equal(recv(f->host, wire, sizeof(wire), 0), sizeof(wire));
	assert_memory_equal(wire + 4, frame, sizeof(frame));
	fe_rx_give(&f->fe, 4);
	assert_int_equal(send(f->host, wire, sizeof(wire), 0), sizeof(wire));
	while (!fe_rx_frame(&f->fe, &in)) {
		assert_true(ev_now() < end);
		ev_loop_turn(f->l, ev_now() + 1000000);
	}
	assert_memory_equal(in.data, frame, sizeof(frame));
}

static void interface_works_and_comes_back(void **state)
{
	struct fix *f = *state;

	describe(f);
	assert_int_equal(start(f, NULL), 0);
	assert_string_equal(f->name, "vif7.0");
	settle(f);
	expect(f, "state", "2");
	expect(f, "feature-sg", "1");
	expect(f, "feature-rx-copy", "1");
	expect(f, "feature-rx-flip", "0");
	expect(f, "feature-split-event-channels", "1");
	expect(f, "feature-multicast-control", "1");
	expect(f, "feature-dynamic-multicast-control", "1");
	expect(f, "feature-xdp-headroom", "1");
	expect(f, "feature-ctrl-ring", "1");
	expect(f, "multi-queue-max-queues", "1");
	/* A stream takes no large frames, nor ones without checksum. */
	expect(f, "feature-gso-tcpv4", "0");
	expect(f, "feature-no-csum-offload", "1");
	for (uint8_t i = 0; i < 3; i++) {
		connect_guest(f);
		expect(f, "carrier", "1");
		frames_pass(f, i);
		/* The guest reboots: with and without leaving. */
		set(f, "state", i & 1 ? "6" : "1");
		settle(f);
		expect(f, "state", i & 1 ? "6" : "2");
		assert_int_equal(fake_grants_in_use(f->d), 0);
		assert_false(f->d->bound[FE_TX_PORT]);
	}
	assert_int_equal(f->opened, 1);
}

static void name_and_rate_are_read(void **state)
{
	struct fix *f = *state;

	describe(f);
	fs_set(f->fs, BE "/vifname", "web0");
	fs_set(f->fs, BE "/rate", "10000000,50000");
	fs_set(f->fs, BE "/passt", "2222:22");
	assert_int_equal(start(f, NULL), 0);
	assert_string_equal(f->name, "web0 passt 2222:22");
	connect_guest(f);
	frames_pass(f, 1);
}

static void host_side_that_comes_late_is_waited_for(void **state)
{
	struct fix *f = *state;

	describe(f);
	fs_set(f->fs, BE "/hotplug-status", "");
	assert_int_equal(start(f, NULL), 0);
	assert_int_equal(f->opened, 0);
	describe_rings(f);
	set(f, "state", "3");
	settle(f);
	expect(f, "state", "2");
	expect(f, "multi-queue-max-queues", "8");
	fs_set(f->fs, BE "/hotplug-status", "connected");
	settle(f);
	expect(f, "state", "4");
	assert_int_equal(f->opened, 1);
}

static void missing_host_side_is_named(void **state)
{
	struct fix *f = *state;
	struct dom_err err = { 0 };

	describe(f);
	f->refuse = 1;
	assert_int_equal(start(f, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "vif7.0"));
	expect(f, "state", "6");
}

static void bad_parameters_close_the_device(void **state)
{
	struct fix *f = *state;
	static const struct {
		const char *key, *value;
	} bad[] = {
		{ "multi-queue-num-queues", "2" }, { "multi-queue-num-queues", "0" },
		{ "multi-queue-num-queues", "4294967297" }, { "multi-queue-num-queues", "x" },
		{ "tx-ring-ref", "4095" }, { "tx-ring-ref", "" }, { "rx-ring-ref", "-1" },
		{ "event-channel-rx", "200" }, { "event-channel-rx", "3" },
		{ "request-rx-copy", "0" }, { "feature-rx-notify", "0" },
		{ "ctrl-ring-ref", "4095" }, { "ctrl-ring-ref", "x" },
	};

	describe(f);
	assert_int_equal(start(f, NULL), 0);
	for (unsigned i = 0; i < DOM_ARRAY_LEN(bad); i++) {
		fe_init(&f->fe, f->d);
		f->d->grants[4095].valid = false;
		describe_rings(f);
		set(f, "event-channel-ctrl", "5");
		set(f, bad[i].key, bad[i].value);
		set(f, "state", "3");
		settle(f);
		expect(f, "state", "5");
		assert_int_equal(fake_grants_in_use(f->d), 0);
		set(f, "state", "6");
		settle(f);
		fs_rm(f->fs, FE "/ctrl-ring-ref");
		set(f, "state", "1");
		settle(f);
		expect(f, "state", "2");
	}
	connect_guest(f);
	frames_pass(f, 9);
}

static void control_ring_is_connected(void **state)
{
	struct fix *f = *state;

	describe(f);
	assert_int_equal(start(f, NULL), 0);
	set(f, "ctrl-ring-ref", "2");
	set(f, "event-channel-ctrl", "5");
	connect_guest(f);
	assert_true(f->d->bound[FE_CTRL_PORT]);
	frames_pass(f, 9);
	set(f, "state", "6");
	settle(f);
	expect(f, "state", "6");
	assert_false(f->d->bound[FE_CTRL_PORT]);
}

static void guest_may_reconfigure_headroom(void **state)
{
	struct fix *f = *state;

	describe(f);
	assert_int_equal(start(f, NULL), 0);
	connect_guest(f);
	frames_pass(f, 1);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t frame[100], wire[104] = { 0, 0, 0, 100, 2 };
		static struct fe_frame in;
		uint32_t slot;

		/* As Linux' driver does it when an XDP program is loaded: state first, then the value. */
		set(f, "state", "7");
		settle(f);
		set(f, "xdp-headroom", i ? "0" : "256");
		settle(f);
		expect(f, "state", "8");
		set(f, "state", "4");
		settle(f);
		expect(f, "state", "4");
		slot = f->fe.rx_cons;
		assert_int_equal(send(f->host, wire, sizeof(wire), 0), sizeof(wire));
		for (unsigned k = 0; k < 1000 && !fe_rx_frame(&f->fe, &in); k++)
			ev_loop_turn(f->l, ev_now() + 1000000);
		assert_int_equal(in.len, sizeof(frame));
		assert_int_equal(in.extra[XEN_NETIF_EXTRA_TYPE_XDP].type, i ? 0 : XEN_NETIF_EXTRA_TYPE_XDP);
		assert_int_equal(fe_rx_data(&f->fe, slot)[i ? 0 : 256], 2);
	}
}

static void lost_link_is_told_and_found_again(void **state)
{
	struct fix *f = *state;

	describe(f);
	assert_int_equal(start(f, NULL), 0);
	connect_guest(f);
	frames_pass(f, 1);
	f->refuse = 1;
	shutdown(f->host, SHUT_RDWR);
	settle(f);
	expect(f, "carrier", "0");
	expect(f, "state", "4");
	UNTIL(f->l, f->opened == 2);
	settle(f);
	expect(f, "carrier", "1");
	frames_pass(f, 2);
	/* Gone while the link is: nobody looks for it any more. */
	shutdown(f->host, SHUT_RDWR);
	settle(f);
	fs_rm(f->fs, BE);
	settle(f);
	assert_int_equal(fake_grants_in_use(f->d), 0);
}

static void guest_may_come_back_while_the_link_is_lost(void **state)
{
	struct fix *f = *state;

	describe(f);
	assert_int_equal(start(f, NULL), 0);
	connect_guest(f);
	frames_pass(f, 1);
	/* Looked for once in vain, so that nothing is open when the guest reboots, nor when it comes back. */
	f->refuse = 3;
	shutdown(f->host, SHUT_RDWR);
	UNTIL(f->l, f->refuse == 2);
	set(f, "state", "1");
	settle(f);
	expect(f, "state", "2");
	assert_int_equal(fake_grants_in_use(f->d), 0);
	connect_guest(f);
	expect(f, "carrier", "0");
	assert_int_equal(f->refuse, 1);
	UNTIL(f->l, f->opened == 2);
	settle(f);
	expect(f, "carrier", "1");
	frames_pass(f, 3);
}

/* Every state of the guest after every other, with whatever comes. */
static void no_order_of_states_harms(void **state)
{
	struct fix *f = *state;
	uint32_t rnd = 5;

	describe(f);
	assert_int_equal(start(f, NULL), 0);
	describe_rings(f);
	for (unsigned i = 0; i < 3000; i++) {
		char v[2] = { 0 };

		rnd = rnd * 1103515245 + 12345;
		v[0] = (char)('0' + (rnd >> 16) % 10);
		if (v[0] == '3' && fake_grants_in_use(f->d) == 0)
			fe_init(&f->fe, f->d);
		set(f, "state", v);
		if ((rnd >> 8) % 50 == 0) {
			fs_rm(f->fs, BE);
			ev_loop_turn(f->l, ev_now() + 1000000);
			describe(f);
		}
		ev_loop_turn(f->l, ev_now() + 200000);
	}
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(interface_works_and_comes_back),
		ONE(name_and_rate_are_read),
		ONE(host_side_that_comes_late_is_waited_for),
		ONE(missing_host_side_is_named),
		ONE(bad_parameters_close_the_device),
		ONE(control_ring_is_connected),
		ONE(guest_may_reconfigure_headroom),
		ONE(lost_link_is_told_and_found_again),
		ONE(guest_may_come_back_while_the_link_is_lost),
		ONE(no_order_of_states_harms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
