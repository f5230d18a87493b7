// SPDX-License-Identifier: MIT
/*
 * A bounded cursor over bytes that somebody else wrote. Every read checks, a failed read sets
 * `bad` and yields zero, so that a decoder may read a whole record and check once at its end.
 * Numbers are little-endian, as all formats that Domicile reads are.
 */
#ifndef DOM_BASE_CUR_H
#define DOM_BASE_CUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "domicile/base/num.h"

struct dom_cur {
	const uint8_t *base;	/* first byte */
	size_t size;		/* bytes in all */
	size_t pos;		/* next byte to read, <= size */
	bool bad;		/* some read did not fit; sticky */
};

/** dom_cur_init - a cursor at the start of @size bytes at @base */
static inline struct dom_cur dom_cur_init(const void *base, size_t size)
{
	return (struct dom_cur){ .base = base, .size = size };
}

/** dom_cur_left - bytes between the cursor and the end */
static inline size_t dom_cur_left(const struct dom_cur *c)
{
	return c->size - c->pos;
}

/** dom_cur_seek - move to @pos; beyond the end sets bad */
static inline void dom_cur_seek(struct dom_cur *c, uint64_t pos)
{
	if (pos > c->size)
		c->bad = true;
	else
		c->pos = (size_t)pos;
}

/** dom_cur_take - pointer to the next @len bytes, which are then consumed; NULL if they do not fit */
static inline const void *dom_cur_take(struct dom_cur *c, uint64_t len)
{
	const uint8_t *p = c->base + c->pos;

	if (c->bad || len > dom_cur_left(c)) {
		c->bad = true;
		return NULL;
	}
	c->pos += (size_t)len;
	return p;
}

/** dom_cur_copy - copy the next @len bytes to @dst; zero-fills @dst if they do not fit */
static inline bool dom_cur_copy(struct dom_cur *c, void *dst, size_t len)
{
	const void *p = dom_cur_take(c, len);

	if (!p) {
		memset(dst, 0, len);
		return false;
	}
	memcpy(dst, p, len);
	return true;
}

static inline uint8_t dom_cur_u8(struct dom_cur *c)
{
	uint8_t v;

	dom_cur_copy(c, &v, sizeof(v));
	return v;
}

static inline uint16_t dom_cur_u16(struct dom_cur *c)
{
	uint16_t v;

	dom_cur_copy(c, &v, sizeof(v));
	return v;
}

static inline uint32_t dom_cur_u32(struct dom_cur *c)
{
	uint32_t v;

	dom_cur_copy(c, &v, sizeof(v));
	return v;
}

static inline uint64_t dom_cur_u64(struct dom_cur *c)
{
	uint64_t v;

	dom_cur_copy(c, &v, sizeof(v));
	return v;
}

/**
 * dom_cur_sub - a cursor over @len bytes at absolute position @pos of @c, for nested records
 *
 * The result is bad if they do not fit; @c itself does not move.
 */
static inline struct dom_cur dom_cur_sub(const struct dom_cur *c, uint64_t pos, uint64_t len)
{
	if (c->bad || !dom_in_range(pos, len, c->size))
		return (struct dom_cur){ .base = c->base, .bad = true };
	return dom_cur_init(c->base + pos, (size_t)len);
}

#endif
