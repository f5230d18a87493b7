// SPDX-License-Identifier: MIT
/*
 * guest [exit]: what an operating system does all day, measured inside a guest. For each row of a
 * table, runs it some times and prints
 *
 *   pv-bench NAME COUNT BEGIN END
 *
 * with the time stamp counter before and after. Nothing is printed in between, and all of it is
 * printed in the end, so that what the host sees between these times belongs to the row. With the
 * argument "exit" it ends at once: it is the program that the exec row runs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u

static const char *self;

static uint64_t tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void run_syscall(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		syscall(SYS_getppid);
}

/* First use of anonymous pages. */
static void run_fault(unsigned count)
{
	size_t len = (size_t)count * PAGE;
	volatile char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	for (unsigned i = 0; i < count; i++)
		p[(size_t)i * PAGE] = 1;
	munmap((void *)(uintptr_t)p, len);
}

static void await(pid_t pid)
{
	int status;

	if (pid < 0)
		fail("fork");
	if (waitpid(pid, &status, 0) != pid || status)
		fail("a child");
}

static void run_fork(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		await(pid);
	}
}

static pid_t spawn(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execl(self, self, "exit", (char *)NULL);
		_exit(1);
	}
	return pid;
}

static void run_exec(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		await(spawn());
}

static void pass_on(int from, int to, unsigned count)
{
	char byte = 0;

	for (unsigned i = 0; i < count; i++) {
		if (write(to, &byte, 1) != 1 || read(from, &byte, 1) != 1)
			fail("a pipe");
	}
}

/* A byte there and back: two context switches each. */
static void run_switch(unsigned count)
{
	int there[2], back[2];
	pid_t pid;

	if (pipe(there) || pipe(back))
		fail("pipe");
	pid = fork();
	if (!pid) {
		char byte;

		for (unsigned i = 0; i < count / 2; i++) {
			if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	pass_on(back[0], there[1], count / 2);
	await(pid);
	close(there[0]);
	close(there[1]);
	close(back[0]);
	close(back[1]);
}

/* Seconds in which nothing happens. */
static void run_idle(unsigned count)
{
	sleep(count);
}

static const struct {
	const char *name;
	unsigned count, warm;
	void (*run)(unsigned count);
} rows[] = {
	{ "syscall", 20000, 100,  run_syscall },
	{ "fault",   2000,  2000, run_fault },
	{ "fork",    100,   5,    run_fork },
	{ "exec",    100,   5,    run_exec },
	{ "switch",  4000,  100,  run_switch },
	{ "idle",    2,     0,    run_idle },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

int main(int argc, char **argv)
{
	uint64_t begin[ROWS], end[ROWS];

	if (argc > 1)
		return strcmp(argv[1], "exit") ? 2 : 0;
	self = argv[0];
	for (unsigned i = 0; i < ROWS; i++) {
		rows[i].run(rows[i].warm);
		begin[i] = tsc();
		rows[i].run(rows[i].count);
		end[i] = tsc();
	}
	for (unsigned i = 0; i < ROWS; i++)
		printf("pv-bench %s %u %llu %llu\n", rows[i].name, rows[i].count,
		       (unsigned long long)begin[i], (unsigned long long)end[i]);
	return 0;
}
