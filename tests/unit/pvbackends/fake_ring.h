// SPDX-License-Identifier: MIT
/*
 * What a test of a back end behind one ring page has around it: a loop, a domain, and the two ends of
 * the event channel. Include once per program, after cmocka.h.
 */
#ifndef FAKE_RING_H
#define FAKE_RING_H

#include <pthread.h>

#include "domicile/ev.h"
#include "fake_guest.h"

struct fake_ring {
	struct ev_loop *l;
	struct xa_domain *d;
	int kick, event;	/* to the back end, to the front end */
};

/* A domain of so many pages, whose front end listens at @port. */
static inline void fake_ring_init(struct fake_ring *r, enum ev_engine_choice engine, uint64_t pages,
				  unsigned port)
{
	struct ev_config cfg = { .engine = engine };

	r->d = fake_domain_new(pages);
	r->kick = eventfd(0, EFD_CLOEXEC);
	r->event = eventfd(0, EFD_CLOEXEC);
	r->d->port_fd[port] = r->event;
	assert_int_equal(ev_loop_new(&cfg, &r->l, NULL), 0);
}

/* After the back end is gone. */
static inline void fake_ring_fini(struct fake_ring *r)
{
	ev_loop_free(r->l);
	close(r->kick);
	close(r->event);
	fake_domain_free(r->d);
}

/* The front end notifies. */
static inline void fake_ring_kick(struct fake_ring *r)
{
	uint64_t one = 1;

	assert_int_equal(write(r->kick, &one, 8), 8);
}

/* A processor of the guest that does @step over and over while the test does something else. */
struct fake_racer {
	void (*step)(void *arg, uint32_t *rnd);	/* @rnd: for a pseudo-random sequence */
	void *arg;
	bool stop;
	pthread_t thread;
};

static inline void *fake_race(void *arg)
{
	struct fake_racer *w = arg;
	uint32_t rnd = 1;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
		w->step(w->arg, &rnd);
	return NULL;
}

static inline uint32_t fake_rnd(uint32_t *rnd)
{
	return *rnd = *rnd * 1103515245 + 12345;
}

static inline void fake_race_start(struct fake_racer *w)
{
	assert_int_equal(pthread_create(&w->thread, NULL, fake_race, w), 0);
}

static inline void fake_race_stop(struct fake_racer *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
	pthread_join(w->thread, NULL);
}

#endif
