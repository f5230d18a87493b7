// SPDX-License-Identifier: MIT
/*
 * From ring entries to requests that make sense.
 *
 * An entry is a private copy by the time it comes here. Every number in it was chosen by the guest;
 * what leaves this file lies within the device, has no more segments than it may, and each of them
 * lies within its page.
 */
#include <errno.h>
#include <string.h>

#include "blk/blk.h"
#include "domicile/base/num.h"
#include "domicile/base/once.h"

const struct blk_layout blk_layouts[2] = {
	{ "x86_64-abi", BLKIF_REQ_SIZE_64, BLKIF_RSP_SIZE_64, 8, 16, 24, 24, 28 },
	{ "x86_32-abi", BLKIF_REQ_SIZE_32, BLKIF_RSP_SIZE_32, 4, 12, 20, 20, 24 },
};

const struct blk_layout *blk_layout_find(const char *name)
{
	for (unsigned i = 0; i < DOM_ARRAY_LEN(blk_layouts); i++)
		if (!strcmp(name, blk_layouts[i].name))
			return &blk_layouts[i];
	return NULL;
}

static uint64_t u64_at(const uint8_t *p, unsigned offset)
{
	uint64_t v;

	memcpy(&v, p + offset, sizeof(v));
	return v;
}

/* Add the sectors of a segment, which must lie within its page. */
static int add_segment(struct blk_req *req, const struct blkif_request_segment *s)
{
	if (s->first_sect > s->last_sect || s->last_sect >= XEN_PAGE_SIZE >> BLKIF_SECTOR_SHIFT)
		return -EINVAL;
	req->sectors += s->last_sect - s->first_sect + 1u;
	return 0;
}

static int check_range(const struct blk_req *req, const struct blk_limits *lim)
{
	uint64_t below_unit = (lim->sector_size >> BLKIF_SECTOR_SHIFT) - 1;

	if (!dom_in_range(req->sector, req->sectors, lim->sectors))
		return -EINVAL;
	return (req->sector | req->sectors) & below_unit ? -EINVAL : 0;
}

static int decode_direct(const struct blk_layout *lay, const uint8_t *e, struct blk_req *req)
{
	req->nsegs = e[1];
	if (req->nsegs > BLKIF_MAX_SEGMENTS_PER_REQUEST)
		return -EINVAL;
	/* One by one: of a length that is not constant compilers make a slow string instruction. */
	for (unsigned i = 0; i < req->nsegs; i++) {
		memcpy(&req->segs[i], e + lay->segments + i * sizeof(req->segs[0]), sizeof(req->segs[0]));
		if (add_segment(req, &req->segs[i]) < 0)
			return -EINVAL;
	}
	return 0;
}

static int decode_discard(const struct blk_layout *lay, const uint8_t *e, struct blk_req *req)
{
	req->nsegs = 0;
	req->sectors = u64_at(e, lay->discard_sectors);
	return e[1] & BLKIF_DISCARD_SECURE ? -EOPNOTSUPP : 0;
}

/* Segments of an indirect request are in granted pages, 512 in each. */
static int copy_indirect(struct xa_domain *d, const uint8_t *grefs, struct blk_req *req)
{
	for (unsigned done = 0, n; done < req->nsegs; done += n) {
		grant_ref_t ref;
		void *page;
		int r;

		memcpy(&ref, grefs, sizeof(ref));
		grefs += sizeof(ref);
		n = DOM_MIN(req->nsegs - done, BLKIF_SEGMENTS_PER_INDIRECT_PAGE);
		r = xa_grant_map(d, ref, false, &page);
		if (r < 0)
			return r;
		dom_copy_once(&req->segs[done], page, n * sizeof(req->segs[0]));
		xa_grant_unmap(d, ref, false);
	}
	return 0;
}

static int decode_indirect(const struct blk_layout *lay, const uint8_t *e, struct xa_domain *d,
			   struct blk_req *req)
{
	uint16_t nsegs;
	int r;

	memcpy(&nsegs, e + 2, sizeof(nsegs));
	req->nsegs = nsegs;
	if (nsegs == 0 || nsegs > BLK_MAX_SEGMENTS)
		return -EINVAL;
	r = copy_indirect(d, e + lay->indirect_grefs, req);
	for (unsigned i = 0; i < nsegs && r == 0; i++)
		r = add_segment(req, &req->segs[i]);
	return r;
}

/* Operations by number; `offered` are those we serve, `min` and `indirect` their segments. */
static const struct {
	bool offered;
	enum blk_op op;
	bool writes;		/* changes the medium */
	bool data;		/* must have segments */
	bool indirect;		/* may come as BLKIF_OP_INDIRECT */
} blk_rows[] = {
	[BLKIF_OP_READ]			= { true, BLK_READ, false, true, true },
	[BLKIF_OP_WRITE]		= { true, BLK_WRITE, true, true, true },
	[BLKIF_OP_WRITE_BARRIER]	= { true, BLK_BARRIER, true, false, false },
	[BLKIF_OP_FLUSH_DISKCACHE]	= { true, BLK_FLUSH, false, false, false },
	[BLKIF_OP_DISCARD]		= { true, BLK_DISCARD, true, false, false },
};

int blk_decode(const struct blk_layout *lay, const void *entry, const struct blk_limits *lim,
	       struct xa_domain *d, struct blk_req *ret)
{
	const uint8_t *e = entry;
	bool indirect = e[0] == BLKIF_OP_INDIRECT;
	uint8_t op = indirect ? e[1] : e[0];
	int r;

	ret->id = u64_at(e, lay->id);
	/* Not BLKIF_OP_INDIRECT: Linux compares it with what it asked for, and gives the disk up. */
	ret->ring_op = op;
	ret->sectors = 0;
	ret->sector = u64_at(e, lay->sector);
	if (op >= DOM_ARRAY_LEN(blk_rows) || !blk_rows[op].offered ||
	    (op == BLKIF_OP_DISCARD && !lim->discard))
		return -EOPNOTSUPP;
	if (indirect && !blk_rows[op].indirect)
		return -EINVAL;
	ret->op = blk_rows[op].op;
	r = indirect ? decode_indirect(lay, e, d, ret) :
	    op == BLKIF_OP_DISCARD ? decode_discard(lay, e, ret) : decode_direct(lay, e, ret);
	if (r < 0)
		return r;
	if (blk_rows[op].data && ret->nsegs == 0)
		return -EINVAL;
	if (lim->readonly && (blk_rows[op].writes || (op == BLKIF_OP_FLUSH_DISKCACHE && ret->nsegs)))
		return -EROFS;
	/* An empty flush or barrier names no sectors; Linux leaves some number there. */
	return ret->sectors || op == BLKIF_OP_DISCARD ? check_range(ret, lim) : 0;
}

void blk_encode(const struct blk_layout *lay, uint64_t id, uint8_t ring_op, int result, void *rsp)
{
	int16_t status = result == 0 ? BLKIF_RSP_OKAY :
			 result == -EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_ERROR;
	/*
	 * struct blkif_response, whose layouts differ only in the padding at the end, in words: what
	 * was written in bytes would not be ready when it is read as words, for the ring.
	 */
	const uint32_t words[] = { (uint32_t)id, (uint32_t)(id >> 32),
				   ring_op | (uint32_t)(uint16_t)status << 16, 0 };

	memcpy(rsp, words, BLKIF_RSP_SIZE_32);
	if (lay->rsp_size > BLKIF_RSP_SIZE_32)
		memcpy((uint8_t *)rsp + BLKIF_RSP_SIZE_32, &words[3], sizeof(words[3]));
}
