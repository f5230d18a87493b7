// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "nbd.h"
#include "process.h"

#define PROGRAM "qemu-nbd"
#define STOP_MS 5000

static const struct {
	const char *libxl, *qemu;
} formats[] = {
	{ "qcow2", "qcow2" }, { "qcow", "qcow" }, { "vhd", "vpc" }, { "qed", "qed" },
};

const char *xl_nbd_format(const char *format)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(formats); i++)
		if (!strcmp(formats[i].libxl, format))
			return formats[i].qemu;
	return NULL;
}

static int file_path(struct xl *xl, unsigned domid, unsigned devid, const char *what,
		     char buf[DOM_PATH_MAX])
{
	char name[32];

	snprintf(name, sizeof(name), "nbd-%u.%s", devid, what);
	return dom_path_domain(xl->rundir, domid, name, buf);
}

/*
 * Landlock: everything may be read (backing files can be anywhere), and only the image and the domain's
 * directory be written.
 *   ABI: include/uapi/linux/landlock.h
 */
#define LL_WRITE_FILE (1ull << 1)
#define LL_REMOVE_FILE (1ull << 5)
#define LL_MAKE_REG (1ull << 8)
#define LL_MAKE_SOCK (1ull << 9)
#define LL_WRITES 0x1ff2ull	/* every right of the first version but execute, read file and dir */
#define LL_TRUNCATE (1ull << 14)	/* version 3 */

struct landlock_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

static void allow(int ruleset, const char *path, uint64_t rights)
{
	int fd DOM_CLEANUP_FD = dom_open(path, O_PATH, 0);
	struct landlock_beneath rule = { rights, fd };

	if (fd >= 0)
		syscall(SYS_landlock_add_rule, ruleset, 1 /* path beneath */, &rule, 0);
}

static void forbid_writes(const char *image, bool readonly, const char *dir)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u /* version */);
	uint64_t truncate = abi >= 3 ? LL_TRUNCATE : 0, handled = LL_WRITES | truncate;
	int set = abi < 1 ? -1 : (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);

	if (set < 0)
		return;
	if (!readonly)
		allow(set, image, LL_WRITE_FILE | truncate);
	allow(set, "/dev/null", LL_WRITE_FILE);
	allow(set, dir, LL_WRITE_FILE | LL_REMOVE_FILE | LL_MAKE_REG | LL_MAKE_SOCK | truncate);
	syscall(SYS_landlock_restrict_self, set, 0);
	close(set);
}

/* In the child: what the host does not allow is left out. */
static void confine(const char *image, bool readonly, const char *dir)
{
	const struct rlimit core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &core);
	if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS))
		(void)unshare(CLONE_NEWUSER | CLONE_NEWNET);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	forbid_writes(image, readonly, dir);
}

DOM_NORETURN static void exec_server(const char *image, const char *format, bool readonly,
				     const char *sock, const char *pid)
{
	char sock_arg[DOM_PATH_MAX + 16], pid_arg[DOM_PATH_MAX + 16], format_arg[32], dir[DOM_PATH_MAX];
	char *argv[] = {
		(char[]){ PROGRAM }, (char[]){ "--fork" }, (char[]){ "--shared=1" },
		(char[]){ "--discard=unmap" }, sock_arg, pid_arg, format_arg,
		readonly ? (char[]){ "--read-only" } : (char[]){ "--cache=writeback" },
		(char *)(uintptr_t)image, NULL,
	};

	snprintf(sock_arg, sizeof(sock_arg), "--socket=%s", sock);
	snprintf(pid_arg, sizeof(pid_arg), "--pid-file=%s", pid);
	snprintf(format_arg, sizeof(format_arg), "--format=%s", xl_nbd_format(format));
	snprintf(dir, sizeof(dir), "%s", sock);
	*strrchr(dir, '/') = '\0';
	setsid();
	dup2(2, 1);
	xl_default_signals();
	confine(image, readonly, dir);
	execvp(PROGRAM, argv);
	_exit(errno == ENOENT ? 127 : 126);
}

int xl_nbd_start(struct xl *xl, unsigned domid, unsigned devid, const char *image,
		 const char *format, bool readonly, char ret[DOM_PATH_MAX], struct dom_err *err)
{
	char pid_path[DOM_PATH_MAX];
	int status = 0;
	pid_t pid;

	if (file_path(xl, domid, devid, "sock", ret) || file_path(xl, domid, devid, "pid", pid_path))
		return dom_err_set(err, -ENAMETOOLONG, "the path of a socket of domain %u is too long", domid);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return dom_err_set(err, -errno, "no process for " PROGRAM ": %s", strerror(errno));
	if (!pid)
		exec_server(image, format, readonly, ret, pid_path);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return dom_err_set(err, -ENOENT, "format %s needs " PROGRAM ": install qemu-utils", format);
	return dom_err_set(err, -EIO, PROGRAM " cannot serve %s", image);
}

bool xl_nbd_runs(struct xl *xl, unsigned domid, unsigned devid)
{
	char sock[DOM_PATH_MAX], pid_path[DOM_PATH_MAX];

	if (file_path(xl, domid, devid, "sock", sock) || file_path(xl, domid, devid, "pid", pid_path))
		return false;
	int fd DOM_CLEANUP_FD = xl_process_open(pid_path, sock);

	return fd >= 0;
}

void xl_nbd_stop(struct xl *xl, unsigned domid, unsigned devid)
{
	char sock[DOM_PATH_MAX], pid_path[DOM_PATH_MAX];
	struct pollfd p = { .events = POLLIN };

	if (file_path(xl, domid, devid, "sock", sock) || file_path(xl, domid, devid, "pid", pid_path))
		return;
	int fd DOM_CLEANUP_FD = xl_process_open(pid_path, sock);

	/* Give it the time to write back what it has; it ends when its client has gone. */
	p.fd = fd;
	if (fd >= 0 && poll(&p, 1, STOP_MS) != 1) {
		syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
		if (poll(&p, 1, STOP_MS) != 1)
			syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	}
	unlink(sock);
	unlink(pid_path);
}
