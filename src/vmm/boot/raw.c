// SPDX-License-Identifier: MIT
/*
 * An ELF file that is not compressed: read straight into guest RAM, gaps are skipped. The cache
 * keeps its kernels in this form.
 */
#include "impl.h"

/*
 * boot_raw_copy - read an ELF file that starts at offset @base of @fd into @sink
 * @hash:  every byte that was wanted goes through it while the CPU's caches hold it; may be NULL
 *
 * Returns 0 or a set error.
 */
int boot_raw_copy(int fd, uint64_t base, struct boot_sink *sink, struct boot_hash *hash,
		  struct dom_err *err)
{
	for (;;) {
		uint64_t gap = boot_sink_gap(sink);
		size_t len;
		void *dst;
		int r;

		if (gap == UINT64_MAX)
			return 0;
		sink->pos += gap;
		if (sink->pos >= sink->limit)
			return boot_src_error(sink->k->name, -ENODATA, err);
		dst = boot_sink_next(sink, &len);
		len = DOM_MIN(len, (size_t)SINK_CHUNK);
		r = boot_pread(fd, dst, len, base + sink->pos);
		if (r)
			return boot_src_error(sink->k->name, r, err);
		if (hash)
			boot_hash_add(hash, dst, len);
		r = boot_sink_advance(sink, len, err);
		if (r)
			return r < 0 ? r : 0;
	}
}
