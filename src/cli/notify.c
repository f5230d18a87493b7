// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "domicile/base/fd.h"

#include "notify.h"

void xl_notify(const char *fmt, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char text[256];
	socklen_t len;
	va_list ap;
	int n;

	if (!path || !*path || strlen(path) >= sizeof(addr.sun_path))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	strcpy(addr.sun_path, path);
	if (*path == '@')
		addr.sun_path[0] = '\0';
	int fd DOM_CLEANUP_FD = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	/* A manager that does not listen misses a message, not the domain. */
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	n = DOM_MIN(n, (int)sizeof(text) - 1);
	if (fd >= 0 && n > 0 &&
	    sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&addr, len) < 0)
		return;
}
