// SPDX-License-Identifier: MIT
/*
 * Records: each one change, as it stands in the state file and in a transaction's log. Format:
 * domicile-xenstored-state(5).
 */
#include <errno.h>
#include <string.h>

#include "domicile/base/cur.h"
#include "xsd.h"

/* Precedes every record; a and b follow, then zeros up to a multiple of 8. */
struct rec_head {
	uint32_t size;		/* of the record, with this */
	uint16_t type;		/* enum xsd_rec */
	uint16_t domid;
	int32_t num;
	uint32_t a_len, b_len;
	uint32_t reserved;
};
_Static_assert(sizeof(struct rec_head) == 24, "state record has another size");

size_t xsd_rec_size(const struct xsd_rec_args *a)
{
	return (sizeof(struct rec_head) + a->a_len + a->b_len + 7) & ~(size_t)7;
}

void xsd_rec_put(void *dst, const struct xsd_rec_args *a)
{
	struct rec_head h = { .size = (uint32_t)xsd_rec_size(a), .type = (uint16_t)a->type,
		.domid = a->domid, .num = a->num, .a_len = (uint32_t)a->a_len,
		.b_len = (uint32_t)a->b_len };
	char *p = dst;

	memcpy(p, &h, sizeof(h));
	p += sizeof(h);
	if (a->a_len)
		memcpy(p, a->a, a->a_len);
	if (a->b_len)
		memcpy(p + a->a_len, a->b, a->b_len);
	memset(p + a->a_len + a->b_len, 0, h.size - sizeof(h) - a->a_len - a->b_len);
}

int xsd_rec_next(const void *recs, size_t len, size_t *pos, struct xsd_rec_args *ret)
{
	struct dom_cur c = dom_cur_init(recs, len);
	struct rec_head h;

	if (*pos == len)
		return 0;
	dom_cur_seek(&c, *pos);
	if (!dom_cur_copy(&c, &h, sizeof(h)) || h.size < sizeof(h) || h.size % 8 ||
	    h.size - sizeof(h) > dom_cur_left(&c) || h.a_len > h.size - sizeof(h) ||
	    h.b_len > h.size - sizeof(h) - h.a_len || !h.type || h.type >= XSD_REC_END)
		return -EINVAL;
	*ret = (struct xsd_rec_args){ .type = h.type, .domid = h.domid, .num = h.num,
		.a = dom_cur_take(&c, h.a_len), .a_len = h.a_len,
		.b = dom_cur_take(&c, h.b_len), .b_len = h.b_len };
	*pos += h.size;
	return 1;
}

struct xsd_rec_args xsd_rec_dom(const struct xsd_dom *d, struct xsd_rec_dom *r)
{
	*r = (struct xsd_rec_dom){ .gfn = d->gfn, .port = d->port, .tx_mark = d->tx_mark,
		.features = d->features, .target = d->target, .has_target = d->has_target,
		.introduced = d->introduced };
	memcpy(r->limit, d->limit, sizeof(r->limit));
	return (struct xsd_rec_args){ .type = XSD_REC_DOM, .domid = d->domid, .a = r,
		.a_len = sizeof(*r) };
}
