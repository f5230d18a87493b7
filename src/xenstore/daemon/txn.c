// SPDX-License-Identifier: MIT
/*
 * Transactions.
 *
 * A transaction is two versions of the store: `base`, live when it began, and `tree`, the same with
 * the transaction's own changes. Starting costs two references, dropping it costs nothing.
 *
 * It also keeps what its outcome depends on (accesses: which nodes, to be compared with those of the
 * base version) and what it did (log, in the format of the state file). At its end:
 *
 *	live is still base          live = tree
 *	an access has changed       EAGAIN
 *	otherwise                   the log is applied to live: a merge
 *
 * Example: two domains are created at once. Both transactions add a child to /local/domain and
 * depend on its existence and permissions, but not on its list of children, which neither has
 * read. The second one to commit is merged. Had it listed /local/domain, it would get EAGAIN.
 *
 * Events fire after the commit, one for each changed node, in the order of first access. Where
 * there are many, they are queued bit by bit between the turns of others, and the reply comes
 * after the last: whoever acts upon it finds its events before those of what follows.
 *
 * What a transaction costs is charged to its domain's memory: its log and its accesses. Versions of
 * the store that it keeps alive are bounded for all guests together (PINNED_MAX): beyond that, the
 * oldest transaction gives up its base, continues on the live version, and will end with EAGAIN.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/cc.h"
#include "xsd.h"

/* Transaction ids given out between two records of a domain's mark. */
#define TX_BLOCK 1024u

/* Bytes of old versions that open transactions of guests may keep alive. */
#define PINNED_MAX (32u << 20)

/* Charged to a domain for a node its transaction accessed, and for a change besides its record. */
#define CHARGE_ACCESS 128u
#define CHARGE_CHANGE 128u

#define TELL_WORK 256u		/* nodes and events queued at a time */
#define TELL_ROUND 512u		/* of all transactions together in a round of the loop */

/* Size of buffers worth keeping: a domain's creation fits in. */
#define SPARE_ACCESS 512u
#define SPARE_BYTES (32u << 10)

/* --- accounts --- */

static void acct_add(struct xsd_acct *acct, uint16_t owner, int nodes, long bytes)
{
	struct xsd_txn *t = DOM_CONTAINER_OF(acct, struct xsd_txn, acct);
	unsigned i = 0;

	while (i < t->n_accts && t->accts[i].owner != owner)
		i++;
	if (i == t->cap_accts) {
		unsigned cap = t->cap_accts ? t->cap_accts * 2 : 4;
		struct xsd_txn_acct *more = realloc(t->accts, cap * sizeof(*more));

		if (!more) {
			t->fail = true;
			return;
		}
		t->accts = more;
		t->cap_accts = cap;
	}
	if (i == t->n_accts)
		t->accts[t->n_accts++] = (struct xsd_txn_acct){ .owner = owner };
	t->xsd->work += (uint64_t)abs(nodes);
	t->accts[i].nodes += nodes;
	t->accts[i].bytes += bytes;
}

static const struct xsd_txn_acct *acct_of(const struct xsd_txn *t, uint16_t owner)
{
	for (unsigned i = 0; i < t->n_accts; i++)
		if (t->accts[i].owner == owner)
			return &t->accts[i];
	return NULL;
}

int xsd_txn_nodes(const struct xsd_txn *t, uint16_t owner)
{
	const struct xsd_txn_acct *a = acct_of(t, owner);

	return a ? a->nodes : 0;
}

long xsd_txn_bytes(const struct xsd_txn *t, uint16_t owner)
{
	const struct xsd_txn_acct *a = acct_of(t, owner);

	return a ? a->bytes : 0;
}

/* --- what it depends on --- */

static struct xsd_access *find_access(const struct xsd_txn *t, const char *path, size_t len,
				      uint32_t hash)
{
	unsigned i = hash;

	if (!t->cap_index)
		return NULL;
	for (i &= t->cap_index - 1; t->index[i]; i = (i + 1) & (t->cap_index - 1)) {
		struct xsd_access *a = &t->access[t->index[i] - 1];

		if (a->hash == hash && a->len == len && !memcmp(t->arena + a->path, path, len))
			return a;
	}
	return NULL;
}

static int grow_index(struct xsd_txn *t)
{
	unsigned cap = t->cap_index ? t->cap_index * 2 : 32;
	uint32_t *index = calloc(cap, sizeof(*index));

	if (!index)
		return -ENOMEM;
	for (unsigned n = 0; n < t->n_access; n++) {
		unsigned i = t->access[n].hash & (cap - 1);

		while (index[i])
			i = (i + 1) & (cap - 1);
		index[i] = n + 1;
	}
	free(t->index);
	t->index = index;
	t->cap_index = cap;
	return 0;
}

/* Room for @need more items behind @used of them. */
static int grow(void **data, uint32_t *cap, size_t used, size_t need, size_t item)
{
	size_t n = *cap ? *cap : 1024 / item;
	void *more;

	if (used + need <= *cap)
		return 0;
	while (n < used + need)
		n *= 2;
	more = realloc(*data, n * item);
	if (!more)
		return -ENOMEM;
	*data = more;
	*cap = (uint32_t)n;
	return 0;
}

/* Charge @bytes to the domain for as long as the transaction lasts. */
static int charge(struct xsd *s, struct xsd_conn *c, struct xsd_txn *t, size_t bytes)
{
	uint64_t total = c->dom->acct[XSD_Q_MEMORY] + bytes;

	if (!xsd_conn_privileged(c) && xsd_quota_over(s, c, XSD_Q_MEMORY, total))
		return -ENOMEM;
	xsd_quota_add(s, c->dom, XSD_Q_MEMORY, (long)bytes);
	t->charged += bytes;
	return 0;
}

static struct xsd_access *new_access(struct xsd_txn *t, const char *path, size_t len, uint32_t hash)
{
	struct xsd_access *a;
	unsigned i;

	if (grow((void **)&t->access, &t->cap_access, t->n_access, 1, sizeof(*a)) ||
	    grow((void **)&t->arena, &t->arena_cap, t->arena_len, len + 1, 1) ||
	    (t->n_access * 2 >= t->cap_index && grow_index(t)))
		return NULL;
	a = &t->access[t->n_access++];
	*a = (struct xsd_access){ .hash = hash, .path = t->arena_len, .len = (uint16_t)len };
	memcpy(t->arena + t->arena_len, path, len);
	t->arena[t->arena_len + len] = 0;
	t->arena_len += (uint32_t)len + 1;
	i = hash & (t->cap_index - 1);
	while (t->index[i])
		i = (i + 1) & (t->cap_index - 1);
	t->index[i] = t->n_access;
	return a;
}

int xsd_txn_read(struct xsd *s, struct xsd_conn *c, struct xsd_txn *t, const char *path,
		 size_t len, unsigned what)
{
	uint32_t hash = xsd_path_hash(&s->gen, path, len);
	struct xsd_access *a = find_access(t, path, len, hash);
	int err = 0;

	if (!a) {
		if (xsd_quota_over(s, c, XSD_Q_TRANS_NODES, t->n_access + 1))
			err = -ENOSPC;
		else if (charge(s, c, t, CHARGE_ACCESS + len) ||
			 !(a = new_access(t, path, len, hash)))
			err = -ENOMEM;
		if (err) {
			t->fail = true;
			return err;
		}
	}
	a->read_self |= (what & XSD_READ_SELF) != 0;
	a->read_kids |= (what & XSD_READ_KIDS) != 0;
	return (int)(a - t->access);
}

void xsd_txn_fire(struct xsd_txn *t, int access, bool exact)
{
	struct xsd_access *a = &t->access[access];

	/* An event for all below replaces one for exactly this node. */
	a->exact = a->fire ? a->exact && exact : exact;
	a->fire = true;
}

int xsd_txn_log(struct xsd *s, struct xsd_conn *c, struct xsd_txn *t, size_t len, void **ret)
{
	/* The value is in the log and in the tree. */
	if (charge(s, c, t, CHARGE_CHANGE + 2 * len) ||
	    grow((void **)&t->log, &t->log_cap, t->log_len, len, 1)) {
		t->fail = true;
		return -ENOMEM;
	}
	*ret = t->log + t->log_len;
	t->log_len += (uint32_t)len;
	return 0;
}

/* --- life --- */

struct xsd_txn *xsd_txn_find(struct xsd_conn *c, uint32_t id)
{
	dom_list_for_each(l, &c->txns) {
		struct xsd_txn *t = DOM_CONTAINER_OF(l, struct xsd_txn, link);

		if (t->id == id)
			return t;
	}
	return NULL;
}

static struct xsd_txn *txn_new(struct xsd *s, struct xsd_conn *c, uint32_t id)
{
	struct xsd_txn *t = s->spare_txn ? s->spare_txn : calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	s->spare_txn = NULL;
	t->id = id;
	t->xsd = s;
	t->dom = c->dom;
	t->conn = c;
	xsd_fanout_init(&t->fanout, c);
	t->copied = s->gen.copied;
	t->acct.add = acct_add;
	t->base = xsd_tree_share(&s->tree);
	t->tree = xsd_tree_share(&s->tree);
	dom_list_append(&c->txns, &t->link);
	dom_list_init(&t->age);
	if (!xsd_conn_privileged(c))
		dom_list_append(&s->guest_txns, &t->age);
	xsd_quota_add(s, c->dom, XSD_Q_TRANS, 1);
	s->n_txns++;
	return t;
}

int xsd_txn_start(struct xsd *s, struct xsd_conn *c, uint32_t *ret_id)
{
	struct xsd_dom *d = c->owner;
	uint32_t id = c->next_tx;

	while (!id || xsd_txn_find(c, id))
		id++;
	/* A guest must not meet the number of a transaction that a restart lost. */
	if (d && d->domid && id > d->tx_mark) {
		if (xsd_state_reserve(s, 256))
			return -ENOSPC;
		d->tx_mark = id + TX_BLOCK;
		xsd_state_put_dom(s, d);
	}
	if (!txn_new(s, c, id))
		return -ENOMEM;
	c->next_tx = id + 1;
	*ret_id = id;
	return 0;
}

struct xsd_txn *xsd_txn_stale(struct xsd *s, struct xsd_conn *c, uint32_t id)
{
	struct xsd_txn *t;

	if (xsd_quota_over(s, c, XSD_Q_TRANS, c->dom->acct[XSD_Q_TRANS] + 1))
		return NULL;
	t = txn_new(s, c, id);
	if (t)
		t->doomed = true;
	return t;
}

static void free_buffers(struct xsd_txn *t)
{
	free(t->access);
	free(t->index);
	free(t->arena);
	free(t->log);
	free(t->accts);
	free(t);
}

/* Buffers of an ordinary transaction are kept for the next. */
static void retire(struct xsd *s, struct xsd_txn *t)
{
	if (s->spare_txn || t->cap_access > SPARE_ACCESS || t->log_cap > SPARE_BYTES ||
	    t->arena_cap > SPARE_BYTES) {
		free_buffers(t);
		return;
	}
	if (t->n_access)
		memset(t->index, 0, t->cap_index * sizeof(*t->index));
	*t = (struct xsd_txn){ .access = t->access, .cap_access = t->cap_access,
		.index = t->index, .cap_index = t->cap_index, .arena = t->arena,
		.arena_cap = t->arena_cap, .log = t->log, .log_cap = t->log_cap,
		.accts = t->accts, .cap_accts = t->cap_accts };
	s->spare_txn = t;
}

static void end(struct xsd *s, struct xsd_txn *t)
{
	dom_list_remove(&t->link);
	dom_list_remove(&t->age);
	xsd_fan_orphan(s, &t->fanout);
	xsd_quota_add(s, t->dom, XSD_Q_TRANS, -1);
	xsd_quota_add(s, t->dom, XSD_Q_MEMORY, -(long)t->charged);
	s->n_txns--;
	xsd_tree_fini(&t->base);
	xsd_tree_fini(&t->tree);
	retire(s, t);
}

void xsd_txn_fini(struct xsd *s)
{
	dom_list_for_each_safe(l, &s->telling)
		end(s, DOM_CONTAINER_OF(l, struct xsd_txn, link));
	if (s->spare_txn)
		free_buffers(s->spare_txn);
	s->spare_txn = NULL;
}

void xsd_txn_free_all(struct xsd *s, struct xsd_conn *c)
{
	dom_list_for_each_safe(l, &c->txns)
		end(s, DOM_CONTAINER_OF(l, struct xsd_txn, link));
}

void xsd_txn_trim(struct xsd *s)
{
	for (;;) {
		struct xsd_txn *t = DOM_CONTAINER_OF(s->guest_txns.next, struct xsd_txn, age);

		if (dom_list_empty(&s->guest_txns) || s->gen.copied - t->copied < PINNED_MAX)
			return;
		xsd_tree_fini(&t->base);
		xsd_tree_fini(&t->tree);
		t->base = xsd_tree_share(&s->tree);
		t->tree = xsd_tree_share(&s->tree);
		t->copied = s->gen.copied;
		t->doomed = true;
		t->n_accts = 0;
		dom_list_remove(&t->age);
		dom_list_append(&s->guest_txns, &t->age);
	}
}

/* --- commit --- */

/* Is what it depended on at one node in the live store as it was? Else *ret_by changed it. */
static bool same(struct xsd *s, const struct xsd_txn *t, const struct xsd_access *a, uint16_t *ret_by)
{
	struct xsd_found now, was;

	xsd_find(&s->tree, &s->gen, t->arena + a->path, a->len, &now);
	xsd_find(&t->base, &s->gen, t->arena + a->path, a->len, &was);
	*ret_by = (now.node ? now.node : now.near)->by;
	if (!now.node || !was.node)
		return now.node == was.node;
	return (!a->read_self || now.node->gen == was.node->gen) &&
	       (!a->read_kids || now.node->kids_gen == was.node->kids_gen);
}

static bool undisturbed(struct xsd *s, struct xsd_conn *c, const struct xsd_txn *t)
{
	for (unsigned i = 0; i < t->n_access; i++) {
		uint16_t by;

		if (same(s, t, &t->access[i], &by))
			continue;
		xsd_conflict(s, c, by);
		return false;
	}
	return true;
}

/* Apply the log to the live version; the result becomes t->tree, its accounts t->accts. */
static int merge(struct xsd *s, struct xsd_txn *t)
{
	struct xsd_tree merged = xsd_tree_share(&s->tree);
	struct xsd_rec_args rec;
	size_t pos = 0;
	int err = 0;

	t->n_accts = 0;
	while (!err && xsd_rec_next(t->log, t->log_len, &pos, &rec) > 0)
		err = xsd_apply(s, &merged, &t->acct, &rec);
	if (!err && t->fail)
		err = -ENOMEM;
	if (err) {
		xsd_tree_fini(&merged);
		return err;
	}
	xsd_tree_fini(&t->tree);
	t->tree = merged;
	return 0;
}

static int check_quota(struct xsd *s, struct xsd_conn *c, const struct xsd_txn *t)
{
	const struct xsd_txn_acct *a = acct_of(t, c->dom->domid);
	const uint64_t *acct = c->dom->acct;

	if (!a || xsd_conn_privileged(c))
		return 0;
	if (a->nodes > 0 &&
	    xsd_quota_over(s, c, XSD_Q_NODES, acct[XSD_Q_NODES] + (uint64_t)a->nodes))
		return -ENOSPC;
	if (a->bytes > 0 && xsd_quota_over(s, c, XSD_Q_MEMORY,
					   acct[XSD_Q_MEMORY] - t->charged + (uint64_t)a->bytes))
		return -ENOMEM;
	return 0;
}

static int commit(struct xsd *s, struct xsd_conn *c, struct xsd_txn *t)
{
	int err;

	if (t->doomed)
		return -EAGAIN;
	if (t->fail)
		return -ENOMEM;
	s->work += t->n_access + t->log_len / 64;
	if (!xsd_tree_same(&t->base, &s->tree)) {
		if (!undisturbed(s, c, t))
			return -EAGAIN;
		err = merge(s, t);
		if (err)
			return err;
	}
	err = check_quota(s, c, t);
	if (!err)
		err = xsd_state_reserve(s, t->log_len);
	if (err)
		return err;
	xsd_tree_fini(&s->tree);
	s->tree = t->tree;
	t->tree = (struct xsd_tree){ 0 };
	for (unsigned i = 0; i < t->n_accts; i++)
		s->live.add(&s->live, t->accts[i].owner, t->accts[i].nodes, t->accts[i].bytes);
	xsd_state_put_raw(s, t->log, t->log_len);
	return 0;
}

/* --- telling --- */

/* Queue events for the next nodes; false if there are more, or one that many are still told of. */
static bool tell(struct xsd *s, struct xsd_txn *t, bool all)
{
	struct xsd_fanout *was_for = s->fan_for;
	uint64_t begin = s->work;

	for (; s->watches.n && t->told < t->n_access; t->told++) {
		const struct xsd_access *a = &t->access[t->told];
		struct xsd_found now, was;

		if (!all && (s->work - begin > TELL_WORK || !dom_list_empty(&t->fanout.changes)))
			return false;
		if (!a->fire)
			continue;
		s->work++;
		xsd_fan_for(s, all ? NULL : &t->fanout);
		xsd_find(&s->tree, &s->gen, t->arena + a->path, a->len, &now);
		xsd_find(&t->base, &s->gen, t->arena + a->path, a->len, &was);
		xsd_fire(s, t->arena + a->path, a->len, a->exact,
			 was.node ? was.node->perms : NULL, now.node ? now.node->perms : NULL,
			 now.node ? now.near->perms : NULL);
		xsd_fan_for(s, was_for);
	}
	return dom_list_empty(&t->fanout.changes);
}

/* A slice of one; it goes to the end of the queue, or its client has its reply. */
static void tell_more(struct xsd *s, struct xsd_txn *t, bool all)
{
	uint64_t begin = s->work;
	bool done = tell(s, t, all);
	struct xsd_conn *c = t->conn;
	struct xsd_req r = { .hdr = t->hdr };

	if (c)
		c->debt += s->work - begin;
	if (!done) {
		dom_list_remove(&t->link);
		dom_list_append(&s->telling, &t->link);
		return;
	}
	end(s, t);
	if (!c)
		return;
	c->telling = NULL;
	xsd_ack(s, c, &r);
	xsd_conn_queue(s, c);
}

void xsd_txn_tell(struct xsd *s, bool all)
{
	const struct dom_list *last = s->telling.prev, *l = &s->telling;
	uint64_t begin = s->work;

	/* Each once at most. */
	while (l != last && (all || s->work - begin < TELL_ROUND)) {
		l = s->telling.next;
		tell_more(s, DOM_CONTAINER_OF(l, struct xsd_txn, link), all);
	}
}

int xsd_txn_end(struct xsd *s, struct xsd_conn *c, struct xsd_txn *t, bool do_commit,
		const struct xsd_sockmsg *hdr)
{
	int err = do_commit ? commit(s, c, t) : 0;

	if (err || !do_commit || tell(s, t, false)) {
		end(s, t);
		return err;
	}
	t->hdr = *hdr;
	c->telling = t;
	dom_list_remove(&t->age);
	dom_list_remove(&t->link);
	dom_list_append(&s->telling, &t->link);
	return 1;
}
