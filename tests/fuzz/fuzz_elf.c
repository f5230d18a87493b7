// SPDX-License-Identifier: MIT
/*
 * The bytes of an ELF kernel, in portions as odd as a decompressor's, into the sink. Whatever is
 * accepted must lie inside guest RAM and be what the file says.
 */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/boot/impl.h"

enum { RAM_SIZE = 1 << 21 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *range(void *ctx, uint64_t gpa, uint64_t len)
{
	return dom_in_range(gpa, len, RAM_SIZE) ? (uint8_t *)ctx + gpa : NULL;
}

/* Returns 0 when all of the file is in RAM. */
static int feed(struct boot_sink *s, const uint8_t *data, size_t size, struct dom_err *err)
{
	size_t done = 0;
	int r = 0;

	while (!r && done < size) {
		size_t len;
		void *dst = boot_sink_next(s, &len);

		assert(len >= 1);
		len = DOM_MIN(len, size - done);
		len = DOM_MIN(len, 1 + done % 61);
		memcpy(dst, data + done, len);
		done += len;
		r = boot_sink_advance(s, len, err);
	}
	return r < 0 ? r : boot_sink_finish(s, err);
}

static void check(const struct boot_kernel *k, const uint8_t *ram)
{
	struct boot_site site[BOOT_SITES_MAX];
	uint32_t entry;

	assert(k->segs && k->segs <= BOOT_SEGS_MAX);
	for (unsigned i = 0; i < k->segs; i++) {
		const struct boot_seg *s = &k->seg[i];

		assert(s->filesz <= s->memsz && dom_in_range(s->gpa, s->memsz, RAM_SIZE));
		assert(!i || s->gpa >= k->seg[i - 1].gpa + k->seg[i - 1].memsz);
		for (uint64_t at = s->gpa + s->filesz; at < s->gpa + s->memsz; at++)
			assert(!ram[at]);
		boot_find_sites(ram + s->gpa, (size_t)s->filesz, s->gpa, s->gva, site,
				BOOT_SITES_MAX);
	}
	if (!boot_pvh_entry(k, &entry, NULL))
		assert(entry < RAM_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *mem = malloc(RAM_SIZE);
	const struct boot_ram ram = { .ctx = mem, .range = range };
	struct boot_kernel *k = calloc(1, sizeof(*k));
	struct boot_sink sink;
	struct boot_map map;
	struct dom_err err = { 0 };

	assert(mem && k);
	k->name = "fuzz";
	boot_map_init(&map, 0, RAM_SIZE);
	if (boot_sink_init(&sink, &ram, &map, k, size, false, &err))
		abort();
	if (!feed(&sink, data, size, &err))
		check(k, mem);
	else
		assert(err.code < 0 && !strncmp(err.msg, "fuzz: ", 6) && !strchr(err.msg, '\n'));
	boot_sink_fini(&sink);
	free(k);
	free(mem);
	return 0;
}
