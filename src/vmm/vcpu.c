// SPDX-License-Identifier: MIT
/*
 * vCPU threads.
 *
 * Each runs one loop: apply what others asked for, KVM_RUN, handle the exit. To be heard, others
 * set immediate_exit and send a signal: whether the thread was about to enter KVM_RUN or is in it,
 * it comes back with EINTR. The loop clears immediate_exit before it looks at what is asked, so
 * nothing that arrives later is missed.
 *
 * Work for another vCPU is done on that vCPU's thread while the caller waits. A vCPU that waits
 * keeps serving its own queue: two vCPUs that call each other do not deadlock.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "domicile/base/once.h"
#include "vmm.h"

#define KICK_SIGNAL SIGUSR1
#define VCPU_STACK (128u << 10)

static __thread struct vmm_vcpu *self;

struct vmm_vcpu *vmm_vcpu_self(void)
{
	return self;
}

static void on_kick(int sig)
{
	(void)sig;
}

void vmm_vcpu_kick(struct vmm_vcpu *v)
{
	if (v == self)
		return;
	__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&v->lock);
	pthread_cond_broadcast(&v->cond);
	if (v->started)
		pthread_kill(v->thread, KICK_SIGNAL);
	pthread_mutex_unlock(&v->lock);
}

/* Do queued work. The lock is held on entry and exit, not while the work runs. */
static void serve_queue(struct vmm_vcpu *v)
{
	while (v->work) {
		struct vmm_work *w = v->work;

		v->work = w->next;
		pthread_mutex_unlock(&v->lock);
		w->result = w->fn(v, w->arg);
		pthread_mutex_lock(&v->lock);
		w->done = true;
		pthread_cond_broadcast(&v->cond);
	}
}

/* A guest that has ended does not run on while the main thread gets to know. */
static bool must_rest(const struct vmm_vcpu *v)
{
	return v->pause || __atomic_load_n(&v->vmm->outcome, __ATOMIC_SEQ_CST) != VMM_RUNNING;
}

/* Stay here while the vCPU is paused. The lock is held on entry and exit. */
static void rest(struct vmm_vcpu *v)
{
	serve_queue(v);
	while (must_rest(v) && !v->stop) {
		v->resting = true;
		pthread_cond_broadcast(&v->cond);
		pthread_cond_wait(&v->cond, &v->lock);
		serve_queue(v);
	}
	v->resting = false;
}

/* Wait until @w, queued at @v, is done; @me, if any, serves its own queue meanwhile. */
static void wait_for(struct vmm_vcpu *v, struct vmm_work *w, struct vmm_vcpu *me)
{
	for (;;) {
		struct timespec until;

		if (me) {
			pthread_mutex_lock(&me->lock);
			serve_queue(me);
			pthread_mutex_unlock(&me->lock);
		}
		pthread_mutex_lock(&v->lock);
		if (w->done) {
			pthread_mutex_unlock(&v->lock);
			return;
		}
		/* Bounded, because our own queue is signalled by another condition. */
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += me ? 1000000 : 100000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&v->cond, &v->lock, &until);
		pthread_mutex_unlock(&v->lock);
	}
}

int vmm_vcpu_call(struct vmm_vcpu *v, int (*fn)(struct vmm_vcpu *v, void *arg), void *arg)
{
	struct vmm_work w = { .fn = fn, .arg = arg };
	struct vmm_work **tail;

	/* Before the thread exists (or after its end) nobody competes for the vCPU. */
	if (v == self || !v->started)
		return fn(v, arg);
	pthread_mutex_lock(&v->lock);
	for (tail = &v->work; *tail; tail = &(*tail)->next)
		;
	*tail = &w;
	pthread_mutex_unlock(&v->lock);
	vmm_vcpu_kick(v);
	wait_for(v, &w, self);
	return w.result;
}

/* The guest wrote to a port that KVM collects without an exit; nobody reads what it wrote. */
static void drain_coalesced(struct vmm_vcpu *v)
{
	if (v->coalesced)
		DOM_STORE(&v->coalesced->first, DOM_LOAD(&v->coalesced->last));
}

static void account(struct vmm_vcpu *v, int r)
{
	if (r < 0)
		v->exits_interrupted++;
	else
		v->exits[DOM_MIN(v->run->exit_reason, VMM_EXIT_REASONS - 1)]++;
}

/* One entry into the guest. Returns 0, or a negative errno that ends the vCPU. */
static int run_once(struct vmm_vcpu *v)
{
	int r;

	v->vmm->accel->before_run(v);
	if (DOM_UNLIKELY(v->id == 0 && !v->vmm->first_run_ns))
		v->vmm->first_run_ns = ev_now();
	r = ioctl(v->fd, KVM_RUN, 0);
	if (r < 0)
		r = -errno;
	account(v, r);
	if (v->id == 0)
		drain_coalesced(v);
	/* A vCPU that waited for its start comes back so when the INIT has come. */
	v->was_reset |= r == -EAGAIN;
	if (r == -EINTR || r == -EAGAIN)
		return 0;
	if (DOM_UNLIKELY(v->waiting))
		vmm_wait_over(v);
	if (r < 0) {
		dom_log(&v->vmm->log, DOM_LOG_ERROR, "vcpu %u: KVM_RUN: %s", v->id, strerror(-r));
		return r;
	}
	return vmm_exit_handle(v);
}

/* Give up what the thread does not need, and tell the main thread, which waits. */
static int begin(struct vmm_vcpu *v)
{
	int r = vmm_sandbox_thread(v->vmm, VMM_THREAD_VCPU, &v->start_err);

	pthread_mutex_lock(&v->lock);
	v->tid = gettid();
	pthread_cond_broadcast(&v->cond);
	pthread_mutex_unlock(&v->lock);
	return r;
}

static void *vcpu_thread(void *arg)
{
	struct vmm_vcpu *v = arg;
	bool stop = false, woken;

	self = v;
	stop = begin(v) < 0;
	while (!stop) {
		__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		pthread_mutex_lock(&v->lock);
		rest(v);
		stop = v->stop;
		woken = v->waiting && v->woken;
		v->woken &= !woken;
		pthread_mutex_unlock(&v->lock);
		if (DOM_UNLIKELY(woken))
			vmm_wait_woken(v);
		if (!stop && run_once(v) < 0) {
			vmm_finish(v->vmm, VMM_CRASHED);
			stop = true;
		}
	}
	/* Callers that queued work before they saw us stop must not wait for ever. */
	pthread_mutex_lock(&v->lock);
	v->started = false;
	serve_queue(v);
	pthread_cond_broadcast(&v->cond);
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

static int init_sync(struct vmm_vcpu *v)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&v->lock, NULL);
	pthread_mutex_init(&v->tick.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	return pthread_cond_init(&v->cond, &attr);
}

static int create_one(struct vmm *vm, struct vmm_vcpu *v, struct dom_err *err)
{
	int coalesced;

	init_sync(v);
	v->fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, (unsigned long)v->id);
	if (v->fd < 0)
		return dom_err_set(err, -errno, "vcpu %u: cannot create it: %s", v->id,
				   strerror(errno));
	v->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return dom_err_set(err, -errno, "vcpu %u: cannot map its state: %s", v->id,
				   strerror(errno));
	}
	coalesced = vmm_kvm_cap(vm, KVM_CAP_COALESCED_MMIO);
	if (coalesced && vmm_kvm_cap(vm, KVM_CAP_COALESCED_PIO))
		v->coalesced = (void *)((char *)v->run + (size_t)coalesced * XEN_PAGE_SIZE);
	v->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	v->xa = xa_domain_vcpu(vm->dom, v->id);
	if (vmm_cpuid_set(v, err) || vmm_regs_init(v, err))
		return err->code;
	return vm->accel->vcpu_init(v, err);
}

int vmm_vcpus_create(struct vmm *vm, struct dom_err *err)
{
	struct sigaction sa = { .sa_handler = on_kick };

	sigaction(KICK_SIGNAL, &sa, NULL);
	vm->vcpus = calloc(vm->cfg.vcpus, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		return dom_err_set(err, -ENOMEM, "no memory for %u vcpus", vm->cfg.vcpus);
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		vm->vcpus[i].vmm = vm;
		vm->vcpus[i].id = i;
		vm->vcpus[i].fd = vm->vcpus[i].stat_fd = -1;
		vm->vcpus[i].timer_fd = vm->vcpus[i].wait_fd = -1;
		vm->vcpus[i].pause = true;
	}
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		int r = create_one(vm, &vm->vcpus[i], err);

		if (r)
			return r;
	}
	return 0;
}

static int start_one(struct vmm_vcpu *v, struct dom_err *err)
{
	const char *cpus = v->id < v->vmm->cfg.nr_affinity ? v->vmm->cfg.affinity[v->id] : "";
	pthread_attr_t attr;
	cpu_set_t set;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, VCPU_STACK);
	if (!vmm_cpulist_parse(cpus, &set))
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	/* The thread takes the lock first, so it sees `started`. */
	pthread_mutex_lock(&v->lock);
	r = pthread_create(&v->thread, &attr, vcpu_thread, v);
	v->started = r == 0;
	pthread_mutex_unlock(&v->lock);
	pthread_attr_destroy(&attr);
	if (r == EINVAL && *cpus)
		return dom_err_set(err, -r, "affinity: vcpu %u: this host has none of the CPUs %s",
				   v->id, cpus);
	return r ? dom_err_set(err, -r, "vcpu %u: cannot start its thread: %s", v->id,
			       strerror(r)) : 0;
}

/* Wait until the thread is confined and says so. */
static int await_one(struct vmm_vcpu *v, struct dom_err *err)
{
	pthread_mutex_lock(&v->lock);
	while (!v->tid)
		pthread_cond_wait(&v->cond, &v->lock);
	pthread_mutex_unlock(&v->lock);
	vmm_vcpu_watch(v);
	return v->start_err.code ? dom_err_set(err, v->start_err.code, "vcpu %u: %s", v->id,
					       v->start_err.msg) : 0;
}

int vmm_vcpus_start(struct vmm *vm, struct dom_err *err)
{
	int r = 0;

	for (unsigned i = 0; i < vm->cfg.vcpus && !r; i++)
		r = start_one(&vm->vcpus[i], err);
	for (unsigned i = 0; i < vm->cfg.vcpus && !r; i++)
		r = await_one(&vm->vcpus[i], err);
	return r;
}

static void set_pause(struct vmm *vm, bool pause)
{
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		struct vmm_vcpu *v = &vm->vcpus[i];

		pthread_mutex_lock(&v->lock);
		v->pause = pause;
		pthread_mutex_unlock(&v->lock);
		vmm_vcpu_kick(v);
	}
}

void vmm_vcpus_pause(struct vmm *vm)
{
	set_pause(vm, true);
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		struct vmm_vcpu *v = &vm->vcpus[i];

		pthread_mutex_lock(&v->lock);
		while (v->started && !v->resting && v->pause && !v->stop)
			pthread_cond_wait(&v->cond, &v->lock);
		pthread_mutex_unlock(&v->lock);
	}
}

void vmm_vcpus_unpause(struct vmm *vm)
{
	set_pause(vm, false);
}

void vmm_vcpus_stop(struct vmm *vm)
{
	for (unsigned i = 0; vm->vcpus && i < vm->cfg.vcpus; i++) {
		struct vmm_vcpu *v = &vm->vcpus[i];

		if (!v->thread)
			continue;
		pthread_mutex_lock(&v->lock);
		v->stop = true;
		pthread_mutex_unlock(&v->lock);
		vmm_vcpu_kick(v);
	}
	for (unsigned i = 0; vm->vcpus && i < vm->cfg.vcpus; i++) {
		if (vm->vcpus[i].thread)
			pthread_join(vm->vcpus[i].thread, NULL);
		vm->vcpus[i].thread = 0;
	}
}

void vmm_vcpus_destroy(struct vmm *vm)
{
	for (unsigned i = 0; vm->vcpus && i < vm->cfg.vcpus; i++) {
		struct vmm_vcpu *v = &vm->vcpus[i];

		if (v->run)
			munmap(v->run, vm->run_size);
		dom_close_fd(&v->fd);
		dom_close_fd(&v->stat_fd);
		vmm_timer_fini(v);
	}
	free(vm->vcpus);
	vm->vcpus = NULL;
}
