// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domicile/base/landlock.h"

#include "js.h"
#include "nbd.h"
#include "process.h"

#define STOP_MS 5000
#define SERVER_WORDS 8

static const struct {
	const char *libxl, *qemu;
} formats[] = {
	{ "qcow2", "qcow2" }, { "qcow", "qcow" }, { "vhd", "vpc" }, { "qed", "qed" },
};

struct server;

/* How a target begins that is no file of this host. */
struct remote {
	const char *prefix;
	const struct server *server;
	bool network;			/* the server needs it to get there */
	const char *extra;		/* package with what the server needs besides */
};

/* A server that is to be started. */
struct serving {
	const struct server *server;
	const struct remote *remote;	/* NULL: image is a file */
	const char *image, *format;	/* qemu's name of it */
	bool readonly;
	char sock[DOM_PATH_MAX], pid_path[DOM_PATH_MAX];
};

/* "--name=value", in memory that goes with the process; a path is never too long for it. */
static char *option(const char *name, const char *value)
{
	char *text;

	return asprintf(&text, "--%s=%s", name, value) < 0 ? NULL : text;
}

static char *word(const char *text)
{
	return (char *)(uintptr_t)text;
}

static void qemu_arguments(char **argv, const struct serving *s)
{
	char *const words[] = {
		word("--fork"), word("--shared=1"), word("--discard=unmap"),
		option("socket", s->sock), option("pid-file", s->pid_path), option("format", s->format),
		s->readonly ? word("--read-only") : word("--cache=writeback"), word(s->image),
	};

	memcpy(argv, words, sizeof(words));
}

/* It is to end with its client, as qemu-nbd does. */
static void nbdkit_arguments(char **argv, const struct serving *s)
{
	char *plugin = strdup(s->image + strlen(s->remote->prefix)), *p;
	unsigned n = 0;

	argv[n++] = option("unix", s->sock);
	argv[n++] = option("pidfile", s->pid_path);
	argv[n++] = word("--filter=exitlast");
	if (s->readonly)
		argv[n++] = word("--readonly");
	while ((p = strsep(&plugin, " ")))
		if (*p)
			argv[n++] = p;
}

/* Each goes into the background by itself, once it listens. */
static const struct server {
	const char *program, *package;
	/* Write the words of its command line for @s, at most SERVER_WORDS and what blanks in the image make. */
	void (*arguments)(char **argv, const struct serving *s);
} qemu_nbd = { "qemu-nbd", "qemu-utils", qemu_arguments },
  nbdkit = { "nbdkit", "nbdkit", nbdkit_arguments };

/* The manual has the same list. */
static const struct remote remotes[] = {
	{ "nbd://",		&qemu_nbd,	true,	NULL },
	{ "nbd+unix://",	&qemu_nbd,	false,	NULL },
	{ "http://",		&qemu_nbd,	true,	"qemu-block-extra" },
	{ "https://",		&qemu_nbd,	true,	"qemu-block-extra" },
	{ "ssh://",		&qemu_nbd,	true,	"qemu-block-extra" },
	{ "iscsi://",		&qemu_nbd,	true,	"qemu-block-extra" },
	{ "rbd:",		&qemu_nbd,	true,	"qemu-block-extra" },
	{ "nbdkit:",		&nbdkit,	true,	NULL },
};

const char *xl_nbd_format(const char *format)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(formats); i++)
		if (!strcmp(formats[i].libxl, format))
			return formats[i].qemu;
	return NULL;
}

static const struct remote *remote_of(const char *target)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(remotes); i++)
		if (!strncmp(target, remotes[i].prefix, strlen(remotes[i].prefix)))
			return &remotes[i];
	return NULL;
}

bool xl_nbd_remote(struct json_object *disk)
{
	return !xl_js_get(disk, "script") && remote_of(xl_js_str(disk, "pdev_path", ""));
}

bool xl_nbd_serves(struct json_object *disk)
{
	const char *target = xl_js_str(disk, "pdev_path", "");

	return !xl_js_get(disk, "script") && *target &&
	       (remote_of(target) || xl_nbd_format(xl_js_str(disk, "format", "")));
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
 */
#define WRITES 0x1ff2ull	/* every right of the first version but execute, read file and dir */

static void forbid_writes(const struct serving *s)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u /* version */);
	uint64_t truncate = abi >= 3 ? DOM_LANDLOCK_TRUNCATE : 0, handled = WRITES | truncate;
	int set = abi < 1 ? -1 : (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
	char dir[DOM_PATH_MAX];

	if (set < 0)
		return;
	snprintf(dir, sizeof(dir), "%s", s->sock);
	*strrchr(dir, '/') = '\0';
	if (!s->readonly && !s->remote)
		dom_landlock_allow(set, s->image, DOM_LANDLOCK_WRITE_FILE | truncate);
	dom_landlock_allow(set, "/dev/null", DOM_LANDLOCK_WRITE_FILE);
	dom_landlock_allow(set, dir, DOM_LANDLOCK_WRITE_FILE | DOM_LANDLOCK_REMOVE_FILE |
			   DOM_LANDLOCK_MAKE_REG | DOM_LANDLOCK_MAKE_SOCK | truncate);
	syscall(SYS_landlock_restrict_self, set, 0);
	close(set);
}

/* In the child: what the host does not allow is left out. */
static void confine(const struct serving *s)
{
	const struct rlimit core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &core);
	if (!s->remote || !s->remote->network) {
		if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS))
			(void)unshare(CLONE_NEWUSER | CLONE_NEWNET);
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Which files a plugin of nbdkit writes only the operator knows. */
	if (s->server != &nbdkit)
		forbid_writes(s);
}

DOM_NORETURN static void exec_server(const struct serving *s)
{
	/* The name before the words, NULL behind them. */
	char **argv = calloc(SERVER_WORDS + strlen(s->image) + 2, sizeof(*argv));

	if (!argv)
		_exit(126);
	argv[0] = word(s->server->program);
	s->server->arguments(argv + 1, s);
	setsid();
	dup2(2, 1);
	xl_default_signals();
	confine(s);
	execvp(s->server->program, argv);
	_exit(errno == ENOENT ? 127 : 126);
}

/* What has become of the start. */
static int judge(const struct serving *s, int status, struct dom_err *err)
{
	const char *program = s->server->program, *extra = s->remote ? s->remote->extra : NULL;

	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return dom_err_set(err, -ENOENT, "%s needs %s: install %s", s->image, program,
				   s->server->package);
	return dom_err_set(err, -EIO, "%s cannot serve %s%s%s", program, s->image,
			   extra ? "; it needs the package " : "", extra ? extra : "");
}

int xl_nbd_start(struct xl *xl, unsigned domid, unsigned devid, struct json_object *disk,
		 const char *image, char ret[DOM_PATH_MAX], struct dom_err *err)
{
	const char *format = xl_nbd_format(xl_js_str(disk, "format", ""));
	struct serving s = { .image = image, .format = format ? format : "raw", .server = &qemu_nbd,
			     .remote = xl_nbd_remote(disk) ? remote_of(image) : NULL,
			     .readonly = !xl_js_int(disk, "readwrite", 0) };
	int status = 0;
	pid_t pid;

	if (s.remote)
		s.server = s.remote->server;
	if (s.server == &nbdkit && format)
		return dom_err_set(err, -ENOTSUP, "%s: what nbdkit serves has the format raw", image);
	if (file_path(xl, domid, devid, "sock", s.sock) || file_path(xl, domid, devid, "pid", s.pid_path))
		return dom_err_set(err, -ENAMETOOLONG, "the path of a socket of domain %u is too long", domid);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return dom_err_set(err, -errno, "no process for %s: %s", s.server->program, strerror(errno));
	if (!pid)
		exec_server(&s);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	snprintf(ret, DOM_PATH_MAX, "%s", s.sock);
	return judge(&s, status, err);
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
