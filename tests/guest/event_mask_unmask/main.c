// SPDX-License-Identifier: MIT
/*
 * Fact: a masked event becomes pending without an upcall; EVTCHNOP_unmask delivers it.
 * Source: xen/common/event_2l.c, xen/include/public/event_channel.h
 * Expect: pending bit but no selector bit and no upcall while masked; upcall at unmask; none at
 *   unmask of a port with nothing pending; a closed port loses its pending bit.
 * run:
 */
#include "kern/event.h"

void test_main(void)
{
	evtchn_port_t port, timer;
	struct evtchn_status st = { .dom = DOMID_SELF };

	shared_info_map();
	lapic_init(true);
	upcall_by_vcpu_vector(0);
	port = bind_ipi(0);
	irq_on();

	event_mask(port);
	CHECK_EQ(send(port), 0);
	spin_ms(20);
	CHECK(event_pending(port) && event_masked(port));
	CHECK(!vcpu_pending(0) && !*vcpu_sel(0));
	CHECK_EQ(upcall_count[0], 0);

	CHECK_EQ(unmask(port), 0);
	WAIT_FOR(event_count[port] == 1, 5000);
	CHECK(!event_masked(port) && !event_pending(port));

	event_mask(port);
	CHECK_EQ(unmask(port), 0);
	spin_ms(20);
	CHECK_EQ(upcall_count[0], 1);

	st.port = port;
	CHECK_EQ(event_channel_op(EVTCHNOP_status, &st), 0);
	CHECK_EQ(st.status, EVTCHNSTAT_ipi);
	CHECK_EQ(st.vcpu, 0);
	timer = bind_virq(VIRQ_TIMER, 0);
	st.port = timer;
	CHECK_EQ(event_channel_op(EVTCHNOP_status, &st), 0);
	CHECK_EQ(st.status, EVTCHNSTAT_virq);
	CHECK_EQ(st.u.virq, VIRQ_TIMER);

	event_mask(port);
	CHECK_EQ(send(port), 0);
	CHECK_EQ(close_port(port), 0);
	CHECK(!event_pending(port));
	CHECK_EQ(send(port), -EINVAL);
	st.port = port;
	CHECK_EQ(event_channel_op(EVTCHNOP_status, &st), 0);
	CHECK_EQ(st.status, EVTCHNSTAT_closed);
}
