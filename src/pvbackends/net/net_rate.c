// SPDX-License-Identifier: MIT
/*
 * The rate limit of a device: so many bytes in each window of time, for all its queues together.
 * What is not used may be saved up to one window, or to 128 KiB where that is more, so that large
 * frames pass. A frame may overdraw the account; the next one waits until it is in credit again.
 */
#include <stdlib.h>
#include <string.h>

#include "domicile/base/num.h"
#include "net/net.h"

#define BURST_MIN (128u * 1024u)

bool net_rate_init(struct net_rate *r, const char *text, uint64_t now)
{
	const char *comma = strchr(text, ',');
	char bytes[24];
	uint64_t n, us;

	*r = (struct net_rate){ 0 };
	if (!comma || (size_t)(comma - text) >= sizeof(bytes))
		return false;
	memcpy(bytes, text, (size_t)(comma - text));
	bytes[comma - text] = 0;
	/* Both fit: 2^40 bytes per window are no limit, and an hour is a long window. */
	if (dom_parse_u64(bytes, 1ull << 40, &n) || dom_parse_u64(comma + 1, 3600000000u, &us) ||
	    !n || !us)
		return false;
	*r = (struct net_rate){ .bytes = n, .window_ns = us * 1000, .credit = (int64_t)n,
				.next = now + us * 1000 };
	return true;
}

uint64_t net_rate_wait(struct net_rate *r, uint64_t now)
{
	if (!r->bytes)
		return 0;
	if (now >= r->next) {
		uint64_t windows = (now - r->next) / r->window_ns + 1;
		int64_t most = (int64_t)DOM_MAX(r->bytes, (uint64_t)BURST_MIN);

		r->next += windows * r->window_ns;
		/* A long pause fills the account, however long: no overflow. */
		if (windows > (uint64_t)(most - r->credit) / r->bytes)
			r->credit = most;
		else
			r->credit += (int64_t)(windows * r->bytes);
	}
	return r->credit > 0 ? 0 : r->next;
}
