// SPDX-License-Identifier: MIT
/*
 * Fact: consoles beside the first are devices: the front end grants a ring, allocates a port, tells both
 *   in device/console/N, and the back end serves them as it serves the first console.
 * Source: xen/include/public/io/console.h; xencons_probe() in drivers/tty/hvc/hvc_xen.c of Linux
 * Expect: without any in the store there is none. For tests of xl, which describe some: those of 1
 *   to 4 that are there reach the state Connected, say "console N of NAME", and echo each line with
 *   their number before it. One that is told "close" closes, and connects again.
 * run: xenstore=auto cmdline=none
 */
#include "kern/xenstore.h"
#include "xenabi/io_console.h"

#define CONSOLES 4u
#define LINE 64u

struct console {
	uint8_t *ring;
	evtchn_port_t port;
	char line[LINE];
	unsigned len;
};

static struct grant_entry_v1 grants[512] PAGE_ALIGNED;
static uint8_t rings[CONSOLES][4096] PAGE_ALIGNED;
static struct console consoles[CONSOLES];

static volatile uint32_t *index_at(const struct console *c, unsigned offset)
{
	return (volatile uint32_t *)(c->ring + offset);
}

/* "device/console/N/KEY" */
static const char *node(unsigned n, const char *key)
{
	static char path[64];
	char *p = path;

	for (const char *s = "device/console/"; *s; s++)
		*p++ = *s;
	*p++ = (char)('1' + n);
	*p++ = '/';
	while (*key)
		*p++ = *key++;
	*p = '\0';
	return path;
}

static void write_number(unsigned n, const char *key, uint32_t value)
{
	char text[12], *p = text + sizeof(text) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	xs_write(node(n, key), p);
}

static void put(const struct console *c, const char *s, size_t len)
{
	volatile uint32_t *cons = index_at(c, XA_CONSOLE_OUT_CONS), *prod = index_at(c, XA_CONSOLE_OUT_PROD);

	while (len--) {
		WAIT_FOR(*prod - *cons < XA_CONSOLE_OUT_SIZE, 30000);
		c->ring[XA_CONSOLE_OUT + *prod % XA_CONSOLE_OUT_SIZE] = (uint8_t)*s++;
		__atomic_store_n(prod, *prod + 1, __ATOMIC_SEQ_CST);
	}
	CHECK_EQ(send(c->port), 0);
}

static void put_text(const struct console *c, const char *s)
{
	put(c, s, strlen(s));
}

static void await_state(unsigned n, char state)
{
	static char path[128];

	CHECK_EQ(xs_read(node(n, "backend")), XS_READ);
	memcpy(path, xs_payload, 100);
	memcpy(path + strlen(path), "/state", 7);
	/* The back end's own time is short, the emulated host's is not. */
	WAIT_FOR(xs_read(path) == XS_READ && xs_payload[0] == state, 60000);
}

static void connect(unsigned n)
{
	struct evtchn_alloc_unbound a = { DOMID_SELF, 0, 0 };
	struct console *c = &consoles[n];

	c->ring = rings[n];
	memset(c->ring, 0, 4096);
	c->len = 0;
	CHECK_EQ(event_channel_op(EVTCHNOP_alloc_unbound, &a), 0);
	c->port = a.port;
	CHECK(c->port < MAX_PORTS);
	event_mask(c->port);
	grants[8 + n].frame = (uint32_t)((unsigned long)c->ring >> 12);
	grants[8 + n].domid = 0;
	__atomic_store_n(&grants[8 + n].flags, GTF_permit_access, __ATOMIC_SEQ_CST);
	write_number(n, "ring-ref", 8 + n);
	write_number(n, "port", c->port);
	xs_write(node(n, "state"), "3");
	await_state(n, '4');
	xs_write(node(n, "state"), "4");
	CHECK_EQ(xs_read(node(n, "name")), XS_READ);
	put_text(c, "console ");
	put(c, (const char[]){ (char)('1' + n) }, 1);
	put_text(c, " of ");
	put_text(c, xs_payload);
	put_text(c, "\n");
}

static void close_console(unsigned n)
{
	struct console *c = &consoles[n];

	xs_write(node(n, "state"), "6");
	await_state(n, '6');
	/* The back end has let go of the page. */
	CHECK_EQ(grants[8 + n].flags, GTF_permit_access);
	grants[8 + n].flags = 0;
	CHECK_EQ(close_port(c->port), 0);
	xs_write(node(n, "state"), "1");
	await_state(n, '2');
}

static void do_line(unsigned n)
{
	struct console *c = &consoles[n];

	c->line[c->len] = '\0';
	if (!strcmp(c->line, "close")) {
		close_console(n);
		connect(n);
		return;
	}
	put(c, (const char[]){ (char)('1' + n), ':' }, 2);
	put(c, c->line, c->len);
	put_text(c, "\n");
	c->len = 0;
}

static void take_input(unsigned n)
{
	struct console *c = &consoles[n];
	volatile uint32_t *cons = index_at(c, XA_CONSOLE_IN_CONS), *prod = index_at(c, XA_CONSOLE_IN_PROD);

	while (*prod != *cons) {
		char ch = (char)c->ring[XA_CONSOLE_IN + *cons % XA_CONSOLE_IN_SIZE];

		__atomic_store_n(cons, *cons + 1, __ATOMIC_SEQ_CST);
		CHECK_EQ(send(c->port), 0);
		if (ch == '\n') {
			do_line(n);
			return;
		}
		if (c->len < LINE - 1)
			c->line[c->len++] = ch;
	}
}

void test_main(void)
{
	unsigned found = 0;

	xs_init();
	CHECK_EQ(add_to_physmap(XENMAPSPACE_grant_table, 0, (unsigned long)grants), 0);
	for (unsigned n = 0; n < CONSOLES; n++) {
		if (xs_read(node(n, "backend")) != XS_READ)
			continue;
		connect(n);
		found++;
	}
	if (arg_has("none")) {
		CHECK_EQ(found, 0);
		return;
	}
	kprintf("%s: %u consoles\n", test_name, found);
	for (;;) {
		for (unsigned n = 0; n < CONSOLES; n++)
			if (consoles[n].ring)
				take_input(n);
		cpu_relax();
	}
}
