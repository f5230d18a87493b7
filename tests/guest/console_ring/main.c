// SPDX-License-Identifier: MIT
/*
 * Fact: HVM parameters name the page and the port of the PV console, served from the first
 *   instruction on; output reaches the host in order and input comes back.
 * Source: xen/include/public/io/console.h, hvm/params.h
 * Expect: 6000 bytes, more than two rings full, go out and show on the host; the runner's line comes
 *   in and is echoed; each side notifies the other by the port's event.
 * run: stdin=knock-knock expect=echo:knock-knock expect=last-of-6000
 */
#include "kern/event.h"
#include "xenabi/io_console.h"

#define WANT "knock-knock\n"

static uint8_t *ring;
static evtchn_port_t port;

static volatile uint32_t *index_at(unsigned offset)
{
	return (volatile uint32_t *)(ring + offset);
}

static void put(const char *s, size_t len)
{
	volatile uint32_t *cons = index_at(XA_CONSOLE_OUT_CONS), *prod = index_at(XA_CONSOLE_OUT_PROD);

	while (len--) {
		if (*prod - *cons == XA_CONSOLE_OUT_SIZE) {
			CHECK_EQ(send(port), 0);
			WAIT_FOR(*prod - *cons < XA_CONSOLE_OUT_SIZE, 5000);
		}
		ring[XA_CONSOLE_OUT + *prod % XA_CONSOLE_OUT_SIZE] = (uint8_t)*s++;
		__atomic_store_n(prod, *prod + 1, __ATOMIC_SEQ_CST);
	}
	CHECK_EQ(send(port), 0);
}

static void get_line(char *line, size_t len)
{
	volatile uint32_t *cons = index_at(XA_CONSOLE_IN_CONS), *prod = index_at(XA_CONSOLE_IN_PROD);

	while (len--) {
		WAIT_FOR(*prod != *cons, 5000);
		*line++ = (char)ring[XA_CONSOLE_IN + *cons % XA_CONSOLE_IN_SIZE];
		__atomic_store_n(cons, *cons + 1, __ATOMIC_SEQ_CST);
	}
	CHECK_EQ(send(port), 0);
}

void test_main(void)
{
	static char line[sizeof(WANT)];
	uint64_t gfn, p;

	shared_info_map();
	CHECK_EQ(hvm_get_param(HVM_PARAM_CONSOLE_PFN, &gfn), 0);
	CHECK_EQ(hvm_get_param(HVM_PARAM_CONSOLE_EVTCHN, &p), 0);
	ring = (uint8_t *)(unsigned long)(gfn << 12);
	port = (evtchn_port_t)p;
	CHECK(gfn && port && port < MAX_PORTS);
	event_mask(port);

	for (unsigned i = 0; i < 60; i++) {
		char text[100];

		memset(text, '.', sizeof(text));
		text[99] = '\n';
		if (i == 59)
			memcpy(text, "last-of-6000", 12);
		put(text, sizeof(text));
	}
	WAIT_FOR(*index_at(XA_CONSOLE_OUT_CONS) == *index_at(XA_CONSOLE_OUT_PROD), 5000);

	get_line(line, sizeof(WANT) - 1);
	if (strcmp(line, WANT))
		fail("got the line %s", line);
	CHECK(event_pending(port));
	put("echo:", 5);
	put(line, sizeof(WANT) - 1);
	WAIT_FOR(*index_at(XA_CONSOLE_OUT_CONS) == *index_at(XA_CONSOLE_OUT_PROD), 5000);
}
