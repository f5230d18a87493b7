// SPDX-License-Identifier: MIT
/*
 * Patience with a disk that has much to do.
 *
 * A guest with many requests in flight hurries by default: each completion wakes us, is told to the
 * guest, brings a new request and with it a kick, which wakes us once more. A patient queue asks for no
 * kicks, since it looks at the ring with the next completions anyway, or after a short while without
 * any, and sleeps until a third of what is in flight has completed. That saves system calls and, for
 * the guest, exits and interrupts.
 *
 * Whether it costs anything depends on the disk. One that completes in bursts, or that is limited in
 * operations per second, is as fast as before; one that would have had room for the requests that wait is
 * slower. So both ways are measured, in rounds of some stretches of BLK_STRETCH requests, of which the
 * fastest counts: whatever else the host does only adds to it. After a round in a hurry patience is
 * tried, and kept as long as its rounds take no more time than that one did. If one does, some rounds
 * are served in a hurry before the next try, twice as many after each failure in a row.
 */
#include "blk/blk.h"

#define STRETCHES 4u		/* of a round */
#define ROUNDS 32u		/* patient ones before one in a hurry is measured anew */
#define SKIP_MAX 63u
#define GLANCES 8u		/* in a row, without an answer, that end patience */

/* Patience has cost more than it may. */
static void hurry(struct blk_pace *p)
{
	p->patient = false;
	p->penalty = DOM_MIN(p->penalty * 2 + 1, SKIP_MAX);
	p->skip = p->penalty;
	p->stretches = 0;
	p->since = 0;
}

void blk_pace_glance(struct blk_pace *p)
{
	/* What patience costs shows in the time, but not while the disk stands still. */
	p->glances = p->done == p->glanced ? p->glances + 1 : 1;
	p->glanced = p->done;
	if (p->glances == GLANCES)
		hurry(p);
}

static void round_ends(struct blk_pace *p)
{
	if (!p->patient && p->skip) {
		p->skip--;
	} else if (!p->patient) {
		p->hurried = p->best;
		p->patient = true;
		p->rounds = 0;
	} else if (p->best > p->hurried + p->hurried / 8) {
		hurry(p);
	} else {
		p->penalty = 0;
		p->patient = ++p->rounds < ROUNDS;
	}
}

static void stretch_ends(struct blk_pace *p, uint64_t took)
{
	p->best = p->stretches++ ? DOM_MIN(p->best, took) : took;
	if (p->stretches < STRETCHES)
		return;
	round_ends(p);
	p->stretches = 0;
}

bool blk_pace(struct blk_pace *p, unsigned in_flight)
{
	uint64_t now;

	/* Those of a guest that is idle now and then do not follow each other. */
	if (!in_flight)
		p->since = 0;
	if (in_flight < BLK_BUSY)
		return false;
	if (p->since && p->done < BLK_STRETCH)
		return p->patient;
	now = ev_now();
	if (p->since)
		stretch_ends(p, now - p->since);
	p->since = now;
	p->done = 0;
	return p->patient;
}
