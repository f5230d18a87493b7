// SPDX-License-Identifier: MIT
/*
 * The order of writes: what a guest that was told "done" may rely on when the host loses power, and
 * when the process of the back end is killed.
 *
 * A front end keeps a ring busy with random writes, flushes and barriers. Every write has a number, in
 * ring order, and goes to one of a few blocks of which none has two writes in flight.
 *
 *   power	system calls of the poll engine are replaced: a write is volatile until an fdatasync that
 *		began after it has ended. When a flush is answered, all writes answered before it was
 *		sent must be durable; when a write behind a barrier begins, all before the barrier.
 *   kill	the back end is a process that gets SIGKILL at any moment. Each block then has at least
 *		the last write that was answered; and if any write behind a barrier is there, all before it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fake_blkfront.h"

#define BLOCKS 64u
#define DEPTH 24u
#define OPS_MAX 4096u

enum kind { WRITE, BARRIER, FLUSH };

/* What was sent, in ring order; the index is the number that the write carries, from 1 on. */
struct sent {
	enum kind kind;
	unsigned block;
	bool answered;
	unsigned covered_by;		/* the first flush sent after the answer, 0: none yet */
};

struct fix {
	struct blkfront fe;
	struct xa_domain *d;
	char file[32];
	int fd;
	struct sent sent[OPS_MAX];
	unsigned count, flying;
	unsigned slot_of[DEPTH];	/* number of the request in each data page, 0: free */
	unsigned busy[BLOCKS];		/* blocks with a write in flight */
	uint64_t random;
};

static unsigned rnd(struct fix *f, unsigned below)
{
	f->random = f->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(f->random >> 33) % below;
}

static void set_up_fix(struct fix *f, uint64_t seed)
{
	*f = (struct fix){ .d = fake_domain_new(9 + DEPTH), .random = seed };
	strcpy(f->file, "/tmp/dom-order-XXXXXX");
	f->fd = mkstemp(f->file);
	assert_true(f->fd >= 0);
	assert_int_equal(ftruncate(f->fd, BLOCKS * 4096), 0);
	fe_init(&f->fe, f->d, &blk_layouts[0], 0);
}

static void tear_down_fix(struct fix *f)
{
	close(f->fd);
	unlink(f->file);
	fake_domain_free(f->d);
}

/* Put one more request on the ring, if there is room for one. */
static bool send_one(struct fix *f)
{
	unsigned slot = 0, n = f->count + 1, r = rnd(f, 20);
	/* Often behind the last one, so that the back end joins them. */
	unsigned block = rnd(f, 2) ? rnd(f, BLOCKS) : (f->sent[n - 1].block + 1) % BLOCKS;
	struct sent *s = &f->sent[n];

	while (slot < DEPTH && f->slot_of[slot])
		slot++;
	if (slot == DEPTH || n == OPS_MAX)
		return false;
	*s = (struct sent){ r < 1 ? BARRIER : r < 3 ? FLUSH : WRITE, block, false, 0 };
	if (s->kind != FLUSH && f->busy[s->block])
		return false;
	if (s->kind == FLUSH) {
		fe_request(&f->fe, BLKIF_OP_FLUSH_DISKCACHE, slot, 0, NULL, 0);
	} else {
		uint64_t stamp = n;

		f->busy[s->block] = n;
		memcpy(fe_data(&f->fe, slot), &stamp, sizeof(stamp));
		fe_pages(&f->fe, s->kind == WRITE ? BLKIF_OP_WRITE : BLKIF_OP_WRITE_BARRIER, slot,
			 s->block * 8u, slot, 1);
	}
	f->slot_of[slot] = n;
	f->count = n;
	f->flying++;
	return true;
}

/* Take the answers that are there; returns how many. */
static unsigned take_answers(struct fix *f, void (*flushed)(struct fix *f, unsigned number))
{
	struct blkif_response rsp;
	unsigned taken = 0;

	while (fe_response(&f->fe, &rsp)) {
		unsigned n = f->slot_of[rsp.id];
		struct sent *s = &f->sent[n];

		assert_int_equal(rsp.status, BLKIF_RSP_OKAY);
		assert_true(n && !s->answered);
		if (s->kind == FLUSH && flushed)
			flushed(f, n);
		s->answered = true;
		if (s->kind != FLUSH)
			f->busy[s->block] = 0;
		f->slot_of[rsp.id] = 0;
		f->flying--;
		taken++;
	}
	return taken;
}

/* Power. */

static struct {
	pthread_mutex_t lock;
	bool on;
	struct fix *f;
	bool written[OPS_MAX], durable[OPS_MAX];	/* by number */
	unsigned syncs;
	const char *broken;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t stamp_of(const struct iovec *iov)
{
	uint64_t stamp;

	memcpy(&stamp, iov->iov_base, sizeof(stamp));
	return stamp;
}

/* A write begins: with a barrier between it and earlier ones, these must be durable. */
static void on_write(uint64_t number)
{
	bool behind = false;

	for (unsigned i = (unsigned)number; i-- > 1;) {
		const struct sent *s = &disk.f->sent[i];

		if (behind && s->kind != FLUSH && !disk.durable[i])
			disk.broken = "a write passed a barrier before what came ahead of it was durable";
		if (s->kind == BARRIER && !disk.durable[i])
			disk.broken = "a write passed a barrier that was not durable";
		behind |= s->kind == BARRIER;
	}
	/* A barrier itself comes after all before it. */
	for (unsigned i = 1; disk.f->sent[number].kind == BARRIER && i < number; i++)
		if (disk.f->sent[i].kind != FLUSH && !disk.durable[i])
			disk.broken = "a barrier was written before what came ahead of it was durable";
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t off)
{
	uint64_t numbers[DEPTH];
	ssize_t n;

	/* Each is of one page; the pages are shared, and not looked at again when they may be others'. */
	for (int i = 0; i < count; i++)
		numbers[i] = stamp_of(&iov[i]);
	pthread_mutex_lock(&disk.lock);
	for (int i = 0; i < count && disk.on; i++)
		on_write(numbers[i]);
	pthread_mutex_unlock(&disk.lock);
	n = syscall(SYS_pwritev, fd, iov, count, off, 0);
	pthread_mutex_lock(&disk.lock);
	for (int i = 0; i < count && disk.on; i++)
		disk.written[numbers[i]] = true;
	pthread_mutex_unlock(&disk.lock);
	return n;
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	const struct iovec iov = { (void *)(uintptr_t)buf, len };

	return pwritev(fd, &iov, 1, off);
}

int fdatasync(int fd DOM_UNUSED)
{
	static __thread bool before[OPS_MAX];

	pthread_mutex_lock(&disk.lock);
	memcpy(before, disk.written, sizeof(before));
	pthread_mutex_unlock(&disk.lock);
	usleep(200);	/* others begin and end meanwhile */
	pthread_mutex_lock(&disk.lock);
	for (unsigned i = 0; i < OPS_MAX; i++)
		disk.durable[i] |= before[i];
	disk.syncs++;
	pthread_mutex_unlock(&disk.lock);
	return 0;
}

/* A flush is answered: what had been answered when it was sent is durable. */
static void check_flush(struct fix *f, unsigned number)
{
	pthread_mutex_lock(&disk.lock);
	for (unsigned i = 1; i < number; i++) {
		const struct sent *s = &f->sent[i];

		if (s->kind != FLUSH && s->covered_by && s->covered_by <= number && !disk.durable[i])
			disk.broken = "a flush was answered before it covered what it must";
	}
	pthread_mutex_unlock(&disk.lock);
}

static void complain(struct blk_disk *d DOM_UNUSED, const char *what, int error)
{
	fail_msg("%s: %s", what, strerror(-error));
}

static void power_may_fail_at_any_moment(void **state)
{
	struct ev_config cfg = { .engine = EV_ENGINE_POLL };
	static struct fix f;
	struct blk_queue_config qc;
	struct blk_disk d;
	struct blk_queue *q;
	struct ev_loop *l;

	(void)state;
	set_up_fix(&f, 42);
	disk.f = &f;
	disk.on = true;
	assert_int_equal(ev_loop_new(&cfg, &l, NULL), 0);
	d = (struct blk_disk){ .loop = l, .domain = f.d, .complain = complain,
			       .img = { .fd = f.fd, .buffered_fd = -1, .join_max = BLK_JOIN_BYTES },
			       .lim = { .sectors = BLOCKS * 8, .sector_size = 512 } };
	qc = fe_config(&f.fe);
	assert_int_equal(blk_queue_new(&d, &qc, &q), 0);
	f.fe.kick = q->eventfd;
	while (f.count < OPS_MAX - 1 || f.flying) {
		pthread_mutex_lock(&disk.lock);
		for (unsigned i = rnd(&f, DEPTH); i > 0 && send_one(&f); i--) {
			for (unsigned w = 1; f.sent[f.count].kind == FLUSH && w < f.count; w++)
				if (f.sent[w].answered && !f.sent[w].covered_by)
					f.sent[w].covered_by = f.count;
		}
		pthread_mutex_unlock(&disk.lock);
		fe_push(&f.fe);
		ev_loop_turn(l, ev_now() + 1000000);
		take_answers(&f, check_flush);
		if (disk.broken)
			fail_msg("request %u: %s", f.count, disk.broken);
	}
	disk.on = false;
	assert_true(disk.syncs > 100);
	assert_true(d.stats.joined > 100);
	blk_queue_free(q, NULL);
	ev_loop_free(l);
	tear_down_fix(&f);
}

/* Kill. */

/* The process of the back end; its event channel's eventfd goes to @sock. Does not return. */
static void backend(struct fix *f, enum ev_engine_choice engine, int sock)
{
	struct ev_config cfg = { .engine = engine };
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
	struct blk_queue_config qc = fe_config(&f->fe);
	struct blk_disk d = { .domain = f->d, .complain = complain,
			      .img = { .fd = f->fd, .buffered_fd = -1, .join_max = BLK_JOIN_BYTES },
			      .lim = { .sectors = BLOCKS * 8, .sector_size = 512 } };
	struct blk_queue *q;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ev_loop_new(&cfg, &d.loop, NULL))
		_exit(77);
	if (blk_queue_new(&d, &qc, &q))
		_exit(1);
	*h = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
			       .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(h), &q->eventfd, sizeof(int));
	if (sendmsg(sock, &msg, 0) != 1)
		_exit(1);
	ev_loop_run(d.loop);
	_exit(1);
}

/* Returns the eventfd, -1 when the process has ended. */
static int receive_eventfd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(sock, &msg, 0) != 1)
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static uint64_t in_file(struct fix *f, unsigned block)
{
	uint64_t stamp = 0;

	assert_int_equal(pread(f->fd, &stamp, sizeof(stamp), block * 4096), sizeof(stamp));
	return stamp;
}

/* What is in the file after the end, against what was sent and answered. */
static void check_file(struct fix *f)
{
	uint64_t there[BLOCKS], last = 0;
	unsigned barrier = 0;

	for (unsigned b = 0; b < BLOCKS; b++) {
		there[b] = in_file(f, b);
		last = there[b] > last ? there[b] : last;
	}
	for (unsigned i = 1; i <= f->count; i++) {
		const struct sent *s = &f->sent[i];

		if (s->kind != FLUSH && s->answered && there[s->block] < i)
			fail_msg("write %u was answered and is not in the file", i);
		if (s->kind == BARRIER && i < last)
			barrier = i;
	}
	for (unsigned i = 1; i < barrier; i++)
		if (f->sent[i].kind != FLUSH && there[f->sent[i].block] < i)
			fail_msg("write %u is behind barrier %u and there, write %u is not",
				 (unsigned)last, barrier, i);
}

/* One life and death. Returns false when the engine is not to be had. */
static bool kill_once(enum ev_engine_choice engine, uint64_t seed)
{
	static struct fix f;
	int socks[2], status;
	unsigned enough;
	pid_t pid;

	set_up_fix(&f, seed);
	enough = 1 + rnd(&f, 600);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	pid = fork();
	if (!pid)
		backend(&f, engine, socks[1]);
	close(socks[1]);
	f.fe.kick = receive_eventfd(socks[0]);
	close(socks[0]);
	for (unsigned done = 0; f.fe.kick >= 0 && done < enough;) {
		while (send_one(&f))
			;
		fe_push(&f.fe);
		done += take_answers(&f, NULL);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (f.fe.kick >= 0) {
		take_answers(&f, NULL);
		check_file(&f);
		close(f.fe.kick);
	}
	tear_down_fix(&f);
	return f.fe.kick >= 0;
}

static void killed_back_end_keeps_its_word(void **state)
{
	enum ev_engine_choice engine = (enum ev_engine_choice)(uintptr_t)*state;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		if (!kill_once(engine, seed))
			skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_may_fail_at_any_moment),
		{ "killed_back_end_keeps_its_word (io_uring)", killed_back_end_keeps_its_word, NULL,
		  NULL, (void *)EV_ENGINE_URING },
		{ "killed_back_end_keeps_its_word (poll)", killed_back_end_keeps_its_word, NULL, NULL,
		  (void *)EV_ENGINE_POLL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
