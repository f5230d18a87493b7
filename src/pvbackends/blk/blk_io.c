// SPDX-License-Identifier: MIT
/*
 * A queue of a disk: takes requests, runs them on the image, answers.
 *
 * Each request has a plan, a few steps of which each is one op of the event loop (more if the file
 * moves less than asked for). The guest's own pages are read and written; nothing is copied. Neighbours
 * that come together share one op (blk_join.c).
 *
 * A barrier waits for all requests in flight, and nothing is taken until it is done. A flush waits
 * for nothing: it covers the writes that were answered before it came, as the protocol demands.
 *
 * Answers are written to the ring as they come and shown to the guest once per turn of the loop, so
 * that requests that complete together cost one interrupt. If new requests have come meanwhile,
 * these are begun first, and the answers wait for the next turn, once: otherwise a guest whose
 * requests got out of step is served in ever smaller groups.
 *
 * A queue with many requests in flight may sleep longer than until the next completion, and without
 * asking for a kick: blk_pace.c.
 *
 * Before sleeping, an idle queue may poll for the next request for a while. A guest that works with
 * one request at a time answers within microseconds, and two sleeps per request would cost more
 * than the request. Whether that pays is learned: a kick that comes soon after going to sleep says
 * that polling would have caught it; polling that catches nothing (guest and back end share a cpu,
 * say) doubles the number of chances that are skipped from then on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "blk/blk.h"

enum step { STEP_END, STEP_READ, STEP_WRITE, STEP_SYNC, STEP_PUNCH, STEPS };

static const uint8_t plans[BLK_OPS][4] = {
	[BLK_READ]	= { STEP_READ },
	[BLK_WRITE]	= { STEP_WRITE },
	[BLK_BARRIER]	= { STEP_SYNC, STEP_WRITE, STEP_SYNC },
	[BLK_FLUSH]	= { STEP_SYNC, STEP_WRITE },
	[BLK_DISCARD]	= { STEP_PUNCH },
};

static void serve(struct blk_queue *q);

/* Guest pages. */

static void unpin(struct blk_slot *s)
{
	xa_grants_unmap(s->q->domain, s->grefs, s->nsegs, s->kind == BLK_READ);
}

static void choose_arrays(struct blk_slot *s, unsigned nsegs)
{
	size_t first = (size_t)(s - s->q->slots) * BLK_MAX_SEGMENTS;
	bool few = nsegs <= BLKIF_MAX_SEGMENTS_PER_REQUEST;

	s->iov = few ? s->few_iov : s->q->iovs + first;
	s->grefs = few ? s->few_grefs : s->q->grefs + first;
}

/* Get at the guest's pages; segments that are adjacent for us become one. */
static int pin(struct blk_slot *s, const struct blk_req *req)
{
	void *pages[BLK_MAX_SEGMENTS];
	struct iovec *iov;
	int r;

	choose_arrays(s, req->nsegs);
	s->nsegs = req->nsegs;
	s->niov = s->iov_done = 0;
	for (unsigned i = 0; i < req->nsegs; i++)
		s->grefs[i] = req->segs[i].gref;
	r = pvb_map_all(s->q->domain, s->grefs, s->nsegs, s->kind == BLK_READ, pages);
	if (r < 0)
		return r;
	iov = s->iov;
	for (unsigned i = 0; i < req->nsegs; i++) {
		const struct blkif_request_segment *seg = &req->segs[i];
		size_t len = (seg->last_sect - seg->first_sect + 1u) << BLKIF_SECTOR_SHIFT;
		uint8_t *base = (uint8_t *)pages[i] + ((size_t)seg->first_sect << BLKIF_SECTOR_SHIFT);

		if (iov != s->iov && (uint8_t *)iov[-1].iov_base + iov[-1].iov_len == base)
			iov[-1].iov_len += len;
		else
			*iov++ = (struct iovec){ base, len };
	}
	s->niov = (unsigned)(iov - s->iov);
	return 0;
}

/* Answers. */

static void answer(struct blk_queue *q, uint64_t id, uint8_t ring_op, int result)
{
	uint8_t rsp[BLKIF_RSP_SIZE_64];

	if (result < 0)
		q->disk->stats.errors++;
	q->pace.done++;
	blk_encode(q->lay, id, ring_op, result, rsp);
	pvb_sring_put(&q->ring, rsp);
	if (ev_idle(&q->flush))
		ev_timer(&q->flush, 0);
}

/* Has the image another size now? */
static void look(struct blk_disk *disk)
{
	uint64_t now;

	if (!disk->look)
		return;
	now = ev_now();
	if (now < disk->look_at)
		return;
	disk->look_at = now + BLK_LOOK_NS;
	disk->look(disk);
}

static void on_flush(struct ev_op *op, int res)
{
	struct blk_queue *q = DOM_CONTAINER_OF(op, struct blk_queue, flush);

	if (res < 0)
		return;
	look(q->disk);
	if (!q->held && !q->broken && !q->barrier && pvb_sring_pending(&q->ring) > 0) {
		/* Begin these first; what completes at once is told with what we have. */
		q->held = true;
		serve(q);
		ev_timer(&q->flush, ev_now());
		return;
	}
	q->held = false;
	if (pvb_sring_push(&q->ring)) {
		q->disk->stats.notifies++;
		(void)xa_evtchn_notify(q->disk->domain, q->port);
	}
	serve(q);
}

/* Steps. */

static int image_fd(const struct blk_slot *s)
{
	const struct blk_img *img = &s->q->disk->img;

	return s->direct || img->buffered_fd < 0 ? img->fd : img->buffered_fd;
}

static bool begin_read(struct blk_slot *s)
{
	if (s->niov - s->iov_done == 1)
		ev_read(&s->op, image_fd(s), s->iov[s->iov_done].iov_base, (uint32_t)s->len, s->off);
	else
		ev_readv(&s->op, image_fd(s), s->iov + s->iov_done, s->niov - s->iov_done, s->off);
	return true;
}

static bool begin_write(struct blk_slot *s)
{
	if (s->len == 0)
		return false;
	if (s->niov - s->iov_done == 1)
		ev_write(&s->op, image_fd(s), s->iov[s->iov_done].iov_base, (uint32_t)s->len, s->off);
	else
		ev_writev(&s->op, image_fd(s), s->iov + s->iov_done, s->niov - s->iov_done, s->off);
	return true;
}

static bool begin_sync(struct blk_slot *s)
{
	ev_fsync(&s->op, s->q->disk->img.fd, true);
	return true;
}

static bool begin_punch(struct blk_slot *s)
{
	if (s->len == 0)
		return false;
	ev_fallocate(&s->op, s->q->disk->img.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, s->off,
		     s->len);
	return true;
}

/* @n bytes were moved: 1 when more is to be moved, 0 when that was all, -EIO when nothing moves. */
static int end_move(struct blk_slot *s, int n)
{
	if (n == 0)
		return -EIO;	/* the file has become shorter than the disk */
	s->off += (unsigned)n;
	s->len -= (unsigned)n;
	while (n && (size_t)n >= s->iov[s->iov_done].iov_len)
		n -= (int)s->iov[s->iov_done++].iov_len;
	if (n) {
		s->iov[s->iov_done].iov_base = (uint8_t *)s->iov[s->iov_done].iov_base + n;
		s->iov[s->iov_done].iov_len -= (size_t)n;
	}
	return s->len > 0;
}

static int end_plain(struct blk_slot *s DOM_UNUSED, int n DOM_UNUSED)
{
	return 0;
}

static const struct {
	bool (*begin)(struct blk_slot *s);	/* false: nothing to do */
	int (*end)(struct blk_slot *s, int res);	/* 1: once more, 0: next step, -errno */
	bool moves;				/* data between image and guest */
	uint16_t nbd_cmd;			/* the same for an image that a server has */
} step_rows[STEPS] = {
	[STEP_READ]	= { begin_read, end_move, true, NBD_READ },
	[STEP_WRITE]	= { begin_write, end_move, true, NBD_WRITE },
	[STEP_SYNC]	= { begin_sync, end_plain, false, NBD_FLUSH },
	[STEP_PUNCH]	= { begin_punch, end_plain, false, NBD_TRIM },
};

static bool begin_step(struct blk_slot *s, uint8_t step)
{
	struct blk_nbd *nbd = s->q->disk->img.nbd;

	if (DOM_LIKELY(!nbd))
		return step_rows[step].begin(s);
	if (step != STEP_SYNC && s->len == 0)
		return false;
	s->nbd_cmd = step_rows[step].nbd_cmd;
	blk_nbd_begin(nbd, s);
	return true;
}

static void finish(struct blk_slot *s, int result);

/* Go on with the plan. */
static void advance(struct blk_slot *s)
{
	uint8_t step;

	while ((step = plans[s->kind][s->step]) != STEP_END) {
		if (begin_step(s, step))
			return;
		s->step++;
	}
	finish(s, 0);
}

/* Begin what was taken together. */
static void begin_run(struct blk_queue *q)
{
	struct blk_slot *first = q->run.first;

	if (!first)
		return;
	q->run.first = NULL;
	if (first->next)
		blk_join_begin(first, image_fd(first));
	else
		advance(first);
}

/* The op that @s shared with those after it has ended. */
static void run_done(struct blk_slot *s, int res)
{
	bool whole = blk_join_whole(s, res);

	while (s) {
		struct blk_slot *next = s->next;

		s->next = NULL;
		if (whole || res == -ECANCELED)
			finish(s, whole ? 0 : res);
		else
			advance(s);
		s = next;
	}
}

static void slot_done(struct ev_op *op, int res)
{
	struct blk_slot *s = DOM_CONTAINER_OF(op, struct blk_slot, op);
	struct blk_nbd *nbd = s->q->disk->img.nbd;
	uint8_t step = plans[s->kind][s->step];

	if (s->next) {
		run_done(s, res);
		return;
	}
	if (nbd && res == -ECANCELED)
		blk_nbd_forget(nbd, s);
	else if (nbd)
		res = s->res;
	if (res == -EINTR || res == -EAGAIN) {
		begin_step(s, step);
		return;
	}
	if (res == -EINVAL && step_rows[step].moves && s->direct && s->q->disk->img.buffered_fd >= 0) {
		/* Not aligned as O_DIRECT demands it here. */
		s->direct = false;
		begin_step(s, step);
		return;
	}
	if (res >= 0)
		res = step_rows[step].end(s, res);
	if (res > 0) {
		begin_step(s, step);
	} else if (res == 0) {
		s->step++;
		advance(s);
	} else {
		finish(s, res);
	}
}

/* Requests. */

static unsigned in_flight(const struct blk_queue *q)
{
	return q->ring.entries - q->nfree;
}

static void finish(struct blk_slot *s, int result)
{
	struct blk_queue *q = s->q;

	unpin(s);
	q->free[q->nfree++] = s;
	if (result == -ECANCELED) {
		/* The queue is going away, and with it the ring. */
		if (q->barrier == s)
			q->barrier = NULL;
		return;
	}
	if (result == -EOPNOTSUPP && s->kind == BLK_DISCARD)
		q->disk->lim.discard = false;
	else if (result < 0)
		q->disk->complain(q->disk, s->kind == BLK_READ ? "read" : "write", result);
	answer(q, s->id, s->ring_op, result);
	if (q->barrier == s) {
		q->barrier = NULL;
		serve(q);
	} else if (q->barrier && in_flight(q) == 1) {
		advance(q->barrier);
	}
}

/* Run the request in q->req. */
static void begin(struct blk_queue *q)
{
	const struct blk_req *req = &q->req;
	struct blk_slot *s = q->free[--q->nfree];
	int r;

	s->id = req->id;
	s->ring_op = req->ring_op;
	s->kind = req->op;
	s->step = 0;
	s->direct = true;
	s->off = req->sector << BLKIF_SECTOR_SHIFT;
	s->len = req->sectors << BLKIF_SECTOR_SHIFT;
	r = pin(s, req);
	if (r < 0) {
		q->nfree++;
		answer(q, req->id, req->ring_op, r);
		return;
	}
	q->disk->stats.ops[req->op]++;
	q->disk->stats.bytes[req->op] += s->len;
	if (blk_join(q, s))
		return;
	begin_run(q);
	if (req->op == BLK_READ || req->op == BLK_WRITE) {
		blk_join_first(q, s);
		return;
	}
	if (req->op == BLK_BARRIER)
		q->barrier = s;
	if (!q->barrier || in_flight(q) == 1)
		advance(s);
}

static void take_one(struct blk_queue *q)
{
	uint8_t entry[BLKIF_REQ_SIZE_64];
	int r;

	pvb_sring_pop(&q->ring, entry);
	r = blk_decode(q->lay, entry, &q->disk->lim, q->disk->domain, &q->req);
	if (r < 0)
		answer(q, q->req.id, q->req.ring_op, r);
	else
		begin(q);
}

static void break_queue(struct blk_queue *q)
{
	q->broken = true;
	q->disk->complain(q->disk, "impossible ring indices, queue stopped", -EPROTO);
}

/* Poll for the next request before asking for an event with it? */
static bool start_spin(struct blk_queue *q)
{
	if (!q->spin_window || in_flight(q))
		return false;
	if (q->spin_skip) {
		q->spin_skip--;
		return false;
	}
	q->spin_until = ev_now() + q->spin_window;
	q->spin.active = true;
	return true;
}

/* Sleep until several requests are done, without being told of new ones? */
static bool be_patient(struct blk_queue *q)
{
	q->waiting = blk_pace(&q->pace, in_flight(q));
	if (q->waiting) {
		ev_timer(&q->glance, ev_now() + BLK_PATIENCE_NS);
		ev_gather(&q->group);
	}
	return q->waiting;
}

/* Take all requests that are there, then see to it that we learn of the next. */
static void serve(struct blk_queue *q)
{
	int n = 0;

	/* A guest can be faster than us with requests that are answered at once: bounded. */
	for (unsigned taken = 0; !q->broken && !q->barrier && taken < q->ring.entries;) {
		n = pvb_sring_pending(&q->ring);
		if (n < 0)
			break_queue(q);
		for (int i = 0; i < n && !q->barrier; i++, taken++)
			take_one(q);
		begin_run(q);
		if (n > 0)
			continue;
		if (n == 0 && be_patient(q))
			break;
		if (q->spin.active || (n == 0 && start_spin(q)) || !pvb_sring_sleep(&q->ring))
			break;
	}
	q->slept_at = 0;
	if (n > 0 && !q->barrier && ev_idle(&q->flush))
		ev_timer(&q->flush, 0);		/* bounded above: go on in the next turn */
	else if (q->disk->spin_max && !q->spin.active && !in_flight(q))
		q->slept_at = ev_now();
}

/*
 * Look at the ring until something is there, for a few microseconds: the loop has others to serve.
 */
static int spin_once(struct blk_queue *q, uint64_t now)
{
	uint64_t until = DOM_MIN(now + BLK_SPIN_TURN_NS, q->spin_until);
	int n;

	/* A pause takes up to 140 cycles: none between two looks at the clock would be too dear. */
	do {
		for (unsigned i = 0; i < 8; i++) {
			n = pvb_sring_pending(&q->ring);
			if (n != 0)
				return n;
			__builtin_ia32_pause();
		}
	} while (ev_now() < until);
	return 0;
}

static bool on_spin(struct ev_spinner *spin)
{
	struct blk_queue *q = DOM_CONTAINER_OF(spin, struct blk_queue, spin);
	uint64_t now = ev_now();

	if (q->broken || q->barrier)
		return false;
	if (spin_once(q, now) != 0) {
		q->spin_penalty = 0;
		q->spin_until = now + q->spin_window;
		serve(q);
		return true;
	}
	if (now < q->spin_until)
		return true;
	/* In vain. */
	spin->active = false;
	q->spin_window = 0;
	q->spin_penalty = DOM_MIN(q->spin_penalty * 2 + 1, 1023u);
	q->spin_skip = q->spin_penalty;
	serve(q);
	return spin->active;
}

static void on_glance(struct ev_op *op, int res)
{
	struct blk_queue *q = DOM_CONTAINER_OF(op, struct blk_queue, glance);

	if (res < 0 || !q->waiting)
		return;
	blk_pace_glance(&q->pace);
	serve(q);
}

static void on_kick(struct ev_op *op, int res)
{
	struct blk_queue *q = DOM_CONTAINER_OF(op, struct blk_queue, kick);

	if (res < 0)
		return;
	q->disk->stats.kicks++;
	if (q->slept_at)
		q->spin_window = ev_now() - q->slept_at < q->disk->spin_max ? q->disk->spin_max : 0;
	serve(q);
}

void blk_queue_count(const struct blk_queue *q, uint64_t *begun, uint64_t *waiting)
{
	int n = pvb_sring_pending(&q->ring);

	*begun += in_flight(q);
	*waiting += n > 0 ? (unsigned)n : 0;
}

/* Life cycle. */

static int map_ring(struct blk_queue *q, const struct blk_queue_config *cfg)
{
	for (unsigned i = 0; i < cfg->pages; i++) {
		void *page;
		int r = xa_grant_map(q->disk->domain, cfg->ring[i], true, &page);

		if (r < 0)
			return r;
		q->ring.page[i] = page;
		q->ring_grefs[i] = cfg->ring[i];
		q->ring_pages++;
	}
	return pvb_sring_init(&q->ring, cfg->pages, q->lay->req_size, q->lay->rsp_size);
}

/* Slots with room for the largest request; what is never used costs no memory. */
static int make_slots(struct blk_queue *q)
{
	unsigned n = q->ring.entries;

	q->slots = calloc(n, sizeof(*q->slots));
	q->free = calloc(n, sizeof(*q->free));
	q->iovs = calloc((size_t)n * BLK_MAX_SEGMENTS, sizeof(*q->iovs));
	q->grefs = calloc((size_t)n * BLK_MAX_SEGMENTS, sizeof(*q->grefs));
	if (!q->slots || !q->free || !q->iovs || !q->grefs)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		struct blk_slot *s = &q->slots[n - 1 - i];

		s->q = q;
		dom_list_init(&s->link);
		ev_op_init(&s->op, q->disk->loop, slot_done, &q->group);
		q->free[q->nfree++] = s;
	}
	return 0;
}

static void queue_gone(struct ev_group *g)
{
	struct blk_queue *q = DOM_CONTAINER_OF(g, struct blk_queue, group);

	/* A barrier that was still waiting for others has no op. */
	if (q->barrier)
		unpin(q->barrier);
	for (unsigned i = 0; i < q->ring_pages; i++)
		xa_grant_unmap(q->domain, q->ring_grefs[i], true);
	if (q->eventfd >= 0)
		close(q->eventfd);
	if (q->idle)
		q->idle(q);
	free(q->slots);
	free(q->free);
	free(q->iovs);
	free(q->grefs);
	free(q);
}

void blk_queue_free(struct blk_queue *q, void (*idle)(struct blk_queue *q))
{
	if (!q)
		return;
	ev_spin_remove(&q->spin);
	if (q->bound)
		xa_evtchn_close_backend(q->disk->domain, q->port);
	q->broken = true;
	q->idle = idle;
	ev_group_close(&q->group, queue_gone);
}

int blk_queue_new(struct blk_disk *disk, const struct blk_queue_config *cfg, struct blk_queue **ret)
{
	struct blk_queue *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	q->disk = disk;
	q->domain = disk->domain;
	q->lay = cfg->lay;
	q->port = cfg->port;
	q->spin.poll = on_spin;
	ev_group_init(&q->group, disk->loop);
	ev_op_init(&q->kick, disk->loop, on_kick, &q->group);
	ev_op_init(&q->glance, disk->loop, on_glance, &q->group);
	ev_op_init(&q->flush, disk->loop, on_flush, &q->group);
	ev_spin_add(disk->loop, &q->spin);
	q->eventfd = eventfd(0, EFD_CLOEXEC);
	r = q->eventfd < 0 ? -errno : map_ring(q, cfg);
	if (r == 0)
		r = make_slots(q);
	if (r == 0)
		r = xa_evtchn_bind_backend(disk->domain, cfg->port, q->eventfd);
	if (r < 0) {
		blk_queue_free(q, NULL);
		return r;
	}
	q->bound = true;
	ev_event(&q->kick, q->eventfd);
	/* Requests may be waiting already: the guest's event was sent before we listened. */
	serve(q);
	*ret = q;
	return 0;
}
