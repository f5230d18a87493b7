// SPDX-License-Identifier: MIT
/*
 * Tests that run with both engines of the event loop: a row BOTH(name) of the table runs name() with
 * each, URING(name) or POLL(name) with one. The program has the set-up, which is told the engine, and the
 * tear-down. Include once, after cmocka.h.
 */
#ifndef BOTH_ENGINES_H
#define BOTH_ENGINES_H

#include "domicile/ev.h"

static int set_up(void **state, enum ev_engine_choice engine);
static int tear_down(void **state);

static inline int set_up_uring(void **state)
{
	return set_up(state, EV_ENGINE_URING);
}

static inline int set_up_poll(void **state)
{
	return set_up(state, EV_ENGINE_POLL);
}

#define URING(name) { #name " (io_uring)", name, set_up_uring, tear_down, NULL }
#define POLL(name) { #name " (poll)", name, set_up_poll, tear_down, NULL }
#define BOTH(name) URING(name), POLL(name)

#endif
