// SPDX-License-Identifier: MIT
/*
 * Fact: a pending event calls the kernel's event callback when vcpu_info does not mask it, at the next
 *   return to the guest, from kernel and user mode, and wakes a vCPU that blocks.
 * Source: xen/include/public/xen.h (vcpu_info)
 * Expect: while masked nothing happens; unmasked, the next hypercall delivers; the callback runs masked;
 *   its iret unmasks; SCHEDOP_block unmasks and returns for a timer; an NMI goes to its callback.
 * run:
 */
#include "kernpv/pv.h"

static volatile unsigned events, nmis;
static volatile uint8_t mask_inside;

static void on_event(struct frame *f)
{
	(void)f;
	events++;
	mask_inside = get_mask();
	*vcpu_info(XA_VCPU_INFO_PENDING) = 0;
	/* Or the next event would find its step done already, and tell nobody. */
	*(volatile uint64_t *)vcpu_info(XA_VCPU_INFO_SEL_64) = 0;
}

static void on_nmi(struct frame *f)
{
	(void)f;
	nmis++;
}

static evtchn_port_t bind_ipi(void)
{
	struct evtchn_bind_ipi a = { .vcpu = 0 };

	CHECK_EQ(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, (uint64_t)&a, 0, 0), 0);
	return a.port;
}

static void send(evtchn_port_t port)
{
	struct evtchn_send a = { port };

	((volatile uint8_t *)pv_shared)[XA_SHARED_INFO_PENDING + port / 8] = 0;
	CHECK_EQ(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (uint64_t)&a, 0, 0), 0);
}

static void check_mask(evtchn_port_t port)
{
	set_mask(true);
	send(port);
	xen_version(XENVER_version, NULL);
	CHECK_EQ(events, 0);
	CHECK_EQ(*vcpu_info(XA_VCPU_INFO_PENDING), 1);
	set_mask(false);
	xen_version(XENVER_version, NULL);
	CHECK_EQ(events, 1);
	CHECK_EQ(mask_inside, 1);
	CHECK_EQ(get_mask(), 0);
	send(port);
	CHECK_EQ(events, 2);
}

static void check_block(void)
{
	struct evtchn_bind_virq a = { .virq = VIRQ_TIMER, .vcpu = 0 };
	struct vcpu_set_singleshot_timer_64 t = { .timeout_abs_ns = 1 };
	unsigned before = events;

	CHECK_EQ(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, (uint64_t)&a, 0, 0), 0);
	set_mask(true);
	/* Far enough for the vCPU to be halted by then. */
	t.timeout_abs_ns = *(volatile uint64_t *)vcpu_info(XA_VCPU_INFO_TIME + 16) + 300000000;
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, (uint64_t)&t, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_sched_op, SCHEDOP_block, 0, 0, 0), 0);
	CHECK_EQ(events, before + 1);
	CHECK_EQ(get_mask(), 0);
}

static void check_nmi(void)
{
	struct callback_register_64 a = {
		.type = CALLBACKTYPE_nmi, .address = (uint64_t)trap_stubs + 2 * 32,
	};

	pv_handle(2, on_nmi);
	CHECK_EQ(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, (uint64_t)&a, 0, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0, 0, 0), 0);
	for (unsigned i = 0; i < 1000000 && !nmis; i++)
		xen_version(XENVER_version, NULL);
	CHECK_EQ(nmis, 1);
}

void test_main(void)
{
	evtchn_port_t port = bind_ipi();

	pv_handle(VECTOR_EVENT, on_event);
	check_mask(port);
	check_block();
	check_nmi();
}
