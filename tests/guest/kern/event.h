/* SPDX-License-Identifier: MIT */
/*
 * shared_info, guest time and 2-level events of a test kernel.
 */
#ifndef KERN_EVENT_H
#define KERN_EVENT_H

#include "kern/hypercall.h"
#include "xenabi/shared_info.h"

#define MAX_VCPUS 8u
#define MAX_PORTS 64u

/* Fields of the shared pages at this kernel's width. */
#ifdef __x86_64__
#define SI_MASK XA_SHARED_INFO_MASK_64
#define SI_WC XA_SHARED_INFO_WC_64
#define SI_WC_SEC_HI XA_SHARED_INFO_WC_SEC_HI_64
#define VI_SEL XA_VCPU_INFO_SEL_64
#else
#define SI_MASK XA_SHARED_INFO_MASK_32
#define SI_WC XA_SHARED_INFO_WC_32
#define SI_WC_SEC_HI XA_SHARED_INFO_WC_SEC_HI_32
#define VI_SEL XA_VCPU_INFO_SEL_32
#endif

extern uint8_t shared_info[];	/* the page that shared_info_map() uses */
void shared_info_map(void);

/* The vcpu_info of @vcpu: in shared_info unless moved by setting vcpu_info_at[]. */
extern uint8_t *vcpu_info_at[MAX_VCPUS];
volatile uint8_t *vcpu_info(unsigned vcpu);
#define vcpu_pending(vcpu) (vcpu_info(vcpu)[XA_VCPU_INFO_PENDING])
static inline volatile unsigned long *vcpu_sel(unsigned vcpu)
{
	return (volatile unsigned long *)(vcpu_info(vcpu) + VI_SEL);
}

/** Guest system time in ns by the time record of @vcpu, which must be the one that asks. */
uint64_t vcpu_time(unsigned vcpu);
static inline uint64_t now(void)
{
	return vcpu_time(0);
}

bool event_pending(evtchn_port_t port);
bool event_masked(evtchn_port_t port);
void event_mask(evtchn_port_t port);
void event_clear_mask(evtchn_port_t port);	/* in memory only, no hypercall */
void event_clear_pending(evtchn_port_t port);

/*
 * Take the pending events of @vcpu: clears them and counts them in event_count[].
 * Returns the number of ports found.
 */
extern volatile unsigned event_count[MAX_PORTS];
unsigned event_scan(unsigned vcpu);

/* Upcalls of the vCPU that takes them, by the vector that each kind of set-up installs. */
#define UPCALL_VECTOR 0xf3u
extern volatile unsigned upcall_count[MAX_VCPUS];
/** Vector of this vCPU, acknowledged at its LAPIC, which must be on. */
void upcall_by_vcpu_vector(unsigned vcpu);
/** Vector of the domain, not acknowledged. */
void upcall_by_domain_vector(void);

evtchn_port_t bind_ipi(unsigned vcpu);
evtchn_port_t bind_virq(unsigned virq, unsigned vcpu);
static inline long send(evtchn_port_t port)
{
	struct evtchn_send s = { port };

	return event_channel_op(EVTCHNOP_send, &s);
}
static inline long unmask(evtchn_port_t port)
{
	struct evtchn_unmask u = { port };

	return event_channel_op(EVTCHNOP_unmask, &u);
}
static inline long close_port(evtchn_port_t port)
{
	struct evtchn_close c = { port };

	return event_channel_op(EVTCHNOP_close, &c);
}

#endif
