/* SPDX-License-Identifier: MIT */
/*
 * Exceptions to what a Landlock ruleset denies.
 *   ABI: include/uapi/linux/landlock.h
 */
#ifndef DOM_BASE_LANDLOCK_H
#define DOM_BASE_LANDLOCK_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#define DOM_LANDLOCK_WRITE_FILE (1ull << 1)
#define DOM_LANDLOCK_READ_FILE (1ull << 2)
#define DOM_LANDLOCK_REMOVE_FILE (1ull << 5)
#define DOM_LANDLOCK_MAKE_REG (1ull << 8)
#define DOM_LANDLOCK_MAKE_SOCK (1ull << 9)
#define DOM_LANDLOCK_TRUNCATE (1ull << 14)	/* version 3 */
#define DOM_LANDLOCK_IOCTL_DEV (1ull << 15)	/* version 5 */

/**
 * dom_landlock_allow - let @ruleset allow @rights, which it handles, on @path and all below
 *
 * A path that is not there, or cannot be opened, stays denied.
 */
static inline void dom_landlock_allow(int ruleset, const char *path, uint64_t rights)
{
	int fd DOM_CLEANUP_FD = dom_open(path, O_PATH, 0);
	struct {
		uint64_t allowed;
		int32_t fd;
	} __attribute__((packed)) rule = { rights, fd };

	if (fd >= 0)
		(void)syscall(SYS_landlock_add_rule, ruleset, 1 /* path beneath */, &rule, 0);
}

#endif
