// SPDX-License-Identifier: MIT
#include <errno.h>
#include "xsd.h"

int xsd_live_control(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		     unsigned argc)
{
	(void)s; (void)c; (void)r; (void)argv; (void)argc;
	return -ENOSYS;
}

void xsd_live_start(struct xsd *s)
{
	s->live_update.start = false;
}
