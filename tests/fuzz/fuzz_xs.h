// SPDX-License-Identifier: MIT
/*
 * What the xenstore targets share: a daemon without socket files, and clients over socket pairs.
 */
#ifndef FUZZ_XS_H
#define FUZZ_XS_H

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xenstore/daemon/xsd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct xsd s;

static void start(void)
{
	if (xsd_init(&s) || xsd_loop_init(&s))
		abort();
	s.watches.few = 3;	/* both ways of telling are reached by short inputs */
}

/* A client with the identity of @domid, introduced unless it is 0; returns its end. */
static inline int client(uint16_t domid)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
		abort();
	if (!domid) {
		if (!xsd_conn_new(&s, pair[1], xsd_dom_peek(&s, 0)))
			abort();
	} else if (xsd_dom_introduce(&s, domid, 1, 1) ||
		   xsd_dom_connect(&s, xsd_dom_peek(&s, domid), pair[1], false)) {
		abort();
	}
	return pair[0];
}

static inline void rounds(void)
{
	for (int i = 0; i < 4; i++)
		xsd_loop_round(&s, 0);
}

static inline void discard(int fd)
{
	char buf[65536];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

/* Accounts must be right whatever has happened. */
static void finish(void)
{
	if (xsd_check(&s))
		abort();
	xsd_fini(&s);
}

#endif
