// SPDX-License-Identifier: MIT
/*
 * The xenstore ring of a test kernel: one request at a time.
 */
#include "kern/xenstore.h"

char xs_payload[XENSTORE_PAYLOAD_MAX + 1];
static uint8_t *ring;
static evtchn_port_t port;
static unsigned events;
static bool sleeps;

static volatile uint32_t *index_at(unsigned offset)
{
	return (volatile uint32_t *)(ring + offset);
}

static void put(const void *data, size_t len)
{
	volatile uint32_t *prod = index_at(XENSTORE_RING_REQ_PROD);
	volatile uint32_t *cons = index_at(XENSTORE_RING_REQ_CONS);

	for (const uint8_t *p = data; len--; p++) {
		WAIT_FOR(*prod - *cons < XENSTORE_RING_SIZE, 10000);
		ring[XENSTORE_RING_REQ + MASK_XENSTORE_IDX(*prod)] = *p;
		__atomic_store_n(prod, *prod + 1, __ATOMIC_SEQ_CST);
	}
}

/* Until something is in the ring. Interrupts are off but while the processor is halted. */
static void wait_input(void)
{
	while (*index_at(XENSTORE_RING_RSP_PROD) == *index_at(XENSTORE_RING_RSP_CONS)) {
		if (sleeps)
			irq_wait();
		else
			cpu_relax();
	}
}

static void get(void *data, size_t len)
{
	volatile uint32_t *cons = index_at(XENSTORE_RING_RSP_CONS);

	for (uint8_t *p = data; len--; p++) {
		wait_input();
		*p = ring[XENSTORE_RING_RSP + MASK_XENSTORE_IDX(*cons)];
		__atomic_store_n(cons, *cons + 1, __ATOMIC_SEQ_CST);
	}
	CHECK_EQ(send(port), 0);
}

static void get_message(struct xsd_sockmsg *ret)
{
	get(ret, sizeof(*ret));
	CHECK(ret->len <= XENSTORE_PAYLOAD_MAX);
	get(xs_payload, ret->len);
	xs_payload[ret->len] = '\0';
	if (ret->type == XS_WATCH_EVENT)
		events++;
}

void xs_init(void)
{
	uint64_t gfn, p;

	shared_info_map();
	CHECK_EQ(hvm_get_param(HVM_PARAM_STORE_PFN, &gfn), 0);
	CHECK_EQ(hvm_get_param(HVM_PARAM_STORE_EVTCHN, &p), 0);
	ring = (uint8_t *)(unsigned long)(gfn << 12);
	port = (evtchn_port_t)p;
	CHECK(gfn && port && port < MAX_PORTS);
	event_mask(port);
}

void xs_sleep(void)
{
	lapic_init(true);
	upcall_by_vcpu_vector(0);
	CHECK_EQ(unmask(port), 0);
	sleeps = true;
}

uint32_t xs_request(uint32_t type, const char *a, const char *b, bool b_nul)
{
	static uint32_t id;
	uint32_t a_len = (uint32_t)strlen(a) + 1, b_len = b ? (uint32_t)strlen(b) + b_nul : 0;
	struct xsd_sockmsg m = { type, ++id, 0, a_len + b_len };

	put(&m, sizeof(m));
	put(a, a_len);
	put(b, b_len);
	CHECK_EQ(send(port), 0);
	do {
		get_message(&m);
	} while (m.type == XS_WATCH_EVENT);
	CHECK_EQ(m.req_id, id);
	return m.type;
}

uint32_t xs_read(const char *path)
{
	return xs_request(XS_READ, path, NULL, false);
}

void xs_write(const char *path, const char *value)
{
	if (xs_request(XS_WRITE, path, value, false) != XS_WRITE)
		fail("write of %s: %s", path, xs_payload);
}

void xs_watch(const char *path, const char *token)
{
	if (xs_request(XS_WATCH, path, token, true) != XS_WATCH)
		fail("watch of %s: %s", path, xs_payload);
}

void xs_wait_event(void)
{
	struct xsd_sockmsg m;

	while (!events)
		get_message(&m);
	events--;
}
