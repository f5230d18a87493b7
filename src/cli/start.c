// SPDX-License-Identifier: MIT
/*
 * Starting the VMM of a domain that was made, as a child of the monitor, and what it says of itself
 * over the ready pipe.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "life.h"
#include "process.h"

#define READY_MS 120000		/* for a VMM to load a kernel on a busy host */
#define READY_FD 3		/* what the VMM's end of the pipe becomes */

int xl_life_next_line(struct xl_life *l, int ms)
{
	struct pollfd fds[] = { { .fd = l->ready_fd, .events = POLLIN },
				{ .fd = l->signal_fd, .events = POLLIN } };
	size_t len = 0;

	for (;;) {
		int n = poll(fds, 2, ms);
		ssize_t got;

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -ETIMEDOUT;
		if (fds[1].revents & POLLIN)
			return -EINTR;
		if (!fds[0].revents)
			continue;
		/* Byte by byte: a handful of short lines in a domain's life. */
		got = read(l->ready_fd, l->line + len, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0;
		if (l->line[len] == '\n') {
			l->line[len] = '\0';
			return 1;
		}
		if (len < sizeof(l->line) - 2)
			len++;
	}
}

/* In the child: become the VMM. Nothing here may allocate or fail silently. */
DOM_NORETURN static void exec_vmm(struct xl_life *l, int ready)
{
	char vmm[DOM_PATH_MAX], config[DOM_PATH_MAX], log[DOM_PATH_MAX], fd[16];
	char *const argv[] = { vmm, (char[]){ "--config" }, config, (char[]){ "--ready-fd" }, fd, NULL };
	int null, out;

	xl_vmm_path(vmm);
	dom_path_domain(l->xl->rundir, l->domid, DOM_FILE_DOMCFG, config);
	dom_path_domain(l->xl->rundir, l->domid, DOM_FILE_LOG, log);
	snprintf(fd, sizeof(fd), "%d", READY_FD);
	xl_cgroup_enter(l->xl, l->domid);
	setsid();
	null = dom_open("/dev/null", O_RDWR, 0);
	out = dom_open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(null, 0);
	dup2(out < 0 ? null : out, 1);
	dup2(out < 0 ? null : out, 2);
	if (ready == READY_FD)
		fcntl(ready, F_SETFD, 0);
	else
		dup2(ready, READY_FD);
	xl_default_signals();
	execv(vmm, argv);
	dprintf(READY_FD, "ERROR=%s: %s\n", vmm, strerror(errno));
	_exit(DOM_EXIT_START);
}

/* What the VMM wrote last, for the sentence about its early end. */
static void last_log_line(struct xl_life *l, char buf[256])
{
	char path[DOM_PATH_MAX], line[256];
	FILE *f;

	strcpy(buf, "it said nothing");
	if (dom_path_domain(l->xl->rundir, l->domid, DOM_FILE_LOG, path))
		return;
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			strcpy(buf, line);
	}
	if (f)
		fclose(f);
}

static void save_pid(struct xl_life *l)
{
	char path[DOM_PATH_MAX];

	if (dom_path_domain(l->xl->rundir, l->domid, XL_FILE_PID, path))
		return;
	int fd DOM_CLEANUP_FD = dom_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd >= 0)
		dprintf(fd, "%d\n", l->vmm);
}

/* Start the process; its ready pipe's end is in l->ready_fd. */
static int spawn(struct xl_life *l)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return dom_err_set(&l->err, -errno, "no pipe for the VMM: %s", strerror(errno));
	l->vmm = fork();
	if (l->vmm < 0) {
		int err = -errno;

		l->vmm = 0;
		close(fds[0]);
		close(fds[1]);
		return dom_err_set(&l->err, err, "no process for the VMM: %s", strerror(-err));
	}
	if (!l->vmm)
		exec_vmm(l, fds[1]);
	close(fds[1]);
	l->ready_fd = fds[0];
	xl_debug(l->xl, 1, "domain %u: its VMM is process %d", l->domid, (int)l->vmm);
	save_pid(l);
	return 0;
}

static int wait_ready(struct xl_life *l)
{
	char last[256];
	int got = xl_life_next_line(l, READY_MS);

	if (got == 1 && !strcmp(l->line, "READY=1"))
		return 0;
	if (got == 1 && !strncmp(l->line, "ERROR=", 6))
		return dom_err_set(&l->err, -EIO, "%s", l->line + 6);
	if (got == -EINTR)
		return dom_err_set(&l->err, -EINTR, "interrupted; domain \"%s\" was not started", l->name);
	if (got == -ETIMEDOUT)
		return dom_err_set(&l->err, -ETIMEDOUT, "the VMM of domain \"%s\" is not ready after %d s",
				   l->name, READY_MS / 1000);
	last_log_line(l, last);
	return dom_err_set(&l->err, -EIO, "the VMM of domain \"%s\" ended at once: %s", l->name, last);
}

void xl_life_abandon(struct xl_life *l)
{
	if (l->vmm) {
		kill(l->vmm, SIGKILL);
		while (waitpid(l->vmm, NULL, 0) < 0 && errno == EINTR)
			;
	}
	dom_close_fd(&l->ready_fd);
	xl_life_unmake(l);
}

int xl_life_start(struct xl_life *l)
{
	char uuid[37];
	int err = spawn(l);

	if (!err)
		err = wait_ready(l);
	/* Destroyed while it was being made: the VMM must not outlive its nodes. */
	xl_domain_uuid(l->xl, l->domid, uuid);
	if (!err && strcmp(uuid, l->uuid))
		err = dom_err_set(&l->err, -ESHUTDOWN, "domain \"%s\" was destroyed while it was made",
				  l->name);
	if (err)
		xl_life_abandon(l);
	return err;
}
