// SPDX-License-Identifier: MIT
/*
 * Files for the kernel beside itself: an initrd, or what xen-shim is to boot. Each is read straight
 * to the highest free pages that the kernel can reach.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "domicile/base/fd.h"
#include "xenabi/base.h"

#include "impl.h"

static int open_module(const char *path, uint64_t *ret_len, struct dom_err *err)
{
	/* Not blocking: a FIFO is told apart only after open. */
	int fd DOM_CLEANUP_FD = dom_open(path, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return dom_err_set(err, fd, "%s: %s; check the path and its permissions", path,
				   strerror(-fd));
	if (fstat(fd, &st))
		return dom_err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || !st.st_size)
		return dom_err_set(err, -EINVAL, "%s: %s; name an initrd image", path,
				   S_ISREG(st.st_mode) ? "file is empty" : "not a regular file");
	*ret_len = (uint64_t)st.st_size;
	return dom_fd_steal(&fd);
}

int boot_module_size(const char *path, uint64_t *ret_len, struct dom_err *err)
{
	int fd DOM_CLEANUP_FD = open_module(path, ret_len, err);

	return fd < 0 ? fd : 0;
}

static int load_module(struct boot_module *m, const struct boot_kernel *k,
		       const struct boot_ram *ram, struct boot_map *map, struct dom_err *err)
{
	uint64_t len = 0, gpa, pages;
	int fd DOM_CLEANUP_FD = open_module(m->path, &len, err);
	void *dst = NULL;
	int r;

	if (fd < 0)
		return fd;
	pages = dom_align_up(len, XEN_PAGE_SIZE);
	r = boot_map_place(map, pages, XEN_PAGE_SIZE, k->module_limit, m->path, &gpa);
	if (!r)
		dst = ram->range(ram->ctx, gpa, pages);
	if (!dst)
		return dom_err_set(err, -ENOMEM,
				   "%s: %" PRIu64 " MiB do not fit into guest memory beside the kernel; raise memory",
				   m->path, dom_align_up(len, 1 << 20) >> 20);
	r = boot_pread(fd, dst, (size_t)len, 0);
	if (r)
		return boot_src_error(m->path, r, err);
	if (!ram->zeroed)
		memset((char *)dst + len, 0, (size_t)(pages - len));
	m->gpa = gpa;
	m->len = len;
	return 0;
}

int boot_modules_load(struct boot_module *mods, unsigned count, const struct boot_kernel *k,
		      const struct boot_ram *ram, struct boot_map *map, struct dom_err *err)
{
	int r = 0;

	if (count > BOOT_MODULES_MAX)
		return dom_err_set(err, -EINVAL, "%s: %u modules given; at most %d are possible",
				   k->name, count, BOOT_MODULES_MAX);
	for (unsigned i = 0; !r && i < count; i++)
		r = load_module(&mods[i], k, ram, map, err);
	return r;
}
