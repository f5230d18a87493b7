// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "process.h"

#ifndef DOM_VMM_PATH
#define DOM_VMM_PATH "/usr/sbin/domicile"
#endif

/* As told, beside us (in a build tree), or where it is installed. */
void xl_vmm_path(char buf[DOM_PATH_MAX])
{
	const char *env = getenv("DOMICILE_VMM");
	char self[DOM_PATH_MAX / 2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (env && *env) {
		snprintf(buf, DOM_PATH_MAX, "%s", env);
		return;
	}
	self[n < 0 ? 0 : n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	snprintf(buf, DOM_PATH_MAX, "%s/domicile", self);
	if (access(buf, X_OK))
		snprintf(buf, DOM_PATH_MAX, "%s/../vmm/domicile", self);
	if (access(buf, X_OK))
		snprintf(buf, DOM_PATH_MAX, "%s", DOM_VMM_PATH);
}

void xl_default_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

int xl_process_open(const char *pid_path, const char *needle)
{
	char text[DOM_PATH_MAX * 2], path[64];
	int fd = dom_open(pid_path, O_RDONLY, 0), pidfd;
	ssize_t n = fd < 0 ? -1 : dom_read_all(fd, text, 31);
	long pid;

	dom_close_fd(&fd);
	text[n < 0 ? 0 : n] = '\0';
	pid = strtol(text, NULL, 10);
	pidfd = pid > 1 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
	snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
	fd = pidfd < 0 ? -1 : dom_open(path, O_RDONLY, 0);
	n = fd < 0 ? -1 : dom_read_all(fd, text, sizeof(text));
	dom_close_fd(&fd);
	if (n <= 0 || !memmem(text, (size_t)n, needle, strlen(needle)))
		dom_close_fd(&pidfd);
	return pidfd;
}
