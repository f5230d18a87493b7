// SPDX-License-Identifier: MIT
/*
 * Timers on timerfds: the domain's watchdog; the Xen timers of vCPUs on hosts whose KVM has none,
 * and the time-outs of SCHEDOP_poll: two timerfds per vCPU, armed by whichever thread makes the
 * hypercall, watched by the event loop, which raises the timer's event, or wakes the vCPU. They are
 * polled and then read here, because before Linux 6.10 a read that waits in io_uring takes a kernel
 * thread.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "vmm.h"

/* A guest may ask for the end of time; the kernel wants a normal number. */
#define LONGEST_NS (1000000000ull * 86400 * 365)

static void on_timer(struct ev_op *op, int result)
{
	struct vmm_vcpu *v = DOM_CONTAINER_OF(op, struct vmm_vcpu, timer_op);
	uint64_t count;

	/* Somebody may have moved the deadline between expiry and now: then there is nothing. */
	if (result > 0 && read(v->timer_fd, &count, sizeof(count)) == sizeof(count))
		v->vmm->accel->timer_fired(v);
}

static void on_wait(struct ev_op *op, int result)
{
	struct vmm_vcpu *v = DOM_CONTAINER_OF(op, struct vmm_vcpu, wait_op);
	uint64_t count;

	if (result > 0 && read(v->wait_fd, &count, sizeof(count)) == sizeof(count))
		vmm_wait_wake(v);
}

static void on_watchdog(struct ev_op *op, int result)
{
	struct vmm *vm = DOM_CONTAINER_OF(op, struct vmm, watchdog_op);
	uint64_t count;

	if (result > 0 && read(vm->watchdog_fd, &count, sizeof(count)) == sizeof(count))
		xa_watchdog_fired(vm->dom);
}

static int make_timer(int *ret_fd, const char *what, struct dom_err *err)
{
	*ret_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (*ret_fd < 0)
		return dom_err_set(err, -errno, "cannot create a timer for %s: %s", what,
				   strerror(errno));
	return 0;
}

int vmm_timer_init(struct vmm_vcpu *v, struct dom_err *err)
{
	int r = make_timer(&v->timer_fd, "a vcpu", err);

	return r ? r : make_timer(&v->wait_fd, "a vcpu", err);
}

void vmm_timer_fini(struct vmm_vcpu *v)
{
	dom_close_fd(&v->timer_fd);
	dom_close_fd(&v->wait_fd);
}

int vmm_watchdog_init(struct vmm *vm, struct dom_err *err)
{
	return make_timer(&vm->watchdog_fd, "the watchdog", err);
}

void vmm_watchdog_fini(struct vmm *vm)
{
	dom_close_fd(&vm->watchdog_fd);
}

int vmm_timers_start(struct vmm *vm, struct dom_err *err)
{
	(void)err;
	ev_op_init(&vm->watchdog_op, vm->loop, on_watchdog, NULL);
	ev_poll_multi(&vm->watchdog_op, vm->watchdog_fd, POLLIN);
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		struct vmm_vcpu *v = &vm->vcpus[i];

		if (v->timer_fd < 0)
			continue;
		ev_op_init(&v->timer_op, vm->loop, on_timer, NULL);
		ev_poll_multi(&v->timer_op, v->timer_fd, POLLIN);
		ev_op_init(&v->wait_op, vm->loop, on_wait, NULL);
		ev_poll_multi(&v->wait_op, v->wait_fd, POLLIN);
	}
	return 0;
}

/* Arm @fd for @deadline of the guest's clock, 0 to stop it. */
static void set_timer(const struct vmm *vm, int fd, uint64_t deadline)
{
	struct itimerspec its = { 0 };
	uint64_t now = deadline ? vmm_now(vm) : 0;
	uint64_t delay = deadline > now ? DOM_MIN(deadline - now, LONGEST_NS) : 1;

	/* timerfd stops at 0, so a deadline in the past becomes the shortest delay. */
	if (deadline) {
		its.it_value.tv_sec = (time_t)(delay / 1000000000);
		its.it_value.tv_nsec = (long)(delay % 1000000000);
	}
	timerfd_settime(fd, 0, &its, NULL);
}

void vmm_timer_set(struct vmm_vcpu *v, uint64_t deadline)
{
	set_timer(v->vmm, v->timer_fd, deadline);
}

void vmm_wait_timer_set(struct vmm_vcpu *v, uint64_t deadline)
{
	set_timer(v->vmm, v->wait_fd, deadline);
}

void vmm_watchdog_set(struct vmm *vm, uint64_t deadline)
{
	set_timer(vm, vm->watchdog_fd, deadline);
}
