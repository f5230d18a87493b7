// SPDX-License-Identifier: MIT
/*
 * The io_uring engine. An op is one request; its address is the request's user_data, and
 * cancellations have 0 there, so that their own completions are recognised and dropped.
 *
 * The ring is restricted before use to the operations in the table below: whatever happens to this
 * process later, its ring opens no files and connects nowhere. liburing 2.3 declares the functions
 * for that but does not export them, hence the generic io_uring_register().
 *
 * Files that many requests name are registered, so that the kernel need not look their descriptors up
 * and count its references each time: ev_file_register().
 *
 * A submission queue that is full is emptied into the kernel; what the kernel does not take then
 * waits in the backlog, in order, for the next turn.
 */
#include <errno.h>
#include <limits.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "domicile/ev.h"
#include "priv.h"

#define FILES 64	/* registered ones */

struct uring {
	struct io_uring ring;
	struct dom_list backlog;	/* armed ops to be begun, cancelled ones to be ended */
	bool can_register;
	unsigned nfiles;		/* slots in use below this */
	int file[FILES];		/* descriptor registered in each slot, -1: none */
};

static void prep_rw(struct io_uring_sqe *sqe, const struct ev_op *op, int code)
{
	io_uring_prep_rw(code, sqe, op->fd, op->addr, op->len, op->off);
}

static void prep_fsync(struct io_uring_sqe *sqe, const struct ev_op *op, int code)
{
	io_uring_prep_rw(code, sqe, op->fd, NULL, 0, 0);
	sqe->fsync_flags = op->len ? IORING_FSYNC_DATASYNC : 0;
}

static void prep_fallocate(struct io_uring_sqe *sqe, const struct ev_op *op, int code)
{
	io_uring_prep_rw(code, sqe, op->fd, (const void *)(uintptr_t)op->value, op->len, op->off);
}

static void prep_poll(struct io_uring_sqe *sqe, const struct ev_op *op, int code)
{
	io_uring_prep_rw(code, sqe, op->fd, NULL, 0, 0);
	sqe->poll32_events = op->len;
	if (op->kind == EV_K_POLL_MULTI)
		sqe->len = IORING_POLL_ADD_MULTI;
}

static void prep_accept(struct io_uring_sqe *sqe, const struct ev_op *op, int code)
{
	io_uring_prep_rw(code, sqe, op->fd, NULL, 0, 0);
	sqe->accept_flags = SOCK_CLOEXEC;
}

static void prep_sock(struct io_uring_sqe *sqe, const struct ev_op *op, int code)
{
	io_uring_prep_rw(code, sqe, op->fd, op->addr, op->len, 0);
	sqe->msg_flags = MSG_NOSIGNAL;
}

static const struct {
	int code;	/* -1: not a request of the kernel */
	void (*prep)(struct io_uring_sqe *sqe, const struct ev_op *op, int code);
} uring_rows[EV_KINDS] = {
	[EV_K_NONE]		= { -1, NULL },
	[EV_K_READ]		= { IORING_OP_READ, prep_rw },
	[EV_K_WRITE]		= { IORING_OP_WRITE, prep_rw },
	[EV_K_READV]		= { IORING_OP_READV, prep_rw },
	[EV_K_WRITEV]		= { IORING_OP_WRITEV, prep_rw },
	[EV_K_FSYNC]		= { IORING_OP_FSYNC, prep_fsync },
	[EV_K_FALLOCATE]	= { IORING_OP_FALLOCATE, prep_fallocate },
	[EV_K_POLL]		= { IORING_OP_POLL_ADD, prep_poll },
	[EV_K_POLL_MULTI]	= { IORING_OP_POLL_ADD, prep_poll },
	[EV_K_ACCEPT]		= { IORING_OP_ACCEPT, prep_accept },
	[EV_K_RECV]		= { IORING_OP_RECV, prep_sock },
	[EV_K_SEND]		= { IORING_OP_SEND, prep_sock },
	[EV_K_EVENT]		= { IORING_OP_READ, prep_rw },
	[EV_K_TIMER]		= { -1, NULL },
};

/* A free submission entry; NULL when the kernel takes no more now. */
static struct io_uring_sqe *get_sqe(struct ev_loop *l)
{
	struct uring *u = l->eng;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (!sqe) {
		l->stats.enters++;
		io_uring_submit(&u->ring);
		sqe = io_uring_get_sqe(&u->ring);
	}
	if (sqe)
		l->stats.submits++;
	return sqe;
}

/* Name the file of @sqe by its slot, if it has one. */
static void use_slot(const struct uring *u, struct io_uring_sqe *sqe)
{
	for (unsigned i = 0; i < u->nfiles; i++) {
		if (u->file[i] != sqe->fd)
			continue;
		sqe->fd = (int)i;
		sqe->flags |= IOSQE_FIXED_FILE;
		return;
	}
}

/* Put what @op needs into the submission queue: its request, or the end of it. */
static bool push(struct ev_loop *l, struct ev_op *op)
{
	struct io_uring_sqe *sqe = get_sqe(l);

	if (!sqe)
		return false;
	if (op->state == EV_CANCELLING) {
		io_uring_prep_rw(IORING_OP_ASYNC_CANCEL, sqe, -1, op, 0, 0);
		io_uring_sqe_set_data(sqe, NULL);
	} else {
		uring_rows[op->kind].prep(sqe, op, uring_rows[op->kind].code);
		use_slot(l->eng, sqe);
		io_uring_sqe_set_data(sqe, op);
	}
	return true;
}

static void uring_arm(struct ev_loop *l, struct ev_op *op)
{
	struct uring *u = l->eng;

	if (!dom_list_empty(&u->backlog) || !push(l, op))
		dom_list_append(&u->backlog, &op->link);
}

static void uring_cancel(struct ev_loop *l, struct ev_op *op)
{
	struct uring *u = l->eng;

	if (!dom_list_empty(&op->link))
		ev_complete_later(op, -ECANCELED);	/* the kernel never saw it */
	else if (!dom_list_empty(&u->backlog) || !push(l, op))
		dom_list_append(&u->backlog, &op->link);
}

/* Put @fd, or nothing (-1), into slot @i. */
static int set_slot(struct uring *u, unsigned i, int fd)
{
	struct io_uring_files_update up = { .offset = i, .fds = (uint64_t)(uintptr_t)&fd };
	int r = io_uring_register((unsigned)u->ring.ring_fd, IORING_REGISTER_FILES_UPDATE, &up, 1);

	if (r != 1)
		return r < 0 ? r : -EIO;
	u->file[i] = fd;
	return 0;
}

static void uring_file(struct ev_loop *l, int fd, bool on)
{
	struct uring *u = l->eng;
	unsigned i = 0;

	while (i < FILES && u->file[i] != (on ? -1 : fd))
		i++;
	if (!u->can_register || i == FILES || fd < 0)
		return;
	/* Requests in flight keep their file; when this fails the file is used as any other. */
	if (set_slot(u, i, on ? fd : -1) == 0 && on)
		u->nfiles = DOM_MAX(u->nfiles, i + 1);
}

static void flush_backlog(struct ev_loop *l)
{
	struct uring *u = l->eng;

	dom_list_for_each_safe(pos, &u->backlog) {
		if (!push(l, DOM_CONTAINER_OF(pos, struct ev_op, link)))
			return;
		dom_list_remove(pos);
	}
}

/* Take completions out of the ring in batches and report them. */
static void reap(struct ev_loop *l)
{
	struct uring *u = l->eng;
	struct io_uring_cqe batch[16];

	for (unsigned left = EV_BUDGET; left;) {
		struct io_uring_cqe *cqe;
		unsigned head, n = 0;

		io_uring_for_each_cqe(&u->ring, head, cqe) {
			batch[n++] = (struct io_uring_cqe){ .user_data = cqe->user_data,
							    .res = cqe->res, .flags = cqe->flags };
			if (n == DOM_ARRAY_LEN(batch) || n == left)
				break;
		}
		io_uring_cq_advance(&u->ring, n);
		for (unsigned i = 0; i < n; i++) {
			struct ev_op *op = (struct ev_op *)(uintptr_t)batch[i].user_data;
			int res = batch[i].res;

			if (!op)
				continue;
			if (op->kind == EV_K_EVENT && res >= 0)
				res = (int)DOM_MIN(op->value, (uint64_t)INT_MAX);
			ev_complete(op, res, batch[i].flags & IORING_CQE_F_MORE);
		}
		if (n < DOM_ARRAY_LEN(batch))
			return;
		left -= n;
	}
}

static int uring_wait(struct ev_loop *l, uint64_t timeout_ns, unsigned want)
{
	struct uring *u = l->eng;
	struct __kernel_timespec ts = { .tv_sec = (int64_t)(timeout_ns / 1000000000u),
					.tv_nsec = (int64_t)(timeout_ns % 1000000000u) };
	struct io_uring_cqe *cqe;
	int r = 0;

	flush_backlog(l);
	if (!io_uring_cq_ready(&u->ring) || io_uring_sq_ready(&u->ring)) {
		l->stats.enters++;
		if (timeout_ns && !io_uring_cq_ready(&u->ring))
			r = io_uring_submit_and_wait_timeout(&u->ring, &cqe, want,
					timeout_ns == EV_FOREVER ? NULL : &ts, NULL);
		else
			r = io_uring_submit_and_get_events(&u->ring);
	}
	reap(l);
	if (r == -ETIME || r == -EINTR || r == -EAGAIN || r == -EBUSY)
		r = 0;
	return r < 0 ? r : 0;
}

/* Set-up flags from the best to the least; older kernels refuse those that they do not know. */
static const unsigned uring_flags[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,	/* 6.1 */
	IORING_SETUP_COOP_TASKRUN,					/* 5.19 */
	0,
};

static int restrict_ops(struct io_uring *ring)
{
	struct io_uring_restriction res[EV_KINDS + 4] = { 0 };
	unsigned n = 0;

	/* io_uring_queue_exit() gives the thread's slot for the ring back. */
	res[n++] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_REGISTER_OP,
						  .register_op = IORING_UNREGISTER_RING_FDS };
	res[n++] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_REGISTER_OP,
						  .register_op = IORING_REGISTER_FILES_UPDATE };
	res[n++] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
						  .sqe_flags = IOSQE_FIXED_FILE };
	res[n++] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_OP,
						  .sqe_op = IORING_OP_ASYNC_CANCEL };
	for (unsigned i = 0; i < EV_KINDS; i++)
		if (uring_rows[i].code >= 0)
			res[n++] = (struct io_uring_restriction){
				.opcode = IORING_RESTRICTION_SQE_OP,
				.sqe_op = (uint8_t)uring_rows[i].code };
	return io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_RESTRICTIONS, res, n);
}

static int set_up(struct uring *u, const struct ev_config *cfg, unsigned flags)
{
	unsigned workers[2] = { cfg->workers, cfg->workers };
	struct io_uring_params p = {
		.flags = flags | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
		.cq_entries = cfg->entries * 4,
	};
	int r = io_uring_queue_init_params(cfg->entries, &u->ring, &p);

	if (r < 0)
		return r;
	if (!(p.features & IORING_FEAT_EXT_ARG) || !(p.features & IORING_FEAT_NODROP))
		r = -ENOSYS;
	if (r == 0) {
		/* All are improvements only: cheaper files, bounded kernel threads, a cheaper call. */
		memset(u->file, -1, sizeof(u->file));
		u->can_register = io_uring_register_files(&u->ring, u->file, FILES) == 0;
		io_uring_register_iowq_max_workers(&u->ring, workers);
		io_uring_register_ring_fd(&u->ring);
		r = restrict_ops(&u->ring);
	}
	if (r == 0)
		r = io_uring_register((unsigned)u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS,
				      NULL, 0);
	if (r < 0) {
		io_uring_queue_exit(&u->ring);
		return r;
	}
	return 0;
}

static int uring_init(struct ev_loop *l, const struct ev_config *cfg)
{
	struct uring *u = calloc(1, sizeof(*u));
	int r = -EINVAL;

	if (!u)
		return -ENOMEM;
	for (unsigned i = 0; i < DOM_ARRAY_LEN(uring_flags) && r == -EINVAL; i++)
		r = set_up(u, cfg, uring_flags[i]);
	if (r < 0) {
		free(u);
		return r;
	}
	dom_list_init(&u->backlog);
	l->eng = u;
	return 0;
}

static void uring_fini(struct ev_loop *l)
{
	struct uring *u = l->eng;

	io_uring_queue_exit(&u->ring);
	free(u);
}

const struct ev_engine ev_uring = {
	.name = "io_uring",
	.init = uring_init,
	.fini = uring_fini,
	.arm = uring_arm,
	.cancel = uring_cancel,
	.wait = uring_wait,
	.file = uring_file,
};
