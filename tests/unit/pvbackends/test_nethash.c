// SPDX-License-Identifier: MIT
/*
 * Hashing of frames, the control ring that sets it, and queues that frames are steered to.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include "fake_netfront.h"

/* The key and the results that the receive-side scaling specification publishes for Toeplitz. */
static const uint8_t rss_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct {
	int family;
	const char *src, *dst;
	uint16_t sport, dport;
	uint32_t addrs, ports;		/* results */
} rss[] = {
	{ AF_INET, "66.9.149.187", "161.142.100.80", 2794, 1766, 0x323e8fc2, 0x51ccc178 },
	{ AF_INET, "199.92.111.2", "65.69.140.83", 14230, 4739, 0xd718262a, 0xc626b0ea },
	{ AF_INET, "24.19.198.95", "12.22.207.184", 12898, 38024, 0xd2d0a5de, 0x5c2b394a },
	{ AF_INET6, "3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x2cc18cd5, 0x40207d3d },
	{ AF_INET6, "3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0x0f0c461c, 0xdde51bbf },
};

/* A TCP frame of @n bytes from row @i. */
static size_t frame_of(unsigned i, uint8_t *f, uint8_t proto)
{
	bool v4 = rss[i].family == AF_INET;
	unsigned l4 = v4 ? 34 : 54;
	uint16_t port = htons(rss[i].sport);

	memset(f, 0, 100);
	f[12] = v4 ? 0x08 : 0x86;
	f[13] = v4 ? 0x00 : 0xdd;
	f[14] = v4 ? 0x45 : 0x60;
	f[v4 ? 23 : 20] = proto;
	inet_pton(rss[i].family, rss[i].src, f + (v4 ? 26 : 22));
	inet_pton(rss[i].family, rss[i].dst, f + (v4 ? 30 : 38));
	memcpy(f + l4, &port, 2);
	port = htons(rss[i].dport);
	memcpy(f + l4 + 2, &port, 2);
	f[l4 + 12] = 0x50;
	return 100;
}

static void published_results_are_reached(void **state DOM_UNUSED)
{
	struct net_hash hash = { .algorithm = XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ };
	uint8_t f[100], type;
	uint32_t v;

	memcpy(hash.key, rss_key, sizeof(rss_key));
	for (unsigned i = 0; i < DOM_ARRAY_LEN(rss); i++) {
		unsigned base = rss[i].family == AF_INET ? 0 : 2;

		hash.flags = 15;
		frame_of(i, f, 6);
		assert_true(net_hash_frame(&hash, f, sizeof(f), &v, &type));
		assert_int_equal(v, rss[i].ports);
		assert_int_equal(type, base + 1);
		frame_of(i, f, 17);
		assert_true(net_hash_frame(&hash, f, sizeof(f), &v, &type));
		assert_int_equal(v, rss[i].addrs);
		assert_int_equal(type, base);
		hash.flags = base ? XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP : XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP;
		assert_false(net_hash_frame(&hash, f, sizeof(f), &v, &type));
		/* A fragment has no ports that could be trusted. */
		frame_of(i, f, 6);
		if (base == 0) {
			f[20] = 0x20;
			assert_false(net_hash_frame(&hash, f, sizeof(f), &v, &type));
		}
		hash.flags = 0;
		assert_false(net_hash_frame(&hash, f, sizeof(f), &v, &type));
	}
	memset(f, 0, sizeof(f));
	hash.flags = 15;
	for (size_t n = 0; n <= sizeof(f); n++)
		assert_false(net_hash_frame(&hash, f, n, &v, &type));
}

/* Two queues of a device, and its control ring. */

struct fix {
	struct ev_loop *l;
	struct xa_domain *d;
	struct net_vif vif;
	struct net_link_ops ops;
	struct netfront fe[2];
	struct net_ctrl *ctrl;
	uint32_t prod, cons;		/* of the control ring */
	int host[2];
	int complaints;
	struct fe_frame in;
};

static void complain(struct net_vif *vif, const char *what DOM_UNUSED, int error DOM_UNUSED)
{
	DOM_CONTAINER_OF(vif, struct fix, vif)->complaints++;
}

static int set_up(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	f->d = fake_domain_new(FE_PAGES + 514);
	assert_int_equal(ev_loop_new(NULL, &f->l, NULL), 0);
	f->ops = net_link_tap;
	f->ops.carrier = NULL;
	f->vif = (struct net_vif){ .loop = f->l, .domain = f->d, .complain = complain, .sg = true,
				   .stall_ns = NET_STALL_NS, .drain_ns = NET_DRAIN_NS,
				   .link = { .ops = &f->ops, .nfds = 2 } };
	/* Before anything is mapped: it sets up all grants. */
	fe_init(&f->fe[0], f->d);
	fe_init(&f->fe[1], f->d);
	for (unsigned i = 0; i < 2; i++) {
		struct netfront *fe = &f->fe[i];
		struct net_queue_config cfg;
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
				 0);
		f->vif.link.fd[i] = pair[0];
		f->host[i] = pair[1];
		if (i == 1) {
			fe->tx_gfn = FE_PAGES;
			fe->rx_gfn = FE_PAGES + 1;
			fe->rx_page = FE_PAGES + 2;
			*fake_u32(f->d, fe->rx_gfn, XA_RING_RSP_EVENT) = 1;
		}
		cfg = fe_config(fe);
		cfg.index = i;
		cfg.ports = 1;
		cfg.port[0] = 8 + i;
		assert_int_equal(net_queue_new(&f->vif, &cfg, &f->vif.queue[i]), 0);
		f->vif.nqueues++;
		fe->kick[0] = fe->kick[1] = f->vif.queue[i]->eventfd[0];
	}
	assert_int_equal(net_ctrl_new(&f->vif, 2, FE_CTRL_PORT, &f->ctrl), 0);
	for (unsigned i = 0; i < 2; i++)
		net_queue_start(f->vif.queue[i]);
	return 0;
}

static int tear_down(void **state)
{
	struct fix *f = *state;

	net_ctrl_free(f->ctrl, NULL);
	for (unsigned i = 0; i < 2; i++)
		net_queue_free(f->vif.queue[i], NULL);
	ev_loop_free(f->l);
	assert_int_equal(fake_grants_in_use(f->d), 0);
	assert_false(f->d->bound[FE_CTRL_PORT]);
	for (unsigned i = 0; i < 2; i++) {
		close(f->vif.link.fd[i]);
		close(f->host[i]);
	}
	fake_domain_free(f->d);
	free(f);
	return 0;
}

static struct xen_netif_ctrl_response control(struct fix *f, uint16_t type, uint32_t a, uint32_t b,
					      uint32_t c)
{
	struct xen_netif_ctrl_request req = { (uint16_t)(f->prod * 7), type, { a, b, c } };
	struct xen_netif_ctrl_response rsp;
	uint64_t one = 1, end = ev_now() + 5000000000u;

	memcpy(f->d->ram + 2 * 4096 + 64 + f->prod++ % 128 * 16, &req, sizeof(req));
	DOM_STORE_RELEASE(fake_u32(f->d, 2, XA_RING_REQ_PROD), f->prod);
	assert_int_equal(write(f->d->backend_fd[FE_CTRL_PORT], &one, 8), 8);
	while (DOM_LOAD_ACQUIRE(fake_u32(f->d, 2, XA_RING_RSP_PROD)) == f->cons) {
		assert_true(ev_now() < end);
		ev_loop_turn(f->l, ev_now() + 1000000);
	}
	memcpy(&rsp, f->d->ram + 2 * 4096 + 64 + f->cons++ % 128 * 16, sizeof(rsp));
	assert_int_equal(rsp.id, req.id);
	assert_int_equal(rsp.type, type);
	return rsp;
}

static uint32_t status(struct fix *f, uint16_t type, uint32_t a, uint32_t b, uint32_t c)
{
	return control(f, type, a, b, c).status;
}

/* The guest's pages with a key and with a table. */
#define KEY_PAGE 5u
#define MAP_PAGE 6u

static void messages_are_checked(void **state)
{
	struct fix *f = *state;
	uint32_t *map = (uint32_t *)(void *)(f->d->ram + MAP_PAGE * 4096ul);

	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_INVALID, 0, 0, 0),
			 XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED);
	for (unsigned type = 8; type < 70; type++)
		assert_int_equal(status(f, (uint16_t)(type * 999), 0, 0, 0),
				 XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS, 0, 0, 0),
			 XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 1, 0, 0),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, 2, 0, 0),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, 1, 0, 0), 0);
	assert_int_equal(control(f, XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS, 0, 0, 0).data, 15);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 16, 0, 0),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 15, 0, 0), 0);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, KEY_PAGE, 41, 0),
			 XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, 4095, 40, 0),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, KEY_PAGE, 40, 0), 0);
	assert_int_equal(control(f, XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE, 0, 0, 0).data, 128);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, 129, 0, 0),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, 64, 0, 0), 0);
	memset(map, 0, 4096);
	map[0] = 1;
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, MAP_PAGE, 129, 0),
			 XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, MAP_PAGE, 1, 64),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, MAP_PAGE, 2, UINT32_MAX),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, MAP_PAGE, 1, 63), 0);
	assert_int_equal(f->vif.hash.map[63], 1);
	/* A queue that is not there: nothing of the table is taken. */
	map[1] = 2;
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, MAP_PAGE, 2, 0),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(f->vif.hash.map[0], 0);
	map[1] = UINT32_MAX;
	assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, MAP_PAGE, 2, 0),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(fake_grants_in_use(f->d), 5);
}

static void impossible_index_stops_the_control_ring_only(void **state)
{
	struct fix *f = *state;
	uint64_t one = 1;

	DOM_STORE(fake_u32(f->d, 2, XA_RING_REQ_PROD), 1000);
	assert_int_equal(write(f->d->backend_fd[FE_CTRL_PORT], &one, 8), 8);
	for (unsigned i = 0; i < 5; i++)
		ev_loop_turn(f->l, ev_now() + 1000000);
	assert_int_equal(f->complaints, 1);
	assert_int_equal(DOM_LOAD(fake_u32(f->d, 2, XA_RING_RSP_PROD)), 0);
	assert_false(f->vif.queue[0]->broken);
}

static bool gets(struct fix *f, unsigned queue)
{
	for (unsigned i = 0; i < 20; i++) {
		if (fe_rx_frame(&f->fe[queue], &f->in))
			return true;
		ev_loop_turn(f->l, ev_now() + 1000000);
	}
	return false;
}

static void frames_are_steered_by_the_table(void **state)
{
	struct fix *f = *state;
	uint32_t *map = (uint32_t *)(void *)(f->d->ram + MAP_PAGE * 4096ul);
	struct virtio_net_hdr none = { 0 };
	uint8_t data[100];

	memcpy(f->d->ram + KEY_PAGE * 4096ul, rss_key, sizeof(rss_key));
	status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, 1, 0, 0);
	status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 15, 0, 0);
	status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, KEY_PAGE, 40, 0);
	status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, 128, 0, 0);
	fe_rx_give(&f->fe[0], 100);
	fe_rx_give(&f->fe[1], 100);
	for (unsigned i = 0; i < 40; i++) {
		unsigned row = i % DOM_ARRAY_LEN(rss), to = i / 5 % 2, from = i / 10 % 2;
		struct iovec iov[2] = { { &none, sizeof(none) }, { data, sizeof(data) } };
		uint32_t value;

		for (unsigned k = 0; k < 128; k++)
			map[k] = k == rss[row].ports % 128 ? to : !to;
		assert_int_equal(status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, MAP_PAGE, 128, 0), 0);
		frame_of(row, data, 6);
		assert_int_equal(writev(f->host[from], iov, 2), 110);
		assert_true(gets(f, to));
		assert_int_equal(f->in.len, 100);
		assert_memory_equal(f->in.data, data, 100);
		assert_int_equal(f->in.extra[XEN_NETIF_EXTRA_TYPE_HASH].u.hash.algorithm, 1);
		assert_int_equal(f->in.extra[XEN_NETIF_EXTRA_TYPE_HASH].u.hash.type,
				 rss[row].family == AF_INET ? 1 : 3);
		memcpy(&value, f->in.extra[XEN_NETIF_EXTRA_TYPE_HASH].u.hash.value, 4);
		assert_int_equal(value, rss[row].ports);
	}
	/* Without a table: modulo the number of queues. */
	status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, 0, 0, 0);
	for (unsigned row = 0; row < DOM_ARRAY_LEN(rss); row++) {
		struct iovec iov[2] = { { &none, sizeof(none) }, { data, sizeof(data) } };

		frame_of(row, data, 6);
		assert_int_equal(writev(f->host[0], iov, 2), 110);
		assert_true(gets(f, rss[row].ports % 2));
	}
	/* A queue without room loses what is steered to it; the other one goes on. */
	status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, 1, 0, 0);
	map[0] = 1;
	status(f, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, MAP_PAGE, 1, 0);
	for (unsigned i = 0; i < 100; i++) {
		struct iovec iov[2] = { { &none, sizeof(none) }, { data, sizeof(data) } };

		assert_int_equal(writev(f->host[0], iov, 2), 110);
		for (unsigned k = 0; k < 3; k++)
			ev_loop_turn(f->l, ev_now() + 100000);
	}
	assert_true(f->vif.stats.rx_dropped > 0);
	assert_false(f->vif.queue[0]->rx.waits);
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_results_are_reached),
		ONE(messages_are_checked),
		ONE(impossible_index_stops_the_control_ring_only),
		ONE(frames_are_steered_by_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
