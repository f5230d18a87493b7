// SPDX-License-Identifier: MIT
/*
 * Changes that many want to know of, told bit by bit.
 *
 * One write may concern each watch of each domain. A few watches are told at once, in watch.c.
 * Where there are more, or when a request has told of much already, what is to be told is noted
 * here, and told in slices between the turns of others. All slices of a round together are
 * bounded, and those whose changes they are take turns.
 *
 *	xsd.fans -> tool's fanout -> guest's fanout -> ...	whose turn it is
 *	                 |               |
 *	              change          change			oldest first
 *	                              change
 *
 * The order within one request, or one transaction, is that of its changes: once one is noted, all
 * that follow are. The reply comes after the last, and until then its client is not served, so
 * nobody can note more than one request's changes.
 *
 * A change goes through the connections, and for each through its watches in the order of their
 * setting, which is the order in which a client sees its events anyway. Watches that were set
 * later do not learn of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xsd.h"

#define REQUEST_WORK 1024u	/* events of one request before it goes on bit by bit */
#define SLICE_WORK 256u
#define ROUND_WORK 512u		/* all slices of a round */
#define WATCHES_WORK 16u	/* watches looked at that cost as much as an event */

struct xsd_fan {
	struct dom_list link;		/* xsd_fanout.changes */
	struct dom_list *at;		/* next to be told in xsd.conns, that itself at the end */
	struct xsd_perms *perms[3];	/* see xsd_fire(); NULL: none */
	uint64_t seq;			/* of the last watch that learns of it */
	bool exact, begun;
	uint16_t special;		/* bytes of "@releaseDomain", of which path is one domain's; 0 */
	uint16_t len;
	char path[];			/* NUL-terminated */
};

void xsd_fanout_init(struct xsd_fanout *o, struct xsd_conn *c)
{
	dom_list_init(&o->turn);
	dom_list_init(&o->changes);
	o->conn = c;
	o->reply_waits = false;
}

void xsd_fan_for(struct xsd *s, struct xsd_fanout *o)
{
	s->fan_for = o;
	s->fan_from = s->work;
}

bool xsd_fan_must(const struct xsd *s)
{
	return s->fan_for && (!dom_list_empty(&s->fan_for->changes) ||
			      s->work - s->fan_from > REQUEST_WORK);
}

int xsd_fan_add(struct xsd *s, const struct xsd_change *ch)
{
	struct xsd_fan *f = s->fan_for ? malloc(sizeof(*f) + ch->len + 1) : NULL;

	if (!f)
		return -ENOMEM;
	*f = (struct xsd_fan){ .at = s->conns.next, .seq = s->watches.seq, .exact = ch->exact,
		.special = (uint16_t)ch->special, .len = (uint16_t)ch->len };
	for (unsigned i = 0; i < DOM_ARRAY_LEN(f->perms); i++) {
		/* Nobody changes permissions that somebody else holds, but a count is a change. */
		f->perms[i] = (struct xsd_perms *)(uintptr_t)ch->perms[i];
		if (f->perms[i])
			f->perms[i]->refs++;
	}
	memcpy(f->path, ch->path, ch->len);
	f->path[ch->len] = 0;
	dom_list_append(&s->fan_for->changes, &f->link);
	if (dom_list_empty(&s->fan_for->turn))
		dom_list_append(&s->fans, &s->fan_for->turn);
	return 0;
}

static void fan_free(struct xsd_fan *f)
{
	dom_list_remove(&f->link);
	for (unsigned i = 0; i < DOM_ARRAY_LEN(f->perms); i++)
		xsd_perms_unref(f->perms[i]);
	free(f);
}

static bool learns(const struct xsd_fan *f, const struct xsd_watch *w)
{
	return w->seq <= f->seq && xsd_watch_covers(w, f->path, f->len, f->exact, f->special);
}

/* Has the same client been told the very same thing for an earlier watch? As with Xen's daemon. */
static bool repeats(const struct xsd_fan *f, const struct xsd_conn *c, const struct xsd_watch *w)
{
	dom_list_for_each(l, &c->watches) {
		const struct xsd_watch *x = DOM_CONTAINER_OF(l, struct xsd_watch, on_conn);

		if (x == w)
			return false;
		if (!f->special && xsd_watch_same(x, w) && learns(f, x))
			return true;
	}
	return false;
}

static void tell_conn(struct xsd *s, const struct xsd_fan *f, const struct xsd_change *ch,
		      struct xsd_conn *c)
{
	unsigned seen = 0;

	dom_list_for_each(l, &c->watches) {
		struct xsd_watch *w = DOM_CONTAINER_OF(l, struct xsd_watch, on_conn);

		seen++;
		if (learns(f, w) && !repeats(f, c, w))
			xsd_watch_tell(s, w, ch);
	}
	s->work += 1 + seen / WATCHES_WORK;
}

/* Some more of the oldest change; true if that was the last of all. */
static bool slice(struct xsd *s, struct xsd_fanout *o)
{
	struct xsd_fan *f = DOM_CONTAINER_OF(o->changes.next, struct xsd_fan, link);
	const struct xsd_change ch = { .path = f->path, .len = f->len, .exact = f->exact,
		.special = f->special, .perms = { f->perms[0], f->perms[1], f->perms[2] } };
	uint64_t begin = s->work;

	/* It may be here only because of others before it. */
	if (!f->begun && xsd_watch_few(s, &ch, f->seq))
		f->at = &s->conns;
	f->begun = true;
	while (f->at != &s->conns && s->work - begin < SLICE_WORK) {
		struct xsd_conn *c = DOM_CONTAINER_OF(f->at, struct xsd_conn, all);

		f->at = f->at->next;
		tell_conn(s, f, &ch, c);
	}
	if (o->conn)
		o->conn->debt += s->work - begin;
	if (f->at == &s->conns)
		fan_free(f);
	return dom_list_empty(&o->changes);
}

void xsd_fan_run(struct xsd *s, bool all)
{
	uint64_t begin = s->work;

	while (!dom_list_empty(&s->fans) && (all || s->work - begin < ROUND_WORK)) {
		struct xsd_fanout *o = DOM_CONTAINER_OF(s->fans.next, struct xsd_fanout, turn);

		dom_list_remove(&o->turn);
		if (!slice(s, o))
			dom_list_append(&s->fans, &o->turn);
		else if (o->reply_waits)
			xsd_conn_told(s, o->conn);
	}
}

void xsd_fan_orphan(struct xsd *s, struct xsd_fanout *o)
{
	dom_list_for_each_safe(l, &o->changes) {
		dom_list_remove(l);
		dom_list_append(&s->orphans.changes, l);
	}
	dom_list_remove(&o->turn);
	if (!dom_list_empty(&s->orphans.changes) && dom_list_empty(&s->orphans.turn))
		dom_list_append(&s->fans, &s->orphans.turn);
}

static void step_over(struct xsd_fanout *o, const struct xsd_conn *c)
{
	dom_list_for_each(l, &o->changes) {
		struct xsd_fan *f = DOM_CONTAINER_OF(l, struct xsd_fan, link);

		if (f->at == &c->all)
			f->at = c->all.next;
	}
}

void xsd_fan_leave(struct xsd *s, const struct xsd_conn *c)
{
	dom_list_for_each(l, &s->fans)
		step_over(DOM_CONTAINER_OF(l, struct xsd_fanout, turn), c);
}

void xsd_fan_fini(struct xsd *s)
{
	dom_list_for_each_safe(l, &s->orphans.changes)
		fan_free(DOM_CONTAINER_OF(l, struct xsd_fan, link));
}
