// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "hotplug.h"
#include "life.h"

#define SCRIPT_MS 40000		/* as libxl */

void xl_hotplug_path(const char *script, char buf[DOM_PATH_MAX])
{
	snprintf(buf, DOM_PATH_MAX, "%s%s", strchr(script, '/') ? "" : XL_SCRIPT_DIR "/", script);
}

/* In the child. */
DOM_NORETURN static void exec_script(char *path, const char *verb, const char *kind, unsigned domid,
				     unsigned devid)
{
	char xenbus[80], word[16];
	char *const argv[] = { path, word, NULL };

	snprintf(word, sizeof(word), "%s", verb);
	snprintf(xenbus, sizeof(xenbus), "backend/%s/%u/%u", kind, domid, devid);
	setenv("XENBUS_PATH", xenbus, 1);
	setenv("XENBUS_TYPE", kind, 1);
	setenv("XENBUS_BASE_PATH", "backend", 1);
	setenv("script", path, 1);
	dup2(2, 1);
	/* A group of its own: what it started ends with it when it takes too long. */
	setpgid(0, 0);
	xl_default_signals();
	execv(path, argv);
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	_exit(127);
}

/* The exit status of @pid, or -ETIMEDOUT when it had to be killed. */
static int wait_script(pid_t pid)
{
	struct pollfd fd = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int pidfd DOM_CLEANUP_FD = fd.fd, status = 0;
	bool late = pidfd >= 0 && poll(&fd, 1, SCRIPT_MS) == 0;

	if (late)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (late)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int xl_hotplug_run(struct xl *xl, const char *script, const char *verb, const char *kind,
		   unsigned domid, unsigned devid, struct dom_err *err)
{
	char path[DOM_PATH_MAX];
	char *why DOM_CLEANUP_FREE = NULL;
	pid_t pid;
	int r;

	xl_hotplug_path(script, path);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return dom_err_set(err, -errno, "no process for script %s: %s", path, strerror(errno));
	if (!pid)
		exec_script(path, verb, kind, domid, devid);
	r = wait_script(pid);
	if (!r)
		return 0;
	if (r == -ETIMEDOUT)
		return dom_err_set(err, r, "script %s %s takes longer than %d s", path, verb,
				   SCRIPT_MS / 1000);
	why = xl_read(xl, XSC_TX_NONE, "/local/domain/0/backend/%s/%u/%u/hotplug-error", kind, domid,
		      devid);
	return dom_err_set(err, -EIO, "script %s %s failed (status %d)%s%s", path, verb, r,
			   why && *why ? ": " : "", why ? why : "");
}
