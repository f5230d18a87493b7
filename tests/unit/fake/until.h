// SPDX-License-Identifier: MIT
/*
 * Waiting for what others do in their own time: the kernel, a timer, another thread. Include after
 * cmocka.h.
 */
#ifndef UNTIL_H
#define UNTIL_H

#include "domicile/ev.h"

/* Let the loop @l work until @cond holds; a test that waits 20 s for it has failed. */
#define UNTIL(l, cond)                                                                             \
	do {                                                                                       \
		uint64_t until_end = ev_now() + 20000000000u;                                      \
		while (!(cond) && ev_now() < until_end)                                            \
			ev_loop_turn(l, ev_now() + 1000000);                                       \
		assert_true(cond);                                                                 \
	} while (0)

#endif
