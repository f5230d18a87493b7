// SPDX-License-Identifier: MIT
/*
 * What one domain may do to the transactions of others.
 *
 * Whoever keeps writing to nodes that somebody's transaction depends on can keep it from ever
 * committing. So the writer has a credit of such conflicts: BURST of them, and one more every
 * REFILL_MS. Without credit it is not served until there is some again, which leaves the others
 * that long to get through. Its credit is all it can lose: who provokes conflicts by
 * transactions of its own slows a writer down to one conflict per REFILL_MS, and only one that
 * writes more often than that.
 *
 * Domain 0 is exempt.
 */
#include <time.h>

#include "xsd.h"

#define BURST 10u
#define REFILL_MS 100u

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void xsd_conflict(struct xsd *s, struct xsd_conn *c, unsigned culprit)
{
	struct xsd_dom *d = xsd_dom_peek(s, culprit);

	if (!culprit || !d || d == c->dom)
		return;
	d->conflicts = DOM_MAX(d->conflicts, now_ms()) + REFILL_MS;
}

/* Time until @d has credit, in ms. */
static uint64_t wait_for_credit(const struct xsd_dom *d)
{
	uint64_t free_at = d->conflicts - DOM_MIN(d->conflicts, (uint64_t)BURST * REFILL_MS), now;

	if (!free_at)
		return 0;
	now = now_ms();
	return free_at - DOM_MIN(free_at, now);
}

bool xsd_hold(struct xsd *s, struct xsd_conn *c)
{
	if (!c->owner || !c->dom->conflicts || !wait_for_credit(c->dom))
		return false;
	dom_list_remove(&c->ready);
	dom_list_append(&s->held, &c->ready);
	return true;
}

int xsd_release_held(struct xsd *s)
{
	int next = -1;

	dom_list_for_each_safe(l, &s->held) {
		struct xsd_conn *c = DOM_CONTAINER_OF(l, struct xsd_conn, ready);
		uint64_t wait = wait_for_credit(c->dom);

		if (wait) {
			next = next < 0 || (int)wait < next ? (int)wait : next;
			continue;
		}
		dom_list_remove(&c->ready);
		xsd_conn_queue(s, c);
	}
	return next;
}
