// SPDX-License-Identifier: MIT
/*
 * measure RAM-MIB MARKER SECONDS COMMAND [ARGUMENT...]: start a VMM, wait until MARKER appears on
 * its output, take stock, and end it. Prints one line of "name=value", or "failed" and the end of
 * the output on stderr:
 *
 *   ms         milliseconds from exec to the marker, by the clock of this machine, virtual or not
 *   exits      returns of KVM_RUN to userspace, counted by the kernel (see `inside`)
 *   rss pss    KiB resident, and with shared pages divided among their users
 *   text       KiB of pss that are program text, from files: what every instance shares
 *   private    KiB that are dirty and nobody else's: what the process itself cost
 *   ram        KiB resident of guest memory, which the three above leave out
 *   threads, processes
 *   first      microseconds from exec to the guest's first instruction, if the VMM said so (--stats
 *              of domicile, which prints it in the end: the marker must be that line then)
 *
 * Everything is the sum over the process and its descendants. Guest memory is told from the rest by size: mappings of at least an eighth of it, if no ordinary
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
	long rss, pss, text, private;	/* KiB, without guest memory */
	long ram;			/* KiB of guest memory */
	int threads, processes;
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

static FILE *open_proc(pid_t pid, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return fopen(path, "re");
}

/* What a mapping is, by its line in smaps. */
enum kind { GUEST, TEXT, OTHER };

static enum kind kind_of(uint64_t size, const char *mode, const char *name, long ram_mib)
{
	bool file = name[0] == '/' && strncmp(name, "/memfd:", 7) && strncmp(name, "/dev/", 5);

	if (file)
		return mode[2] == 'x' ? TEXT : OTHER;
	return size >= (uint64_t)ram_mib << 17 ? GUEST : OTHER;
}

/* Adds one line of smaps to @m, which belongs to a mapping of @kind. */
static void add_line(struct memory *m, const char *line, enum kind kind)
{
	long kib;

	if (sscanf(line, "Rss: %ld", &kib) == 1) {
		*(kind == GUEST ? &m->ram : &m->rss) += kib;
	} else if (kind != GUEST && sscanf(line, "Pss: %ld", &kib) == 1) {
		m->pss += kib;
		if (kind == TEXT)
			m->text += kib;
	} else if (kind != GUEST && sscanf(line, "Private_Dirty: %ld", &kib) == 1) {
		m->private += kib;
	}
}

static void add_mappings(pid_t pid, long ram_mib, struct memory *m)
{
	FILE *f = open_proc(pid, "smaps");
	char line[4352], mode[8], name[4096];
	enum kind kind = OTHER;
	uint64_t from, to;

	while (f && fgets(line, sizeof(line), f)) {
		name[0] = '\0';
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %4095s", &from, &to, mode,
			   name) < 3)
			add_line(m, line, kind);
		else
			kind = kind_of(to - from, mode, name, ram_mib);
	}
	if (f)
		fclose(f);
}

/* Adds what @pid and all that descend from it use to @m. */
static void add_processes(pid_t pid, long ram_mib, struct memory *m)
{
	char line[256], children[64];
	int threads = 0;
	pid_t child;
	FILE *f;

	add_mappings(pid, ram_mib, m);
	f = open_proc(pid, "status");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Threads: %d", &threads);
	if (f)
		fclose(f);
	m->threads += threads;
	m->processes++;
	snprintf(children, sizeof(children), "task/%d/children", pid);
	f = open_proc(pid, children);
	while (f && fscanf(f, "%d", &child) == 1)
		add_processes(child, ram_mib, m);
	if (f)
		fclose(f);
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
	if (found)
		add_processes(pid, ram_mib, &m);
	end(pid);
	if (!found) {
		printf("failed\n");
		fprintf(stderr, "no \"%s\" after %" PRIu64 " ms; the output ends with:\n%s\n", argv[2],
			took_us / 1000, output.text + (output.len > 2000 ? output.len - 2000 : 0));
		return 1;
	}
	printf("ms=%" PRIu64 ".%03" PRIu64 " exits=%ld rss=%ld pss=%ld private=%ld text=%ld ram=%ld "
	       "threads=%d processes=%d", took_us / 1000, took_us % 1000, exits, m.rss, m.pss, m.private,
	       m.text, m.ram, m.threads, m.processes);
	first = strstr(output.text, FIRST_INSTRUCTION);
	if (first)
		printf(" first=%llu", strtoull(first + strlen(FIRST_INSTRUCTION), NULL, 10));
	putchar('\n');
	return 0;
}
