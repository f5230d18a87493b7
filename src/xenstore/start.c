// SPDX-License-Identifier: MIT
/*
 * Finds the daemon, or starts one when none listens, so that the first domain of a host takes no
 * preparation. The daemon stays when we go: it serves all domains. Where systemd runs the host and
 * knows the daemon's unit, the daemon is started as that unit, so that a session's end or a crash
 * does not take it away; else as a child in a session of its own.
 *
 * Two that start one at the same moment do no harm: the daemon's lock lets one of them live, and
 * both end up connected to that one.
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

#include "domicile/base/cc.h"
#include "xenstore.h"

#define DAEMON "domicile-xenstored"
#define UNIT_SOCKET "/run/xenstored/socket"	/* what the unit listens on */
#define RETRY_NS 2000000l
#define START_TRIES 5000			/* of RETRY_NS, which is 10 s at least */

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

/* Our environment without what a service manager meant for us alone; to be freed. */
static char **clean_environment(void)
{
	static const char notify[] = "NOTIFY_SOCKET=";
	size_t n = 0, kept = 0;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + 1, sizeof(*env));
	for (size_t i = 0; env && i < n; i++)
		if (strncmp(environ[i], notify, sizeof(notify) - 1))
			env[kept++] = environ[i];
	return env;
}

/*
 * Start a program in a session of its own and without our descriptors: it may outlive us, and
 * whoever reads our output must see it end with us.
 */
static int spawn(char *const argv[], pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	char **env = clean_environment();
	sigset_t none;
	int r;

	if (!env)
		return -ENOMEM;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&files, STDIN_FILENO, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, STDIN_FILENO, STDERR_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	r = posix_spawnp(ret_pid, argv[0], &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	free(env);
	return -r;
}

/* Start the daemon's unit. False: there is no systemd, no such unit, or not for us. */
static bool start_unit(void)
{
	char systemctl[] = "systemctl", quiet[] = "--quiet", start[] = "start", unit[] = DAEMON ".service";
	char *const argv[] = { systemctl, quiet, start, unit, NULL };
	char path[108];
	int status = -1;
	pid_t pid;

	if (access("/run/systemd/system", F_OK) || geteuid() ||
	    strcmp(xsc_default_path(path, sizeof(path)), UNIT_SOCKET) || spawn(argv, &pid))
		return false;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/*
 * Wait until a daemon answers. Ours may have ended because somebody else's was faster: that is as
 * good, so an early end counts only if nobody answers afterwards either.
 */
static int wait_daemon(pid_t pid, const char *path, struct xsc **ret, struct dom_err *err)
{
	const struct timespec pause = { .tv_nsec = RETRY_NS };
	bool ended = false;

	for (unsigned tries = 0; xsc_open(ret, NULL, err); tries++) {
		if (ended)
			return dom_err_set(err, -EIO, "%s: ended at once; run it by hand to see why", path);
		if (tries == START_TRIES)
			return dom_err_set(err, -ETIMEDOUT, "%s: does not answer", path);
		ended = waitpid(pid, NULL, WNOHANG) == pid;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int xsc_open_or_start(struct xsc **ret, struct dom_err *err)
{
	char path[PATH_MAX], no_fork[] = "--no-fork";
	char *const argv[] = { path, no_fork, NULL };
	int r = xsc_open(ret, NULL, err);
	pid_t pid;

	if (r != -ENOENT && r != -ECONNREFUSED)
		return r;
	if (start_unit() && !xsc_open(ret, NULL, err))
		return 0;
	find_daemon(path);
	r = spawn(argv, &pid);
	if (r)
		return dom_err_set(err, r, "%s: cannot start it: %s; install it", path, strerror(-r));
	return wait_daemon(pid, path, ret, err);
}
