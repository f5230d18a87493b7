// SPDX-License-Identifier: MIT
/*
 * Neighbours on the disk that came to the ring together become one operation on the image.
 *
 * A front end cannot ask for more than the segments of one request: Linux' sends 128 KiB at most,
 * however much the guest reads. For an image the way there is most of what such a request costs, so
 * reads, or writes, that continue each other and stand next to each other in one batch of the ring are
 * done by one call. Each is answered by itself. Nothing waits for a neighbour that may come.
 *
 *	ring	R 0+8   R 8+8   R 16+8   W 24+8   R 24+8   R 80+8
 *	image	[      R 0+24        ]   W 24+8   R 24+8   R 80+8
 *
 * Nothing is moved past another request, and what has an order of its own (barriers, flushes) ends a
 * run. An operation that fails or moves less than all of its bytes says nothing about its members: each
 * of them is then done again, alone, and so gets the result that it would have had.
 */
#include <string.h>

#include "blk/blk.h"

/* May @s be done by the operation that q->run will be? */
static bool continues(const struct blk_queue *q, const struct blk_slot *s)
{
	const struct blk_run *run = &q->run;

	return run->first && s->off == run->end && s->kind == run->first->kind &&
	       run->len + s->len <= q->disk->img.join_max && run->nsegs + s->nsegs <= BLK_JOIN_SEGMENTS;
}

bool blk_join(struct blk_queue *q, struct blk_slot *s)
{
	struct blk_run *run = &q->run;

	s->next = NULL;
	if (!continues(q, s))
		return false;
	run->last->next = s;
	run->last = s;
	run->end += s->len;
	run->len += s->len;
	run->nsegs += s->nsegs;
	return true;
}

void blk_join_first(struct blk_queue *q, struct blk_slot *s)
{
	q->run = (struct blk_run){ .first = s, .last = s, .end = s->off + s->len, .len = s->len,
				   .nsegs = s->nsegs };
}

void blk_join_begin(struct blk_slot *first, int fd)
{
	struct blk_queue *q = first->q;
	struct iovec *iov = q->iovs + (size_t)(first - q->slots) * BLK_MAX_SEGMENTS;
	uint32_t n = 0;

	/* The array is the first one's; if its own segments are not in there, too, they stay where they are. */
	for (const struct blk_slot *s = first; s; s = s->next) {
		if (s->iov != iov)
			memcpy(&iov[n], s->iov, s->niov * sizeof(*iov));
		n += s->niov;
		q->disk->stats.joined += s != first;
	}
	(first->kind == BLK_READ ? ev_readv : ev_writev)(&first->op, fd, iov, n, first->off);
}

bool blk_join_whole(const struct blk_slot *first, int res)
{
	uint64_t len = 0;

	for (const struct blk_slot *s = first; s; s = s->next)
		len += s->len;
	return res >= 0 && (uint64_t)res == len;
}
