// SPDX-License-Identifier: MIT
/*
 * Fact: HVM parameters name the page and the port of xenstore; the guest finds itself there.
 * Source: xen/include/public/io/xs_wire.h; docs/misc/xenstore.txt
 * Expect: reads of "domid" and "name", relative to its own directory, answer with the request's id;
 *   a node that does not exist gives the error ENOENT.
 * run: xenstore=auto
 */
#include "kern/xenstore.h"

void test_main(void)
{
	xs_init();
	CHECK_EQ(xs_read("domid"), XS_READ);
	CHECK(xs_payload[0] >= '0' && xs_payload[0] <= '9');
	kprintf("domid %s\n", xs_payload);
	CHECK_EQ(xs_read("name"), XS_READ);
	if (strcmp(xs_payload, "xenstore_ring"))
		fail("name is %s", xs_payload);
	CHECK_EQ(xs_read("no/such/node"), XS_ERROR);
	if (strcmp(xs_payload, "ENOENT"))
		fail("error is %s", xs_payload);
}
