// SPDX-License-Identifier: MIT
/*
 * Confinement: the rows of seccomp.def are sane, the filters made of them let through what they should
 * and end the process for the rest, and a confined process can open nothing. Each case runs in
 * a process of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/vmm.h"

/* The rows as text. */
#define ROW(kind, call, test, reason) { #kind, #call, #test, reason },
static const struct {
	const char *kind, *call, *test, *reason;
} rows[] = {
#include "vmm/seccomp.def"
};

static void rows_are_unique_and_have_reasons(void **state)
{
	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		assert_true(strlen(rows[i].reason) >= 4);
		for (size_t j = 0; j < i; j++) {
			if (!strcmp(rows[i].kind, rows[j].kind) &&
			    !strcmp(rows[i].call, rows[j].call) &&
			    !strcmp(rows[i].test, rows[j].test))
				fail_msg("%s %s %s is there twice", rows[i].kind, rows[i].call,
					 rows[i].test);
		}
	}
}

static void rows_open_no_way_out(void **state)
{
	static const char *const never[] = {
		"open", "openat", "openat2", "execve", "execveat", "clone", "clone3", "fork", "vfork",
		"ptrace", "process_vm_readv", "process_vm_writev", "mount", "umount2", "pivot_root",
		"chroot", "setns", "unshare", "bpf", "perf_event_open", "userfaultfd", "init_module",
		"io_uring_setup", "kill", "unlink", "rename", "link", "symlink", "setuid", "capset",
		"prctl", "keyctl", "memfd_create", "pidfd_getfd", "shmat",
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		for (size_t n = 0; n < DOM_ARRAY_LEN(never); n++)
			assert_string_not_equal(rows[i].call, never[n]);
		if (!strcmp(rows[i].call, "ioctl") || !strcmp(rows[i].call, "mmap") ||
		    !strcmp(rows[i].call, "mprotect") || !strcmp(rows[i].call, "socket"))
			assert_string_not_equal(rows[i].test, "ANY");
	}
}

static void filters_are_small(void **state)
{
	(void)state;
	for (int kind = VMM_THREAD_IO; kind <= VMM_THREAD_WORKER; kind++) {
		for (int mode = 0; mode < 2; mode++)
			assert_in_range(vmm_filters[kind][mode].len, 10, 120);
	}
}

/* Run @fn confined as @kind; returns its exit status, or minus the signal that killed it. */
static int confined(enum vmm_thread kind, enum vmm_sandbox mode, int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct vmm vm = { .cfg = { .sandbox = mode, .vcpus = 1, .xenstore = "none" },
				  .log = { .fd = -1 }, .landlock_fd = -1 };
		struct dom_err err = { 0 };

		if (vmm_sandbox_process(&vm, &err) || vmm_sandbox_thread(&vm, kind, &err)) {
			print_message("%s\n", err.msg);
			_exit(99);
		}
		syscall(SYS_exit_group, fn());
		syscall(SYS_exit, 98);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int do_nothing(void)
{
	return 7;
}

static int do_write(void)
{
	return write(-1, "", 1) < 0 && errno == EBADF ? 7 : 1;
}

static int do_open(void)
{
	return open("/", O_RDONLY) < 0 ? 0 : 1;
}

static int do_exec(void)
{
	return execl("/bin/true", "true", NULL);
}

static int do_inet_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? 0 : 1;
}

static int do_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? 1 : 7;
}

static int do_unknown_ioctl(void)
{
	return ioctl(0, SIOCGIFINDEX, NULL) < 0 ? 0 : 1;
}

static int do_executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ? 0 : 1;
}

static int do_fork(void)
{
	return fork() ? 0 : 1;
}

static const struct {
	const char *what;
	enum vmm_thread kind;
	int (*fn)(void);
	int expected;
} cases[] = {
	{ "nothing, io",         VMM_THREAD_IO,   do_nothing,           7 },
	{ "write, io",           VMM_THREAD_IO,   do_write,             7 },
	{ "write, vcpu",         VMM_THREAD_VCPU, do_write,             -SIGSYS },	/* exit_group */
	{ "unix socket, io",     VMM_THREAD_IO,   do_unix_socket,       7 },
	{ "open, io",            VMM_THREAD_IO,   do_open,              -SIGSYS },
	{ "open, vcpu",          VMM_THREAD_VCPU, do_open,              -SIGSYS },
	{ "open, worker",        VMM_THREAD_WORKER, do_open,            -SIGSYS },
	{ "unix socket, worker", VMM_THREAD_WORKER, do_unix_socket,     -SIGSYS },
	{ "exec, io",            VMM_THREAD_IO,   do_exec,              -SIGSYS },
	{ "inet socket, io",     VMM_THREAD_IO,   do_inet_socket,       -SIGSYS },
	{ "unix socket, vcpu",   VMM_THREAD_VCPU, do_unix_socket,       -SIGSYS },
	{ "ioctl, io",           VMM_THREAD_IO,   do_unknown_ioctl,     -SIGSYS },
	{ "ioctl, vcpu",         VMM_THREAD_VCPU, do_unknown_ioctl,     -SIGSYS },
	{ "PROT_EXEC, io",       VMM_THREAD_IO,   do_executable_memory, -SIGSYS },
	{ "fork, io",            VMM_THREAD_IO,   do_fork,              -SIGSYS },
};

static void what_has_no_row_ends_the_process(void **state)
{
	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(cases); i++) {
		int got = confined(cases[i].kind, VMM_SANDBOX_ON, cases[i].fn);

		if (got != cases[i].expected)
			fail_msg("%s: %d, expected %d", cases[i].what, got, cases[i].expected);
	}
}

/* With the filter only logging, the steps before it are on their own. */
static int see_no_file(void)
{
	if (open("/etc/passwd", O_RDONLY) >= 0 || open("/proc/self/status", O_RDONLY) >= 0 ||
	    open("/dev/kvm", O_RDWR) >= 0 || open("/x", O_RDWR | O_CREAT, 0600) >= 0)
		return 1;
	return 7;
}

static int have_no_rights(void)
{
	struct rlimit core;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return 1;
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (!geteuid() && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			return 2;
	}
	if (getrlimit(RLIMIT_CORE, &core) || core.rlim_max)
		return 3;
	return 7;
}

/* Descriptors: a bound just above those that were open. */
static int run_out_of_fds(void)
{
	int n = 0;

	while (n < 10000 && dup(0) >= 0)
		n++;
	return n < 24 + 32 + 64 + 2560 ? 7 : 1;
}

static void log_mode_confines_but_for_the_filter(void **state)
{
	(void)state;
	assert_int_equal(confined(VMM_THREAD_IO, VMM_SANDBOX_LOG, see_no_file), 7);
	assert_int_equal(confined(VMM_THREAD_IO, VMM_SANDBOX_LOG, have_no_rights), 7);
	assert_int_equal(confined(VMM_THREAD_IO, VMM_SANDBOX_LOG, run_out_of_fds), 7);
	assert_int_equal(confined(VMM_THREAD_VCPU, VMM_SANDBOX_LOG, do_open), 0);
}

static void off_is_off(void **state)
{
	(void)state;
	assert_int_equal(confined(VMM_THREAD_IO, VMM_SANDBOX_OFF, do_open), 1);
}

/*
 * What a disk does with its image, by either engine, all threads confined. Engine poll has workers for
 * it, whose filters nothing else sees on a host with io_uring.
 */
struct files {
	struct vmm vm;
	struct ev_loop *loop;
	struct ev_op op;
	int res, fd;
};

static void on_file(struct ev_op *op, int res)
{
	DOM_CONTAINER_OF(op, struct files, op)->res = res;
}

static int wait_file(struct files *f)
{
	while (!ev_idle(&f->op))
		if (ev_loop_turn(f->loop, EV_FOREVER) < 0)
			_exit(90);
	return f->res;
}

static int enter_worker(void *arg)
{
	return vmm_sandbox_thread(&((struct files *)arg)->vm, VMM_THREAD_WORKER, NULL);
}

/* All file operations of a disk; the number of the first one that fails, 0: none. */
static int use_file(struct files *f)
{
	char a[512] = "written", b[512] = { 0 }, c[512] = { 0 };
	struct iovec out[2] = { { a, 512 }, { a, 512 } }, in[2] = { { b, 512 }, { c, 512 } };

	ev_write(&f->op, f->fd, a, 512, 0);
	if (wait_file(f) != 512)
		return 1;
	ev_writev(&f->op, f->fd, out, 2, 512);
	if (wait_file(f) != 1024)
		return 2;
	ev_fsync(&f->op, f->fd, true);
	if (wait_file(f) != 0)
		return 3;
	ev_fsync(&f->op, f->fd, false);
	if (wait_file(f) != 0)
		return 4;
	ev_fallocate(&f->op, f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 512);
	if (wait_file(f) != 0)
		return 5;
	ev_read(&f->op, f->fd, b, 512, 512);
	if (wait_file(f) != 512 || strcmp(b, "written"))
		return 6;
	ev_readv(&f->op, f->fd, in, 2, 0);
	if (wait_file(f) != 1024 || b[0] || strcmp(c, "written"))
		return 7;
	return 0;
}

static void disks_work_confined_with_either_engine(void **state)
{
	static const enum ev_engine_choice engines[] = { EV_ENGINE_POLL, EV_ENGINE_AUTO };

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(engines); i++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			const struct ev_config cfg = { .engine = engines[i], .workers_later = true };
			struct files f = { .vm = { .cfg = { .sandbox = VMM_SANDBOX_ON, .vcpus = 1,
							    .xenstore = "none" },
						   .log = { .fd = -1 }, .landlock_fd = -1 },
					   .fd = memfd_create("disk", MFD_CLOEXEC) };

			if (f.fd < 0 || ftruncate(f.fd, 4096) || ev_loop_new(&cfg, &f.loop, NULL))
				_exit(91);
			ev_op_init(&f.op, f.loop, on_file, NULL);
			if (vmm_sandbox_process(&f.vm, NULL) ||
			    ev_loop_workers(f.loop, enter_worker, &f) ||
			    vmm_sandbox_thread(&f.vm, VMM_THREAD_IO, NULL))
				_exit(92);
			status = use_file(&f);
			ev_loop_free(f.loop);
			syscall(SYS_exit_group, status);
		}
		waitpid(pid, &status, 0);
		if (status)
			fail_msg("engine %d: status %#x", engines[i], status);
	}
}

static void unknown_user_is_refused_by_name(void **state)
{
	struct vmm vm = { .cfg = { .sandbox = VMM_SANDBOX_ON, .vcpus = 1, .user = "no-such-user",
				   .xenstore = "none" },
			  .log = { .fd = -1 }, .landlock_fd = -1 };
	struct dom_err err = { 0 };

	(void)state;
	assert_int_equal(vmm_sandbox_process(&vm, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "no-such-user"));
}

int main(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	print_message("a sanitizer makes calls of its own, which no row allows\n");
	return 77;
#endif
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_unique_and_have_reasons),
		cmocka_unit_test(rows_open_no_way_out),
		cmocka_unit_test(filters_are_small),
		cmocka_unit_test(what_has_no_row_ends_the_process),
		cmocka_unit_test(log_mode_confines_but_for_the_filter),
		cmocka_unit_test(off_is_off),
		cmocka_unit_test(disks_work_confined_with_either_engine),
		cmocka_unit_test(unknown_user_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
