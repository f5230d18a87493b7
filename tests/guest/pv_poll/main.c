// SPDX-License-Identifier: MIT
/*
 * Fact: SCHEDOP_poll of a PV kernel sleeps until one of the ports is pending, a time has come, or the
 *   kernel is to be told of something else.
 * Source: do_poll() in xen/common/sched/core.c
 * Expect: without an event it lasts until the time-out, with few returns in vain; a masked port ends it
 *   when another vCPU sends to it, and so do an event that is not masked, and an NMI.
 * run: vcpus=2
 */
#include "kernpv/pv.h"

#define MS 1000000ull
#define VAIN_MAX 8	/* a clock that is read a little early makes for some */

static struct vcpu_guest_context_64 context;
static uint8_t second_stack[8192] PAGE_ALIGNED;
static volatile uint64_t gdt[512] PAGE_ALIGNED;
static uint32_t port, other;
static volatile unsigned events, nmis;
static void (*volatile act)(void);	/* what vCPU 1 is to do, once */

static uint64_t now(void)
{
	volatile struct vcpu_time_info *t = (volatile void *)vcpu_info(XA_VCPU_INFO_TIME);
	uint32_t version;
	uint64_t ns, delta;

	do {
		version = t->version;
		__asm__ volatile("" : : : "memory");
		delta = rdtsc() - t->tsc_timestamp;
		delta = t->tsc_shift < 0 ? delta >> -t->tsc_shift : delta << t->tsc_shift;
		ns = t->system_time + (uint64_t)((unsigned __int128)delta * t->tsc_to_system_mul >> 32);
		__asm__ volatile("" : : : "memory");
	} while (version & 1 || version != t->version);
	return ns;
}

static volatile uint64_t *word(unsigned offset, uint32_t p)
{
	return (volatile uint64_t *)(void *)(pv_shared + offset) + p / 64;
}

static bool pending(uint32_t p)
{
	return *word(XA_SHARED_INFO_PENDING, p) >> p % 64 & 1;
}

static void clear(unsigned offset, uint32_t p)
{
	__atomic_fetch_and(word(offset, p), ~(1ull << p % 64), __ATOMIC_SEQ_CST);
}

static uint32_t bind_ipi(void)
{
	struct evtchn_bind_ipi a = { .vcpu = 0 };

	CHECK_EQ(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, (uint64_t)&a, 0, 0), 0);
	__atomic_fetch_or(word(XA_SHARED_INFO_MASK_64, a.port), 1ull << a.port % 64, __ATOMIC_SEQ_CST);
	return a.port;
}

static void send(uint32_t p)
{
	struct evtchn_send a = { p };

	CHECK_EQ(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (uint64_t)&a, 0, 0), 0);
}

static void poll(uint64_t timeout)
{
	struct sched_poll_64 p = { .ports = (uint64_t)&port, .nr_ports = 1, .timeout = timeout };

	CHECK_EQ(hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, (uint64_t)&p, 0, 0), 0);
}

static void send_masked(void)
{
	send(port);
}

static void send_other(void)
{
	send(other);
}

static void send_nmi(void)
{
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0, 0, 0), 0);
}

static void delay(uint64_t cycles)
{
	for (uint64_t end = rdtsc() + cycles; rdtsc() < end;)
		cpu_relax();
}

static void second(void)
{
	for (;;) {
		void (*fn)(void) = act;

		cpu_relax();
		if (!fn)
			continue;
		/* vCPU 0 is asleep by then, or misses nothing. */
		delay(100000000);
		act = NULL;
		fn();
	}
}

static void start_second(void)
{
	pv_describe_vcpu(&context, second, second_stack + sizeof(second_stack), gdt);
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, (uint64_t)&context, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0, 0), 0);
}

static void on_event(struct frame *f)
{
	(void)f;
	events++;
	*vcpu_info(XA_VCPU_INFO_PENDING) = 0;
	*(volatile uint64_t *)vcpu_info(XA_VCPU_INFO_SEL_64) = 0;
	clear(XA_SHARED_INFO_PENDING, other);
}

static void on_nmi(struct frame *f)
{
	(void)f;
	nmis++;
}

static void timeout_ends_it(void)
{
	uint64_t deadline = now() + 300 * MS;
	unsigned returns = 0;

	for (; now() < deadline; returns++)
		poll(deadline);
	if (returns > VAIN_MAX)
		fail("poll returned %u times in vain", returns);
	poll(1);	/* in the past */
}

void test_main(void)
{
	struct callback_register_64 nmi = {
		.type = CALLBACKTYPE_nmi, .address = (uint64_t)trap_stubs + 2 * 32,
	};

	port = bind_ipi();
	other = bind_ipi();
	clear(XA_SHARED_INFO_MASK_64, other);
	pv_handle(VECTOR_EVENT, on_event);
	pv_handle(2, on_nmi);
	CHECK_EQ(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, (uint64_t)&nmi, 0, 0), 0);
	timeout_ends_it();
	start_second();

	act = send_masked;
	while (!pending(port))
		poll(0);
	clear(XA_SHARED_INFO_PENDING, port);
	CHECK_EQ(events, 0);

	set_mask(false);
	act = send_other;
	while (!events)
		poll(0);
	act = send_nmi;
	while (!nmis) {
		poll(0);
		/* A KVM that emulates kernels may bring it a little later. */
		delay(10000000);
	}
	CHECK_EQ(events, 1);
	CHECK(!pending(port));
}
