// SPDX-License-Identifier: MIT
/*
 * Core dumps: a file is opened here, and filled by the domain's VMM.
 */
#ifndef XL_DUMP_H
#define XL_DUMP_H

#include "xl.h"

/** struct xl_dump - what xl_dump_core() is told besides the domain */
struct xl_dump {
	const char *path;	/* file that is made or replaced, mode 0600 */
	/* Called now and then with KiB of memory that are dealt with, and all; false: give up. */
	bool (*step)(void *arg, uint64_t done, uint64_t total);
	void *arg;
	int wake_fd;		/* readable: call step() now; -1: none */
};

/**
 * xl_dump_core - write the core of domain @domid to a file
 *
 * The domain is stopped meanwhile. A file that was made and could not be completed is removed
 * again. Returns 0 or -errno, named in @err; -EINTR when step() gave up.
 */
int xl_dump_core(struct xl *xl, unsigned domid, const struct xl_dump *d, struct dom_err *err);

/** xl_dump_path - the file of on_* = coredump-*: DIR/NAME, DIR being made; 0 or -errno with @err */
int xl_dump_path(const char *name, char *buf, size_t size, struct dom_err *err);

#endif
