// SPDX-License-Identifier: MIT
/*
 * A queue of the block back end on a file in memory, against a front end in the test itself. Include once
 * per program, after cmocka.h; the program has a set_up() of its own, which says what engine it wants.
 */
#ifndef BLK_FIX_H
#define BLK_FIX_H

#include <fcntl.h>

#include "both_engines.h"
#include "fake_blkfront.h"

#define SECTORS 8192u		/* 4 MiB */
#define FIX_PAGES 1100u		/* of the guest: for a ring, 8 for segments, and more than 1024 of data */

struct fix {
	enum ev_engine_choice engine;
	struct ev_loop *l;
	struct xa_domain *d;
	struct blk_disk disk;
	struct blk_queue *q;
	struct blkfront fe;
	int complaints;
};

static inline void complain(struct blk_disk *disk, const char *what DOM_UNUSED, int error DOM_UNUSED)
{
	DOM_CONTAINER_OF(disk, struct fix, disk)->complaints++;
}

/* A disk and no queue yet. */
static inline struct fix *fix_new(const struct ev_config *loop)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->engine = loop->engine;
	f->d = fake_domain_new(FIX_PAGES);
	assert_int_equal(ev_loop_new(loop, &f->l, NULL), 0);
	f->disk = (struct blk_disk){
		.loop = f->l, .domain = f->d, .complain = complain,
		.img = { .fd = memfd_create("disk", MFD_CLOEXEC | MFD_ALLOW_SEALING),
			 .buffered_fd = -1, .join_max = BLK_JOIN_BYTES },
		.lim = { .sectors = SECTORS, .sector_size = 512, .discard = true },
	};
	assert_int_equal(ftruncate(f->disk.img.fd, SECTORS * 512), 0);
	return f;
}

static inline int tear_down(void **state)
{
	struct fix *f = *state;

	blk_queue_free(f->q, NULL);
	ev_loop_free(f->l);
	assert_int_equal(fake_grants_in_use(f->d), 0);
	assert_false(f->d->bound[FE_PORT]);
	close(f->disk.img.fd);
	fake_domain_free(f->d);
	free(f);
	return 0;
}

static inline void start(struct fix *f, unsigned layout, unsigned order)
{
	struct blk_queue_config cfg;

	fe_init(&f->fe, f->d, &blk_layouts[layout], order);
	cfg = fe_config(&f->fe);
	assert_int_equal(blk_queue_new(&f->disk, &cfg, &f->q), 0);
	f->fe.kick = f->q->eventfd;
}

/* Take the queue away, whatever is in flight, and leave blank pages for the rings of another. */
static inline void stop(struct fix *f)
{
	blk_queue_free(f->q, NULL);
	f->q = NULL;
	while (ev_loop_armed(f->l))
		ev_loop_turn(f->l, EV_FOREVER);
	ev_loop_turn(f->l, 0);
	assert_int_equal(fake_grants_in_use(f->d), 0);
	memset(f->d->ram, 0, 16 * 4096);
}

#endif
