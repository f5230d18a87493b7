// SPDX-License-Identifier: MIT
/*
 * The network back end on real taps, in a network of its own: offloads, queues, an interface that is
 * deleted. Needs the right to make a network namespace and /dev/net/tun.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "fake_netfront.h"
#include "fake_store.h"

#define BE "/local/domain/0/backend/vif/7/0"
#define FE "/local/domain/7/device/vif/0"
#define NAME "vif7.0"

struct fix {
	struct ev_loop *l;
	struct xsc *fs;
	struct xa_domain *d;
	struct pvb *p;
	struct netfront fe[2];
	unsigned queues;
	int udp;			/* 10.9.0.1:1000 on the host */
	struct fe_frame in;
};

/* The host. */

static void if_ioctl(unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), NAME);
	assert_int_equal(ioctl(fd, request, ifr), 0);
	close(fd);
}

static struct sockaddr_in address(const char *ip, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

/* Address, up, and the guest's MAC address, which nobody answers for here. */
static void configure(void)
{
	struct sockaddr_in a = address("10.9.0.1", 0), mask = address("255.255.255.0", 0);
	struct arpreq arp = { .arp_flags = ATF_COM | ATF_PERM };
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&ifr.ifr_addr, &a, sizeof(a));
	if_ioctl(SIOCSIFADDR, &ifr);
	memcpy(&ifr.ifr_netmask, &mask, sizeof(mask));
	if_ioctl(SIOCSIFNETMASK, &ifr);
	ifr.ifr_hwaddr = (struct sockaddr){ .sa_family = ARPHRD_ETHER,
					    .sa_data = { 2, 0, 0, 0, 0, 1 } };
	if_ioctl(SIOCSIFHWADDR, &ifr);
	if_ioctl(SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	if_ioctl(SIOCSIFFLAGS, &ifr);
	a = address("10.9.0.2", 0);
	memcpy(&arp.arp_pa, &a, sizeof(a));
	arp.arp_ha = (struct sockaddr){ .sa_family = ARPHRD_ETHER, .sa_data = { 2, 0, 0, 0, 0, 2 } };
	snprintf(arp.arp_dev, sizeof(arp.arp_dev), NAME);
	assert_int_equal(ioctl(fd, SIOCSARP, &arp), 0);
	close(fd);
}

static void delete_interface(void)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} req = {
		.h = { .nlmsg_len = sizeof(req), .nlmsg_type = RTM_DELLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.i = { .ifi_index = (int)if_nametoindex(NAME) },
	};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} rep;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	assert_int_equal(send(fd, &req, sizeof(req), 0), sizeof(req));
	assert_true(recv(fd, &rep, sizeof(rep), 0) > 0);
	assert_int_equal(rep.e.error, 0);
	close(fd);
}

/* Somebody else takes the interface's name; the descriptor gives it back. */
static int take_name(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), NAME);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

/*
 * The kernel gives an interface its queue some time after its carrier came, and loses frames until then.
 * It says so in the same moment: not with IFF_RUNNING, which is there before as well.
 *   ABI: operational states in linux/if.h, RFC 2863
 */
static bool is_up(int fd)
{
	enum { OPER_UP = 6 };
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} req = {
		.h = { .nlmsg_len = sizeof(req), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST },
		.i = { .ifi_index = (int)if_nametoindex(NAME) },
	};
	static union {
		struct nlmsghdr h;
		uint8_t bytes[16384];
	} rep;
	struct rtattr *a = IFLA_RTA(NLMSG_DATA(&rep.h));
	int left;

	assert_int_equal(send(fd, &req, sizeof(req), 0), sizeof(req));
	assert_true(recv(fd, &rep, sizeof(rep), 0) >= (ssize_t)sizeof(req));
	assert_int_equal(rep.h.nlmsg_type, RTM_NEWLINK);
	left = (int)IFLA_PAYLOAD(&rep.h);
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == IFLA_OPERSTATE)
			return *(uint8_t *)RTA_DATA(a) == OPER_UP;
	return false;
}

static void until_up(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	for (uint64_t end = ev_now() + 20000000000u; !is_up(fd);) {
		assert_true(ev_now() < end);
		usleep(1000);
	}
	close(fd);
}

/* The guest. */

static void set(struct fix *f, const char *dir, const char *key, unsigned value)
{
	char path[256], v[16];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	snprintf(v, sizeof(v), "%u", value);
	fs_set(f->fs, path, v);
}

static void settle(struct fix *f)
{
	for (int i = 0; i < 8; i++)
		ev_loop_turn(f->l, ev_now() + 1000000);
}

static int set_up(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct sockaddr_in a = address("10.9.0.1", 1000);
	struct pvb_config cfg;

	assert_non_null(f);
	*state = f;
	f->fs = fs_new();
	f->d = fake_domain_new(FE_PAGES + 514);
	assert_int_equal(ev_loop_new(NULL, &f->l, NULL), 0);
	fs_set(f->fs, BE "/frontend", FE);
	fs_set(f->fs, BE "/online", "1");
	fs_set(f->fs, BE "/state", "1");
	fs_set(f->fs, FE "/state", "1");
	cfg = (struct pvb_config){ .loop = f->l, .domain = f->d, .domid = 7, .xs = f->fs };
	assert_int_equal(pvb_new(&cfg, &f->p, NULL), 0);
	configure();
	f->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->udp, (struct sockaddr *)&a, sizeof(a)), 0);
	return 0;
}

static int tear_down(void **state)
{
	struct fix *f = *state;

	close(f->udp);
	pvb_free(f->p);
	ev_loop_free(f->l);
	assert_int_equal(fake_grants_in_use(f->d), 0);
	assert_int_equal(if_nametoindex(NAME), 0);
	fake_domain_free(f->d);
	fs_free(f->fs);
	free(f);
	return 0;
}

static void connect_guest(struct fix *f, unsigned queues)
{
	f->queues = queues;
	fe_init(&f->fe[0], f->d);
	fe_init(&f->fe[1], f->d);
	f->fe[1].tx_gfn = FE_PAGES;
	f->fe[1].rx_gfn = FE_PAGES + 1;
	f->fe[1].rx_page = FE_PAGES + 2;
	memset(f->d->ram + FE_PAGES * 4096ul, 0, 8192);
	set(f, FE, "multi-queue-num-queues", queues);
	for (unsigned i = 0; i < queues; i++) {
		const char *dir = queues == 1 ? FE : i ? FE "/queue-1" : FE "/queue-0";

		*fake_u32(f->d, f->fe[i].rx_gfn, XA_RING_RSP_EVENT) = 1;
		set(f, dir, "tx-ring-ref", f->fe[i].tx_gfn);
		set(f, dir, "rx-ring-ref", f->fe[i].rx_gfn);
		set(f, dir, "event-channel", 8 + i);
	}
	set(f, FE, "request-rx-copy", 1);
	set(f, FE, "feature-rx-notify", 1);
	set(f, FE, "feature-sg", 1);
	set(f, FE, "feature-gso-tcpv4", 1);
	set(f, FE, "feature-gso-tcpv6", 1);
	set(f, FE, "feature-ipv6-csum-offload", 1);
	set(f, FE, "state", 3);
	settle(f);
	assert_string_equal(fs_get(f->fs, BE "/state"), "4");
	for (unsigned i = 0; i < queues; i++) {
		f->fe[i].kick[0] = f->fe[i].kick[1] = f->d->backend_fd[8 + i];
		fe_rx_give(&f->fe[i], 255);
	}
	settle(f);
	until_up();
}

/* A UDP datagram from the host to the guest's @port; the frame is in f->in. */
static void host_to_guest(struct fix *f, const char *text, size_t len, uint16_t port)
{
	struct sockaddr_in to = address("10.9.0.2", port);
	uint64_t end = ev_now() + 5000000000u;

	assert_int_equal(sendto(f->udp, text, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
	for (;;) {
		for (unsigned i = 0; i < f->queues; i++) {
			while (fe_rx_frame(&f->fe[i], &f->in)) {
				fe_rx_give(&f->fe[i], f->in.slots);
				/* The host has other things to say too (IPv6 neighbours). */
				if (f->in.data[13] == 0 && f->in.data[23] == 17)
					return;
			}
		}
		assert_true(ev_now() < end);
		ev_loop_turn(f->l, ev_now() + 1000000);
	}
}

/* A datagram from the guest's queue @queue, with its checksum left to the host. */
static int guest_sends(struct fix *f, unsigned queue, const char *text, size_t len)
{
	static uint8_t frame[65535];
	struct netfront *fe = &f->fe[queue];
	struct netif_tx_response rsp;
	struct net_headers h;
	struct fe_cut c = fe_cut_pages(42 + len);
	uint64_t end = ev_now() + 5000000000u;
	uint16_t sum, port = htons(1000);

	memset(frame, 0, 42);
	memcpy(frame, "\2\0\0\0\0\1\2\0\0\0\0\2\x08\x00\x45", 15);
	frame[16] = (uint8_t)((len + 28) >> 8);
	frame[17] = (uint8_t)(len + 28);
	frame[22] = 64;
	frame[23] = 17;
	memcpy(frame + 26, "\x0a\x09\0\2\x0a\x09\0\1", 8);
	sum = (uint16_t)~net_csum_fold(net_csum_add(0, frame + 14, 20));
	memcpy(frame + 24, &sum, 2);
	memcpy(frame + 34, &port, 2);
	memcpy(frame + 36, &port, 2);
	frame[38] = (uint8_t)((len + 8) >> 8);
	frame[39] = (uint8_t)(len + 8);
	h = net_parse(frame, 42);
	sum = net_csum_fold(net_csum_pseudo(&h, frame, 42 + len));
	memcpy(frame + 40, &sum, 2);
	memcpy(frame + 42, text, len);
	fe_tx_frame(fe, frame, 42 + len, &c, NETTXF_csum_blank | NETTXF_data_validated, NULL);
	fe_push(fe, 0);
	for (unsigned i = 0; i < c.n; i++)
		while (!fe_tx_response(fe, &rsp)) {
			assert_true(ev_now() < end);
			ev_loop_turn(f->l, ev_now() + 1000000);
		}
	return rsp.status;
}

static void guest_to_host(struct fix *f, unsigned queue, const char *text, size_t len)
{
	static char got[65536];

	assert_int_equal(guest_sends(f, queue, text, len), NETIF_RSP_OKAY);
	assert_int_equal(recv(f->udp, got, sizeof(got), 0), len);
	assert_memory_equal(got, text, len);
}

/* Tests. */

static void datagrams_pass_without_checksums(void **state)
{
	struct fix *f = *state;
	static char text[8000];

	memset(text, 'x', sizeof(text));
	assert_string_equal(fs_get(f->fs, BE "/multi-queue-max-queues"), "8");
	assert_string_equal(fs_get(f->fs, BE "/feature-gso-tcpv6"), "1");
	connect_guest(f, 1);
	for (unsigned i = 0; i < 50; i++) {
		text[0] = (char)i;
		host_to_guest(f, text, 500, 1000);
		assert_int_equal(f->in.len, 542);
		assert_memory_equal(f->in.data + 42, text, 500);
		/* The host left the checksum to us, and we leave it to the guest. */
		assert_true(f->in.flags & NETRXF_csum_blank);
		guest_to_host(f, 0, text, 1000);
		guest_to_host(f, 0, text, sizeof(text));
	}
}

static void guest_that_wants_checksums_gets_them(void **state)
{
	struct fix *f = *state;
	struct net_headers h;

	set(f, FE, "feature-no-csum-offload", 1);
	connect_guest(f, 1);
	host_to_guest(f, "sum", 3, 1000);
	assert_false(f->in.flags & NETRXF_csum_blank);
	h = net_parse(f->in.data, f->in.len);
	assert_int_equal(net_csum_fold(net_csum_add(net_csum_pseudo(&h, f->in.data, 45),
						    f->in.data + h.l4, 45u - h.l4)), 0xffff);
}

/* A large TCP frame in a VLAN: the host's kernel takes it with the header that we make. */
static void tagged_large_frames_are_taken(void **state)
{
	struct fix *f = *state;
	struct netif_extra_info gso = { .type = XEN_NETIF_EXTRA_TYPE_GSO };
	static uint8_t frame[20000];
	struct netif_tx_response rsp = { 0 };
	struct fe_cut c = fe_cut_pages(sizeof(frame));
	uint64_t end = ev_now() + 5000000000u;

	connect_guest(f, 1);
	gso.u.gso.type = XEN_NETIF_GSO_TYPE_TCPV4;
	gso.u.gso.size = 1448;
	memcpy(frame, "\2\0\0\0\0\1\2\0\0\0\0\2\x81\0\0\7\x08\0\x45\0", 20);
	frame[20] = (uint8_t)((sizeof(frame) - 18) >> 8);
	frame[21] = (uint8_t)(sizeof(frame) - 18);
	frame[26] = 64;
	frame[27] = 6;
	memcpy(frame + 30, "\x0a\x09\0\2\x0a\x09\0\1", 8);
	frame[50] = 0x50;
	fe_tx_frame(&f->fe[0], frame, sizeof(frame), &c, NETTXF_csum_blank, &gso);
	fe_push(&f->fe[0], 0);
	for (unsigned i = 0; i < c.n + 1; i++) {
		while (!fe_tx_response(&f->fe[0], &rsp)) {
			assert_true(ev_now() < end);
			ev_loop_turn(f->l, ev_now() + 1000000);
		}
		assert_int_equal(rsp.status, i == 1 ? NETIF_RSP_NULL : NETIF_RSP_OKAY);
	}
}

static void all_queues_in_use_are_served_and_no_others(void **state)
{
	struct fix *f = *state;

	for (unsigned round = 0; round < 4; round++) {
		connect_guest(f, 1 + round % 2);
		/* Flows to many ports go to all queues that there are, and all arrive. */
		for (uint16_t port = 1; port < 100; port++)
			host_to_guest(f, "flow", 4, port);
		for (unsigned i = 0; i < f->queues; i++)
			guest_to_host(f, i, "back", 4);
		if (f->queues == 2)
			assert_true(f->fe[0].rx_cons && f->fe[1].rx_cons);
		set(f, FE, "state", 6);
		settle(f);
		assert_string_equal(fs_get(f->fs, BE "/state"), "6");
	}
}

static void frames_from_before_the_connection_are_not_delivered(void **state)
{
	struct fix *f = *state;
	struct sockaddr_in to = address("10.9.0.2", 1);

	connect_guest(f, 1);
	set(f, FE, "state", 6);
	settle(f);
	/* No carrier: the host's kernel drops them, or refuses. */
	for (unsigned i = 0; i < 50; i++)
		(void)!sendto(f->udp, "stale", 5, 0, (struct sockaddr *)&to, sizeof(to));
	connect_guest(f, 1);
	host_to_guest(f, "fresh", 5, 1000);
	assert_memory_equal(f->in.data + 42, "fresh", 5);
}

static void interface_that_is_deleted_under_load_is_found_again(void **state)
{
	struct fix *f = *state;
	struct ev_stats before, after;
	uint64_t end;
	int other;

	connect_guest(f, 2);
	for (unsigned i = 0; i < 20; i++)
		guest_to_host(f, i & 1, "load", 4);
	delete_interface();
	other = take_name();
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(guest_sends(f, i & 1, "lost", 4), NETIF_RSP_DROPPED);
	settle(f);
	assert_string_equal(fs_get(f->fs, BE "/carrier"), "0");
	/* Nobody spins while it is gone. */
	ev_loop_stats(f->l, &before);
	for (unsigned i = 0; i < 30; i++)
		ev_loop_turn(f->l, ev_now() + 1000000);
	ev_loop_stats(f->l, &after);
	assert_true(after.completions - before.completions <= 10);
	close(other);
	/* The default way of opening makes it anew; a confined VMM is given new descriptors. */
	for (end = ev_now() + 20000000000u; ev_now() < end;) {
		const char *v = fs_get(f->fs, BE "/carrier");

		if (v && v[0] == '1')
			break;
		ev_loop_turn(f->l, ev_now() + 10000000);
	}
	assert_string_equal(fs_get(f->fs, BE "/carrier"), "1");
	configure();
	for (unsigned i = 0; i < 20; i++)
		guest_to_host(f, i & 1, "back", 4);
	until_up();
	host_to_guest(f, "back", 4, 5);
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* A network of our own, with a tap; as root, or as root of a user namespace. */
static bool isolate(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		printf("no network namespace: %s\n", strerror(errno));
		return false;
	}
	fd = pvb_tap_open("probe");
	if (fd < 0) {
		printf("no tap: %s\n", strerror(-fd));
		return false;
	}
	close(fd);
	return true;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(datagrams_pass_without_checksums),
		ONE(guest_that_wants_checksums_gets_them),
		ONE(tagged_large_frames_are_taken),
		ONE(all_queues_in_use_are_served_and_no_others),
		ONE(frames_from_before_the_connection_are_not_delivered),
		ONE(interface_that_is_deleted_under_load_is_found_again),
	};

	return isolate() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
