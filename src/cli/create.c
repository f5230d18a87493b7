// SPDX-License-Identifier: MIT
/*
 * Creation of a domain, as commands ask for it.
 *
 * Processes: `xl create` forks the domain's monitor first; that child makes the domain, starts the
 * VMM as its own child, reports, and stays. So there is one store connection per process, and the
 * one who waits for the VMM is its parent.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "domain.h"
#include "life.h"

int xl_create_domain(struct xl *xl, struct xl_create *c)
{
	struct xl_life_result result = { XL_LIBXL, 0 };
	int fds[2];
	pid_t pid;

	xl_domain_defaults(c->json);
	if (c->foreground)
		return xl_life_live(xl, c, -1);
	fflush(NULL);
	pid = pipe2(fds, O_CLOEXEC) ? -1 : fork();
	if (pid < 0) {
		fprintf(stderr, "xl: error: no process for the domain's monitor: %s\n", strerror(errno));
		return XL_LIBXL;
	}
	if (!pid) {
		close(fds[0]);
		_exit(xl_life_live(xl, c, fds[1]));
	}
	close(fds[1]);
	if (dom_read_all(fds[0], &result, sizeof(result)) != sizeof(result)) {
		fprintf(stderr, "xl: error: the domain's monitor ended before the domain ran\n");
		result.status = XL_LIBXL;
	}
	close(fds[0]);
	c->domid = result.domid;
	return result.status;
}
