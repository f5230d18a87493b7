// SPDX-License-Identifier: MIT
/*
 * Locking the process in, once everything it needs is open.
 *
 * As root: private network, IPC and mount name spaces, another user, no capabilities. Always: no
 * new privileges and a filter of system calls. Each step that cannot be taken is told in one line,
 * and the daemon goes on: a store without sandbox is better than none.
 *
 * The other user is the one named, else the daemon's own, which sysusers.d makes. Where that was
 * not done, as in a build tree, a number that nobody has serves as well: the state files, which are
 * all it will own, are opened by root at each start. It is not "nobody", whose processes could
 * write them.
 *
 * The filter allows exec, since a live update is one; it stays in force in the new binary.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cap-ng.h>
#include <seccomp.h>

#include "xsd.h"

#define OWN_USER "domicile-xenstored"	/* also in domicile-xenstored.sysusers */
#define SPARE_UID 64240u		/* the first number to try without it */
#define SPARE_UIDS 256u

/* Sanitizers make system calls of their own. */
#if defined(__has_feature)
#define HAS_FEATURE(f) __has_feature(f)
#else
#define HAS_FEATURE(f) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
	HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

/* --- system calls --- */

static const struct {
	int nr;
	const char *why;
} allowed[] = {
#define ROW(name, why) { SCMP_SYS(name), why }
	/* serving */
	ROW(epoll_wait,       "the loop"),
	ROW(epoll_ctl,        "new clients, blocked clients"),
	ROW(recvfrom,         "requests"),
	ROW(recvmsg,          "requests, and descriptors of guests"),
	ROW(sendto,           "replies and events"),
	ROW(accept4,          "new clients"),
	ROW(close,            "clients that left"),
	ROW(shutdown,         "a guest that broke the protocol"),
	ROW(fallocate,        "a growing state file"),
	ROW(ftruncate,        "a replaced state file"),
	ROW(mmap,             "memory, state file"),
	ROW(mremap,           "a growing state file"),
	ROW(munmap,           "memory, state file"),
	ROW(madvise,          "memory"),
	ROW(brk,              "memory"),
	ROW(write,            "log lines, live update"),
	ROW(openat,           "control logfile and memreport, live update"),
	ROW(exit_group,       "the end"),
	ROW(rt_sigreturn,     "signals of a debugger"),
	ROW(restart_syscall,  "stop and continue"),
	ROW(clock_gettime,    "rate limit of log lines, where there is no vdso"),

	/* live update: leaving, and starting again under the same filter */
	ROW(access,           "the new binary"),
	ROW(faccessat,        "the new binary"),
	ROW(faccessat2,       "the new binary"),
	ROW(memfd_create,     "what is handed over"),
	ROW(fcntl,            "descriptors that stay open"),
	ROW(execve,           "the new binary"),
	ROW(read,             "program loader, boot id"),
	ROW(pread64,          "program loader, state file"),
	ROW(pwrite64,         "space for the state file where fallocate is missing"),
	ROW(fstat,            "program loader"),
	ROW(newfstatat,       "program loader"),
	ROW(statfs,           "program loader"),
	ROW(fstatfs,          "space for the state file where fallocate is missing"),
	ROW(lseek,            "size of the state file"),
	ROW(flock,            "one daemon per state file"),
	ROW(mkdir,            "directory of the socket, which exists"),
	ROW(mprotect,         "program loader"),
	ROW(arch_prctl,       "program loader"),
	ROW(set_tid_address,  "program loader"),
	ROW(set_robust_list,  "program loader"),
	ROW(rseq,             "program loader"),
	ROW(futex,            "program loader"),
	ROW(prlimit64,        "number of descriptors"),
	ROW(getrandom,        "hash seed"),
	ROW(epoll_create1,    "the loop"),
	ROW(signalfd4,        "SIGTERM"),
	ROW(rt_sigprocmask,   "SIGTERM"),
	ROW(rt_sigaction,     "SIGPIPE"),
	ROW(getpid,           "systemd's notification"),
	ROW(gettid,           "capabilities"),
	ROW(geteuid,          "confinement"),
	ROW(getuid,           "confinement"),
	ROW(prctl,            "confinement"),
	ROW(capget,           "confinement"),
	ROW(capset,           "confinement"),
	ROW(seccomp,          "confinement"),
	ROW(chmod,            "the socket"),
#undef ROW
};

static int filter(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; i < DOM_ARRAY_LEN(allowed) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i].nr, 0);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

/* --- steps --- */

static int step_namespaces(struct xsd *s, const struct xsd_confine *cfg)
{
	(void)s; (void)cfg;
	if (geteuid())
		return 0;
	return unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) ? -errno : 0;
}

/* A user that is dropped to must not find capabilities in a program either. */
static int step_bounds(struct xsd *s, const struct xsd_confine *cfg)
{
	(void)s; (void)cfg;
	if (geteuid())
		return 0;
	capng_clear(CAPNG_SELECT_BOUNDS);
	return capng_apply(CAPNG_SELECT_BOUNDS) ? -EPERM : 0;
}

static int find_user(struct xsd *s, const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *pw = getpwnam(name ? name : OWN_USER);
	uid_t id = SPARE_UID;

	if (pw) {
		*ret_uid = pw->pw_uid;
		*ret_gid = pw->pw_gid;
		return 0;
	}
	if (name)
		return -ENOENT;
	while (id < SPARE_UID + SPARE_UIDS && (getpwuid(id) || getgrgid(id)))
		id++;
	if (id == SPARE_UID + SPARE_UIDS)
		return -ENOENT;
	dom_log(&s->log, DOM_LOG_INFO, "there is no user " OWN_USER
		" (systemd-sysusers makes it): running as number %u", id);
	*ret_uid = *ret_gid = id;
	return 0;
}

static int step_user(struct xsd *s, const struct xsd_confine *cfg)
{
	uid_t uid;
	gid_t gid;
	int err;

	if (geteuid())
		return 0;
	err = find_user(s, cfg->user, &uid, &gid);
	if (err)
		return err;
	/* Should somebody start us as that user, or live update to a program that opens them again. */
	for (int i = 0; i < 2; i++)
		if (s->state.file[i].fd >= 0 && fchown(s->state.file[i].fd, uid, gid))
			return -errno;
	return setgroups(0, NULL) || setgid(gid) || setuid(uid) ? -errno : 0;
}

static int step_capabilities(struct xsd *s, const struct xsd_confine *cfg)
{
	(void)s; (void)cfg;
	capng_clear(CAPNG_SELECT_BOTH);
	return capng_apply(CAPNG_SELECT_BOTH) && !geteuid() ? -EPERM : 0;
}

static int step_privileges(struct xsd *s, const struct xsd_confine *cfg)
{
	(void)s; (void)cfg;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

static int step_filter(struct xsd *s, const struct xsd_confine *cfg)
{
	(void)s; (void)cfg;
	return sanitized ? 0 : filter();
}

/* In this order: each step needs what the later ones take away. */
static const struct {
	int (*take)(struct xsd *s, const struct xsd_confine *cfg);
	const char *what;
} steps[] = {
	{ step_namespaces,   "private name spaces" },
	{ step_bounds,       "bounded capabilities" },
	{ step_user,         "other user" },
	{ step_capabilities, "no capabilities" },
	{ step_privileges,   "no new privileges" },
	{ step_filter,       "system-call filter" },
};

int xsd_confine(struct xsd *s, const struct xsd_confine *cfg)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(steps); i++) {
		/* What was asked for by name has to be had. */
		bool must = cfg->user && steps[i].take == step_user;
		int err = cfg->sandbox || must ? steps[i].take(s, cfg) : 0;

		if (!err)
			continue;
		dom_log(&s->log, must ? DOM_LOG_ERROR : DOM_LOG_WARN, "not confined: %s: %s",
			steps[i].what, strerror(-err));
		if (must)
			return err;
	}
	return 0;
}
