// SPDX-License-Identifier: MIT
/* A kernel file of any form, as boot_image_open() would meet it on disk: headers and all codecs. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/boot/impl.h"

enum { RAM_SIZE = 1 << 21 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *range(void *ctx, uint64_t gpa, uint64_t len)
{
	return dom_in_range(gpa, len, RAM_SIZE) ? (uint8_t *)ctx + gpa : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct boot_opts opts = { .cache_dir = "" };
	uint8_t *mem = malloc(RAM_SIZE);
	const struct boot_ram ram = { .ctx = mem, .range = range, .zeroed = true };
	struct boot_kernel *k = calloc(1, sizeof(*k));
	struct boot_image *img;
	struct boot_map map;
	struct dom_err err = { 0 };
	char path[64];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	int r;

	assert(mem && k && fd >= 0);
	assert(write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	boot_map_init(&map, 0, RAM_SIZE);
	r = boot_image_open(path, &img, &err);
	if (!r) {
		r = boot_image_load(img, &ram, &map, &opts, k, &err);
		boot_image_close(img);
	}
	if (r)
		assert(err.code == r && !strncmp(err.msg, path, strlen(path)) &&
		       !strchr(err.msg, '\n'));
	else
		assert(k->segs && k->end <= RAM_SIZE && k->start < k->end);
	close(fd);
	free(k);
	free(mem);
	return 0;
}
