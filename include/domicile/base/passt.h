// SPDX-License-Identifier: MIT
/*
 * Network without privilege: passt(1), a program that is the host's side of a guest's interface and
 * passes its connections on as sockets of the user. Frames go over a stream socket, each behind its
 * length.
 */
#ifndef DOM_BASE_PASST_H
#define DOM_BASE_PASST_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domicile/base/err.h"
#include "domicile/base/fd.h"

/* In the child: nothing is open but the socket and standard error. */
DOM_NORETURN static inline void dom_passt_exec(int sock, const char *ports)
{
	char fd[16];
	sigset_t none;

	/* The number survives the exec; what else is open does not. */
	if (dup2(2, 1) < 0 || fcntl(sock, F_SETFD, 0) < 0)
		_exit(126);
	snprintf(fd, sizeof(fd), "%d", sock);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execlp("passt", "passt", "--quiet", "--fd", fd, "--tcp-ports", ports, "--udp-ports", "none",
	       (char *)NULL);
	_exit(127);
}

/**
 * dom_passt_start - start a passt for one interface
 * @ports:   TCP ports of the host that lead to the guest, in passt's words: "2222:22"; "": none
 * @ret_fd:  our end of its socket; passt ends when it is closed
 *
 * passt has checked its options and goes on in the background when this returns. Returns 0; -ENOENT
 * when there is no such program; -EIO when it refuses, and has said why on standard error.
 */
static inline int dom_passt_start(const char *ports, int *ret_fd, struct dom_err *err)
{
	int pair[2], status = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return dom_err_set(err, -errno, "passt: no socket: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		dom_passt_exec(pair[1], *ports ? ports : "none");
	close(pair[1]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		*ret_fd = pair[0];
		return 0;
	}
	close(pair[0]);
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return dom_err_set(err, -ENOENT, "passt is not installed; it is in the package of that name");
	return dom_err_set(err, -EIO, "passt did not start%s%s", *ports ? ", TCP ports " : "", ports);
}

#endif
