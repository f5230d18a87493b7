// SPDX-License-Identifier: MIT
/*
 * What kinds of guests a kernel file can be, told by the notes in it. They are behind its compression,
 * so the file is decoded as for a guest, into memory that is thrown away; the cache makes that cheap
 * the next time, which is when the guest starts.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "boot/boot.h"
#include "domicile/base/num.h"
#include "xenabi/elfnote.h"
#include "vmm.h"

/* As much as a kernel may take, and its load address. */
#define ROOM (2ull << 30)

static void *room_range(void *ctx, uint64_t gpa, uint64_t len)
{
	return dom_in_range(gpa, len, ROOM) ? (uint8_t *)ctx + gpa : NULL;
}

static int load(const char *path, struct boot_kernel *k, struct dom_err *err)
{
	const struct boot_opts opts = { .no_sites = true, .no_init = true };
	struct boot_ram ram = { .range = room_range, .zeroed = true };
	struct boot_image *img;
	struct boot_map map;
	int r;

	ram.ctx = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram.ctx == MAP_FAILED)
		return dom_err_set(err, -ENOMEM, "%s: no room to decode it", path);
	boot_map_init(&map, 0, ROOM);
	r = boot_image_open(path, &img, err);
	if (!r) {
		r = boot_image_load(img, &ram, &map, &opts, k, err);
		boot_image_close(img);
	}
	munmap(ram.ctx, ROOM);
	return r;
}

int vmm_print_entries(const char *path, struct dom_err *err)
{
	struct boot_kernel k;
	struct dom_err not_pvh;
	uint32_t entry;
	bool pv, pvh;
	int r = load(path, &k, err);

	if (r)
		return r;
	pv = boot_pv_possible(&k);
	pvh = !boot_pvh_entry(&k, &entry, &not_pvh);
	printf("%s%s%s\n", pv ? "pv" : "", pv && pvh ? " " : "", pvh ? "pvh" : "");
	return fflush(stdout) ? -errno : 0;
}
