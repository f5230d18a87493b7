// SPDX-License-Identifier: MIT
/*
 * What a test of a device has around it: a loop, a store, a domain, and the back ends once they are
 * started. Include once per program, after cmocka.h.
 */
#ifndef FAKE_DEVICE_H
#define FAKE_DEVICE_H

#include "domicile/pvb.h"
#include "fake_guest.h"
#include "fake_store.h"

struct device {
	struct ev_loop *l;
	struct xsc *fs;
	struct xa_domain *d;
	struct pvb *p;
};

/* A domain of so many pages, number 7. */
static inline void device_init(struct device *v, uint64_t pages)
{
	v->fs = fs_new();
	v->d = fake_domain_new(pages);
	assert_int_equal(ev_loop_new(NULL, &v->l, NULL), 0);
}

static inline struct pvb_config device_config(struct device *v)
{
	return (struct pvb_config){ .loop = v->l, .domain = v->d, .domid = 7, .xs = v->fs };
}

static inline int device_start(struct device *v, struct dom_err *err)
{
	struct pvb_config cfg = device_config(v);

	return pvb_new(&cfg, &v->p, err);
}

/* Nothing of the guest's is in use once the back ends are gone. */
static inline void device_fini(struct device *v)
{
	pvb_free(v->p);
	ev_loop_free(v->l);
	assert_int_equal(fake_grants_in_use(v->d), 0);
	fake_domain_free(v->d);
	fs_free(v->fs);
}

/* Let the back ends see what is new in the store. */
static inline void device_settle(struct device *v)
{
	for (int i = 0; i < 8; i++)
		ev_loop_turn(v->l, ev_now() + 1000000);
}

#endif
