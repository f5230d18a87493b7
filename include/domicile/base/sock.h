// SPDX-License-Identifier: MIT
/*
 * Files that may be sockets: a disk image is a file, or the socket of a program that serves one.
 */
#ifndef DOM_BASE_SOCK_H
#define DOM_BASE_SOCK_H

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "domicile/base/fd.h"

/** dom_connect - connect to the stream socket at @path; returns the descriptor or -errno */
static inline int dom_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd DOM_CLEANUP_FD = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return dom_fd_steal(&fd);
}

/** dom_open_any - dom_open() of a file, dom_connect() to a socket */
static inline int dom_open_any(const char *path, int flags)
{
	int fd = dom_open(path, flags, 0);

	return fd == -ENXIO ? dom_connect(path) : fd;
}

#endif
