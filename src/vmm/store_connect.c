// SPDX-License-Identifier: MIT
/*
 * Finds the store daemon, or starts one when none listens on the default socket, so that running
 * a guest takes nothing but this program. The daemon stays when we go: it serves all domains.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "domicile/xsc.h"
#include "vmm.h"

#define DAEMON "domicile-xenstored"
#define START_TIMEOUT_NS 10000000000ull
#define RETRY_NS 2000000l

extern char **environ;

/* Beside us, as installed; in the build tree; else wherever the path finds it. */
static const char *const places[] = { "/", "/../xenstore/" };

static void find_daemon(char path[PATH_MAX])
{
	char dir[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	char *slash;

	if (n > 0) {
		dir[n] = '\0';
		slash = strrchr(dir, '/');
		if (slash)
			*slash = '\0';
		for (size_t i = 0; i < DOM_ARRAY_LEN(places); i++) {
			int len = snprintf(path, PATH_MAX, "%s%s%s", dir, places[i], DAEMON);

			if (len > 0 && len < PATH_MAX && !access(path, X_OK))
				return;
		}
	}
	strcpy(path, DAEMON);
}

/*
 * Start the daemon in a session of its own and without our descriptors: it outlives us, and whoever
 * reads our output must see it end with us.
 */
static int spawn_daemon(char *path, pid_t *ret_pid)
{
	char no_fork[] = "--no-fork";
	char *const argv[] = { path, no_fork, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&files, STDIN_FILENO, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, STDIN_FILENO, STDERR_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	r = posix_spawnp(ret_pid, path, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

/*
 * Wait until a daemon answers. Ours may have ended because somebody else's was faster: that is as
 * good, so an early end counts only if nobody answers afterwards either.
 */
static int wait_daemon(pid_t pid, const char *path, struct xsc **ret, struct dom_err *err)
{
	const struct timespec pause = { .tv_nsec = RETRY_NS };
	uint64_t deadline = ev_now() + START_TIMEOUT_NS;
	bool ended = false;

	while (xsc_open(ret, NULL, err)) {
		if (ended)
			return dom_err_set(err, -EIO, "%s: ended at once; run it by hand to see why, "
					   "or use --xenstore none", path);
		if (ev_now() > deadline)
			return dom_err_set(err, -ETIMEDOUT, "%s: does not answer; or use "
					   "--xenstore none", path);
		ended = waitpid(pid, NULL, WNOHANG) == pid;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int vmm_store_connect(const char *path, struct xsc **ret, struct dom_err *err)
{
	char daemon_path[PATH_MAX];
	int r = xsc_open(ret, path, err);
	pid_t pid;

	if (path || (r != -ENOENT && r != -ECONNREFUSED))
		return r;
	find_daemon(daemon_path);
	r = spawn_daemon(daemon_path, &pid);
	if (r)
		return dom_err_set(err, r, "%s: cannot start it: %s; install it, or use "
				   "--xenstore none", daemon_path, strerror(-r));
	return wait_daemon(pid, daemon_path, ret, err);
}
