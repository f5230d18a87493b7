// SPDX-License-Identifier: MIT
/*
 * Compiler attributes, scope-bound cleanup and small macros that a function cannot replace.
 */
#ifndef DOM_BASE_CC_H
#define DOM_BASE_CC_H

#include <stddef.h>

#define DOM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define DOM_MUST_CHECK __attribute__((warn_unused_result))
#define DOM_NORETURN __attribute__((noreturn))
#define DOM_UNUSED __attribute__((unused))
#define DOM_ALWAYS_INLINE inline __attribute__((always_inline))
#define DOM_NOINLINE __attribute__((noinline))
#define DOM_PACKED __attribute__((packed))
#define DOM_ALIGNED(n) __attribute__((aligned(n)))
#define DOM_CLEANUP(fn) __attribute__((cleanup(fn)))
#define DOM_LIKELY(x) __builtin_expect(!!(x), 1)
#define DOM_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Number of elements of an array; a pointer is a compile-time error. */
#define DOM_ARRAY_LEN(a)                                                                           \
	(sizeof(a) / sizeof((a)[0]) +                                                              \
	 0 * sizeof(struct { _Static_assert(!__builtin_types_compatible_p(__typeof__(a),           \
		__typeof__(&(a)[0])), "not an array"); int dom_dummy; }))

/* The structure of type @type whose member @member is at @ptr. */
#define DOM_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#define DOM_MIN(a, b)                                                                              \
	({                                                                                         \
		__typeof__(a) dom_a = (a);                                                         \
		__typeof__(b) dom_b = (b);                                                         \
		dom_a < dom_b ? dom_a : dom_b;                                                     \
	})
#define DOM_MAX(a, b)                                                                              \
	({                                                                                         \
		__typeof__(a) dom_a = (a);                                                         \
		__typeof__(b) dom_b = (b);                                                         \
		dom_a > dom_b ? dom_a : dom_b;                                                     \
	})

#endif
