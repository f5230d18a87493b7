// SPDX-License-Identifier: MIT
/*
 * One connection: bytes in, requests out of them, replies and events back.
 *
 * A turn is one read, or what an earlier one left over, up to an amount of work; loop.c says when
 * it comes. One request may cost more than a turn: the rest is a debt, and turns are passed over
 * until it is paid. Replies gather in `out` and leave with one write. A client that does not read
 * its replies is not read from: nothing piles up but events, and of those each is queued once (see
 * pending) and within the memory quota.
 *
 * Only introductions come with a descriptor, and looking for one makes a read dearer by a twentieth
 * of what a request costs altogether. So whoever has not sent any for long is read without looking;
 * an introduction that lacks its descriptor then is answered with EAGAIN, and from there on they
 * are looked for again.
 *
 * Epoll reports edges only, which saves it a second look at each client per request. `readable` is
 * the level: set by an event, cleared by a read that found less than it had room for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "xsd.h"

#define BUF_STD 4096u
#define BUDGET_SOCKET 128u		/* requests a turn */
#define WORK_SOCKET 128u		/* nodes, replies and events a turn; more is a debt */
#define WORK_GUEST 64u
#define WORK_WAKE 16u			/* what an event costs that wakes another client */
#define PLAIN_AFTER 256u		/* reads without a descriptor until none is looked for */
#define OUT_PAUSE (256u << 10)		/* bytes unread by a tool before it is not read from */
#define OUT_MAX (64u << 20)		/* bytes unread by a tool before it is dropped */

/* --- buffers --- */

static char *buf_room(struct xsd *s, struct xsd_buf *b, size_t need)
{
	size_t cap = b->cap, used = b->len - b->pos;
	char *data;

	if (cap - b->len >= need)
		return b->data + b->len;
	if (!cap && need <= BUF_STD && s->n_spare) {
		*b = (struct xsd_buf){ .data = s->spare[--s->n_spare], .cap = BUF_STD };
		return b->data;
	}
	if (b->pos && cap >= used + need && b->pos >= cap / 2) {
		memmove(b->data, b->data + b->pos, used);
	} else {
		for (cap = cap ? cap : BUF_STD; cap < used + need; cap *= 2)
			;
		data = malloc(cap);
		if (!data)
			return NULL;
		if (used)
			memcpy(data, b->data + b->pos, used);
		free(b->data);
		b->data = data;
		b->cap = (uint32_t)cap;
	}
	b->pos = 0;
	b->len = (uint32_t)used;
	return b->data + used;
}

static void buf_drop(struct xsd *s, struct xsd_buf *b)
{
	if (b->cap == BUF_STD && s->n_spare < DOM_ARRAY_LEN(s->spare))
		s->spare[s->n_spare++] = b->data;
	else
		free(b->data);
	*b = (struct xsd_buf){ 0 };
}

/* --- life --- */

#define EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

/* Whoever handed a descriptor in may still hold a copy, so closing it would not take it out. */
static void drop_fd(struct xsd *s, struct xsd_conn *c)
{
	if (c->fd >= 0)
		epoll_ctl(s->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	dom_close_fd(&c->fd);
}

int xsd_conn_attach(struct xsd *s, struct xsd_conn *c, int fd)
{
	if (fd >= 0 && xsd_loop_add(s, fd, EVENTS, c))
		return -ENOMEM;
	drop_fd(s, c);
	c->fd = fd;
	c->blocked = c->readable = c->ended = false;
	return 0;
}

struct xsd_conn *xsd_conn_new(struct xsd *s, int fd, struct xsd_dom *dom)
{
	struct xsd_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = c->rx_fd = -1;
	c->dom = dom;
	c->next_tx = 1;
	dom_list_init(&c->ready);
	dom_list_init(&c->dirty);
	dom_list_init(&c->watches);
	dom_list_init(&c->txns);
	xsd_fanout_init(&c->fanout, c);
	c->home_len = (uint32_t)snprintf(c->home, sizeof(c->home), "/local/domain/%u/",
					 dom->domid);
	if (fd >= 0 && xsd_conn_attach(s, c, fd)) {
		free(c);
		return NULL;
	}
	dom_list_append(&s->conns, &c->all);
	return c;
}

static void pending_drop(struct xsd_conn *c)
{
	free(c->pending.hash);
	free(c->pending.at);
	c->pending = (struct xsd_pending){ 0 };
}

void xsd_conn_reset(struct xsd *s, struct xsd_conn *c)
{
	xsd_watch_del_all(s, c);
	xsd_txn_free_all(s, c);
	buf_drop(s, &c->in);
	buf_drop(s, &c->out);
	pending_drop(c);
	dom_list_remove(&c->ready);
	dom_list_remove(&c->dirty);
	if (c->telling)
		c->telling->conn = c->telling->fanout.conn = NULL;
	c->telling = NULL;
	xsd_fan_orphan(s, &c->fanout);
	c->fanout.reply_waits = c->lost = false;
	c->n_out = 0;
	c->ignored = false;
}

void xsd_conn_free(struct xsd *s, struct xsd_conn *c)
{
	if (c->dead)
		return;
	xsd_conn_reset(s, c);
	drop_fd(s, c);
	dom_close_fd(&c->rx_fd);
	c->dead = true;
	xsd_fan_leave(s, c);
	dom_list_remove(&c->all);
	dom_list_append(&s->graves, &c->all);
}

/* The client is gone, or cannot be understood any more. */
static void hang_up(struct xsd *s, struct xsd_conn *c)
{
	if (c->owner) {
		xsd_fan_for(s, &s->orphans);
		xsd_dom_release(s, c->owner);
	} else {
		xsd_conn_free(s, c);
	}
}

/*
 * A protocol violation: a tool is dropped; a guest is not served any more but stays introduced, as
 * it does with Xen's daemon, until it reconnects or dies.
 */
static void violation(struct xsd *s, struct xsd_conn *c)
{
	if (!c->owner) {
		xsd_conn_free(s, c);
		return;
	}
	dom_log_guest(&s->log, &c->dom->log_limit, DOM_LOG_WARN,
		      "domain %u: ignored until it reconnects", c->dom->domid);
	xsd_conn_reset(s, c);
	c->ignored = true;
	shutdown(c->fd, SHUT_WR);
}

/* --- output --- */

/* Epoll is asked for room in the socket only while somebody waits for it. */
static void set_blocked(struct xsd *s, struct xsd_conn *c, bool blocked)
{
	struct epoll_event ev = { .events = EVENTS | (blocked ? EPOLLOUT : 0), .data.ptr = c };

	if (c->blocked != blocked && epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &ev) == 0)
		c->blocked = blocked;
}

/* Must it take replies before it may have more? */
static bool stalled(const struct xsd_conn *c)
{
	return c->blocked && (c->owner || c->out.len - c->out.pos > OUT_PAUSE);
}

/* Does its last request wait for watchers to be told? */
static bool busy_telling(const struct xsd_conn *c)
{
	return c->telling || !dom_list_empty(&c->fanout.changes);
}

/* Is there a whole request, or one that is announced too long, among what was read? */
static bool has_request(const struct xsd_conn *c)
{
	size_t len = c->in.len - c->in.pos;
	struct xsd_sockmsg hdr;

	if (len < sizeof(hdr))
		return false;
	memcpy(&hdr, c->in.data + c->in.pos, sizeof(hdr));
	return hdr.len > XENSTORE_PAYLOAD_MAX || len - sizeof(hdr) >= hdr.len;
}

static bool wants_turn(const struct xsd_conn *c)
{
	return !c->dead && c->fd >= 0 && !busy_telling(c) && !stalled(c) &&
	       (c->readable || has_request(c));
}

void xsd_conn_queue(struct xsd *s, struct xsd_conn *c)
{
	if (dom_list_empty(&c->ready) && wants_turn(c))
		dom_list_append(&s->later, &c->ready);
}

static void all_sent(struct xsd *s, struct xsd_conn *c)
{
	if (c->out.cap)
		buf_drop(s, &c->out);
	if (c->pending.cap)
		pending_drop(c);
	c->n_out = 0;
	if (!c->blocked)
		return;
	set_blocked(s, c, false);
	xsd_conn_queue(s, c);
}

void xsd_conn_flush(struct xsd *s, struct xsd_conn *c)
{
	dom_list_remove(&c->dirty);
	if (c->dead)
		return;
	if (c->lost) {
		dom_log(&s->log, DOM_LOG_WARN, "domain %u: out of memory for a message",
			c->dom->domid);
		violation(s, c);
		return;
	}
	if (c->fd < 0)
		return;
	while (c->out.pos < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->out.pos, c->out.len - c->out.pos,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)	/* gone; reading will tell when it has been heard to the end */
			n = c->out.len - c->out.pos;
		c->out.pos += (uint32_t)n;
		c->out_base += (uint64_t)n;
	}
	if (c->out.pos == c->out.len) {
		all_sent(s, c);
	} else if (!c->owner && c->out.len - c->out.pos > OUT_MAX) {
		dom_log(&s->log, DOM_LOG_WARN, "connection %d: dropped, it reads nothing", c->fd);
		xsd_conn_free(s, c);
	} else {
		set_blocked(s, c, true);
	}
}

/* Is this event queued already, with nothing of it sent? Notes it if not. */
static bool pending_seen(struct xsd_conn *c, uint64_t hash)
{
	struct xsd_pending *p = &c->pending;
	uint64_t at = c->out_base + (c->out.len - c->out.pos);
	uint32_t i;

	if (p->n * 2 >= p->cap) {
		struct xsd_pending big = { .cap = p->cap ? p->cap * 2 : 64 };

		big.hash = calloc(big.cap, sizeof(big.hash[0]));
		big.at = calloc(big.cap, sizeof(big.at[0]));
		if (!big.hash || !big.at) {
			free(big.hash);
			free(big.at);
			return false;
		}
		for (i = 0; i < p->cap; i++) {
			uint32_t j = (uint32_t)p->hash[i] & (big.cap - 1);

			if (!p->hash[i] || p->at[i] < c->out_base)
				continue;
			while (big.hash[j])
				j = (j + 1) & (big.cap - 1);
			big.hash[j] = p->hash[i];
			big.at[j] = p->at[i];
			big.n++;
		}
		pending_drop(c);
		*p = big;
	}
	for (i = (uint32_t)hash & (p->cap - 1); p->hash[i]; i = (i + 1) & (p->cap - 1)) {
		if (p->hash[i] != hash)
			continue;
		if (p->at[i] >= c->out_base)
			return true;
		p->at[i] = at;
		return false;
	}
	p->hash[i] = hash;
	p->at[i] = at;
	p->n++;
	return false;
}

static uint64_t event_hash(uint64_t h, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h ^ h >> 31;
}

/* May an event be queued for a client that does not take what is there? */
static bool admit_event(struct xsd *s, struct xsd_conn *c, const void *a, size_t a_len,
			const void *b, size_t b_len)
{
	uint64_t hash = event_hash(event_hash(s->seed, a, a_len), b, b_len) | 1;
	uint32_t limit = xsd_quota_limit(s, c->dom, XSD_Q_MEMORY);
	uint64_t held = c->out.len - c->out.pos + a_len + b_len + sizeof(struct xsd_sockmsg);

	if (!xsd_conn_privileged(c) && limit && c->dom->acct[XSD_Q_MEMORY] + held > limit) {
		dom_log_guest(&s->log, &c->dom->log_limit, DOM_LOG_WARN,
			      "domain %u: event lost, it takes none and its memory quota is used up",
			      c->dom->domid);
		return false;
	}
	return !pending_seen(c, hash);
}

void xsd_conn_send(struct xsd *s, struct xsd_conn *c, const struct xsd_sockmsg *hdr,
		   const void *a, size_t a_len, const void *b, size_t b_len)
{
	bool event = hdr->type == XS_WATCH_EVENT;
	char *p;

	s->work++;
	if (c->dead || c->ignored || c->lost || (c->fd < 0 && !c->dom->reattach))
		return;
	if (event && (c->blocked || c->fd < 0) && !admit_event(s, c, a, a_len, b, b_len))
		return;
	p = buf_room(s, &c->out, sizeof(*hdr) + a_len + b_len);
	if (!p) {
		/* Cannot be talked to any more, but whoever sends has its watches in hand. */
		c->lost = true;
		if (dom_list_empty(&c->dirty))
			dom_list_append(&s->dirty, &c->dirty);
		return;
	}
	memcpy(p, hdr, sizeof(*hdr));
	if (a_len)
		memcpy(p + sizeof(*hdr), a, a_len);
	if (b_len)
		memcpy(p + sizeof(*hdr) + a_len, b, b_len);
	c->out.len += (uint32_t)(sizeof(*hdr) + a_len + b_len);
	if (!event) {
		c->n_out++;
		if (c->dom->seen[XSD_Q_OUTSTANDING] < c->n_out)
			c->dom->seen[XSD_Q_OUTSTANDING] = c->n_out;
	}
	if (!c->blocked && dom_list_empty(&c->dirty)) {
		dom_list_append(&s->dirty, &c->dirty);
		s->work += event ? WORK_WAKE : 0;
	}
}

/* --- input --- */

/* Execute what is complete of @len bytes within the budget; returns how many bytes that was. */
static size_t execute(struct xsd *s, struct xsd_conn *c, const char *data, size_t len)
{
	uint64_t begin = s->work, turn = c->owner ? WORK_GUEST : WORK_SOCKET;
	unsigned budget = BUDGET_SOCKET;
	size_t pos = 0;

	if (c->owner)
		budget = DOM_MIN(budget, xsd_quota_limit(s, c->dom, XSD_Q_OUTSTANDING));
	for (budget = DOM_MAX(budget, 1u); budget && !c->dead && !c->ignored && !c->lost && !busy_telling(c) &&
	     !stalled(c); budget--) {
		struct xsd_sockmsg hdr;

		if (s->work - begin > turn || len - pos < sizeof(hdr))
			break;
		memcpy(&hdr, data + pos, sizeof(hdr));
		if (hdr.len > XENSTORE_PAYLOAD_MAX) {
			violation(s, c);
			break;
		}
		if (len - pos - sizeof(hdr) < hdr.len)
			break;
		xsd_request(s, c, &hdr, data + pos + sizeof(hdr));
		pos += sizeof(hdr) + hdr.len;
	}
	if (s->work - begin > turn)
		c->debt = s->work - begin - turn;
	return pos;
}

/* Keep at most one descriptor that came along, for the INTRODUCE behind it. */
static void take_fds(struct xsd_conn *c, struct msghdr *msg)
{
	for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m; m = CMSG_NXTHDR(msg, m)) {
		size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(m) + i * sizeof(fd), sizeof(fd));
			dom_close_fd(&c->rx_fd);
			c->rx_fd = fd;
		}
	}
}

/* Read once, with a descriptor if one comes along; *ret_short: it ended there, whatever follows. */
static ssize_t receive_fds(struct xsd_conn *c, char *buf, size_t size, bool *ret_short)
{
	char ctl[CMSG_SPACE(4 * sizeof(int))] DOM_ALIGNED(8);
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
		.msg_controllen = sizeof(ctl) };
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return n;
	take_fds(c, &msg);
	*ret_short = msg.msg_controllen || (msg.msg_flags & MSG_CTRUNC);
	c->plain = *ret_short ? 0 : c->plain + 1;
	return n;
}

bool xsd_conn_takes_fds(const struct xsd_conn *c)
{
	return !c->owner && c->plain < PLAIN_AFTER;
}

void xsd_conn_take_fds(struct xsd_conn *c)
{
	c->plain = 0;
	/* The read that dropped a descriptor ended with its request. */
	c->readable = true;
}

/* Read once. Clears `readable` when it is certain that nothing is left. */
static ssize_t receive(struct xsd_conn *c, char *buf, size_t size)
{
	bool cut = false;
	ssize_t n = xsd_conn_takes_fds(c) ? receive_fds(c, buf, size, &cut) :
					    recv(c->fd, buf, size, MSG_DONTWAIT);

	if ((n < 0 && errno == EAGAIN) || (n > 0 && (size_t)n < size && !c->ended && !cut))
		c->readable = false;
	return n;
}

/* Keep what could not be executed yet of @n bytes read elsewhere. */
static void keep_rest(struct xsd *s, struct xsd_conn *c, const char *data, size_t n)
{
	char *to = n && !c->ignored ? buf_room(s, &c->in, n) : NULL;

	if (to) {
		memcpy(to, data, n);
		c->in.len += (uint32_t)n;
	} else if (n && !c->ignored) {
		hang_up(s, c);
	}
}

/* Execute what waits in `in`. */
static void work(struct xsd *s, struct xsd_conn *c)
{
	size_t done = execute(s, c, c->in.data + c->in.pos, c->in.len - c->in.pos);

	if (c->dead || c->ignored)
		return;
	c->in.pos += (uint32_t)done;
	if (c->in.pos == c->in.len && c->in.cap)
		buf_drop(s, &c->in);
}

/* Read and execute. Requests that come in one piece, nearly all, are never copied. */
static void input(struct xsd *s, struct xsd_conn *c)
{
	bool direct = !c->in.cap;
	size_t size = direct ? sizeof(s->rx) - 1 : XENSTORE_PAYLOAD_MAX + sizeof(struct xsd_sockmsg);
	char *buf = direct ? s->rx : buf_room(s, &c->in, size);
	ssize_t n = buf ? receive(c, buf, size) : -1;
	size_t done;

	if (!buf || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	if (n <= 0) {
		hang_up(s, c);
	} else if (c->ignored) {
		return;
	} else if (direct) {
		done = execute(s, c, buf, (size_t)n);
		if (!c->dead)
			keep_rest(s, c, buf + done, (size_t)n - done);
	} else {
		c->in.len += (uint32_t)n;
		work(s, c);
	}
}

/* One request may be worth many turns; those are then the others'. Pays for one of them. */
static bool in_debt(struct xsd_conn *c)
{
	uint64_t turn = c->owner ? WORK_GUEST : WORK_SOCKET;
	bool owes = c->debt;

	c->debt -= DOM_MIN(c->debt, turn);
	return owes;
}

void xsd_conn_turn(struct xsd *s, struct xsd_conn *c)
{
	if (c->dom->conflicts && xsd_hold(s, c))
		return;
	if (!in_debt(c)) {
		if (has_request(c))
			work(s, c);
		else if (c->readable)
			input(s, c);
		if (!c->dead)
			xsd_conn_flush(s, c);
	}
	xsd_conn_queue(s, c);
}

void xsd_conn_event(struct xsd *s, struct xsd_conn *c, uint32_t events)
{
	c->readable |= (events & ~(uint32_t)EPOLLOUT) != 0;
	c->ended |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	if (c->blocked && (events & ~(uint32_t)EPOLLIN))
		xsd_conn_flush(s, c);
	if (dom_list_empty(&c->ready) && wants_turn(c))
		dom_list_append(c->debt ? &s->later : &s->ready, &c->ready);
}

void xsd_conn_told(struct xsd *s, struct xsd_conn *c)
{
	struct xsd_req r = { .hdr = c->reply };

	c->fanout.reply_waits = false;
	xsd_ack(s, c, &r);
	xsd_conn_queue(s, c);
}

int xsd_conn_restore(struct xsd *s, struct xsd_conn *c, const void *data, size_t len, bool out)
{
	struct xsd_buf *b = out ? &c->out : &c->in;
	char *p;

	if (!len)
		return 0;
	if (len > OUT_MAX || !(p = buf_room(s, b, len)))
		return -ENOMEM;
	memcpy(p, data, len);
	b->len += (uint32_t)len;
	if (out && dom_list_empty(&c->dirty))
		dom_list_append(&s->dirty, &c->dirty);
	if (!out && dom_list_empty(&c->ready))
		dom_list_append(&s->later, &c->ready);
	return 0;
}
