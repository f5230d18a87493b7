// SPDX-License-Identifier: MIT
/*
 * Reading a part of a file in order, through one small buffer. pread and not mmap: whoever shrinks
 * the file meanwhile causes an error and not a SIGBUS, and no page of it stays in our memory.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "impl.h"

/* boot_src_error - the sentence for a failed read of @name; -ENODATA is an early end of file */
int boot_src_error(const char *name, int r, struct dom_err *err)
{
	if (r == -ENODATA)
		return dom_err_set(err, -ENOEXEC, "%s: file is truncated; copy or install it again",
				   name);
	return dom_err_set(err, r, "%s: cannot read: %s; check the disk and the file", name,
			   strerror(-r));
}

int boot_src_init(struct boot_src *src, const char *name, int fd, uint64_t pos, uint64_t len,
		  struct dom_err *err)
{
	*src = (struct boot_src){ .name = name, .fd = fd, .pos = pos, .end = pos + len };
	src->buf = malloc(SRC_BUF);
	return src->buf ? 0 : dom_err_set(err, -ENOMEM, "%s: out of memory", name);
}

void boot_src_fini(struct boot_src *src)
{
	free(src->buf);
	src->buf = NULL;
}

/* boot_pread - read exactly @len bytes at @off; returns 0, -ENODATA at the end of file, -errno */
int boot_pread(int fd, void *buf, size_t len, uint64_t off)
{
	uint8_t *p = buf;

	while (len) {
		ssize_t n = pread(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* boot_src_read - the next bytes in order; returns their count, 0 at the end, or a set error */
ssize_t boot_src_read(struct boot_src *src, const uint8_t **ret, struct dom_err *err)
{
	uint64_t left = src->end - src->pos;
	size_t len = left < SRC_BUF ? (size_t)left : SRC_BUF;
	int r = boot_pread(src->fd, src->buf, len, src->pos);

	if (r)
		return boot_src_error(src->name, r, err);
	src->pos += len;
	if (src->hash) {
		boot_hash_add(src->hash, src->buf, len);
		src->hashed += len;
	}
	*ret = src->buf;
	return (ssize_t)len;
}
