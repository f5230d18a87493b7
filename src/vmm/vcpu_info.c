// SPDX-License-Identifier: MIT
/*
 * vCPU threads as the host sees them: where they run, for how long, and where they may. Asking
 * leaves the guest alone: state and host CPU come from the thread's stat file, whose descriptor is
 * opened at the start, CPU time from the thread's clock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "domicile/base/once.h"
#include "vmm.h"

/* /proc/PID/task/TID/stat, fields counted from 1 as proc(5) does. The second may hold anything. */
#define STAT_STATE 3u
#define STAT_PROCESSOR 39u
#define STAT_SIZE 1024u

int vmm_vcpus_watch(struct vmm *vm, struct dom_err *err)
{
	int dir DOM_CLEANUP_FD = dom_open("/proc/self/task", O_PATH | O_DIRECTORY, 0);

	(void)err;
	/* A host that hides /proc shows a little less in `xl vcpu-list`, that is all. */
	vm->task_fd = dir < 0 ? -1 : dom_fd_steal(&dir);
	return 0;
}

void vmm_vcpus_unwatch(struct vmm *vm)
{
	dom_close_fd(&vm->task_fd);
}

void vmm_vcpu_watch(struct vmm_vcpu *v)
{
	char name[32];

	snprintf(name, sizeof(name), "%d/stat", (int)v->tid);
	if (v->vmm->task_fd >= 0)
		v->stat_fd = openat(v->vmm->task_fd, name, O_RDONLY | O_CLOEXEC);
}

/* Field @n of the line, which counts from the end of the program's name. */
static const char *stat_field(const char *line, unsigned n)
{
	const char *p = strrchr(line, ')');

	for (unsigned i = STAT_STATE - 1; p && i < n; i++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	return p;
}

static void read_stat(const struct vmm_vcpu *v, struct vmm_vcpu_info *info)
{
	char line[STAT_SIZE];
	ssize_t n = v->stat_fd < 0 ? -1 : pread(v->stat_fd, line, sizeof(line) - 1, 0);
	const char *state, *cpu;

	if (n <= 0)
		return;
	line[n] = '\0';
	state = stat_field(line, STAT_STATE);
	cpu = stat_field(line, STAT_PROCESSOR);
	info->running = state && *state == 'R';
	info->cpu = cpu ? (unsigned)strtoul(cpu, NULL, 10) : 0;
}

/* An AP that nobody started never comes back from KVM_RUN but for signals. */
bool vmm_vcpu_ran(const struct vmm_vcpu *v)
{
	for (unsigned reason = 0; reason < VMM_EXIT_REASONS; reason++) {
		if (DOM_LOAD(&v->exits[reason]))
			return true;
	}
	return v->id == 0;
}

static bool online(const struct vmm_vcpu *v)
{
	return !DOM_LOAD(&v->down) && vmm_vcpu_ran(v);
}

void vmm_vcpu_info(struct vmm_vcpu *v, struct vmm_vcpu_info *ret)
{
	struct timespec ts;
	clockid_t clock;

	*ret = (struct vmm_vcpu_info){ .tid = v->tid, .online = online(v) };
	CPU_ZERO(&ret->affinity);
	if (!v->thread)
		return;
	read_stat(v, ret);
	if (!pthread_getcpuclockid(v->thread, &clock) && !clock_gettime(clock, &ts))
		ret->cpu_ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	pthread_getaffinity_np(v->thread, sizeof(ret->affinity), &ret->affinity);
}

static int pin_self(struct vmm_vcpu *v, void *arg)
{
	(void)v;
	return sched_setaffinity(0, sizeof(cpu_set_t), arg) < 0 ? -errno : 0;
}

int vmm_vcpu_pin(struct vmm_vcpu *v, const cpu_set_t *set)
{
	/* Without its thread the work would be done, and the affinity set, here. */
	if (!v->started)
		return -ESRCH;
	return vmm_vcpu_call(v, pin_self, (void *)(uintptr_t)set);
}
