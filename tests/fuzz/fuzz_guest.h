// SPDX-License-Identifier: MIT
/*
 * What the scripts of hostile front ends have in common. Include after fake_guest.h.
 */
#ifndef FUZZ_GUEST_H
#define FUZZ_GUEST_H

#include "domicile/base/cur.h"
#include "domicile/ev.h"

/* Some bytes anywhere in the first @size bytes of memory. */
static inline void fuzz_bytes(struct xa_domain *d, struct dom_cur *cur, uint32_t size)
{
	uint16_t at = dom_cur_u16(cur);
	uint8_t n = dom_cur_u8(cur);

	for (unsigned i = 0; i < n; i++)
		d->ram[(at + i) % size] = dom_cur_u8(cur);
}

/* Give or take one of the first @count grants. In use it stays as it is, as grants do. */
static inline void fuzz_grant(struct xa_domain *d, struct dom_cur *cur, unsigned count)
{
	struct fake_grant *g = &d->grants[dom_cur_u8(cur) % count];
	uint8_t how = dom_cur_u8(cur);

	if (!g->uses) {
		g->valid = how & 1;
		g->readonly = how & 2;
	}
}

/* Wake the back end up by its eventfd @fd, and let it work. */
static inline void fuzz_kick(struct ev_loop *l, int fd, unsigned turns)
{
	uint64_t one = 1;

	if (write(fd, &one, 8) != 8)
		abort();
	while (turns--)
		ev_loop_turn(l, 0);
}

#endif
