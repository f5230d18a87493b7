// SPDX-License-Identifier: MIT
/*
 * Bitmaps of private memory, in 64-bit words. Bitmaps shared with a guest are base/once.h's.
 */
#ifndef DOM_BASE_BITS_H
#define DOM_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define DOM_BITS_WORDS(n) (((n) + 63u) / 64u)

static inline bool dom_bit_test(const uint64_t *map, unsigned bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

static inline void dom_bit_set(uint64_t *map, unsigned bit)
{
	map[bit / 64] |= 1ull << (bit % 64);
}

static inline void dom_bit_clear(uint64_t *map, unsigned bit)
{
	map[bit / 64] &= ~(1ull << (bit % 64));
}

/** dom_bit_first_clear - lowest clear bit at or above @from; @limit when there is none below it */
static inline unsigned dom_bit_first_clear(const uint64_t *map, unsigned from, unsigned limit)
{
	for (unsigned bit = from; bit < limit; bit++) {
		if (bit % 64 == 0 && map[bit / 64] == ~0ull) {
			bit += 63;
			continue;
		}
		if (!dom_bit_test(map, bit))
			return bit;
	}
	return limit;
}

#endif
