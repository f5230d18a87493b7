// SPDX-License-Identifier: MIT
/*
 * vCPU threads and the I/O thread at once. Worth most in the thread-sanitizer build; elsewhere it
 * shows lost wake-ups and deadlocks, which end in the alarm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_xa.h"

/* A host whose recorders are safe to call from many threads. */
struct host {
	struct fake *f;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool woken[FAKE_VCPUS];
	bool stop;			/* atomic */
};

static struct host host;

static void host_upcall(void *ctx, unsigned vcpu, struct xa_upcall how)
{
	(void)ctx;
	(void)vcpu;
	(void)how;
}

static int host_upcall_set(void *ctx, unsigned vcpu, struct xa_upcall how)
{
	host_upcall(ctx, vcpu, how);
	return 0;
}

static void host_wait(void *ctx, unsigned vcpu, uint64_t deadline)
{
	(void)ctx;
	(void)deadline;
	pthread_mutex_lock(&host.lock);
	while (!host.woken[vcpu] && !DOM_LOAD(&host.stop))
		pthread_cond_wait(&host.cond, &host.lock);
	host.woken[vcpu] = false;
	pthread_mutex_unlock(&host.lock);
	xa_poll_ended(xa_domain_vcpu(host.f->d, vcpu));
}

static void host_wake(void *ctx, unsigned vcpu)
{
	(void)ctx;
	pthread_mutex_lock(&host.lock);
	host.woken[vcpu] = true;
	pthread_cond_broadcast(&host.cond);
	pthread_mutex_unlock(&host.lock);
}

static int host_vcpu_info(void *ctx, unsigned vcpu, struct xa_gpa gpa)
{
	(void)ctx;
	(void)vcpu;
	(void)gpa;
	return 0;
}

static int host_release(void *ctx, struct xa_gfn gfn, uint64_t count)
{
	(void)ctx;
	(void)gfn;
	(void)count;
	return 0;
}

static struct xa_platform platform;

static void start(void (*tweak)(struct xa_config *cfg))
{
	struct xa_config cfg;

	host = (struct host){ .f = fake_host(), .lock = PTHREAD_MUTEX_INITIALIZER,
			      .cond = PTHREAD_COND_INITIALIZER };
	platform = fake_platform;
	platform.upcall = host_upcall;
	platform.upcall_set = host_upcall_set;
	platform.wait = host_wait;
	platform.wake = host_wake;
	platform.vcpu_info = host_vcpu_info;
	platform.release = host_release;
	host.f->quiet = true;
	cfg = fake_config(host.f);
	cfg.platform = &platform;
	cfg.max_evtchn = 200;
	if (tweak)
		tweak(&cfg);
	assert_int_equal(xa_domain_new(&cfg, &host.f->d, NULL), 0);
	assert_int_equal(fake_map_shared(host.f), 0);
	assert_int_equal(fake_map_grants(host.f, 0, FAKE_GRANT_GFN), 0);
	for (unsigned i = 0; i < FAKE_VCPUS; i++)
		assert_int_equal(fake_upcall_vector(host.f, i, 0xf3), 0);
}

/* A hypercall with an argument in a page of the vCPU's own. */
static int64_t op(unsigned vcpu, uint64_t nr, uint64_t cmd, void *arg, size_t size)
{
	uint64_t at = 0x18000 + vcpu * 0x1000;
	int64_t ret;

	memcpy(fake_at(host.f, at), arg, size);
	ret = fake_call(host.f, vcpu, nr, cmd, at, 1);
	memcpy(arg, fake_at(host.f, at), size);
	return ret;
}

#define EVTCHN(vcpu, cmd, arg) op(vcpu, __HYPERVISOR_event_channel_op, cmd, arg, sizeof(*(arg)))

/* ---- ping-pong with SCHEDOP_poll ---- */

enum { ROUNDS = 5000 };
static evtchn_port_t ball[2];

static void *player(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint64_t *pending = fake_pending(host.f);
	struct evtchn_send send = { ball[!me] };
	struct sched_poll_64 poll = { 0x18800 + me * 0x1000, 1, 0, 0 };

	*(uint32_t *)fake_at(host.f, poll.ports) = ball[me];
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (me == 0)
			assert_int_equal(EVTCHN(me, EVTCHNOP_send, &send), 0);
		while (!dom_shared_clear_bit(pending, ball[me]))
			assert_int_equal(op(me, __HYPERVISOR_sched_op, SCHEDOP_poll, &poll,
					    sizeof(poll)), 0);
		if (me == 1)
			assert_int_equal(EVTCHN(me, EVTCHNOP_send, &send), 0);
	}
	return NULL;
}

static void poll_loses_no_wake_up(void **state)
{
	pthread_t t[2];

	(void)state;
	start(NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct evtchn_bind_ipi a = { i, 0 };

		assert_int_equal(EVTCHN(0, EVTCHNOP_bind_ipi, &a), 0);
		ball[i] = a.port;
		dom_shared_set_bit(fake_mask(host.f), a.port);	/* as PV spinlocks do */
	}
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, player, (void *)i);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	fake_free(host.f);
}

/* ---- everything at once ---- */

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void random_evtchn_op(unsigned me, unsigned *seed)
{
	unsigned port = next_random(seed) % 200, vcpu = next_random(seed) % FAKE_VCPUS;
	struct evtchn_send send = { port };
	struct evtchn_bind_ipi ipi = { vcpu, 0 };
	struct evtchn_alloc_unbound unbound = { DOMID_SELF, vcpu & 1 ? 0 : DOMID_SELF, 0 };
	struct evtchn_bind_interdomain loop = { DOMID_SELF, port, 0 };
	struct evtchn_bind_virq virq = { VIRQ_TIMER, me, 0 };
	struct evtchn_bind_vcpu move = { port, vcpu };
	struct evtchn_set_priority prio = { port, vcpu };
	struct evtchn_status status = { .dom = DOMID_SELF, .port = port };

	switch (next_random(seed) % 10) {
	case 0: EVTCHN(me, EVTCHNOP_bind_ipi, &ipi); break;
	case 1: EVTCHN(me, EVTCHNOP_alloc_unbound, &unbound); break;
	case 2: EVTCHN(me, EVTCHNOP_bind_interdomain, &loop); break;
	case 3: EVTCHN(me, EVTCHNOP_bind_virq, &virq); break;
	case 4: EVTCHN(me, EVTCHNOP_bind_vcpu, &move); break;
	case 5: EVTCHN(me, EVTCHNOP_unmask, &send); break;
	case 6: EVTCHN(me, EVTCHNOP_close, &send); break;
	case 7: EVTCHN(me, EVTCHNOP_set_priority, &prio); break;
	case 8: EVTCHN(me, EVTCHNOP_status, &status); break;
	default: EVTCHN(me, EVTCHNOP_send, &send);
	}
}

static void *vcpu_thread(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg, seed = me + 1;
	struct vcpu_register_vcpu_info info = { 0x50 + me, 0, 0 };
	struct evtchn_reset reset = { DOMID_SELF };
	struct evtchn_init_control control = { FAKE_CONTROL_GFN, me * 128, me, 0, { 0 } };
	struct evtchn_expand_array expand = { FAKE_ARRAY_GFN };
	struct gnttab_query_size query = { .dom = DOMID_SELF };
	uint64_t at = 0x18000 + me * 0x1000;

	memcpy(fake_at(host.f, at), &info, sizeof(info));
	fake_call(host.f, me, __HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, me, at);
	for (unsigned i = 0; i < 4000; i++) {
		struct vcpu_set_singleshot_timer_64 timer = { DOM_LOAD(&host.f->now) + 5, 0, 0 };

		random_evtchn_op(me, &seed);
		memcpy(fake_at(host.f, at), &timer, sizeof(timer));
		fake_call(host.f, me, __HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, me, at);
		switch (next_random(&seed) % 64) {
		case 0: EVTCHN(me, EVTCHNOP_init_control, &control); break;
		case 1: EVTCHN(me, EVTCHNOP_expand_array, &expand); break;
		case 2: EVTCHN(me, EVTCHNOP_reset, &reset); break;
		case 3:
			op(me, __HYPERVISOR_grant_table_op, GNTTABOP_query_size, &query,
			   sizeof(query));
			break;
		case 4:
			fake_call(host.f, me, __HYPERVISOR_memory_op, XENMEM_maximum_ram_page, 0, 0);
			break;
		case 5:
			xa_runstate_update(xa_domain_vcpu(host.f->d, me), XA_RUNNING, 1);
			break;
		}
		xa_upcall_pending(xa_domain_vcpu(host.f->d, me));
	}
	return NULL;
}

static void *io_thread(void *arg)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	unsigned seed = 99;
	void *page;

	(void)arg;
	while (!DOM_LOAD(&host.stop)) {
		evtchn_port_t port = next_random(&seed) % 200;
		unsigned vcpu = next_random(&seed) % FAKE_VCPUS;

		xa_evtchn_bind_backend(host.f->d, port, fd);
		xa_evtchn_notify(host.f->d, next_random(&seed) % 200);
		if (next_random(&seed) % 4 == 0)
			xa_evtchn_close_backend(host.f->d, port);
		DOM_STORE(&host.f->now, DOM_LOAD(&host.f->now) + 3);
		xa_timer_fired(xa_domain_vcpu(host.f->d, vcpu));
		xa_raise_virq(xa_domain_vcpu(host.f->d, vcpu), VIRQ_DEBUG);
		xa_watchdog_fired(host.f->d);
		xa_hvm_param_get(host.f->d, HVM_PARAM_STORE_EVTCHN);
		if (!xa_grant_map(host.f->d, GNTTAB_RESERVED_CONSOLE, true, &page))
			xa_grant_unmap(host.f->d, GNTTAB_RESERVED_CONSOLE, true);
	}
	close(fd);
	return NULL;
}

static void all_threads_at_once(void **state)
{
	pthread_t vcpus[FAKE_VCPUS], io;

	(void)state;
	start(NULL);
	pthread_create(&io, NULL, io_thread, NULL);
	for (uintptr_t i = 0; i < FAKE_VCPUS; i++)
		pthread_create(&vcpus[i], NULL, vcpu_thread, (void *)i);
	for (unsigned i = 0; i < FAKE_VCPUS; i++)
		pthread_join(vcpus[i], NULL);
	DOM_STORE(&host.stop, true);
	pthread_join(io, NULL);
	xa_domain_reset(host.f->d);
	fake_free(host.f);
}

/* Adding pages to the event array while somebody resets the format. */
static void *expander(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	struct evtchn_init_control control = { FAKE_CONTROL_GFN, me * 128, me, 0, { 0 } };
	struct evtchn_expand_array expand = { FAKE_ARRAY_GFN };
	struct evtchn_reset reset = { DOMID_SELF };

	for (unsigned i = 0; i < 3000; i++) {
		EVTCHN(me, EVTCHNOP_init_control, &control);
		EVTCHN(me, EVTCHNOP_expand_array, &expand);
		if (me)
			EVTCHN(me, EVTCHNOP_reset, &reset);
	}
	return NULL;
}

static void expand_races_with_reset(void **state)
{
	pthread_t t[2];

	(void)state;
	start(NULL);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, expander, (void *)i);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	fake_free(host.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(poll_loses_no_wake_up),
		cmocka_unit_test(all_threads_at_once),
		cmocka_unit_test(expand_races_with_reset),
	};

	alarm(100);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
