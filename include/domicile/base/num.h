// SPDX-License-Identifier: MIT
/*
 * Checked arithmetic on values that somebody else chose, and strict parsing of numbers.
 */
#ifndef DOM_BASE_NUM_H
#define DOM_BASE_NUM_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "domicile/base/cc.h"

/** dom_add_u64 - *ret = a + b; false (and *ret untouched) on overflow */
static inline DOM_MUST_CHECK bool dom_add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return false;
	*ret = sum;
	return true;
}

/** dom_mul_u64 - *ret = a * b; false (and *ret untouched) on overflow */
static inline DOM_MUST_CHECK bool dom_mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t prod;

	if (__builtin_mul_overflow(a, b, &prod))
		return false;
	*ret = prod;
	return true;
}

/** dom_in_range - is [off, off + len) inside [0, size)? Never overflows. */
static inline bool dom_in_range(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

/** dom_align_up - @v rounded up to @align (a power of two); the caller excludes overflow */
static inline uint64_t dom_align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

/**
 * dom_parse_u64 - parse all of @s as an unsigned number
 * @s:     digits in base 10, or base 16 after "0x"; no sign, no blanks, nothing after them
 * @max:   largest value accepted
 *
 * Returns 0, -EINVAL when @s is not such a number, -ERANGE when it is larger than @max.
 */
static inline DOM_MUST_CHECK int dom_parse_u64(const char *s, uint64_t max, uint64_t *ret_value)
{
	unsigned base = 10;
	uint64_t v = 0;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (base == 16 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (c | 0x20) - 'a' + 10u;
		else
			return -EINVAL;
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit, &v))
			return -ERANGE;
	}
	if (v > max)
		return -ERANGE;
	*ret_value = v;
	return 0;
}

#endif
