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

#include "device.h"
#include "hotplug.h"
#include "process.h"

#define SCRIPT_MS 40000		/* as libxl */
#define UNDO_MS 45000		/* for another process to have run a script */

void xl_hotplug_find(const char *script, char buf[DOM_PATH_MAX])
{
	const char *own = getenv("DOMICILE_SCRIPTDIR");

	xl_script_path(script, buf);
	if (!strchr(script, '/') && access(buf, X_OK))
		snprintf(buf, DOM_PATH_MAX, "%s/%s", own ? own : DOM_SCRIPT_DIR, script);
}

/* In the child. */
DOM_NORETURN static void exec_script(const struct xl_hotplug *h, char *path, const char *verb)
{
	char xenbus[80], word[16], type[] = "type_if=vif";
	char *const argv[] = { path, word, h->ifname ? type : NULL, NULL };

	snprintf(word, sizeof(word), "%s", verb);
	snprintf(xenbus, sizeof(xenbus), "backend/%s/%u/%u", h->kind, h->domid, h->devid);
	setenv("XENBUS_PATH", xenbus, 1);
	setenv("XENBUS_TYPE", h->kind, 1);
	setenv("XENBUS_BASE_PATH", "backend", 1);
	setenv("script", path, 1);
	if (h->ifname)
		setenv("vif", h->ifname, 1);
	if (h->netdev)
		setenv("netdev", h->netdev, 1);
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

int xl_hotplug_run(struct xl *xl, const struct xl_hotplug *h, const char *verb,
		   struct dom_err *err)
{
	char path[DOM_PATH_MAX];
	char *why DOM_CLEANUP_FREE = NULL;
	pid_t pid;
	int r;

	xl_hotplug_find(h->script, path);
	xl_debug(xl, 1, "domain %u: %s %u: run %s %s", h->domid, h->kind, h->devid, path, verb);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return dom_err_set(err, -errno, "no process for script %s: %s", path, strerror(errno));
	if (!pid)
		exec_script(h, path, verb);
	r = wait_script(pid);
	if (!r)
		return 0;
	if (r == -ETIMEDOUT)
		return dom_err_set(err, r, "script %s %s takes longer than %d s", path, verb,
				   SCRIPT_MS / 1000);
	why = xl_read(xl, XSC_TX_NONE, "/local/domain/0/backend/%s/%u/%u/hotplug-error", h->kind,
		      h->domid, h->devid);
	return dom_err_set(err, -EIO, "script %s %s failed (status %d)%s%s", path, verb, r,
			   why && *why ? ": " : "", why ? why : "");
}

/*
 * Values of a node beside hotplug-status, which scripts write, while a device with a script is
 * taken away. Two may do that at once, the monitor and `xl destroy`: one runs the script, the other
 * waits, because the script looks into the store, which is cleaned next.
 */
#define REMOVAL "domicile-removal"
static const char removing[] = "removing", removed[] = "removed";

enum claim { NOTHING_TO_DO, MINE, ANOTHERS };

static enum claim claim(struct xl *xl, const char *back)
{
	enum claim c = NOTHING_TO_DO;
	char node[128];
	xsc_tx tx;
	int err;

	snprintf(node, sizeof(node), "%s/" REMOVAL, back);
	do {
		char *script DOM_CLEANUP_FREE = NULL, *status DOM_CLEANUP_FREE = NULL;

		if (!xl_store(xl) || xsc_transaction_start(xl->xs, &tx))
			return NOTHING_TO_DO;
		script = xl_read(xl, tx, "%s/script", back);
		status = xl_read(xl, tx, "%s", node);
		if (!script || (status && !strcmp(status, removed)))
			c = NOTHING_TO_DO;
		else
			c = status && !strcmp(status, removing) ? ANOTHERS : MINE;
		err = c == MINE ? xsc_write(xl->xs, tx, node, removing, strlen(removing)) : 0;
		if (err)
			xsc_transaction_end(xl->xs, tx, true);
		else
			err = xsc_transaction_end(xl->xs, tx, false);
	} while (err == -EAGAIN);
	return err ? NOTHING_TO_DO : c;
}

void xl_hotplug_undo(struct xl *xl, const struct xl_hotplug *h, const char *verb)
{
	struct dom_err err = { 0 };
	char back[80], node[128];
	enum claim c;

	xl_device_back(h->kind, h->domid, h->devid, back);
	for (int i = 0; (c = claim(xl, back)) == ANOTHERS && i < UNDO_MS / 20; i++)
		usleep(20000);
	if (c != MINE)
		return;
	if (xl_hotplug_run(xl, h, verb, &err))
		fprintf(stderr, "xl: warning: %s\n", err.msg);
	snprintf(node, sizeof(node), "%s/" REMOVAL, back);
	xsc_write(xl->xs, XSC_TX_NONE, node, removed, strlen(removed));
}
