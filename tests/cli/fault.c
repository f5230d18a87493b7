// SPDX-License-Identifier: MIT
/*
 * Makes the FAULT_AT-th of the calls below fail with EIO, once, and tells so on standard error. With
 * FAULT_RUN it does not fail: that command is run at this moment, and the call goes on when it has
 * ended. Calls are counted in the process that is making a domain: from the environment's FAULT_AT on,
 * across fork(), until execve(), so that the VMM runs unharmed. Calls on standard error do not count.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static long count;

static bool fault(const char *name)
{
	const char *at = getenv("FAULT_AT"), *run = getenv("FAULT_RUN");
	int saved = errno;
	char text[64];
	ssize_t n;

	if (!at || ++count != atol(at))
		return false;
	n = snprintf(text, sizeof(text), "fault: %s\n", name);
	n = write(2, text, (size_t)n);
	if (run) {
		unsetenv("LD_PRELOAD");
		n = system(run);
		errno = saved;
		return n < 0;
	}
	errno = EIO;
	return n > 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *buf, size_t len)
{
	if (fd != 2 && fault("write"))
		return -1;
	return REAL(write)(fd, buf, len);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	return fault("writev") ? -1 : REAL(writev)(fd, iov, n);
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	return fault("send") ? -1 : REAL(send)(fd, buf, len, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return fault("sendmsg") ? -1 : REAL(sendmsg)(fd, msg, flags);
}

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	return fault("recv") ? -1 : REAL(recv)(fd, buf, len, flags);
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	return fault("recvmsg") ? -1 : REAL(recvmsg)(fd, msg, flags);
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return fault("connect") ? -1 : REAL(connect)(fd, addr, len);
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & O_CREAT ? (mode_t)va_arg(ap, int) : 0;
	va_end(ap);
	return fault("open") ? -1 : REAL(open)(path, flags, mode);
}

int mkdir(const char *path, mode_t mode)
{
	return fault("mkdir") ? -1 : REAL(mkdir)(path, mode);
}

int symlink(const char *target, const char *path)
{
	return fault("symlink") ? -1 : REAL(symlink)(target, path);
}

int rename(const char *from, const char *to)
{
	return fault("rename") ? -1 : REAL(rename)(from, to);
}

int pipe2(int fds[2], int flags)
{
	return fault("pipe2") ? -1 : REAL(pipe2)(fds, flags);
}

pid_t fork(void)
{
	return fault("fork") ? -1 : REAL(fork)();
}

int execv(const char *path, char *const argv[])
{
	if (fault("execv"))
		return -1;
	unsetenv("FAULT_AT");
	return REAL(execv)(path, argv);
}
