// SPDX-License-Identifier: MIT
/*
 * domicile-xenstored: options, start, end.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "domicile/base/err.h"
#include "domicile/base/fd.h"
#include "domicile/base/num.h"
#include "xsd.h"

struct options {
	const char *state_dir;	/* NULL: default; "": keep nothing */
	const char *pid_file;
	const char *log_file;
	const char *user;
	bool sandbox;
	bool background;
	int live_fd;
	const char *set[XSD_Q_COUNT * 4];
	unsigned n_set;
};

static const char usage[] =
	"Usage: domicile-xenstored [options]\n"
	"  -N, --no-fork              for compatibility: it always stays in the foreground\n"
	"  -F, --pid-file FILE        write the process id to FILE\n"
	"  -T, --trace-file FILE      write log lines to FILE instead of stderr\n"
	"  -Q, --quota NAME=VALUE     set a limit; names: see domicile-xenstored(8)\n"
	"  -q, --quota-soft NAME=VALUE\n"
	"  -K, --keep-orphans         keep the nodes of dead domains, as domain 0's\n"
	"  -s, --state-dir DIR        keep the store there (default: the socket's directory)\n"
	"  -M, --memory-only          keep nothing: the store ends with the process\n"
	"  -u, --user NAME            run as this user when started by root (default:\n"
	"                             domicile-xenstored)\n"
	"      --no-sandbox           do not confine the process\n"
	"  -h, --help                 this text\n"
	"  -V, --version\n";

enum { OPT_NO_SANDBOX = 256, OPT_LIVE_UPDATE };

static const struct option long_options[] = {
	{ "no-fork", 0, NULL, 'N' },		{ "pid-file", 1, NULL, 'F' },
	{ "trace-file", 1, NULL, 'T' },		{ "quota", 1, NULL, 'Q' },
	{ "quota-soft", 1, NULL, 'q' },		{ "keep-orphans", 0, NULL, 'K' },
	{ "state-dir", 1, NULL, 's' },		{ "memory-only", 0, NULL, 'M' },
	{ "user", 1, NULL, 'u' },		{ "no-sandbox", 0, NULL, OPT_NO_SANDBOX },
	{ "live-update", 1, NULL, OPT_LIVE_UPDATE },
	{ "help", 0, NULL, 'h' },		{ "version", 0, NULL, 'V' },
	{ 0 },
};

static int set_quota(struct xsd *s, const char *arg, bool soft)
{
	const char *eq = strchr(arg, '=');
	char name[32];
	uint64_t value;
	int q;

	if (!eq || (size_t)(eq - arg) >= sizeof(name))
		return -EINVAL;
	memcpy(name, arg, (size_t)(eq - arg));
	name[eq - arg] = 0;
	q = xsd_quota_find(strcmp(name, "path-length") ? name : "path-max");
	if (q < 0 || dom_parse_u64(eq + 1, INT32_MAX, &value))
		return -EINVAL;
	(soft ? s->soft : s->hard)[q] = (uint32_t)value;
	return 0;
}

/* Returns 0, 1 when there is nothing more to do, or -EINVAL. */
static int parse(struct xsd *s, int argc, char **argv, struct options *o)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "NF:T:Q:q:Ks:Mu:hV", long_options, NULL)) != -1) {
		switch (opt) {
		case 'N': o->background = false; break;
		case 'F': o->pid_file = optarg; break;
		case 'T': o->log_file = optarg; break;
		case 'Q':
		case 'q':
			if (set_quota(s, optarg, opt == 'q')) {
				fprintf(stderr, "domicile-xenstored: bad quota '%s'\n", optarg);
				return -EINVAL;
			}
			break;
		case 'K': s->keep_orphans = true; break;
		case 's': o->state_dir = optarg; break;
		case 'M': o->state_dir = ""; break;
		case 'u': o->user = optarg; break;
		case OPT_NO_SANDBOX: o->sandbox = false; break;
		case OPT_LIVE_UPDATE: o->live_fd = atoi(optarg); break;
		case 'h': fputs(usage, stdout); return 1;
		case 'V': puts("domicile-xenstored " DOM_VERSION); return 1;
		default: fputs(usage, stderr); return -EINVAL;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return -EINVAL;
	}
	return 0;
}

/* --- sockets --- */

static int add_listener(struct xsd *s, int fd)
{
	if (s->n_listeners == XSD_LISTEN_MAX)
		return -EMFILE;
	s->listeners[s->n_listeners] = fd;
	return xsd_loop_add(s, fd, EPOLLIN, &s->listeners[s->n_listeners++]);
}

static int bind_socket(const char *path, struct dom_err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd DOM_CLEANUP_FD = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return dom_err_set(err, -ENAMETOOLONG, "socket path %s is too long", path);
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return dom_err_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	/* The state file's lock says that nobody serves this path any more. */
	unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || chmod(path, 0600) ||
	    listen(fd, SOMAXCONN))
		return dom_err_set(err, -errno, "cannot listen on %s: %s", path, strerror(errno));
	return dom_fd_steal(&fd);
}

/* Sockets that systemd opened for us: descriptors 3 and up. Spec: sd_listen_fds(3) */
static int inherited(struct xsd *s)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t p, n;

	if (!pid || !fds || dom_parse_u64(pid, INT32_MAX, &p) || (pid_t)p != getpid() ||
	    dom_parse_u64(fds, XSD_LISTEN_MAX, &n))
		return 0;
	for (uint64_t i = 0; i < n; i++) {
		int fd = 3 + (int)i;

		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		if (add_listener(s, fd))
			return -EINVAL;
	}
	return (int)n;
}

/*
 * A connection to the service manager, -1 if there is none: opened while its directory is open to us.
 * Spec: sd_notify(3)
 */
static int open_notify(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd DOM_CLEANUP_FD = -1;

	if (!path || !*path || strlen(path) >= sizeof(addr.sun_path))
		return -1;
	memcpy(addr.sun_path, path, strlen(path));
	if (path[0] == '@')
		addr.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))))
		return -1;
	return dom_fd_steal(&fd);
}

/* Tell systemd that we serve. */
static void notify_ready(int fd)
{
	char msg[48];
	int n = snprintf(msg, sizeof(msg), "READY=1\nMAINPID=%d\n", (int)getpid());

	if (fd >= 0)
		send(fd, msg, (size_t)n, MSG_NOSIGNAL);
}

/* --- start --- */

static int watch_signals(struct xsd *s)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : xsd_loop_add(s, fd, EPOLLIN, s);
}

static void raise_file_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static void directory_of(const char *path, char *dir, size_t size)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	snprintf(dir, size, "%.*s", (int)(slash ? len : 1), slash ? path : ".");
}

/* What needs paths and privileges: the state files, and whom we listen to. */
static int open_all(struct xsd *s, const struct options *o, const char *path, struct dom_err *err)
{
	int n = xsd_loop_init(s), fd;

	if (!n)
		n = watch_signals(s);
	if (n)
		return dom_err_set(err, n, "cannot set up the event loop: %s", strerror(-n));
	if (o->live_fd >= 0 && xsd_live_files(s, o->live_fd))
		return dom_err_set(err, -EINVAL, "live update: the state files cannot be taken over");
	if (*o->state_dir && s->state.file[0].fd < 0) {
		n = xsd_state_open(s, o->state_dir, err);
		if (n)
			return n;
	}
	if (o->live_fd >= 0)
		return 0;
	n = inherited(s);
	if (n != 0)
		return n < 0 ? dom_err_set(err, n, "cannot use the sockets of LISTEN_FDS") : 0;
	fd = bind_socket(path, err);
	if (fd < 0)
		return fd;
	dom_log(&s->log, DOM_LOG_INFO, "listening on %s", path);
	return add_listener(s, fd);
}

static int write_pid(const char *path, struct dom_err *err)
{
	int fd DOM_CLEANUP_FD = dom_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (fd < 0 || dom_write_all(fd, text, (size_t)n))
		return dom_err_set(err, -EIO, "cannot write pid file %s", path);
	return 0;
}

/* The store, and who was connected. It may have been in hostile hands: parsed in confinement. */
static int load(struct xsd *s, const struct options *o, struct dom_err *err)
{
	int ret = *o->state_dir ? xsd_state_load(s, o->state_dir, err) : 0;

	if (!ret && o->live_fd >= 0) {
		ret = xsd_live_resume(s, o->live_fd);
		if (ret)
			dom_err_set(err, ret, "live update: connections cannot be taken over");
	}
	return ret;
}

static int serve(struct xsd *s, struct options *o, struct dom_err *err)
{
	struct xsd_confine cfg = { .user = o->user, .sandbox = o->sandbox };
	char path[108], dir[108];
	int notify DOM_CLEANUP_FD = o->live_fd < 0 ? open_notify() : -1;
	int ret;

	xsc_default_path(path, sizeof(path));
	directory_of(path, dir, sizeof(dir));
	if (mkdir(dir, 0755) && errno != EEXIST)
		return dom_err_set(err, -errno, "cannot make %s: %s", dir, strerror(errno));
	if (!o->state_dir)
		o->state_dir = dir;
	ret = open_all(s, o, path, err);
	if (!ret && o->pid_file)
		ret = write_pid(o->pid_file, err);
	/* After a live update all of it is in force already. */
	if (!ret && o->live_fd < 0 && xsd_confine(s, &cfg))
		ret = dom_err_set(err, -EPERM, "cannot become user %s", o->user);
	if (!ret)
		ret = load(s, o, err);
	if (ret)
		return ret;
	notify_ready(notify);
	dom_close_fd(&notify);
	while (!s->stop)
		xsd_loop_round(s, -1);
	dom_log(&s->log, DOM_LOG_INFO, "stopping");
	return 0;
}

int main(int argc, char **argv)
{
	static struct xsd s;
	struct options o = { .sandbox = true, .live_fd = -1 };
	struct dom_err err = { 0 };
	int ret = xsd_init(&s);

	s.log = (struct dom_log){ .fd = STDERR_FILENO, .level = DOM_LOG_INFO,
		.name = "domicile-xenstored" };
	if (!ret)
		ret = parse(&s, argc, argv, &o);
	if (ret)
		return ret < 0;
	s.argv = argv;
	if (o.log_file) {
		s.log_file = dom_open(o.log_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
		if (s.log_file < 0)
			dom_log(&s.log, DOM_LOG_ERROR, "cannot open %s: %s", o.log_file,
				strerror(-s.log_file));
		else
			s.log.fd = s.log_file;
	}
	raise_file_limit();
	if (serve(&s, &o, &err)) {
		dom_log(&s.log, DOM_LOG_ERROR, "%s", err.msg);
		ret = 1;
	}
	xsd_fini(&s);
	return ret;
}
