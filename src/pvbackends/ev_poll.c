// SPDX-License-Identifier: MIT
/*
 * The engine for hosts where io_uring is disabled: poll(2) for everything that has readiness, a few
 * worker threads for files, whose operations always "are ready" and may nevertheless block.
 *
 * A worker gets a whole op and touches only its request fields and its result; the loop does not
 * look at the op until it comes back. The workers are all made at once, since a confined process may
 * not make threads later: at the start, or when ev_loop_workers() says how they are to be confined.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "domicile/ev.h"
#include "priv.h"

/* Worker stacks: the deepest frame below them is a vectored read. */
#define STACK_SIZE (64u * 1024u)

/* A write to a pipe that polled writable takes this much without blocking. */
#define STREAM_WRITE_MAX 4096u

struct pool {
	struct pollfd *fds;		/* [0] is done_fd */
	struct ev_op **ops;		/* the op of each, [0] unused */
	unsigned n, cap;
	int done_fd;			/* eventfd, written when the done list stops being empty */
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t work;
	struct dom_list todo, done;	/* ops, by their link */
	bool quit;
	int (*enter)(void *arg);	/* each worker's first step */
	void *enter_arg;
	unsigned entered;		/* workers that have made it */
	int enter_error;		/* of one that could not */
	pthread_cond_t ready;		/* one more has entered */
	unsigned count;			/* workers wanted */
	unsigned threads;
	pthread_t thread[16];
};

static int result(ssize_t n)
{
	return n < 0 ? -errno : (int)DOM_MIN(n, (ssize_t)INT_MAX);
}

static int do_read(struct ev_op *op)
{
	return op->off == EV_STREAM ? result(read(op->fd, op->addr, op->len)) :
				      result(pread(op->fd, op->addr, op->len, (off_t)op->off));
}

static int do_write(struct ev_op *op)
{
	return op->off == EV_STREAM ?
		result(write(op->fd, op->addr, DOM_MIN(op->len, STREAM_WRITE_MAX))) :
		result(pwrite(op->fd, op->addr, op->len, (off_t)op->off));
}

static int do_readv(struct ev_op *op)
{
	return op->off == EV_STREAM ? result(readv(op->fd, op->addr, (int)op->len)) :
				      result(preadv(op->fd, op->addr, (int)op->len, (off_t)op->off));
}

static int do_writev(struct ev_op *op)
{
	return op->off == EV_STREAM ? result(writev(op->fd, op->addr, (int)op->len)) :
				      result(pwritev(op->fd, op->addr, (int)op->len, (off_t)op->off));
}

static int do_fsync(struct ev_op *op)
{
	return result(op->len ? fdatasync(op->fd) : fsync(op->fd));
}

static int do_fallocate(struct ev_op *op)
{
	return result(fallocate(op->fd, (int)op->len, (off_t)op->off, (off_t)op->value));
}

static int do_accept(struct ev_op *op)
{
	return result(accept4(op->fd, NULL, NULL, SOCK_CLOEXEC));
}

static int do_recv(struct ev_op *op)
{
	return result(recv(op->fd, op->addr, op->len, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static int do_send(struct ev_op *op)
{
	return result(send(op->fd, op->addr, op->len, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static int do_event(struct ev_op *op)
{
	int r = result(read(op->fd, &op->value, sizeof(op->value)));

	return r < 0 ? r : (int)DOM_MIN(op->value, (uint64_t)INT_MAX);
}

static const struct {
	int (*perform)(struct ev_op *op);	/* NULL: the readiness is the result */
	short events;				/* to wait for with EV_STREAM; 0: those of the op */
	bool file;				/* a worker does it, unless EV_STREAM */
} pool_rows[EV_KINDS] = {
	[EV_K_READ]		= { do_read, POLLIN, true },
	[EV_K_WRITE]		= { do_write, POLLOUT, true },
	[EV_K_READV]		= { do_readv, POLLIN, true },
	[EV_K_WRITEV]		= { do_writev, POLLOUT, true },
	[EV_K_FSYNC]		= { do_fsync, 0, true },
	[EV_K_FALLOCATE]	= { do_fallocate, 0, true },
	[EV_K_POLL]		= { NULL, 0, false },
	[EV_K_POLL_MULTI]	= { NULL, 0, false },
	[EV_K_ACCEPT]		= { do_accept, POLLIN, false },
	[EV_K_RECV]		= { do_recv, POLLIN, false },
	[EV_K_SEND]		= { do_send, POLLOUT, false },
	[EV_K_EVENT]		= { do_event, POLLIN, false },
};

static bool for_worker(const struct ev_op *op)
{
	return pool_rows[op->kind].file && op->off != EV_STREAM;
}

static int perform(struct ev_op *op)
{
	int r;

	do {
		r = pool_rows[op->kind].perform(op);
	} while (r == -EINTR);
	return r;
}

static void *worker(void *arg)
{
	struct pool *p = arg;
	uint64_t one = 1;
	int r = p->enter ? p->enter(p->enter_arg) : 0;

	pthread_mutex_lock(&p->lock);
	p->entered++;
	if (r < 0)
		p->enter_error = r;
	pthread_cond_signal(&p->ready);
	while (!p->quit && r >= 0) {
		struct ev_op *op;
		bool first;

		if (dom_list_empty(&p->todo)) {
			pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		op = DOM_CONTAINER_OF(p->todo.next, struct ev_op, link);
		dom_list_remove(&op->link);
		pthread_mutex_unlock(&p->lock);
		op->res = perform(op);
		pthread_mutex_lock(&p->lock);
		first = dom_list_empty(&p->done);
		dom_list_append(&p->done, &op->link);
		if (first && write(p->done_fd, &one, sizeof(one)) < 0)
			abort();
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Room for one more descriptor in the table. */
static bool grow(struct pool *p)
{
	unsigned cap = p->cap ? p->cap * 2 : 16;
	struct pollfd *fds;
	struct ev_op **ops;

	if (p->n < p->cap)
		return true;
	fds = realloc(p->fds, cap * sizeof(*fds));
	if (fds)
		p->fds = fds;
	ops = realloc(p->ops, cap * sizeof(*ops));
	if (ops)
		p->ops = ops;
	if (!fds || !ops)
		return false;
	p->cap = cap;
	return true;
}

static void pool_arm(struct ev_loop *l, struct ev_op *op)
{
	struct pool *p = l->eng;

	l->stats.submits++;
	if (for_worker(op)) {
		pthread_mutex_lock(&p->lock);
		dom_list_append(&p->todo, &op->link);
		pthread_cond_signal(&p->work);
		pthread_mutex_unlock(&p->lock);
		return;
	}
	if (!grow(p)) {
		ev_complete_later(op, -ENOMEM);
		return;
	}
	op->slot = p->n++;
	p->ops[op->slot] = op;
	p->fds[op->slot] = (struct pollfd){ .fd = op->fd,
		.events = pool_rows[op->kind].events ? pool_rows[op->kind].events : (short)op->len };
}

/* Take @op out of the table and give it its result. */
static void table_done(struct pool *p, struct ev_op *op, int res)
{
	unsigned last = --p->n;

	p->ops[op->slot] = p->ops[last];
	p->fds[op->slot] = p->fds[last];
	p->ops[op->slot]->slot = op->slot;
	ev_complete_later(op, res);
}

static void pool_cancel(struct ev_loop *l, struct ev_op *op)
{
	struct pool *p = l->eng;
	bool waiting = false;

	if (!for_worker(op)) {
		table_done(p, op, -ECANCELED);
		return;
	}
	pthread_mutex_lock(&p->lock);
	dom_list_for_each(pos, &p->todo)
		waiting |= pos == &op->link;
	if (waiting)
		dom_list_remove(&op->link);
	pthread_mutex_unlock(&p->lock);
	if (waiting)
		ev_complete_later(op, -ECANCELED);
	/* else a worker has it, or had it: the result is what it is */
}

static void take_done(struct pool *p)
{
	struct dom_list done;
	uint64_t count;

	dom_list_init(&done);
	pthread_mutex_lock(&p->lock);
	if (read(p->done_fd, &count, sizeof(count)) < 0)
		abort();
	while (!dom_list_empty(&p->done)) {
		struct dom_list *pos = p->done.next;

		dom_list_remove(pos);
		dom_list_append(&done, pos);
	}
	pthread_mutex_unlock(&p->lock);
	while (!dom_list_empty(&done)) {
		struct ev_op *op = DOM_CONTAINER_OF(done.next, struct ev_op, link);

		ev_complete_later(op, op->res);
	}
}

static int pool_wait(struct ev_loop *l, uint64_t timeout_ns, unsigned want DOM_UNUSED)
{
	struct pool *p = l->eng;
	struct timespec ts = { .tv_sec = (time_t)(timeout_ns / 1000000000u),
			       .tv_nsec = (long)(timeout_ns % 1000000000u) };
	int r;

	l->stats.enters++;
	r = ppoll(p->fds, p->n, timeout_ns == EV_FOREVER ? NULL : &ts, NULL);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (p->fds[0].revents)
		take_done(p);
	/* Downwards: table_done() fills a hole with the last entry, which was looked at already. */
	for (unsigned i = p->n - 1; i > 0; i--) {
		struct ev_op *op = p->ops[i];
		int res = p->fds[i].revents;

		if (!res)
			continue;
		if (res & POLLNVAL)
			res = -EBADF;
		else if (pool_rows[op->kind].perform)
			res = perform(op);
		if (res != -EAGAIN)
			table_done(p, op, res);
	}
	return 0;
}

static void pool_fini(struct ev_loop *l)
{
	struct pool *p = l->eng;

	pthread_mutex_lock(&p->lock);
	p->quit = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->ready);
	pthread_mutex_destroy(&p->lock);
	if (p->done_fd >= 0)
		close(p->done_fd);
	free(p->fds);
	free(p->ops);
	free(p);
}

static int start_workers(struct pool *p)
{
	pthread_attr_t attr;
	int r = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (unsigned i = 0; i < p->count && r == 0; i++) {
		r = pthread_create(&p->thread[i], &attr, worker, p);
		if (r == 0)
			p->threads++;
	}
	pthread_attr_destroy(&attr);
	pthread_mutex_lock(&p->lock);
	while (p->entered < p->threads)
		pthread_cond_wait(&p->ready, &p->lock);
	pthread_mutex_unlock(&p->lock);
	return p->enter_error ? p->enter_error : p->threads ? 0 : -r;
}

static int pool_workers(struct ev_loop *l, int (*enter)(void *arg), void *arg)
{
	struct pool *p = l->eng;

	if (p->threads)
		return 0;
	p->enter = enter;
	p->enter_arg = arg;
	return start_workers(p);
}

static int pool_init(struct ev_loop *l, const struct ev_config *cfg)
{
	struct pool *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	l->eng = p;
	dom_list_init(&p->todo);
	dom_list_init(&p->done);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->ready, NULL);
	p->count = cfg->workers;
	p->done_fd = eventfd(0, EFD_CLOEXEC);
	r = p->done_fd < 0 ? -errno : !grow(p) ? -ENOMEM : cfg->workers_later ? 0 : start_workers(p);
	if (r < 0) {
		pool_fini(l);
		l->eng = NULL;
		return r;
	}
	p->fds[0] = (struct pollfd){ .fd = p->done_fd, .events = POLLIN };
	p->n = 1;
	return 0;
}

const struct ev_engine ev_pollpool = {
	.name = "poll",
	.init = pool_init,
	.fini = pool_fini,
	.arm = pool_arm,
	.cancel = pool_cancel,
	.wait = pool_wait,
	.workers = pool_workers,
};
