// SPDX-License-Identifier: MIT
/*
 * measure RAM-MIB MARKER SECONDS COMMAND [ARGUMENT...]: start a VMM, wait until MARKER appears on
 * its output, take stock, and end it. Prints one line of "name=value", or "failed" and the end of
 * the output on stderr:
 *
 *   ms         milliseconds from exec to the marker, by the clock of this machine, virtual or not
 *   exits      returns of KVM_RUN to userspace, counted by the kernel (see `inside`)
 *   rss pss    KiB resident, and with shared pages divided among their users
 *   private    KiB that are dirty and nobody else's: what the process itself cost
 *   ram        KiB resident of guest memory, which the three above leave out
 *   threads
 *   first      microseconds from exec to the guest's first instruction, if the VMM said so (--stats
 *              of domicile, which prints it in the end: the marker must be that line then)
 *
 * Guest memory is told from the rest by size: mappings of at least an eighth of it, if no ordinary
 * file is behind them. The program is told when it was started, in DOMICILE_START_NS.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_MAX (1u << 20)
#define FIRST_INSTRUCTION "first-instruction-us "
#define HIST "/sys/kernel/tracing/events/kvm/kvm_userspace_exit/hist"

struct memory {
	long rss, pss, private, ram;	/* KiB; the first three without guest memory */
	int threads;
};

struct output {
	char text[OUTPUT_MAX + 1];	/* what the VMM printed so far, as a string */
	size_t len;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The kernel's count so far; 0 when it was not asked to count. */
static long userspace_exits(void)
{
	FILE *f = fopen(HIST, "re");
	char line[256];
	long hits = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		sscanf(line, " Hits: %ld", &hits);
	fclose(f);
	return hits;
}

/* Adds one line of smaps to @m; @guest says whether the current mapping is guest memory. */
static void add_line(struct memory *m, const char *line, bool guest)
{
	long kib;

	if (sscanf(line, "Rss: %ld", &kib) == 1)
		*(guest ? &m->ram : &m->rss) += kib;
	else if (!guest && sscanf(line, "Pss: %ld", &kib) == 1)
		m->pss += kib;
	else if (!guest && sscanf(line, "Private_Dirty: %ld", &kib) == 1)
		m->private += kib;
}

static bool read_memory(pid_t pid, long ram_mib, struct memory *m)
{
	char path[64], line[4352], name[4096];
	uint64_t from, to;
	bool guest = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		name[0] = '\0';
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %4095s", &from, &to, name) < 2) {
			add_line(m, line, guest);
			continue;
		}
		guest = to - from >= (uint64_t)ram_mib << 17 &&
			(name[0] != '/' || !strncmp(name, "/memfd:", 7) || !strncmp(name, "/dev/", 5));
	}
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Threads: %d", &m->threads);
	if (f)
		fclose(f);
	return true;
}

/* Starts @command with its output on @ret_out and an input that stays open on @ret_in. */
static pid_t start(char **command, int *ret_in, int *ret_out)
{
	int in[2], out[2];
	char told[32];
	pid_t pid;

	if (pipe(in) || pipe(out))
		return -1;
	snprintf(told, sizeof(told), "%" PRIu64, now_ns());
	setenv("DOMICILE_START_NS", told, 1);
	pid = fork();
	if (!pid) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		for (int fd = STDERR_FILENO + 1; fd <= out[1]; fd++)
			close(fd);
		execvp(command[0], command);
		fprintf(stderr, "%s: %s\n", command[0], strerror(errno));
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	*ret_in = in[1];
	*ret_out = out[0];
	return pid;
}

/* Reads until @marker is in the output; false if the time is up or the output ends first. */
static bool wait_for(struct output *o, int fd, const char *marker, uint64_t deadline_ns)
{
	while (now_ns() < deadline_ns) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, 1000) <= 0)
			continue;
		n = read(fd, o->text + o->len, OUTPUT_MAX - o->len);
		if (n <= 0)
			return false;
		o->len += (size_t)n;
		if (strstr(o->text, marker))
			return true;
	}
	return false;
}

/* Ends the VMM, in its own way if it will. */
static void end(pid_t pid)
{
	kill(pid, SIGTERM);
	for (int i = 0; i < 50; i++) {
		if (waitpid(pid, NULL, WNOHANG))
			return;
		usleep(100000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	static struct output output;
	struct memory m = { 0 };
	uint64_t began, took_us;
	const char *first;
	int in, out;
	long exits, ram_mib;
	bool found;
	pid_t pid;

	if (argc < 5) {
		fprintf(stderr, "usage: measure RAM-MIB MARKER SECONDS COMMAND [ARGUMENT...]\n");
		return 2;
	}
	ram_mib = atol(argv[1]);
	exits = userspace_exits();
	began = now_ns();
	pid = start(argv + 4, &in, &out);
	if (pid < 0)
		return 1;
	found = wait_for(&output, out, argv[2], began + strtoull(argv[3], NULL, 10) * 1000000000u);
	took_us = (now_ns() - began) / 1000;
	exits = userspace_exits() - exits;
	found = found && read_memory(pid, ram_mib, &m);
	end(pid);
	if (!found) {
		printf("failed\n");
		fprintf(stderr, "no \"%s\" after %" PRIu64 " ms; the output ends with:\n%s\n", argv[2],
			took_us / 1000, output.text + (output.len > 2000 ? output.len - 2000 : 0));
		return 1;
	}
	printf("ms=%" PRIu64 ".%03" PRIu64 " exits=%ld rss=%ld pss=%ld private=%ld ram=%ld threads=%d",
	       took_us / 1000, took_us % 1000, exits, m.rss, m.pss, m.private, m.ram, m.threads);
	first = strstr(output.text, FIRST_INSTRUCTION);
	if (first)
		printf(" first=%llu", strtoull(first + strlen(FIRST_INSTRUCTION), NULL, 10));
	putchar('\n');
	return 0;
}
