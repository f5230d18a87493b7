// SPDX-License-Identifier: MIT
#ifndef XL_FILE_H
#define XL_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "domicile/base/fd.h"

/**
 * xl_file_read - the contents of a file, of a pipe, too
 * @max:  -EFBIG when it is longer
 * @ret:  contents with a NUL behind, to be freed
 */
static inline int xl_file_read(const char *path, size_t max, char **ret, size_t *ret_len)
{
	int fd DOM_CLEANUP_FD = dom_open(path, O_RDONLY, 0);
	size_t room = 4096, len = 0;
	char *buf = NULL;

	if (fd < 0)
		return fd;
	for (;;) {
		char *more = realloc(buf, room + 1);
		ssize_t n = more ? dom_read_all(fd, more + len, room - len) : -ENOMEM;

		buf = more ? more : buf;
		if (n >= 0)
			len += (size_t)n;
		if (n >= 0 && len == room && room <= max) {
			room *= 2;
			continue;
		}
		if (n < 0 || len > max) {
			free(buf);
			return n < 0 ? (int)n : -EFBIG;
		}
		buf[len] = '\0';
		*ret = buf;
		*ret_len = len;
		return 0;
	}
}

#endif
