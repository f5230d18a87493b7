// SPDX-License-Identifier: MIT
/*
 * Access to memory that a guest may change at any moment. Each macro touches it exactly once; a
 * plain dereference may be repeated by the compiler (seen with GCC 12 and clang 14), and a value
 * that was checked may then differ from the one that is used.
 */
#ifndef DOM_BASE_ONCE_H
#define DOM_BASE_ONCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOM_LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define DOM_LOAD_ACQUIRE(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define DOM_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define DOM_STORE_RELEASE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* A number at any address. */
typedef uint64_t dom_u64_any __attribute__((aligned(1), may_alias));
typedef uint32_t dom_u32_any __attribute__((aligned(1), may_alias));

/** dom_copy_once - copy @len bytes of shared memory; each byte is read once and in any order */
static inline void dom_copy_once(void *dst, const volatile void *src, size_t len)
{
	const volatile uint8_t *s = src;
	uint8_t *d = dst;

	for (; len >= 8; d += 8, s += 8, len -= 8)
		*(dom_u64_any *)d = *(const volatile dom_u64_any *)s;
	if (len >= 4) {
		*(dom_u32_any *)d = *(const volatile dom_u32_any *)s;
		d += 4;
		s += 4;
		len -= 4;
	}
	while (len--)
		*d++ = *s++;
}

/* Atomic bit operations on shared bitmaps; each returns the bit's former value. */
static inline bool dom_shared_set_bit(uint64_t *map, unsigned bit)
{
	return __atomic_fetch_or(&map[bit / 64], 1ull << (bit % 64), __ATOMIC_SEQ_CST) >>
		(bit % 64) & 1;
}

static inline bool dom_shared_clear_bit(uint64_t *map, unsigned bit)
{
	return __atomic_fetch_and(&map[bit / 64], ~(1ull << (bit % 64)), __ATOMIC_SEQ_CST) >>
		(bit % 64) & 1;
}

static inline bool dom_shared_test_bit(const uint64_t *map, unsigned bit)
{
	return __atomic_load_n(&map[bit / 64], __ATOMIC_SEQ_CST) >> (bit % 64) & 1;
}

#endif
