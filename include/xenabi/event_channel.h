// SPDX-License-Identifier: MIT
/*
 * Event channels: operations, virtual interrupts and the two formats of pending events. All
 * argument structs have the same layout in both widths.
 *   ABI: xen/include/public/event_channel.h; VIRQ_* in xen/include/public/xen.h
 */
#ifndef XENABI_EVENT_CHANNEL_H
#define XENABI_EVENT_CHANNEL_H

#include "xenabi/base.h"

#define EVTCHNOP_bind_interdomain 0
#define EVTCHNOP_bind_virq 1
#define EVTCHNOP_bind_pirq 2
#define EVTCHNOP_close 3
#define EVTCHNOP_send 4
#define EVTCHNOP_status 5
#define EVTCHNOP_alloc_unbound 6
#define EVTCHNOP_bind_ipi 7
#define EVTCHNOP_bind_vcpu 8
#define EVTCHNOP_unmask 9
#define EVTCHNOP_reset 10
#define EVTCHNOP_init_control 11
#define EVTCHNOP_expand_array 12
#define EVTCHNOP_set_priority 13

struct evtchn_alloc_unbound {
	domid_t dom, remote_dom;	/* in */
	evtchn_port_t port;		/* out */
};
struct evtchn_bind_interdomain {
	domid_t remote_dom;		/* in */
	evtchn_port_t remote_port;	/* in */
	evtchn_port_t local_port;	/* out */
};
struct evtchn_bind_virq {
	uint32_t virq, vcpu;		/* in */
	evtchn_port_t port;		/* out */
};
struct evtchn_bind_pirq {
	uint32_t pirq, flags;		/* in */
	evtchn_port_t port;		/* out */
};
struct evtchn_bind_ipi {
	uint32_t vcpu;			/* in */
	evtchn_port_t port;		/* out */
};
struct evtchn_close {
	evtchn_port_t port;
};
struct evtchn_send {
	evtchn_port_t port;
};
struct evtchn_status {
	domid_t dom;			/* in */
	evtchn_port_t port;		/* in */
	uint32_t status;		/* out: EVTCHNSTAT_* */
	uint32_t vcpu;			/* out: vCPU notified by the port */
	union {
		struct {
			domid_t dom;
		} unbound;
		struct {
			domid_t dom;
			evtchn_port_t port;
		} interdomain;
		uint32_t pirq;
		uint32_t virq;
	} u;
};
#define EVTCHNSTAT_closed 0
#define EVTCHNSTAT_unbound 1
#define EVTCHNSTAT_interdomain 2
#define EVTCHNSTAT_pirq 3
#define EVTCHNSTAT_virq 4
#define EVTCHNSTAT_ipi 5
struct evtchn_bind_vcpu {
	evtchn_port_t port;
	uint32_t vcpu;
};
struct evtchn_unmask {
	evtchn_port_t port;
};
struct evtchn_reset {
	domid_t dom;
};
struct evtchn_init_control {
	uint64_t control_gfn;		/* in */
	uint32_t offset;		/* in: of the control block in its page, multiple of 8 */
	uint32_t vcpu;			/* in */
	uint8_t link_bits;		/* out */
	uint8_t _pad[7];
};
struct evtchn_expand_array {
	uint64_t array_gfn;
};
struct evtchn_set_priority {
	evtchn_port_t port;
	uint32_t priority;		/* EVTCHN_FIFO_PRIORITY_* */
};
XA_CHECK_SIZE(struct evtchn_alloc_unbound, 8);
XA_CHECK_SIZE(struct evtchn_bind_interdomain, 12);
XA_CHECK_SIZE(struct evtchn_bind_virq, 12);
XA_CHECK_SIZE(struct evtchn_bind_pirq, 12);
XA_CHECK_SIZE(struct evtchn_bind_ipi, 8);
XA_CHECK_SIZE(struct evtchn_status, 24);
XA_CHECK_SIZE(struct evtchn_bind_vcpu, 8);
XA_CHECK_SIZE(struct evtchn_reset, 2);
XA_CHECK_SIZE(struct evtchn_init_control, 24);
XA_CHECK_SIZE(struct evtchn_expand_array, 8);
XA_CHECK_SIZE(struct evtchn_set_priority, 8);

/* Virtual interrupts; those not named per-vCPU exist once per domain, on vCPU 0. */
#define VIRQ_TIMER 0		/* per vCPU */
#define VIRQ_DEBUG 1		/* per vCPU */
#define VIRQ_CONSOLE 2
#define VIRQ_DOM_EXC 3
#define VIRQ_TBUF 4
#define VIRQ_DEBUGGER 6
#define VIRQ_XENOPROF 7		/* per vCPU */
#define VIRQ_CON_RING 8
#define VIRQ_PCPU_STATE 9
#define VIRQ_MEM_EVENT 10
#define VIRQ_ARGO 11
#define VIRQ_ENOMEM 12
#define VIRQ_XENPMU 13		/* per vCPU */
#define VIRQ_ARCH_0 16
#define NR_VIRQS 24

/* 2-level format: bits in shared_info, see shared_info.h. */
#define EVTCHN_2L_NR_CHANNELS_64 4096u
#define EVTCHN_2L_NR_CHANNELS_32 1024u

/*
 * FIFO format: one event word per port in pages that the guest gives, linked into one queue per
 * vCPU and priority; the heads are in the vCPU's control block.
 */
#define EVTCHN_FIFO_PRIORITY_MAX 0
#define EVTCHN_FIFO_PRIORITY_DEFAULT 7
#define EVTCHN_FIFO_PRIORITY_MIN 15
#define EVTCHN_FIFO_MAX_QUEUES 16
#define EVTCHN_FIFO_PENDING 31
#define EVTCHN_FIFO_MASKED 30
#define EVTCHN_FIFO_LINKED 29
#define EVTCHN_FIFO_BUSY 28
#define EVTCHN_FIFO_LINK_BITS 17
#define EVTCHN_FIFO_LINK_MASK ((1u << EVTCHN_FIFO_LINK_BITS) - 1)
#define EVTCHN_FIFO_NR_CHANNELS (1u << EVTCHN_FIFO_LINK_BITS)

struct evtchn_fifo_control_block {
	uint32_t ready;				/* bit p: queue of priority p is not empty */
	uint32_t _rsvd;
	uint32_t head[EVTCHN_FIFO_MAX_QUEUES];	/* first port of each queue */
};
XA_CHECK_SIZE(struct evtchn_fifo_control_block, 72);

#endif
