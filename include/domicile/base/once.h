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

/** dom_copy_once - copy @len bytes of shared memory; each byte is read once and in any order */
static inline void dom_copy_once(void *dst, const volatile void *src, size_t len)
{
	uint8_t *d = dst;
	const volatile uint8_t *s = src;

	while (len >= sizeof(uint64_t) && !((uintptr_t)s & 7)) {
		uint64_t v = *(const volatile uint64_t *)s;

		__builtin_memcpy(d, &v, sizeof(v));
		d += sizeof(v);
		s += sizeof(v);
		len -= sizeof(v);
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
