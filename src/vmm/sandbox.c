// SPDX-License-Identifier: MIT
/*
 * Confinement: a list of steps that give up, for good, what running a guest does not need. They run
 * when everything is open and before the vCPU threads exist, since namespaces, capabilities and
 * no_new_privs belong to threads and are inherited. Last, each thread enters the Landlock domain and
 * its system-call filter (seccomp.def) by itself.
 *
 * What is left afterwards: the descriptors that are open, and an empty root directory with at most one
 * directory in it, that of the store daemon's socket, so that the bridge finds a daemon that was
 * restarted. A guest that takes over this process gets no file, no other process, no network, no
 * new privilege and no way to ask for them.
 *
 * Steps that the host does not allow (namespaces for plain users, Landlock on old kernels) are left
 * out and logged; the others must succeed. Nothing can be opened any more, so a machine is not
 * built twice in one process: see the supervisor in main.c.
 */
#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/filter.h>

#include "domicile/base/fd.h"
#include "domicile/base/landlock.h"
#include "domicile/xsc.h"
#include "vmm.h"

#define NEW_ROOT "/dev"		/* exists everywhere; an empty file system covers it in our namespace */
#define SPARE_FDS 24u		/* descriptors that a restart of the store daemon and the like take */
#define DEVICE_FDS 2560u	/* files and event channels of as many devices as can be attached */
#define DIR_MAX 160u

struct sandbox {
	struct vmm *vm;
	uid_t uid;		/* who we will be */
	gid_t gid;
	bool private_mounts;	/* in a mount namespace of our own */
	char store_dir[DIR_MAX];	/* directory of the store's socket; "" without */
	struct dom_err *err;
};

/* Nothing of the guest's memory may end in a file, and a flood of descriptors has an end. */
static int limit_resources(struct sandbox *sb)
{
	const struct rlimit core = { 0, 0 };
	struct rlimit files;
	DIR *d = opendir("/proc/self/fd");
	rlim_t count = 0;

	while (d && readdir(d))
		count++;
	if (d)
		closedir(d);
	if (setrlimit(RLIMIT_CORE, &core) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	/* Without /proc the count is unknown, and the limit stays. */
	count += DOM_CTL_CLIENTS_MAX + sb->vm->cfg.vcpus + SPARE_FDS + DEVICE_FDS;
	if (d)
		files.rlim_cur = files.rlim_max = DOM_MIN(count, files.rlim_max);
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

/* Names are looked up while there are files to look in. */
static int find_user(struct sandbox *sb)
{
	const char *name = sb->vm->cfg.user;
	struct passwd *pw = name ? getpwnam(name) : NULL;

	sb->uid = geteuid();
	sb->gid = getegid();
	if (name && !pw)
		return dom_err_set(sb->err, -ENOENT, "--user %s: no such user", name);
	if (pw) {
		sb->uid = pw->pw_uid;
		sb->gid = pw->pw_gid;
	}
	return 0;
}

static int find_store(struct sandbox *sb)
{
	const char *where = sb->vm->cfg.xenstore;
	char *slash;

	if (!sb->vm->store)
		return 0;
	if (!strcmp(where, "auto"))
		xsc_default_path(sb->store_dir, sizeof(sb->store_dir));
	else
		snprintf(sb->store_dir, sizeof(sb->store_dir), "%s", where);
	slash = strrchr(sb->store_dir, '/');
	if (slash)
		*slash = '\0';
	return 0;
}

static int write_file(const char *path, const char *text)
{
	int fd DOM_CLEANUP_FD = dom_open(path, O_WRONLY, 0);

	return fd < 0 ? fd : dom_write_all(fd, text, strlen(text));
}

/* Inside a user namespace we are who we were: files that we make need an owner. */
static int map_ids(uid_t uid, gid_t gid)
{
	char map[32];
	int r;

	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	r = write_file("/proc/self/setgroups", "deny");
	if (!r)
		r = write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return r ? r : write_file("/proc/self/gid_map", map);
}

/* Mounts, network, System V IPC and host name of our own. Root needs no user namespace for that. */
static int enter_namespaces(struct sandbox *sb)
{
	const int flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	int r = 0;

	if (unshare(flags) < 0) {
		if (unshare(CLONE_NEWUSER | flags) < 0)
			return -errno;
		r = map_ids(uid, gid);
	}
	sb->private_mounts = r == 0;
	return r;
}

static int make_dirs(const char *base, const char *path)
{
	char full[DIR_MAX + sizeof(NEW_ROOT)];

	snprintf(full, sizeof(full), "%s%s/", base, path);
	for (char *p = full + strlen(base) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(full, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return 0;
}

/* The one directory that stays, at its place, read-only: enough to connect to a socket in it. */
static int keep_store(const char *dir)
{
	const unsigned long flags = MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	char to[DIR_MAX + sizeof(NEW_ROOT)];
	int r = make_dirs(NEW_ROOT, dir);

	snprintf(to, sizeof(to), NEW_ROOT "%s", dir);
	if (!r && mount(dir, to, NULL, MS_BIND, NULL) < 0)
		r = -errno;
	if (!r && mount(NULL, to, NULL, MS_REMOUNT | MS_RDONLY | flags, NULL) < 0)
		r = -errno;
	return r;
}

static int enter_root(void)
{
	if (chdir(NEW_ROOT) < 0)
		return -errno;
	if (!syscall(SYS_pivot_root, ".", "."))
		return umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ? -errno : 0;
	/* The first root file system, an initramfs, cannot be left that way. */
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

static int empty_root(struct sandbox *sb)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int r = 0;

	if (!sb->private_mounts)
		return -EPERM;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("domicile", NEW_ROOT, "tmpfs", flags, "size=64k,mode=0755") < 0)
		return -errno;
	if (*sb->store_dir)
		r = keep_store(sb->store_dir);
	if (!r)
		r = enter_root();
	if (!r && mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0)
		r = -errno;
	return r;
}

/*
 * Landlock: deny every access to files, every TCP connection, and abstract sockets outside. What an
 * ABI version can deny is all rights up to a bit. Signals are not scoped: each thread enters a domain
 * of its own, and kernels before 6.15 would then not let the loop kick vCPUs.
 *   ABI: include/uapi/linux/landlock.h
 */
struct landlock_rules {
	uint64_t fs, net, scoped;
};

static const struct {
	unsigned fs_bits, net_bits;
	uint64_t scoped;
	size_t size;		/* of the structure that this version knows */
} landlock_abis[] = {
	[1] = { 13, 0, 0, 8 },
	[2] = { 14, 0, 0, 8 },		/* refer */
	[3] = { 15, 0, 0, 8 },		/* truncate */
	[4] = { 15, 2, 0, 16 },		/* TCP bind and connect */
	[5] = { 16, 2, 0, 16 },		/* ioctl on devices */
	[6] = { 16, 2, 1, 24 },		/* abstract sockets */
};

static int make_landlock(struct sandbox *sb)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u /* version */);
	struct landlock_rules rules;
	size_t i;

	if (abi < 1)
		return abi < 0 ? -errno : -ENOSYS;
	i = DOM_MIN((size_t)abi, DOM_ARRAY_LEN(landlock_abis) - 1);
	rules = (struct landlock_rules){
		.fs = (1ull << landlock_abis[i].fs_bits) - 1,
		.net = (1ull << landlock_abis[i].net_bits) - 1,
		.scoped = landlock_abis[i].scoped,
	};
	sb->vm->landlock_fd = (int)syscall(SYS_landlock_create_ruleset, &rules,
					   landlock_abis[i].size, 0);
	if (sb->vm->landlock_fd < 0)
		return -errno;
	/*
	 * Terminals may be opened for reading: those of our own consoles, by their master sides, if all
	 * paths to others are taken away next.
	 */
	if (sb->private_mounts)
		dom_landlock_allow(sb->vm->landlock_fd, "/dev/pts",
				   rules.fs & (DOM_LANDLOCK_READ_FILE | DOM_LANDLOCK_IOCTL_DEV));
	return 0;
}

/* Another user where asked for, and no capability either way. */
static int drop_rights(struct sandbox *sb)
{
	bool bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);

	capng_clear(CAPNG_SELECT_ALL);
	if (sb->uid != geteuid() || sb->gid != getegid()) {
		int r = capng_change_id((int)sb->uid, (int)sb->gid,
					CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING |
					CAPNG_CLEAR_AMBIENT);

		return r ? dom_err_set(sb->err, -EPERM, "--user %s: cannot change to it (%d)",
				       sb->vm->cfg.user, r) : 0;
	}
	/* Without the right to drop it, the bounding set cannot be used either (no_new_privs). */
	return capng_apply(bounding ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT) ?
		-EPERM : 0;
}

static int no_new_privileges(struct sandbox *sb)
{
	(void)sb;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* No core file, no debugger but root's. */
static int not_dumpable(struct sandbox *sb)
{
	(void)sb;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

/* Here because a change of user cleared it. */
static int follow_supervisor(struct sandbox *sb)
{
	return sb->vm->supervised && prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 ? -errno : 0;
}

static const struct step {
	const char *what;
	int (*run)(struct sandbox *sb);
	bool required;
} steps[] = {
	{ "user",             find_user,         true },
	{ "store directory",  find_store,        true },
	{ "resource limits",  limit_resources,   true },
	{ "namespaces",       enter_namespaces,  false },
	{ "Landlock",         make_landlock,     false },
	{ "empty root",       empty_root,        false },
	{ "capabilities",     drop_rights,       true },
	{ "no_new_privs",     no_new_privileges, true },
	{ "dumpable",         not_dumpable,      true },
	{ "supervisor",       follow_supervisor, true },
};

int vmm_sandbox_process(struct vmm *vm, struct dom_err *err)
{
	struct sandbox sb = { .vm = vm, .err = err };

	if (vm->cfg.sandbox == VMM_SANDBOX_OFF)
		return 0;
	for (size_t i = 0; i < DOM_ARRAY_LEN(steps); i++) {
		int r = steps[i].run(&sb);

		if (!r)
			continue;
		if (steps[i].required)
			return err->code ? err->code :
				dom_err_set(err, r, "confinement, %s: %s; see --sandbox in "
					    "domicile(8)", steps[i].what, strerror(-r));
		dom_log(&vm->log, DOM_LOG_INFO, "confined without %s: %s", steps[i].what,
			strerror(-r));
	}
	return 0;
}

void vmm_sandbox_fini(struct vmm *vm)
{
	dom_close_fd(&vm->landlock_fd);
}

/* Guest code never runs in these threads, so they need no protection from its speculation. */
static int load_filter(const struct vmm_filter *f)
{
	struct sock_fprog prog = { .len = f->len, .filter = (struct sock_filter *)(uintptr_t)f->insns };

	if (!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog))
		return 0;
	return -errno;
}

int vmm_sandbox_thread(struct vmm *vm, enum vmm_thread kind, struct dom_err *err)
{
	bool kill = vm->cfg.sandbox == VMM_SANDBOX_ON;
	int r;

	if (vm->cfg.sandbox == VMM_SANDBOX_OFF)
		return 0;
	if (vm->landlock_fd >= 0 && syscall(SYS_landlock_restrict_self, vm->landlock_fd, 0) < 0)
		return dom_err_set(err, -errno, "confinement, Landlock: %s", strerror(errno));
	r = load_filter(&vmm_filters[kind][kill]);
	return r ? dom_err_set(err, r, "confinement, system-call filter: %s; this kernel needs "
			       "CONFIG_SECCOMP_FILTER, or use --sandbox off", strerror(-r)) : 0;
}
