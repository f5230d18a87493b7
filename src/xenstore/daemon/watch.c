// SPDX-License-Identifier: MIT
/*
 * Watches, found by path.
 *
 * A hash table holds one entry per watched path. A change of /a/b/c looks up "/", "/a", "/a/b" and
 * "/a/b/c", whatever the number of watches. Those of one path are kept in the order in which they
 * were set, which is the order a client sees its events in; only if several paths are watched those
 * found have to be sorted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xsd.h"

struct xsd_wpath {
	struct xsd_wpath *next;
	uint32_t hash;
	struct dom_list watches;
	unsigned n;
	uint32_t len;
	char path[];		/* NUL-terminated */
};

static unsigned bucket(const struct xsd_watches *ws, uint32_t hash)
{
	return (hash ^ hash >> 15) & (ws->cap - 1);
}

static struct xsd_wpath *lookup(const struct xsd_watches *ws, uint32_t hash, const char *path,
				size_t len)
{
	struct xsd_wpath *p = ws->cap ? ws->slot[bucket(ws, hash)] : NULL;

	while (p && (p->hash != hash || p->len != len || memcmp(p->path, path, len)))
		p = p->next;
	return p;
}

static int grow(struct xsd_watches *ws)
{
	struct xsd_watches big = { .cap = ws->cap ? ws->cap * 2 : 64 };

	big.slot = calloc(big.cap, sizeof(*big.slot));
	if (!big.slot)
		return -ENOMEM;
	for (unsigned i = 0; i < ws->cap; i++) {
		while (ws->slot[i]) {
			struct xsd_wpath *p = ws->slot[i], **to = &big.slot[bucket(&big, p->hash)];

			ws->slot[i] = p->next;
			p->next = *to;
			*to = p;
		}
	}
	free(ws->slot);
	ws->slot = big.slot;
	ws->cap = big.cap;
	return 0;
}

static struct xsd_wpath *obtain(struct xsd_watches *ws, uint32_t hash, const char *path, size_t len)
{
	struct xsd_wpath *p = lookup(ws, hash, path, len);

	if (p)
		return p;
	if (ws->n >= ws->cap && grow(ws))
		return NULL;
	p = malloc(sizeof(*p) + len + 1);
	if (!p)
		return NULL;
	*p = (struct xsd_wpath){ .next = ws->slot[bucket(ws, hash)], .hash = hash,
		.len = (uint32_t)len };
	dom_list_init(&p->watches);
	memcpy(p->path, path, len);
	p->path[len] = 0;
	ws->slot[bucket(ws, hash)] = p;
	ws->n++;
	return p;
}

static void drop_if_unused(struct xsd_watches *ws, struct xsd_wpath *p)
{
	struct xsd_wpath **at = &ws->slot[bucket(ws, p->hash)];

	if (!dom_list_empty(&p->watches))
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	ws->n--;
	free(p);
}

static long watch_mem(const struct xsd_watch *w)
{
	return (long)(sizeof(*w) + sizeof(*w->path) + w->path->len + w->token_len);
}

/* Room for all watches there are, so that telling them cannot fail. */
static int reserve(struct xsd_watches *ws, unsigned n)
{
	unsigned cap = ws->cap_found ? ws->cap_found * 2 : 64;
	struct xsd_watch **more;

	if (n <= ws->cap_found)
		return 0;
	more = realloc(ws->found, cap * sizeof(*more));
	if (!more)
		return -ENOMEM;
	ws->found = more;
	ws->cap_found = cap;
	return 0;
}

int xsd_watch_add(struct xsd *s, struct xsd_conn *c, const char *path, size_t len, uint32_t prefix,
		  const char *token, int depth, struct xsd_watch **ret)
{
	struct xsd_watch *w = malloc(sizeof(*w) + strlen(token) + 1);
	struct xsd_wpath *p = NULL;

	if (w && reserve(&s->watches, s->watches.total + 1) == 0)
		p = obtain(&s->watches, xsd_path_hash(&s->gen, path, len), path, len);
	if (!p) {
		free(w);
		return -ENOMEM;
	}
	s->watches.total++;
	*w = (struct xsd_watch){ .path = p, .conn = c, .seq = ++s->watches.seq, .prefix = prefix,
		.depth = depth, .token_len = (uint16_t)strlen(token) };
	memcpy(w->token, token, w->token_len + 1u);
	w->token_hash = s->gen.seed;
	for (const char *t = token; *t; t++)
		w->token_hash = (w->token_hash ^ (unsigned char)*t) * 0x01000193u;
	p->n++;
	dom_list_append(&p->watches, &w->on_path);
	dom_list_append(&c->watches, &w->on_conn);
	xsd_quota_add(s, c->dom, XSD_Q_WATCHES, 1);
	xsd_quota_add(s, c->dom, XSD_Q_MEMORY, watch_mem(w));
	*ret = w;
	return 0;
}

struct xsd_watch *xsd_watch_find(struct xsd *s, struct xsd_conn *c, const char *path, size_t len,
				 const char *token)
{
	struct xsd_wpath *p = lookup(&s->watches, xsd_path_hash(&s->gen, path, len), path, len);

	if (!p)
		return NULL;
	dom_list_for_each(l, &p->watches) {
		struct xsd_watch *w = DOM_CONTAINER_OF(l, struct xsd_watch, on_path);

		if (w->conn == c && !strcmp(w->token, token))
			return w;
	}
	return NULL;
}

void xsd_watch_del(struct xsd *s, struct xsd_watch *w)
{
	s->watches.total--;
	w->path->n--;
	dom_list_remove(&w->on_path);
	xsd_quota_add(s, w->conn->dom, XSD_Q_WATCHES, -1);
	xsd_quota_add(s, w->conn->dom, XSD_Q_MEMORY, -watch_mem(w));
	dom_list_remove(&w->on_conn);
	drop_if_unused(&s->watches, w->path);
	free(w);
}

void xsd_watch_del_all(struct xsd *s, struct xsd_conn *c)
{
	dom_list_for_each_safe(l, &c->watches)
		xsd_watch_del(s, DOM_CONTAINER_OF(l, struct xsd_watch, on_conn));
}

const char *xsd_watch_path(const struct xsd_watch *w, size_t *ret_len)
{
	*ret_len = w->path->len;
	return w->path->path;
}

static void send_event(struct xsd *s, struct xsd_watch *w, const char *path, size_t len)
{
	struct xsd_sockmsg hdr = { .type = XS_WATCH_EVENT };

	/* @path is NUL-terminated; one that has become too long for a message is not told. */
	hdr.len = (uint32_t)(len + 1 - w->prefix + w->token_len + 1u);
	if (hdr.len > XENSTORE_PAYLOAD_MAX)
		return;
	xsd_conn_send(s, w->conn, &hdr, path + w->prefix, len + 1 - w->prefix, w->token,
		      w->token_len + 1u);
}

void xsd_watch_first(struct xsd *s, struct xsd_watch *w)
{
	send_event(s, w, w->path->path, w->path->len);
}

/*
 * Gather the watches of one prefix, which is @above levels above the changed node; more than @max
 * as soon as there may be more.
 */
static unsigned gather(struct xsd_watches *ws, uint32_t hash, const char *path, size_t len,
		       int above, unsigned n, unsigned max)
{
	struct xsd_wpath *p = n > max ? NULL : lookup(ws, hash, path, len);

	if (!p)
		return n;
	if (p->n > max - n)
		return max + 1;
	dom_list_for_each(l, &p->watches) {
		struct xsd_watch *w = DOM_CONTAINER_OF(l, struct xsd_watch, on_path);

		if (w->depth >= 0 && above > w->depth)
			continue;
		ws->found[n++] = w;
	}
	return n;
}

static unsigned gather_all(struct xsd *s, const char *path, size_t len, unsigned max)
{
	int above = (int)xsd_split(&s->gen, path, len);
	const struct xsd_comp *c = s->gen.memo.comp;
	unsigned n = 0;

	if (path[0] == '/')
		n = gather(&s->watches, s->gen.seed, "/", 1, above, 0, max);
	for (; above > 0; above--, c++)
		n = gather(&s->watches, c->sum, path, (size_t)c->at + c->len, above - 1, n,
			   max);
	return n;
}

static int by_conn_and_seq(const void *a, const void *b)
{
	const struct xsd_watch *x = *(struct xsd_watch *const *)a;
	const struct xsd_watch *y = *(struct xsd_watch *const *)b;

	if (x->conn != y->conn)
		return x->conn < y->conn ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Put the watches found into their order; true if they are of more than one path. */
static bool sort(struct xsd_watches *ws, unsigned n)
{
	bool mixed = n > 1 && ws->found[0]->path != ws->found[n - 1]->path;

	if (mixed)
		qsort(ws->found, n, sizeof(*ws->found), by_conn_and_seq);
	return mixed;
}

bool xsd_watch_same(const struct xsd_watch *a, const struct xsd_watch *b)
{
	return a->token_hash == b->token_hash && a->path != b->path && a->prefix == b->prefix &&
	       !strcmp(a->token, b->token);
}

/*
 * Watches of one client that would report the very same thing count as one, as with Xen's daemon.
 * Those of one path all differ.
 */
static bool repeats(struct xsd_watch *const *found, unsigned i)
{
	for (unsigned j = i; j && found[j - 1]->conn == found[i]->conn; j--)
		if (xsd_watch_same(found[j - 1], found[i]))
			return true;
	return false;
}

bool xsd_watch_covers(const struct xsd_watch *w, const char *path, size_t len, bool exact,
		      size_t special)
{
	size_t at = w->path->len;
	int below = 0;

	if (at > len || memcmp(w->path->path, path, at))
		return false;
	if (at == len || special || exact)
		return at == len || at == special;
	if (at > 1 && path[at] != '/')
		return false;
	for (at = at > 1 ? at : 0; at < len && w->depth >= 0; at++)
		below += path[at] == '/';
	return w->depth < 0 || below <= w->depth;
}

static bool may_see(const struct xsd *s, const struct xsd_conn *c, const struct xsd_perms *p)
{
	return p && (xsd_perm(s, c, p) & XSC_PERM_READ);
}

/*
 * "@releaseDomain" tells that some domain died, "@releaseDomain/5" that domain 5 did, and a watch
 * with depth 1 on "@releaseDomain" gets the latter form for every domain.
 * Spec: docs/misc/xenstore.txt, WATCH
 */
static void tell_special(struct xsd *s, struct xsd_watch *w, const struct xsd_change *ch)
{
	bool detail = w->depth == 1 || w->path->len == ch->len;
	char name[24];
	struct xsd_found f;

	snprintf(name, sizeof(name), "%.*s", (int)ch->special, ch->path);
	xsd_find(&s->tree, &s->gen, w->path->path, w->path->len, &f);
	if ((f.node && may_see(s, w->conn, f.node->perms)) ||
	    may_see(s, w->conn, xsd_perms_above(&s->tree, &f)))
		send_event(s, w, detail ? ch->path : name, detail ? ch->len : ch->special);
}

void xsd_watch_tell(struct xsd *s, struct xsd_watch *w, const struct xsd_change *ch)
{
	if (ch->special)
		tell_special(s, w, ch);
	else if (may_see(s, w->conn, ch->perms[0]) || may_see(s, w->conn, ch->perms[1]) ||
		 may_see(s, w->conn, ch->perms[2]))
		send_event(s, w, ch->path, ch->len);
}

static unsigned find(struct xsd *s, const struct xsd_change *ch, unsigned max)
{
	struct xsd_watches *ws = &s->watches;
	unsigned n = 0;

	if (!ch->exact && !ch->special)
		return gather_all(s, ch->path, ch->len, max);
	if (ch->special)
		n = gather(ws, xsd_path_hash(&s->gen, ch->path, ch->special), ch->path, ch->special,
			   0, 0, max);
	return gather(ws, xsd_path_hash(&s->gen, ch->path, ch->len), ch->path, ch->len, 0, n, max);
}

/* Tell those that find() has found. */
static void tell_found(struct xsd *s, const struct xsd_change *ch, unsigned n, uint64_t seq)
{
	struct xsd_watches *ws = &s->watches;
	bool mixed = sort(ws, n) && !ch->special;

	for (unsigned i = 0; i < n; i++)
		if (ws->found[i]->seq <= seq && !(mixed && repeats(ws->found, i)))
			xsd_watch_tell(s, ws->found[i], ch);
}

bool xsd_watch_few(struct xsd *s, const struct xsd_change *ch, uint64_t seq)
{
	unsigned n = find(s, ch, s->watches.few);

	if (n > s->watches.few)
		return false;
	tell_found(s, ch, n, seq);
	return true;
}

/* Now if that is little, else bit by bit. */
static void fire(struct xsd *s, const struct xsd_change *ch)
{
	unsigned n;

	if (!s->watches.n || s->recovering)
		return;
	n = find(s, ch, s->watches.few);
	if (!n || ((n > s->watches.few || xsd_fan_must(s)) && !xsd_fan_add(s, ch)))
		return;
	if (n > s->watches.few)
		n = find(s, ch, UINT32_MAX - 1);
	tell_found(s, ch, n, UINT64_MAX);
}

void xsd_fire(struct xsd *s, const char *path, size_t len, bool exact,
	      const struct xsd_perms *old, const struct xsd_perms *now,
	      const struct xsd_perms *parent)
{
	const struct xsd_change ch = { .path = path, .len = len, .exact = exact,
		.perms = { old, now, parent } };

	fire(s, &ch);
}

void xsd_fire_subtree(struct xsd *s, struct xsd_node *top, const struct xsd_perms *parent,
		      const char *path, size_t len)
{
	struct xsd_walk w;

	if (!s->watches.n || s->recovering)
		return;
	xsd_walk_init(&w, top, path, len);
	while (xsd_walk_next(&w) > 0) {
		if (!w.leaving)
			continue;
		s->work++;
		xsd_fire(s, w.path, w.len, w.node != top, NULL, w.node->perms,
			 w.depth > 1 ? w.stack[w.depth - 2].node->perms : parent);
	}
	xsd_walk_fini(&w);
}

void xsd_fire_special(struct xsd *s, const char *name, uint16_t domid)
{
	struct xsd_change ch = { .special = strlen(name) };
	char one[40];

	ch.len = (size_t)snprintf(one, sizeof(one), "%s/%u", name, domid);
	ch.path = one;
	fire(s, &ch);
}

void xsd_watches_fini(struct xsd *s)
{
	free(s->watches.slot);
	free(s->watches.found);
	s->watches = (struct xsd_watches){ 0 };
}
