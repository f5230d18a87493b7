// SPDX-License-Identifier: MIT
/*
 * Which parts of low guest RAM are taken. A handful of ranges in a small array: the kernel's
 * segments go where the kernel says, everything else goes as high as its user can reach, because
 * kernels grow upwards from their load address (page tables, decompressors) before they read what
 * they were given.
 */
#include <inttypes.h>

#include "domicile/base/num.h"

#include "impl.h"

void boot_map_init(struct boot_map *map, uint64_t lo, uint64_t hi)
{
	*map = (struct boot_map){ .lo = lo, .hi = hi };
}

/* The range that meets [start, end), NULL if it is free. */
static const struct boot_taken *find_overlap(const struct boot_map *map, uint64_t start,
					     uint64_t end)
{
	for (unsigned i = 0; i < map->count; i++) {
		const struct boot_taken *t = &map->taken[i];

		if (start < t->end && t->start < end)
			return t;
	}
	return NULL;
}

int boot_map_add(struct boot_map *map, uint64_t start, uint64_t len, const char *what,
		 struct dom_err *err)
{
	const struct boot_taken *t;
	uint64_t end;

	if (!len || !dom_add_u64(start, len, &end))
		return dom_err_set(err, -EINVAL, "%s at 0x%" PRIx64 " has an impossible size",
				   what, start);
	t = find_overlap(map, start, end);
	if (t)
		return dom_err_set(err, -EEXIST,
				   "%s at 0x%" PRIx64 "-0x%" PRIx64 " overlaps %s at 0x%" PRIx64
				   "-0x%" PRIx64, what, start, end, t->what, t->start, t->end);
	if (map->count == BOOT_TAKEN_MAX)
		return dom_err_set(err, -ENOSPC, "%s: more than %d ranges of RAM are in use", what,
				   BOOT_TAKEN_MAX);
	map->taken[map->count++] = (struct boot_taken){ start, end, what };
	return 0;
}

int boot_map_place(struct boot_map *map, uint64_t len, uint64_t align, uint64_t limit,
		   const char *what, uint64_t *ret_start)
{
	uint64_t end = limit && limit < map->hi ? limit : map->hi;

	if (!len)
		return -ENOMEM;
	/* Each round moves below one more taken range, so there are at most count + 1 of them. */
	for (;;) {
		const struct boot_taken *t;
		uint64_t start;

		if (end < len)
			return -ENOMEM;
		start = (end - len) & ~(align - 1);
		if (start < map->lo)
			return -ENOMEM;
		t = find_overlap(map, start, start + len);
		if (!t) {
			int r = boot_map_add(map, start, len, what, NULL);

			if (!r)
				*ret_start = start;
			return r;
		}
		end = t->start;
	}
}
