// SPDX-License-Identifier: MIT
/*
 * Finds the store daemon, or starts one when none listens on the default socket, so that running
 * a guest takes nothing but this program. The daemon stays when we go: it serves all domains.
 */
#include <errno.h>
#include <limits.h>
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

static int start_daemon(struct dom_err *err)
{
	char path[PATH_MAX];
	char *const argv[] = { path, NULL };
	int r, status;
	pid_t pid;

	find_daemon(path);
	r = posix_spawnp(&pid, path, NULL, NULL, argv, environ);
	if (r)
		return dom_err_set(err, -r, "%s: cannot start it: %s; install it, or use "
				   "--xenstore none", path, strerror(r));
	/* It goes to the background when it is ready, so that this child ends soon. */
	if (waitpid(pid, &status, 0) < 0)
		return dom_err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return dom_err_set(err, -EIO, "%s: did not start; its message is above, or use "
				   "--xenstore none", path);
	return 0;
}

int vmm_store_connect(const char *path, struct xsc **ret, struct dom_err *err)
{
	int r = xsc_open(ret, path, err);

	if (path || (r != -ENOENT && r != -ECONNREFUSED))
		return r;
	r = start_daemon(err);
	if (!r) {
		uint64_t deadline = ev_now() + START_TIMEOUT_NS;
		const struct timespec pause = { .tv_nsec = RETRY_NS };

		/* Another domain may have started one at the same moment: retry covers both. */
		while ((r = xsc_open(ret, NULL, err)) && ev_now() < deadline)
			nanosleep(&pause, NULL);
	}
	return r;
}
