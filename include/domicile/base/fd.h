// SPDX-License-Identifier: MIT
/*
 * Owned file descriptors: closed by scope, close-on-exec from birth.
 */
#ifndef DOM_BASE_FD_H
#define DOM_BASE_FD_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "domicile/base/cc.h"

static inline void dom_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline void dom_free_ptr(void *p)
{
	free(*(void **)p);
	*(void **)p = NULL;
}

/* `int fd DOM_CLEANUP_FD = ...;` closes at the end of the scope; dom_fd_steal() keeps it open. */
#define DOM_CLEANUP_FD DOM_CLEANUP(dom_close_fd)
#define DOM_CLEANUP_FREE DOM_CLEANUP(dom_free_ptr)

static inline int dom_fd_steal(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

/** dom_open - open(2) close-on-exec; returns the descriptor or -errno */
static inline int dom_open(const char *path, int flags, mode_t mode)
{
	int fd;

	do {
		fd = open(path, flags | O_CLOEXEC, mode);
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

/** dom_write_all - write all of @len bytes; returns 0 or -errno */
static inline int dom_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/** dom_read_all - read up to @len bytes, fewer only at the end of file; returns the count or -errno */
static inline ssize_t dom_read_all(int fd, void *buf, size_t len)
{
	char *p = buf;
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, p + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

#endif
