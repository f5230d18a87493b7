// SPDX-License-Identifier: MIT
/*
 * Images that another program serves: a client of the NBD protocol on the event loop. That program (for
 * example qemu-nbd) knows formats such as qcow2, whose parsers have no place in a process that runs a
 * guest, or reaches a disk over the network.
 *   Protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, fixed newstyle
 *   negotiation with NBD_OPT_GO, simple replies
 *
 * Data goes through buffers of our own. A request that was sent cannot be taken back, so when its queue
 * goes away the guest's pages are let go at once and the answer, when it comes, fills a buffer that
 * nobody looks at. Requests beyond the number of buffers wait.
 *
 * The server is trusted with the disk's contents, not with us: lengths, handles and order of what it
 * says are checked. When it breaks the protocol or goes away another one is asked for (blk.c), for a
 * while. Requests wait for it meanwhile, in the order in which they were sent, and are sent to it anew:
 * what the guest was not told of may be done twice. If none comes every request fails, now and later.
 *
 * What was written but not flushed may have died with the server. Its successor cannot know, so the next
 * flush fails, as that of a disk which has lost the contents of its cache.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "blk/blk.h"
#include "domicile/base/fd.h"
#include "domicile/base/num.h"

#define NBD_MAGIC 0x4e42444d41474943ull		/* "NBDMAGIC" */
#define NBD_OPTS_MAGIC 0x49484156454f5054ull	/* "IHAVEOPT" */
#define NBD_REP_MAGIC 0x3e889045565a9ull
#define NBD_REQUEST_MAGIC 0x25609513u
#define NBD_SIMPLE_REPLY_MAGIC 0x67446698u

#define NBD_FLAG_FIXED_NEWSTYLE 1u
#define NBD_FLAG_NO_ZEROES 2u
#define NBD_OPT_GO 7u
#define NBD_REP_ACK 1u
#define NBD_REP_INFO 3u
#define NBD_REP_ERR 0x80000000u
#define NBD_INFO_EXPORT 0u

#define NBD_FLAG_READ_ONLY 2u
#define NBD_FLAG_SEND_FLUSH 4u
#define NBD_FLAG_SEND_TRIM 0x20u

#define REQUEST_SIZE 28u
#define REPLY_SIZE 16u
#define DATA_MAX (BLK_MAX_SEGMENTS * 4096u)
#define REQS 16u			/* in flight */
#define OPTION_MAX 4096u		/* bytes of a reply during the negotiation */
#define HANDSHAKE_MS 5000
#define ASK_NS 500000000u		/* another server is asked for so often */
#define ASK_MAX 20u

struct nbd_req {
	struct dom_list link;		/* free, to be sent or sent */
	struct blk_slot *slot;		/* NULL: nobody waits for it any more */
	uint16_t cmd;
	uint32_t len;			/* of the data, in either direction */
	uint32_t total, done;		/* bytes to send, and of them sent */
	uint64_t covers;		/* of a flush: nbd->written when it was made */
	uint8_t *head;			/* REQUEST_SIZE bytes, the data follow */
};

struct blk_nbd {
	struct blk_disk *disk;
	int fd;
	uint64_t size;
	uint16_t flags;
	bool dead;
	bool held;			/* dead, but requests wait for another server */
	bool lossy;			/* the one before has died with writes: the next flush fails */
	uint64_t written, flushed;	/* changes of the image that were answered; of them flushed */
	unsigned asked;			/* times for another server */
	struct ev_group group;
	struct ev_op send, recv, ask;
	struct dom_list waiting;	/* slots without a request, by their link */
	struct dom_list free, unsent, sent;
	struct nbd_req reqs[REQS];
	uint8_t *memory;
	uint8_t reply[REPLY_SIZE];
	unsigned got;			/* bytes of the reply, or of the data behind it */
	struct nbd_req *receiving;	/* its data come; NULL: a reply comes */
};

/* The negotiation, which waits: it is done when a disk is set up. */

static int wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do {
		n = poll(&p, 1, HANDSHAKE_MS);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

static int get(int fd, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		int r = wait_for(fd, POLLIN);
		ssize_t n = r ? 0 : recv(fd, p, len, MSG_DONTWAIT);

		if (r)
			return r;
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int put(int fd, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len) {
		int r = wait_for(fd, POLLOUT);
		ssize_t n = r ? 0 : send(fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (r)
			return r;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static uint64_t be64_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static uint32_t be32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint16_t be16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put_be64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static void put_be32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* The server's greeting, our flags, and the request for the export without a name. */
static int ask_for_export(int fd)
{
	uint8_t hello[18], ask[4 + 16 + 6] = { 0 };
	int r = get(fd, hello, sizeof(hello));

	if (r)
		return r;
	if (be64_at(hello) != NBD_MAGIC || be64_at(hello + 8) != NBD_OPTS_MAGIC ||
	    !(be16_at(hello + 16) & NBD_FLAG_FIXED_NEWSTYLE))
		return -EPROTO;
	put_be32(ask, be16_at(hello + 16) & (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES));
	put_be64(ask + 4, NBD_OPTS_MAGIC);
	put_be32(ask + 12, NBD_OPT_GO);
	put_be32(ask + 16, 6);		/* length of the name, 0, and number of further questions, 0 */
	return put(fd, ask, sizeof(ask));
}

/* One of the replies. Returns 1 when it was the last, 0, or -errno. */
static int take_option(struct blk_nbd *nbd)
{
	uint8_t head[20], data[OPTION_MAX];
	uint32_t type, len;
	int r = get(nbd->fd, head, sizeof(head));

	if (r)
		return r;
	type = be32_at(head + 12);
	len = be32_at(head + 16);
	if (be64_at(head) != NBD_REP_MAGIC || be32_at(head + 8) != NBD_OPT_GO || len > sizeof(data))
		return -EPROTO;
	r = get(nbd->fd, data, len);
	if (r)
		return r;
	if (type & NBD_REP_ERR)
		return -ENOENT;
	if (type == NBD_REP_INFO && len >= 12 && be16_at(data) == NBD_INFO_EXPORT) {
		nbd->size = be64_at(data + 2);
		nbd->flags = be16_at(data + 10);
	}
	return type == NBD_REP_ACK;
}

static int negotiate(struct blk_nbd *nbd)
{
	int r = ask_for_export(nbd->fd);

	/* A server that never comes to an end is no server. */
	for (unsigned i = 0; i < 16 && r == 0; i++)
		r = take_option(nbd);
	return r == 1 && nbd->size && nbd->size <= INT64_MAX ? 0 : r < 0 ? r : -EPROTO;
}

/* Requests. */

/* Move bytes between the guest's pages and a buffer. */
static void copy(const struct blk_slot *s, uint8_t *buf, bool to_guest)
{
	uint64_t left = s->len;

	for (unsigned i = s->iov_done; i < s->niov && left; i++) {
		size_t n = DOM_MIN(left, (uint64_t)s->iov[i].iov_len);

		if (to_guest)
			memcpy(s->iov[i].iov_base, buf, n);
		else
			memcpy(buf, s->iov[i].iov_base, n);
		buf += n;
		left -= n;
	}
}

/* The slot goes on with @res in the next turn of the loop. */
static void wake(struct blk_slot *s, int res)
{
	s->nbd_req = NULL;
	s->res = res;
	/* One that was cancelled hears of that instead. */
	if (ev_active(&s->op))
		ev_timer(&s->op, 0);
}

/* The descriptor may be closed when nobody waits on it. */
static void hang_up(struct blk_nbd *nbd)
{
	if (ev_idle(&nbd->send) && ev_idle(&nbd->recv))
		dom_close_fd(&nbd->fd);
}

static void settle(struct blk_nbd *nbd, struct nbd_req *req, int res)
{
	dom_list_remove(&req->link);
	dom_list_append(&nbd->free, &req->link);
	if (req->slot)
		wake(req->slot, res);
	req->slot = NULL;
}

/* Make those of @list, a list of requests, wait once more, before all others. */
static void take_back(struct blk_nbd *nbd, struct dom_list *list)
{
	while (!dom_list_empty(list)) {
		struct nbd_req *req = DOM_CONTAINER_OF(list->prev, struct nbd_req, link);

		if (req->slot) {
			req->slot->nbd_req = NULL;
			dom_list_append(nbd->waiting.next, &req->slot->link);
		}
		req->slot = NULL;
		dom_list_remove(&req->link);
		dom_list_append(&nbd->free, &req->link);
	}
}

/* Another server is asked for, or nobody will send one. */
static void ask(struct blk_nbd *nbd)
{
	nbd->held = nbd->asked++ < ASK_MAX && nbd->disk->ask_server && nbd->disk->ask_server(nbd->disk);
	if (nbd->held) {
		ev_timer(&nbd->ask, ev_now() + ASK_NS);
		return;
	}
	dom_list_for_each_safe(pos, &nbd->waiting) {
		dom_list_remove(pos);
		wake(DOM_CONTAINER_OF(pos, struct blk_slot, link), -EIO);
	}
}

static void on_ask(struct ev_op *op, int res)
{
	if (res >= 0)
		ask(DOM_CONTAINER_OF(op, struct blk_nbd, ask));
}

static void die(struct blk_nbd *nbd, int error)
{
	if (nbd->dead)
		return;
	nbd->dead = true;
	nbd->disk->complain(nbd->disk, "its server is gone", error);
	nbd->receiving = NULL;
	take_back(nbd, &nbd->unsent);
	take_back(nbd, &nbd->sent);
	ask(nbd);
	/* One that only broke the protocol ends when it sees that we have gone. */
	ev_cancel(&nbd->send);
	ev_cancel(&nbd->recv);
	hang_up(nbd);
}

static void prepare(struct blk_nbd *nbd, struct nbd_req *req, struct blk_slot *s)
{
	bool has_data = s->nbd_cmd == NBD_WRITE;

	req->covers = nbd->written;
	req->slot = s;
	req->cmd = s->nbd_cmd;
	req->len = s->nbd_cmd == NBD_FLUSH ? 0 : (uint32_t)s->len;
	req->done = 0;
	req->total = REQUEST_SIZE + (has_data ? req->len : 0);
	s->nbd_req = req;
	put_be32(req->head, NBD_REQUEST_MAGIC);
	put_be16(req->head + 4, 0);
	put_be16(req->head + 6, req->cmd);
	put_be64(req->head + 8, (uint64_t)(req - nbd->reqs));
	put_be64(req->head + 16, s->nbd_cmd == NBD_FLUSH ? 0 : s->off);
	put_be32(req->head + 24, req->len);
	if (has_data)
		copy(s, req->head + REQUEST_SIZE, false);
}

static void pump(struct blk_nbd *nbd)
{
	struct nbd_req *req;

	while (!dom_list_empty(&nbd->waiting) && !dom_list_empty(&nbd->free)) {
		struct blk_slot *s = DOM_CONTAINER_OF(nbd->waiting.next, struct blk_slot, link);

		dom_list_remove(&s->link);
		req = DOM_CONTAINER_OF(nbd->free.next, struct nbd_req, link);
		dom_list_remove(&req->link);
		prepare(nbd, req, s);
		dom_list_append(&nbd->unsent, &req->link);
	}
	if (dom_list_empty(&nbd->unsent) || !ev_idle(&nbd->send))
		return;
	req = DOM_CONTAINER_OF(nbd->unsent.next, struct nbd_req, link);
	ev_send(&nbd->send, nbd->fd, req->head + req->done, req->total - req->done);
}

static void on_send(struct ev_op *op, int res)
{
	struct blk_nbd *nbd = DOM_CONTAINER_OF(op, struct blk_nbd, send);
	struct nbd_req *req;

	if (nbd->dead || res == -ECANCELED) {
		hang_up(nbd);
		return;
	}
	if (res <= 0 && res != -EINTR && res != -EAGAIN) {
		die(nbd, res ? res : -ECONNRESET);
		return;
	}
	req = DOM_CONTAINER_OF(nbd->unsent.next, struct nbd_req, link);
	if (res > 0)
		req->done += (uint32_t)res;
	if (req->done == req->total) {
		dom_list_remove(&req->link);
		dom_list_append(&nbd->sent, &req->link);
	}
	pump(nbd);
}

static void receive(struct blk_nbd *nbd)
{
	if (nbd->receiving)
		ev_recv(&nbd->recv, nbd->fd, nbd->receiving->head + REQUEST_SIZE + nbd->got,
			nbd->receiving->len - nbd->got);
	else
		ev_recv(&nbd->recv, nbd->fd, nbd->reply + nbd->got, REPLY_SIZE - nbd->got);
}

static struct nbd_req *find_sent(struct blk_nbd *nbd, uint64_t handle)
{
	dom_list_for_each(pos, &nbd->sent) {
		struct nbd_req *req = DOM_CONTAINER_OF(pos, struct nbd_req, link);

		if ((uint64_t)(req - nbd->reqs) == handle)
			return req;
	}
	return NULL;
}

/* A whole reply is there. Returns 0 or -EPROTO. */
static int take_reply(struct blk_nbd *nbd)
{
	struct nbd_req *req = find_sent(nbd, be64_at(nbd->reply + 8));
	uint32_t error = be32_at(nbd->reply + 4);

	if (be32_at(nbd->reply) != NBD_SIMPLE_REPLY_MAGIC || !req)
		return -EPROTO;
	/* Its error numbers are Linux's; what is none of them is an I/O error. */
	if (error) {
		settle(nbd, req, error < 4096 ? -(int)error : -EIO);
		return 0;
	}
	if (req->cmd == NBD_READ) {
		nbd->receiving = req;
		return 0;
	}
	if (req->cmd == NBD_FLUSH)
		nbd->flushed = DOM_MAX(nbd->flushed, req->covers);
	else
		nbd->written++;
	settle(nbd, req, req->cmd == NBD_WRITE ? (int)req->len : 0);
	return 0;
}

static void on_recv(struct ev_op *op, int res)
{
	struct blk_nbd *nbd = DOM_CONTAINER_OF(op, struct blk_nbd, recv);
	struct nbd_req *req = nbd->receiving;
	int r = 0;

	if (nbd->dead || res == -ECANCELED) {
		hang_up(nbd);
		return;
	}
	if (res <= 0 && res != -EINTR && res != -EAGAIN) {
		die(nbd, res ? res : -ECONNRESET);
		return;
	}
	if (res > 0)
		nbd->got += (unsigned)res;
	if (nbd->got == (req ? req->len : REPLY_SIZE)) {
		nbd->got = 0;
		nbd->receiving = NULL;
		if (!req) {
			r = take_reply(nbd);
		} else {
			if (req->slot)
				copy(req->slot, req->head + REQUEST_SIZE, true);
			settle(nbd, req, (int)req->len);
		}
	}
	if (r) {
		die(nbd, r);
		return;
	}
	pump(nbd);
	receive(nbd);
}

void blk_nbd_begin(struct blk_nbd *nbd, struct blk_slot *s)
{
	/* So that the op is armed, and cancelled with its group: nothing else waits on it. */
	ev_timer(&s->op, EV_FOREVER - 1);
	s->nbd_req = NULL;
	if (nbd->dead && !nbd->held) {
		wake(s, -EIO);
	} else if (s->nbd_cmd == NBD_FLUSH && nbd->lossy) {
		nbd->lossy = false;
		wake(s, -EIO);
	} else if (s->nbd_cmd == NBD_FLUSH && !(nbd->flags & NBD_FLAG_SEND_FLUSH)) {
		wake(s, 0);
	} else {
		dom_list_append(&nbd->waiting, &s->link);
		if (!nbd->dead)
			pump(nbd);
	}
}

void blk_nbd_succeed(struct blk_nbd *nbd, struct blk_nbd *old)
{
	bool lossy = old->lossy ||
		     (old->written != old->flushed && (old->flags & NBD_FLAG_SEND_FLUSH));

	nbd->lossy = lossy;
	if (lossy)
		nbd->disk->complain(nbd->disk, "its server died with writes that were not flushed", -EIO);
	old->held = false;
	ev_cancel(&old->ask);
	dom_list_for_each_safe(pos, &old->waiting) {
		struct blk_slot *s = DOM_CONTAINER_OF(pos, struct blk_slot, link);

		dom_list_remove(pos);
		if (lossy && s->nbd_cmd == NBD_FLUSH) {
			nbd->lossy = false;
			wake(s, -EIO);
		} else {
			dom_list_append(&nbd->waiting, pos);
		}
	}
	pump(nbd);
}

void blk_nbd_forget(struct blk_nbd *nbd DOM_UNUSED, struct blk_slot *s)
{
	struct nbd_req *req = s->nbd_req;

	dom_list_remove(&s->link);
	if (req)
		req->slot = NULL;
	s->nbd_req = NULL;
}

/* Life cycle. */

static int make_reqs(struct blk_nbd *nbd)
{
	const size_t size = REQUEST_SIZE + DATA_MAX, room = dom_align_up(size, 4096);

	nbd->memory = mmap(NULL, REQS * room, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (nbd->memory == MAP_FAILED) {
		nbd->memory = NULL;
		return -ENOMEM;
	}
	for (unsigned i = 0; i < REQS; i++) {
		nbd->reqs[i].head = nbd->memory + i * room;
		dom_list_append(&nbd->free, &nbd->reqs[i].link);
	}
	return 0;
}

static void nbd_gone(struct ev_group *g)
{
	struct blk_nbd *nbd = DOM_CONTAINER_OF(g, struct blk_nbd, group);

	if (nbd->memory)
		munmap(nbd->memory, REQS * dom_align_up(REQUEST_SIZE + DATA_MAX, 4096));
	dom_close_fd(&nbd->fd);
	free(nbd);
}

void blk_nbd_close(struct blk_nbd *nbd)
{
	if (!nbd)
		return;
	nbd->dead = true;
	ev_group_close(&nbd->group, nbd_gone);
}

bool blk_nbd_dead(const struct blk_nbd *nbd)
{
	return nbd->dead;
}

int64_t blk_nbd_sectors(const struct blk_nbd *nbd)
{
	return (int64_t)(nbd->size >> BLKIF_SECTOR_SHIFT);
}

int blk_nbd_open(struct blk_disk *disk, int fd, struct blk_limits *lim, struct blk_nbd **ret)
{
	struct blk_nbd *nbd = calloc(1, sizeof(*nbd));
	int r;

	if (!nbd) {
		close(fd);
		return -ENOMEM;
	}
	nbd->disk = disk;
	nbd->fd = fd;
	ev_group_init(&nbd->group, disk->loop);
	ev_op_init(&nbd->send, disk->loop, on_send, &nbd->group);
	ev_op_init(&nbd->recv, disk->loop, on_recv, &nbd->group);
	ev_op_init(&nbd->ask, disk->loop, on_ask, &nbd->group);
	dom_list_init(&nbd->waiting);
	dom_list_init(&nbd->free);
	dom_list_init(&nbd->unsent);
	dom_list_init(&nbd->sent);
	r = make_reqs(nbd);
	if (r == 0)
		r = negotiate(nbd);
	if (r < 0) {
		blk_nbd_close(nbd);
		return r;
	}
	*lim = (struct blk_limits){ .sectors = nbd->size >> BLKIF_SECTOR_SHIFT, .sector_size = 512,
				    .readonly = nbd->flags & NBD_FLAG_READ_ONLY,
				    .discard = nbd->flags & NBD_FLAG_SEND_TRIM };
	receive(nbd);
	*ret = nbd;
	return 0;
}
