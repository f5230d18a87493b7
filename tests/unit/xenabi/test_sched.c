// SPDX-License-Identifier: MIT
/*
 * sched_op: waiting for events without missing one, watchdogs, ends of domains.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_xa.h"

#define SECOND 1000000000ull

static int setup(void **state)
{
	struct fake *f = fake_new();

	assert_int_equal(fake_map_shared(f), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

static int64_t sched(struct fake *f, unsigned op)
{
	return fake_call(f, 0, __HYPERVISOR_sched_op, op, FAKE_ARG, 0);
}

static int64_t poll_ports(struct fake *f, const evtchn_port_t *ports, uint32_t n, uint64_t timeout)
{
	struct sched_poll_64 a = { FAKE_LIST, n, 0, timeout };

	memcpy(fake_at(f, FAKE_LIST), ports, n * sizeof(*ports));
	return fake_op(f, __HYPERVISOR_sched_op, SCHEDOP_poll, &a);
}

static int64_t shutdown_op(struct fake *f, unsigned op, uint32_t reason)
{
	struct sched_shutdown a = { reason };

	return fake_op(f, __HYPERVISOR_sched_op, op, &a);
}

static int64_t watchdog(struct fake *f, uint32_t id, uint32_t timeout)
{
	struct sched_watchdog a = { id, timeout };

	return fake_op(f, __HYPERVISOR_sched_op, SCHEDOP_watchdog, &a);
}

static void yield_and_block(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port;

	assert_int_equal(sched(f, SCHEDOP_yield), 0);
	assert_int_equal(f->yields, 1);
	assert_int_equal(sched(f, SCHEDOP_block), 0);
	assert_int_equal(f->blocks, 1);
	fake_bind_ipi(f, 0, &port);
	fake_send(f, port);
	assert_int_equal(sched(f, SCHEDOP_block), 0);	/* something is pending: no sleep */
	assert_int_equal(f->blocks, 1);
}

static void poll_waits_until_the_timeout(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port;

	fake_bind_ipi(f, 1, &port);
	assert_int_equal(poll_ports(f, &port, 1, 12345), 0);
	assert_int_equal(f->waits, 1);
	assert_int_equal(f->wait_deadline, 12345);
	assert_int_equal(poll_ports(f, &port, 0, 0), 0);
	assert_int_equal(f->waits, 2);
}

static void poll_of_a_pending_port_does_not_wait(void **state)
{
	struct fake *f = *state;
	evtchn_port_t ports[2];

	fake_bind_ipi(f, 1, &ports[0]);
	fake_bind_ipi(f, 1, &ports[1]);
	fake_send(f, ports[1]);
	assert_int_equal(poll_ports(f, ports, 2, 0), 0);
	assert_int_equal(f->waits, 0);
}

static void poll_rules(void **state)
{
	struct fake *f = *state;
	evtchn_port_t ports[129] = { 4096 };
	struct sched_poll_64 a = { FAKE_BAD, 1, 0, 0 };

	assert_int_equal(poll_ports(f, ports, 1, 0), -EINVAL);
	assert_int_equal(poll_ports(f, ports, 129, 0), -EINVAL);
	assert_int_equal(fake_op(f, __HYPERVISOR_sched_op, SCHEDOP_poll, &a), -EFAULT);
	assert_int_equal(f->waits, 0);
}

static void poll_of_32_bit_code(void **state)
{
	struct fake *f = *state;
	struct sched_poll_32 a = { FAKE_LIST, 1, 777 };

	f->abi = XA_ABI_PVH32;
	*(uint32_t *)fake_at(f, FAKE_LIST) = 5;
	assert_int_equal(fake_op(f, __HYPERVISOR_sched_op, SCHEDOP_poll, &a), 0);
	assert_int_equal(f->wait_deadline, 777);
}

static evtchn_port_t other_port, polled_port;

/* While vCPU 0 polls, others are sent to. */
static void send_while_waiting(struct fake *f, unsigned vcpu)
{
	f->waits++;
	assert_int_equal(f->wakes[vcpu], 0);
	assert_int_equal(fake_call(f, 1, __HYPERVISOR_event_channel_op, EVTCHNOP_send,
				   FAKE_LIST + 0x100, 0), 0);
	assert_int_equal(f->wakes[vcpu], 0);
	assert_int_equal(fake_call(f, 1, __HYPERVISOR_event_channel_op, EVTCHNOP_send,
				   FAKE_LIST + 0x200, 0), 0);
	assert_int_equal(f->wakes[vcpu], 1);
}

static void poll_is_woken_by_its_port_only(void **state)
{
	struct fake *f = *state;

	fake_bind_ipi(f, 2, &other_port);
	fake_bind_ipi(f, 2, &polled_port);
	*(uint32_t *)fake_at(f, FAKE_LIST + 0x100) = other_port;
	*(uint32_t *)fake_at(f, FAKE_LIST + 0x200) = polled_port;
	f->on_wait = send_while_waiting;
	assert_int_equal(poll_ports(f, &polled_port, 1, 0), 0);
	assert_int_equal(f->waits, 1);
	/* Afterwards nobody polls. */
	fake_pending(f)[0] = 0;
	fake_send(f, polled_port);
	assert_int_equal(f->wakes[0], 1);
}

static void poll_may_outlast_its_hypercall(void **state)
{
	struct fake *f = *state;

	fake_bind_ipi(f, 2, &polled_port);
	f->sleeps = true;
	assert_int_equal(poll_ports(f, &polled_port, 1, 0), 0);
	/* The second poll of a multicall takes the first one's place. */
	assert_int_equal(poll_ports(f, &polled_port, 1, 0), 0);
	assert_int_equal(f->waits, 2);
	assert_int_equal(f->wakes[0], 0);
	fake_send(f, polled_port);
	assert_int_equal(f->wakes[0], 1);
	xa_poll_ended(xa_domain_vcpu(f->d, 0));
	fake_pending(f)[0] = 0;
	fake_send(f, polled_port);
	assert_int_equal(f->wakes[0], 1);
	/* One that finds an event ends the wait of the one before. */
	fake_pending(f)[0] = 0;
	assert_int_equal(poll_ports(f, &polled_port, 1, 0), 0);
	fake_pending(f)[0] = 1ull << polled_port;
	assert_int_equal(poll_ports(f, &polled_port, 1, 0), 0);
	assert_int_equal(f->waits, 3);
	assert_int_equal(f->wakes[0], 2);
}

/* The platform lets the guest take the interrupt, if it can. */
static void poll_of_pvh_waits_whatever_upcall_is_pending(void **state)
{
	struct fake *f = *state;

	fake_bind_ipi(f, 0, &other_port);
	fake_bind_ipi(f, 0, &polled_port);
	fake_send(f, other_port);
	assert_true(xa_upcall_pending(xa_domain_vcpu(f->d, 0)));
	assert_int_equal(poll_ports(f, &polled_port, 1, 0), 0);
	assert_int_equal(f->waits, 1);
}

static evtchn_port_t raised_port;

static bool raise_in_our_stead(void *ctx, unsigned vcpu, evtchn_port_t port)
{
	(void)ctx;
	assert_int_equal(vcpu, 1);
	raised_port = port;
	return true;
}

static void masked_events_are_left_to_a_host_that_wants_them(void **state)
{
	struct fake *f = *state;
	struct xa_platform platform = fake_platform;
	struct xa_config cfg = fake_config(f);
	struct xa_domain *former = f->d;
	evtchn_port_t masked, open;

	platform.raise_masked = raise_in_our_stead;
	cfg.platform = &platform;
	assert_int_equal(xa_domain_new(&cfg, &f->d, NULL), 0);
	assert_int_equal(fake_map_shared(f), 0);
	fake_bind_ipi(f, 1, &masked);
	fake_bind_ipi(f, 1, &open);
	fake_mask(f)[0] = 1ull << masked;
	fake_send(f, open);
	assert_int_equal(raised_port, 0);
	fake_send(f, masked);
	assert_int_equal(raised_port, masked);
	assert_int_equal(fake_pending(f)[0], 1ull << open);
	xa_domain_free(f->d);
	f->d = former;
}

static void shutdown_reasons(void **state)
{
	struct fake *f = *state;

	assert_int_equal(shutdown_op(f, SCHEDOP_shutdown, SHUTDOWN_reboot), 0);
	assert_int_equal(f->shutdown_reason, SHUTDOWN_reboot);
	assert_int_equal(shutdown_op(f, SCHEDOP_shutdown_code, SHUTDOWN_crash), 0);
	assert_int_equal(shutdown_op(f, SCHEDOP_shutdown, SHUTDOWN_poweroff), 0);
	assert_int_equal(f->shutdown_reason, SHUTDOWN_crash);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_sched_op, SCHEDOP_shutdown, FAKE_BAD, 0),
			 -EFAULT);
}

static void remote_shutdown_and_pin_override(void **state)
{
	struct fake *f = *state;
	struct sched_remote_shutdown a = { 0, 1 };

	assert_int_equal(fake_op(f, __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, &a), -EPERM);
	a.domain_id = 7;
	assert_int_equal(fake_op(f, __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, &a), -EPERM);
	a.domain_id = 8;
	assert_int_equal(fake_op(f, __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, &a), -ESRCH);
	assert_int_equal(sched(f, SCHEDOP_pin_override), -EPERM);
	assert_int_equal(sched(f, 8), -ENOSYS);
	assert_int_equal(f->shutdown_reason, -1);
}

static void watchdog_expires(void **state)
{
	struct fake *f = *state;
	uint64_t now = f->now;

	assert_int_equal(watchdog(f, 0, 0), -EINVAL);
	assert_int_equal(watchdog(f, 3, 5), -EINVAL);
	assert_int_equal(watchdog(f, 1, 5), -EINVAL);
	assert_int_equal(watchdog(f, 0, 20), 1);
	assert_int_equal(f->watchdog, now + 20 * SECOND);
	assert_int_equal(watchdog(f, 0, 10), 2);
	assert_int_equal(f->watchdog, now + 10 * SECOND);
	assert_int_equal(watchdog(f, 0, 10), -ENOSPC);
	assert_int_equal(watchdog(f, 2, 0), 0);
	assert_int_equal(watchdog(f, 2, 5), -EINVAL);
	assert_int_equal(f->watchdog, now + 20 * SECOND);
	f->now = now + 15 * SECOND;
	assert_int_equal(watchdog(f, 1, 20), 0);	/* the guest is alive */
	f->now = now + 20 * SECOND;
	xa_watchdog_fired(f->d);
	assert_int_equal(f->shutdown_reason, -1);
	assert_int_equal(f->watchdog, now + 35 * SECOND);
	f->now = now + 35 * SECOND;
	xa_watchdog_fired(f->d);
	assert_int_equal(f->shutdown_reason, SHUTDOWN_watchdog);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(yield_and_block),
		TEST(poll_waits_until_the_timeout),
		TEST(poll_of_a_pending_port_does_not_wait),
		TEST(poll_rules),
		TEST(poll_of_32_bit_code),
		TEST(poll_is_woken_by_its_port_only),
		TEST(poll_may_outlast_its_hypercall),
		TEST(poll_of_pvh_waits_whatever_upcall_is_pending),
		TEST(masked_events_are_left_to_a_host_that_wants_them),
		TEST(shutdown_reasons),
		TEST(remote_shutdown_and_pin_override),
		TEST(watchdog_expires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
