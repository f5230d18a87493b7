// SPDX-License-Identifier: MIT
/*
 * measure STORE-PID RUNDIR COMMAND [ARGUMENT...]: run one command of xl and tell what it cost, as
 * "name=value" in microseconds:
 *
 *   wall      from start to end
 *   xl        CPU time of the command and of those descendants that it waited for
 *   monitor   CPU time of the monitor of the domain that the command made, up to now
 *   own       xl and monitor
 *   vmm       CPU time of that domain's VMM, up to now
 *   store     CPU time that the store daemon used meanwhile
 *
 * The exit status is the command's.
 */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DOMIDS 32768

static bool known[DOMIDS];

static int64_t us_of(clockid_t clock)
{
	struct timespec t;

	return clock_gettime(clock, &t) ? 0 : (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* CPU time of all threads of a process, also of those that ended. */
static int64_t cpu_us(pid_t pid)
{
	clockid_t clock;

	return pid > 0 && !clock_getcpuclockid(pid, &clock) ? us_of(clock) : 0;
}

/* Look at the domains' directories; returns one that was not there at the last look, 0 if none is. */
static unsigned new_domain(const char *rundir)
{
	DIR *d = opendir(rundir);
	struct dirent *e;
	unsigned found = 0;

	while (d && (e = readdir(d))) {
		unsigned long id = isdigit((unsigned char)e->d_name[0]) ? strtoul(e->d_name, NULL, 10) : 0;

		if (id && id < DOMIDS && !known[id]) {
			known[id] = true;
			found = (unsigned)id;
		}
	}
	if (d)
		closedir(d);
	return found;
}

/* The first number in a file behind @key, 0 if there is none. */
static pid_t number_in(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	char line[256];
	pid_t n = 0;

	while (f && !n && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			n = (pid_t)strtol(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return n;
}

int main(int argc, char **argv)
{
	int64_t start, wall, store, xl, monitor = 0, vmm = 0;
	struct rusage used;
	char path[512];
	unsigned domid;
	int status;
	pid_t pid, daemon;

	if (argc < 4)
		return 2;
	daemon = (pid_t)strtol(argv[1], NULL, 10);
	new_domain(argv[2]);
	store = cpu_us(daemon);
	start = us_of(CLOCK_MONOTONIC);
	pid = fork();
	if (!pid) {
		execv(argv[3], argv + 3);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) != pid)
		return 1;
	wall = us_of(CLOCK_MONOTONIC) - start;
	xl = (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec +
	     used.ru_stime.tv_usec;
	domid = new_domain(argv[2]);
	if (domid) {
		snprintf(path, sizeof(path), "%s/%u/vmm.pid", argv[2], domid);
		pid = number_in(path, "");
		vmm = cpu_us(pid);
		snprintf(path, sizeof(path), "/proc/%d/status", pid);
		monitor = cpu_us(number_in(path, "PPid:"));
	}
	printf("wall=%" PRId64 " xl=%" PRId64 " monitor=%" PRId64 " own=%" PRId64 " vmm=%" PRId64
	       " store=%" PRId64 "\n", wall, xl, monitor, xl + monitor, vmm, cpu_us(daemon) - store);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
