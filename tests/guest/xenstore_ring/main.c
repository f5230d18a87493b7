// SPDX-License-Identifier: MIT
/*
 * Fact: HVM parameters name the page and the port of xenstore; the guest finds itself there.
 * Source: xen/include/public/io/xs_wire.h; docs/misc/xenstore.txt
 * Expect: reads of "domid" and "name", relative to its own directory, answer with the request's id;
 *   a node that does not exist gives the error ENOENT.
 * run: xenstore=auto
 */
#include "kern/event.h"
#include "xenabi/io_xs.h"

static uint8_t *ring;
static evtchn_port_t port;
static char payload[XENSTORE_PAYLOAD_MAX + 1];

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
	CHECK_EQ(send(port), 0);
}

static void get(void *data, size_t len)
{
	volatile uint32_t *prod = index_at(XENSTORE_RING_RSP_PROD);
	volatile uint32_t *cons = index_at(XENSTORE_RING_RSP_CONS);

	for (uint8_t *p = data; len--; p++) {
		WAIT_FOR(*prod != *cons, 10000);
		*p = ring[XENSTORE_RING_RSP + MASK_XENSTORE_IDX(*cons)];
		__atomic_store_n(cons, *cons + 1, __ATOMIC_SEQ_CST);
	}
	CHECK_EQ(send(port), 0);
}

/* Read @path; the answer is in payload. Returns its type. */
static uint32_t xs_read(const char *path)
{
	static uint32_t id;
	struct xsd_sockmsg m = { XS_READ, ++id, 0, (uint32_t)strlen(path) + 1 };

	put(&m, sizeof(m));
	put(path, m.len);
	get(&m, sizeof(m));
	CHECK_EQ(m.req_id, id);
	CHECK(m.len <= XENSTORE_PAYLOAD_MAX);
	get(payload, m.len);
	payload[m.len] = '\0';
	return m.type;
}

void test_main(void)
{
	uint64_t gfn, p;

	shared_info_map();
	CHECK_EQ(hvm_get_param(HVM_PARAM_STORE_PFN, &gfn), 0);
	CHECK_EQ(hvm_get_param(HVM_PARAM_STORE_EVTCHN, &p), 0);
	ring = (uint8_t *)(unsigned long)(gfn << 12);
	port = (evtchn_port_t)p;
	CHECK(gfn && port && port < MAX_PORTS);
	event_mask(port);

	CHECK_EQ(xs_read("domid"), XS_READ);
	CHECK(payload[0] >= '0' && payload[0] <= '9');
	kprintf("domid %s\n", payload);
	CHECK_EQ(xs_read("name"), XS_READ);
	if (strcmp(payload, "xenstore_ring"))
		fail("name is %s", payload);
	CHECK_EQ(xs_read("no/such/node"), XS_ERROR);
	if (strcmp(payload, "ENOENT"))
		fail("error is %s", payload);
}
