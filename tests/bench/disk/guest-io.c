// SPDX-License-Identifier: MIT
/*
 * guest-io DEVICE [NAME]: in a guest, how long a disk takes for what people do with disks, or for NAME of
 * it. Prints one line "io NAME US" each, microseconds per operation by the guest's clock:
 *
 *   dd-read, dd-write    dd of DD_MIB by way of the page cache, per MiB; the writing one with fsync
 *   rand4k-qd1           pread of 4 KiB anywhere, O_DIRECT, one after the other
 *   rand4k-qd16          the same, 16 at a time (Linux AIO)
 *   seq128k-qd8          128 KiB after 128 KiB, 8 at a time
 *
 * Memory that the guest has never touched is for the host to find and to clear, 8 virtual ms for each 2
 * MiB, and how much of that is left depends on how the kernel was loaded: most of the difference between
 * two VMMs' dd was that. So it is touched before anything is measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DD_MIB "48"
#define DEPTH_MAX 16
#define BLOCK_MAX (128u << 10)

struct io {
	int fd;
	uint64_t size, next;
	uint8_t *buf;		/* DEPTH_MAX times BLOCK_MAX bytes */
};

static void die(const char *what)
{
	printf("io failed %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void report(const char *name, uint64_t since, unsigned ops)
{
	printf("io %s %.2f\n", name, (double)(now_ns() - since) / 1e3 / ops);
	fflush(stdout);
}

static uint64_t next_offset(struct io *io, uint32_t block, int random)
{
	uint64_t blocks = io->size / block;

	if (!random)
		return io->next++ % blocks * block;
	io->next = io->next * 6364136223846793005u + 1442695040888963407u;
	return (io->next >> 33) % blocks * block;
}

static const char *only;		/* NULL: all */

static int wanted(const char *name)
{
	return !only || !strcmp(only, name);
}

/* @ops reads, @depth of them in flight. */
static void aio(struct io *io, const char *name, uint32_t block, unsigned depth, unsigned ops, int random)
{
	struct iocb cb[DEPTH_MAX], *list[DEPTH_MAX];
	struct io_event ev[DEPTH_MAX];
	unsigned begun = 0, done = 0;
	aio_context_t ctx = 0;
	long n = depth;
	uint64_t t0;

	if (!wanted(name))
		return;
	if (syscall(SYS_io_setup, DEPTH_MAX, &ctx))
		die("io_setup");
	for (unsigned i = 0; i < depth; i++)
		ev[i].data = i;
	t0 = now_ns();
	while (done < ops) {
		unsigned fill = 0;

		/* Those that are done begin anew. */
		for (long i = 0; i < n && begun < ops; i++, begun++) {
			unsigned slot = (unsigned)ev[i].data;

			cb[slot] = (struct iocb){
				.aio_fildes = (uint32_t)io->fd, .aio_lio_opcode = IOCB_CMD_PREAD,
				.aio_buf = (uint64_t)(uintptr_t)(io->buf + slot * BLOCK_MAX),
				.aio_nbytes = block, .aio_data = slot,
				.aio_offset = (int64_t)next_offset(io, block, random) };
			list[fill++] = &cb[slot];
		}
		if (fill && syscall(SYS_io_submit, ctx, fill, list) != fill)
			die("io_submit");
		n = syscall(SYS_io_getevents, ctx, 1, depth, ev, NULL);
		if (n < 1)
			die("io_getevents");
		for (long i = 0; i < n; i++)
			if (ev[i].res != block)
				die("read");
		done += (unsigned)n;
	}
	report(name, t0, ops);
	syscall(SYS_io_destroy, ctx);
}

static void one_by_one(struct io *io, unsigned ops, const char *name)
{
	uint64_t t0 = now_ns();

	if (name && !wanted(name))
		return;
	for (unsigned i = 0; i < ops; i++)
		if (pread(io->fd, io->buf, 4096, (off_t)next_offset(io, 4096, 1)) != 4096)
			die("pread");
	if (name)
		report(name, t0, ops);
}

static void dd(const char *name, const char *from, const char *to, const char *sync)
{
	char *argv[] = { (char[]){ "dd" }, (char *)(uintptr_t)from, (char *)(uintptr_t)to,
			 (char[]){ "bs=1M" }, (char[]){ "count=" DD_MIB }, (char *)(uintptr_t)sync, NULL };
	int fd, status;
	uint64_t t0;
	pid_t pid;

	if (!wanted(name))
		return;
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (fd < 0 || write(fd, "3", 1) != 1)
		die("drop_caches");
	close(fd);
	t0 = now_ns();
	pid = fork();
	if (pid == 0) {
		close(2);
		execvp(argv[0], argv);
		_exit(1);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		die(name);
	report(name, t0, (unsigned)atoi(DD_MIB));
}

/* Touch the memory that is free, but for what the kernel may need meanwhile. */
static void touch_memory(void)
{
	const size_t spare = 24u << 20;
	struct sysinfo si;
	size_t n;
	void *p;

	if (sysinfo(&si))
		die("sysinfo");
	n = si.freeram * si.mem_unit;
	if (n <= spare)
		return;
	p = mmap(NULL, n - spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		die("mmap of what is free");
	munmap(p, n - spare);
}

int main(int argc, char **argv)
{
	char from[64], to[64];
	struct io io = { .fd = argc >= 2 ? open(argv[1], O_RDONLY | O_DIRECT) : -1 };

	if (io.fd < 0 || ioctl(io.fd, BLKGETSIZE64, &io.size))
		die(argc >= 2 ? argv[1] : "usage: guest-io DEVICE [NAME]");
	only = argv[2];
	touch_memory();
	io.buf = mmap(NULL, DEPTH_MAX * BLOCK_MAX, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (io.buf == MAP_FAILED)
		die("mmap");
	one_by_one(&io, 200, NULL);	/* to warm up */
	one_by_one(&io, 1500, "rand4k-qd1");
	aio(&io, "rand4k-qd16", 4096, 16, 4000, 1);
	aio(&io, "seq128k-qd8", BLOCK_MAX, 8, 1200, 0);
	snprintf(from, sizeof(from), "if=%s", argv[1]);
	snprintf(to, sizeof(to), "of=%s", argv[1]);
	dd("dd-read", from, "of=/dev/null", NULL);
	dd("dd-write", "if=/dev/zero", to, "conv=fsync");
	puts("io end");
	return 0;
}
