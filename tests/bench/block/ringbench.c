// SPDX-License-Identifier: MIT
/*
 * ringbench FILE CASE...: the block back end beside a plain io_uring loop on the same file.
 *
 * The production queue runs on a thread of its own, with a front end on the main thread that talks
 * to it over a real ring and two eventfds, as a guest would. Slices of both ways alternate, so that
 * a neighbour's load hits both; each figure is the median over the rounds of the ratio in one
 * round. Grants are the fake's: a table look-up, without the locks of src/xenabi.
 *
 * CPU time is the process's, without the front end's thread: the kernel's worker threads count.
 * System calls are those of the back end's thread: io_uring_enter and the eventfd write that stands
 * for an interrupt.
 *
 * A case is name:pattern:block bytes:queue depth:cpus:spin:direct (spin: 0 nobody polls, 1 the back end
 * does, 2 the guest's processor, too), for example
 * rand4k:r:4096:32:1:0:0. With one cpu both threads share it; with two each has its own; with 0
 * there is one thread, which is guest and back end in turns. Files on
 * tmpfs are no good: its reads leave the submitting thread for a worker (seen on 6.18), so that
 * each completes alone.
 */
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "fake_blkfront.h"

#define ROUNDS_MAX 99
#define DEPTH_MAX 32
#define PAGES_MAX 32u		/* per request */

struct bench {
	char name[32];
	char pattern;		/* r: random, s: sequential */
	unsigned block, depth, cpus;
	bool spin, guest_spins;
	int fd;
	uint64_t blocks;	/* in the file */
	uint64_t next;		/* of the sequential pattern, or the random state */
	uint64_t slice_ns;
};

struct slice {
	double ops_s, cpu_us, calls, kicks, notifies;	/* the last three per operation */
};

static void die(const char *what)
{
	fprintf(stderr, "ringbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void pin_to(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t next_block(struct bench *b)
{
	if (b->pattern == 's')
		return b->next++ % b->blocks;
	b->next = b->next * 6364136223846793005u + 1442695040888963407u;
	return (b->next >> 33) % b->blocks;
}

/* The raw loop: as many reads in flight as the depth, one io_uring_enter per batch. */

static void raw_read(struct bench *b, struct io_uring *ring, uint8_t *buf, unsigned slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_read(sqe, b->fd, buf + (size_t)slot * b->block, b->block,
			   next_block(b) * b->block);
	io_uring_sqe_set_data64(sqe, slot);
}

static void raw_slice(struct bench *b, struct io_uring *ring, uint8_t *buf, struct slice *ret)
{
	uint64_t t0 = ev_now(), end = t0 + b->slice_ns, ops = 0, calls = 0;
	uint64_t cpu = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
	unsigned flying = 0;

	for (unsigned i = 0; i < b->depth; i++, flying++)
		raw_read(b, ring, buf, i);
	while (flying) {
		struct io_uring_cqe *cqe;
		unsigned head, n = 0;
		bool more = ev_now() < end;

		if (io_uring_submit_and_wait(ring, 1) < 0)
			die("io_uring_submit_and_wait");
		calls++;
		io_uring_for_each_cqe(ring, head, cqe) {
			if (cqe->res != (int)b->block)
				die("raw read");
			n++;
			ops++;
			if (more)
				raw_read(b, ring, buf, (unsigned)cqe->user_data);
			else
				flying--;
		}
		io_uring_cq_advance(ring, n);
	}
	*ret = (struct slice){
		.ops_s = (double)ops * 1e9 / (double)(ev_now() - t0),
		.cpu_us = (double)(cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3 / (double)ops,
		.calls = (double)calls / (double)ops,
	};
}

/* The back end, on a thread of its own. */

struct backend {
	struct bench *b;
	struct ev_loop *loop;
	struct xa_domain *d;
	struct blk_disk disk;
	struct blk_queue *q;
	struct blkfront fe;
	struct ev_post stop, sample;
	pthread_barrier_t sync;
	struct ev_stats stats;
	uint64_t taken;		/* interrupts that the guest has seen */
};

static void on_complain(struct blk_disk *disk DOM_UNUSED, const char *what, int error)
{
	errno = -error;
	die(what);
}

static void on_stop(struct ev_post *p)
{
	ev_loop_stop(DOM_CONTAINER_OF(p, struct backend, stop)->loop);
}

static void on_sample(struct ev_post *p)
{
	struct backend *be = DOM_CONTAINER_OF(p, struct backend, sample);

	ev_loop_stats(be->loop, &be->stats);
	pthread_barrier_wait(&be->sync);
}

static void start_backend(struct backend *be)
{
	struct blk_queue_config cfg = fe_config(&be->fe);

	if (ev_loop_new(NULL, &be->loop, NULL))
		die("ev_loop_new");
	be->disk.loop = be->loop;
	ev_file_register(be->loop, be->b->fd);
	if (blk_queue_new(&be->disk, &cfg, &be->q))
		die("blk_queue_new");
	be->fe.kick = be->q->eventfd;
}

static void end_backend(struct backend *be)
{
	blk_queue_free(be->q, NULL);
	ev_loop_free(be->loop);
}

static void *backend_main(void *arg)
{
	struct backend *be = arg;

	pin_to(be->b->cpus > 1 ? 1 : 0);
	start_backend(be);
	pthread_barrier_wait(&be->sync);
	ev_loop_run(be->loop);
	end_backend(be);
	return NULL;
}

static void sample(struct backend *be)
{
	ev_post(be->loop, &be->sample);
	pthread_barrier_wait(&be->sync);
}

/* What all but this thread, the guest, has used. */
static uint64_t others_cpu_ns(void)
{
	return cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void fe_read(struct backend *be, unsigned slot)
{
	unsigned pages = be->b->block / 4096;

	fe_pages(&be->fe, BLKIF_OP_READ, slot, next_block(be->b) * (be->b->block / 512),
		 slot * pages, pages);
}

/*
 * Wait for an interrupt. KVM lets a processor that halts poll for one before it sleeps (halt_poll_ns, 200
 * us by default); guest_spins stands for that. What it polls for is that the back end has notified.
 */
static void await_interrupt(struct backend *be)
{
	const uint64_t *notifies = &be->d->notifies[FE_PORT];
	uint64_t count, end = be->b->guest_spins ? ev_now() + 200000 : 0;

	while (end && DOM_LOAD_ACQUIRE(notifies) == be->taken && ev_now() < end)
		for (unsigned i = 0; i < 4; i++)
			__builtin_ia32_pause();
	if (DOM_LOAD_ACQUIRE(notifies) == be->taken || !be->b->guest_spins) {
		if (read(be->d->port_fd[FE_PORT], &count, 8) != 8)
			die("read");
	}
	be->taken = DOM_LOAD_ACQUIRE(notifies);
}

/* The guest's side: sleep until there are answers, answer each with a new request. */
static void ring_slice(struct backend *be, struct slice *ret)
{
	struct bench *b = be->b;
	struct blk_stats s0 = be->disk.stats;
	struct ev_stats e0;
	uint64_t t0, end, cpu, ops = 0;
	unsigned flying = 0;

	sample(be);
	be->taken = DOM_LOAD(&be->d->notifies[FE_PORT]);
	e0 = be->stats;
	cpu = others_cpu_ns();
	s0 = be->disk.stats;
	t0 = ev_now();
	end = t0 + b->slice_ns;
	for (unsigned i = 0; i < b->depth; i++, flying++)
		fe_read(be, i);
	fe_push(&be->fe);
	while (flying) {
		struct blkif_response rsp;
		bool more = ev_now() < end;

		while (fe_response(&be->fe, &rsp)) {
			if (rsp.status != BLKIF_RSP_OKAY)
				die("ring read");
			ops++;
			if (more)
				fe_read(be, (unsigned)rsp.id);
			else
				flying--;
		}
		fe_push(&be->fe);
		if (flying && fe_sleep(&be->fe))
			await_interrupt(be);
	}
	t0 = ev_now() - t0;
	cpu = others_cpu_ns() - cpu;
	sample(be);
	*ret = (struct slice){
		.ops_s = (double)ops * 1e9 / (double)t0,
		.cpu_us = (double)cpu / 1e3 / (double)ops,
		.calls = (double)(be->stats.enters - e0.enters + be->disk.stats.notifies -
				  s0.notifies) / (double)ops,
		.kicks = (double)(be->disk.stats.kicks - s0.kicks) / (double)ops,
		.notifies = (double)(be->disk.stats.notifies - s0.notifies) / (double)ops,
	};
}

/*
 * Both ends on this thread, in turns, so that nobody waits for anybody: what is left is the work that a
 * request costs either side. That is what two processors do that poll, less the way from one to the
 * other's cache; it can be measured on a machine that has other things to do.
 */
static void step_slice(struct backend *be, struct slice *ret)
{
	struct bench *b = be->b;
	struct ev_stats e0, e1;
	struct blk_stats s0 = be->disk.stats;
	uint64_t t0 = ev_now(), end = t0 + b->slice_ns, cpu = cpu_ns(CLOCK_PROCESS_CPUTIME_ID), ops = 0;
	struct blkif_response rsp;
	uint64_t count;

	ev_loop_stats(be->loop, &e0);
	while (ev_now() < end) {
		for (unsigned i = 0; i < b->depth; i++)
			fe_read(be, i);
		fe_push(&be->fe);
		for (unsigned got = 0; got < b->depth; ) {
			(void)fe_sleep(&be->fe);
			if (ev_loop_turn(be->loop, 0) < 0)
				die("ev_loop_turn");
			while (fe_response(&be->fe, &rsp)) {
				if (rsp.status != BLKIF_RSP_OKAY)
					die("ring read");
				got++;
			}
		}
		/* A virtual interrupt needs no system call to be taken. */
		ops += b->depth;
	}
	t0 = ev_now() - t0;
	cpu = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	if (be->d->notifies[FE_PORT] && read(be->d->port_fd[FE_PORT], &count, 8) != 8)
		die("read");
	ev_loop_stats(be->loop, &e1);
	*ret = (struct slice){
		.ops_s = (double)ops * 1e9 / (double)t0,
		.cpu_us = (double)cpu / 1e3 / (double)ops,
		.calls = (double)(e1.enters - e0.enters + be->disk.stats.notifies - s0.notifies) /
			 (double)ops,
		.kicks = (double)(be->disk.stats.kicks - s0.kicks) / (double)ops,
		.notifies = (double)(be->disk.stats.notifies - s0.notifies) / (double)ops,
	};
}

/* One case. */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *v, unsigned n, unsigned percent)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[(n - 1) * percent / 100];
}

static double column(const struct slice *s, unsigned n, size_t offset)
{
	double v[ROUNDS_MAX];

	for (unsigned i = 0; i < n; i++)
		v[i] = *(const double *)(const void *)((const char *)&s[i] + offset);
	return quantile(v, n, 50);
}

#define MEDIAN(s, n, field) column(s, n, offsetof(struct slice, field))

static void report(const struct bench *b, const struct slice *raw, const struct slice *ring,
		   unsigned n)
{
	double wall[ROUNDS_MAX], cpu[ROUNDS_MAX];

	for (unsigned i = 0; i < n; i++) {
		wall[i] = ring[i].ops_s / raw[i].ops_s;
		cpu[i] = ring[i].cpu_us / raw[i].cpu_us;
	}
	printf("%s raw_kops %.1f ring_kops %.1f wall_q1 %.2f wall %.2f wall_q3 %.2f raw_cpu_us %.2f "
	       "ring_cpu_us %.2f cpu %.2f raw_calls %.3f calls %.3f kicks %.3f notifies %.3f\n", b->name,
	       MEDIAN(raw, n, ops_s) / 1e3, MEDIAN(ring, n, ops_s) / 1e3, quantile(wall, n, 25),
	       quantile(wall, n, 50), quantile(wall, n, 75), MEDIAN(raw, n, cpu_us),
	       MEDIAN(ring, n, cpu_us), quantile(cpu, n, 50), MEDIAN(raw, n, calls),
	       MEDIAN(ring, n, calls),
	       MEDIAN(ring, n, kicks), MEDIAN(ring, n, notifies));
	fflush(stdout);
}

static void run_case(struct bench *b, unsigned rounds)
{
	struct slice raw[ROUNDS_MAX], ring[ROUNDS_MAX];
	struct backend be = { .b = b, .d = fake_domain_new(9 + DEPTH_MAX * PAGES_MAX) };
	struct io_uring uring;
	uint8_t *buf = mmap(NULL, (size_t)b->block * b->depth, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_t t;

	pin_to(0);
	if (io_uring_queue_init(64, &uring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN))
		die("io_uring_queue_init");
	fe_init(&be.fe, be.d, &blk_layouts[0], 0);
	be.d->port_fd[FE_PORT] = eventfd(0, EFD_CLOEXEC);
	be.disk = (struct blk_disk){
		.domain = be.d, .complain = on_complain, .spin_max = b->spin ? BLK_SPIN_MAX_NS : 0,
		.img = { .fd = b->fd, .buffered_fd = -1, .join_max = BLK_JOIN_BYTES },
		.lim = { .sectors = b->blocks * (b->block / 512), .sector_size = 512 },
	};
	ev_post_init(&be.stop, on_stop);
	ev_post_init(&be.sample, on_sample);
	pthread_barrier_init(&be.sync, NULL, 2);
	if (buf == MAP_FAILED || (b->cpus && pthread_create(&t, NULL, backend_main, &be)))
		die("cannot start");
	if (b->cpus)
		pthread_barrier_wait(&be.sync);
	else
		start_backend(&be);
	/* The first round warms up and does not count. */
	for (unsigned i = 0; i <= rounds; i++) {
		raw_slice(b, &uring, buf, &raw[i ? i - 1 : 0]);
		(b->cpus ? ring_slice : step_slice)(&be, &ring[i ? i - 1 : 0]);
	}
	report(b, raw, ring, rounds);
	if (b->cpus) {
		ev_post(be.loop, &be.stop);
		pthread_join(t, NULL);
	} else {
		end_backend(&be);
	}
	io_uring_queue_exit(&uring);
	munmap(buf, (size_t)b->block * b->depth);
	close(be.d->port_fd[FE_PORT]);
	fake_domain_free(be.d);
}

int main(int argc, char **argv)
{
	const char *rounds = getenv("ROUNDS"), *slice = getenv("SLICE_MS");
	struct stat st;

	if (argc < 3) {
		fprintf(stderr, "usage: ringbench FILE CASE...\n");
		return 2;
	}
	if (stat(argv[1], &st))
		die(argv[1]);
	for (int i = 2; i < argc; i++) {
		struct bench b = { .slice_ns = 100000000ull };
		unsigned spin, direct;

		if (sscanf(argv[i], "%31[^:]:%c:%u:%u:%u:%u:%u", b.name, &b.pattern, &b.block, &b.depth,
			   &b.cpus, &spin, &direct) != 7 || !b.depth || b.depth > DEPTH_MAX || b.block % 4096 ||
		    !b.block || b.block / 4096 > PAGES_MAX) {
			fprintf(stderr, "ringbench: cannot understand case %s\n", argv[i]);
			return 2;
		}
		b.spin = spin;
		b.guest_spins = spin > 1;
		b.fd = open(argv[1], O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0));
		if (b.fd < 0)
			die(argv[1]);
		b.blocks = (uint64_t)st.st_size / b.block;
		if (slice)
			b.slice_ns = strtoull(slice, NULL, 10) * 1000000;
		run_case(&b, rounds ? DOM_MIN((unsigned)atoi(rounds), ROUNDS_MAX - 1u) : 15);
		close(b.fd);
	}
	return 0;
}
