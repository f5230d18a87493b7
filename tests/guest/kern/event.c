// SPDX-License-Identifier: MIT
/*
 * shared_info, guest time and 2-level events.
 *   ABI: xen/include/public/xen.h, event_channel.h
 */
#include "kern/event.h"

uint8_t shared_info[PAGE_SIZE] PAGE_ALIGNED;
uint8_t *vcpu_info_at[MAX_VCPUS];
volatile unsigned event_count[MAX_PORTS], upcall_count[MAX_VCPUS];

void shared_info_map(void)
{
	CHECK_EQ(add_to_physmap(XENMAPSPACE_shared_info, 0, (unsigned long)shared_info), 0);
}

volatile uint8_t *vcpu_info(unsigned vcpu)
{
	return vcpu_info_at[vcpu] ? vcpu_info_at[vcpu] : shared_info + vcpu * XA_VCPU_INFO_SIZE;
}

/* ns = (delta << shift) * mul >> 32, in 32-bit steps so that -m32 needs no library. */
static uint64_t scale(uint64_t delta, uint32_t mul, int8_t shift)
{
	delta = shift < 0 ? delta >> -shift : delta << shift;
	return (delta >> 32) * mul + ((delta & 0xffffffff) * mul >> 32);
}

uint64_t vcpu_time(unsigned vcpu)
{
	volatile struct vcpu_time_info *t = (volatile struct vcpu_time_info *)
					    (vcpu_info(vcpu) + XA_VCPU_INFO_TIME);
	uint32_t version;
	uint64_t ns;

	do {
		version = t->version;
		__asm__ volatile("" : : : "memory");
		ns = t->system_time + scale(rdtsc() - t->tsc_timestamp, t->tsc_to_system_mul,
					    t->tsc_shift);
		__asm__ volatile("" : : : "memory");
	} while (version & 1 || version != t->version);
	return ns;
}

static volatile unsigned long *word(unsigned offset, evtchn_port_t port)
{
	return (volatile unsigned long *)(shared_info + offset) + port / BITS_PER_LONG;
}

static unsigned long bit(evtchn_port_t port)
{
	return 1ul << port % BITS_PER_LONG;
}

bool event_pending(evtchn_port_t port)
{
	return *word(XA_SHARED_INFO_PENDING, port) & bit(port);
}

bool event_masked(evtchn_port_t port)
{
	return *word(SI_MASK, port) & bit(port);
}

void event_mask(evtchn_port_t port)
{
	__atomic_fetch_or(word(SI_MASK, port), bit(port), __ATOMIC_SEQ_CST);
}

void event_clear_mask(evtchn_port_t port)
{
	__atomic_fetch_and(word(SI_MASK, port), ~bit(port), __ATOMIC_SEQ_CST);
}

void event_clear_pending(evtchn_port_t port)
{
	__atomic_fetch_and(word(XA_SHARED_INFO_PENDING, port), ~bit(port), __ATOMIC_SEQ_CST);
}

unsigned event_scan(unsigned vcpu)
{
	unsigned found = 0;
	unsigned long sel;

	__atomic_store_n(&vcpu_pending(vcpu), 0, __ATOMIC_SEQ_CST);
	sel = __atomic_exchange_n(vcpu_sel(vcpu), 0, __ATOMIC_SEQ_CST);
	for (evtchn_port_t port = 0; port < MAX_PORTS; port++) {
		if (!(sel & 1ul << port / BITS_PER_LONG) || !event_pending(port) || event_masked(port))
			continue;
		event_clear_pending(port);
		event_count[port]++;
		found++;
	}
	return found;
}

static void take_upcall(struct frame *f)
{
	unsigned vcpu = this_vcpu();

	(void)f;
	upcall_count[vcpu]++;
	event_scan(vcpu);
}

static void take_upcall_eoi(struct frame *f)
{
	take_upcall(f);
	lapic_eoi();
}

void upcall_by_vcpu_vector(unsigned vcpu)
{
	struct xen_hvm_evtchn_upcall_vector v = { vcpu, UPCALL_VECTOR };

	set_handler(UPCALL_VECTOR, take_upcall_eoi);
	CHECK_EQ(hvm_op(HVMOP_set_evtchn_upcall_vector, &v), 0);
}

void upcall_by_domain_vector(void)
{
	set_handler(UPCALL_VECTOR, take_upcall);
	CHECK_EQ(hvm_set_param(HVM_PARAM_CALLBACK_IRQ,
			       (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR <<
			       HVM_PARAM_CALLBACK_TYPE_SHIFT | UPCALL_VECTOR), 0);
}

evtchn_port_t bind_ipi(unsigned vcpu)
{
	struct evtchn_bind_ipi b = { .vcpu = vcpu };

	CHECK_EQ(event_channel_op(EVTCHNOP_bind_ipi, &b), 0);
	CHECK(b.port && b.port < MAX_PORTS);
	event_clear_mask(b.port);
	return b.port;
}

evtchn_port_t bind_virq(unsigned virq, unsigned vcpu)
{
	struct evtchn_bind_virq b = { .virq = virq, .vcpu = vcpu };

	CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &b), 0);
	CHECK(b.port && b.port < MAX_PORTS);
	event_clear_mask(b.port);
	return b.port;
}
