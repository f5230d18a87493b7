// SPDX-License-Identifier: MIT
/*
 * Private declarations of the block back end.
 *
 * A request travels: ring -> struct blk_req (blk_ring.c: copied once, whatever the layout, every
 * field checked) -> struct blk_slot (blk_io.c: guest pages pinned, one or more ops, which it may
 * share with its neighbours: blk_join.c) -> response.
 */
#ifndef PVB_BLK_H
#define PVB_BLK_H

#include <sys/uio.h>

#include "domicile/ev.h"
#include "xenabi/io_blkif.h"

#include "pvbackends/priv.h"
#include "pvbackends/sring.h"

/* Limits of a block device. */
#define BLK_MAX_QUEUES 8u
#define BLK_MAX_RING_ORDER 4u
#define BLK_MAX_SEGMENTS 256u		/* of an indirect request */
#define BLK_SPIN_MAX_NS 50000u		/* polling for the next request before sleep, at most */
#define BLK_LOOK_NS 1000000000u		/* between two looks at the size of an image */
#define BLK_SPIN_TURN_NS 4000u		/* of that, per turn of the loop */
#define BLK_BUSY 16u			/* requests in flight that one can be patient with */
#define BLK_STRETCH 256u		/* requests that are timed together */
#define BLK_PATIENCE_NS 250000u		/* without looking at the ring, at most */
/*
 * An operation that several requests share. Linux leaves an operation that the device needs in parts to
 * a worker of io_uring, which costs more than joining saves; few devices take fewer segments at once.
 */
#define BLK_JOIN_BYTES (512u << 10)
#define BLK_JOIN_SEGMENTS 128u

/* Field offsets of a request as the guest's architecture lays it out. */
struct blk_layout {
	const char *name;		/* value of the "protocol" node */
	uint8_t req_size, rsp_size;
	uint8_t id, sector;
	uint8_t segments;		/* of a direct request */
	uint8_t discard_sectors;
	uint8_t indirect_grefs;
};
extern const struct blk_layout blk_layouts[2];	/* [0] is for guests that name none */

/** blk_layout_find - the layout of that name, NULL when there is none */
const struct blk_layout *blk_layout_find(const char *name);

/* libxl has two kinds of back ends for disks, ours is the same: phy in "vbd", QEMU's in "qdisk". */
extern const struct pvb_driver blk_driver, blk_qdisk_driver;

enum blk_op { BLK_READ, BLK_WRITE, BLK_BARRIER, BLK_FLUSH, BLK_DISCARD, BLK_OPS };

/* What a request may do on a device. */
struct blk_limits {
	uint64_t sectors;		/* of 512 bytes */
	uint32_t sector_size;		/* bytes, a power of two; requests are multiples of it */
	bool readonly, discard;
};

/* A request that makes sense. */
struct blk_req {
	uint64_t id;
	uint8_t ring_op;		/* operation to be named in the response */
	enum blk_op op;
	uint64_t sector, sectors;	/* of 512 bytes; within the device */
	unsigned nsegs;
	struct blkif_request_segment segs[BLK_MAX_SEGMENTS];	/* the first nsegs are valid */
};

/**
 * blk_decode - turn a copied ring entry into a request
 *
 * @ret->id and @ret->ring_op are set in any case, for the response. Indirect segments are copied
 * from the guest's pages. Returns 0; -EOPNOTSUPP for an operation we do not offer; -EINVAL for one
 * that makes no sense or leaves the device; -EROFS; an error of xa_grant_map().
 */
int blk_decode(const struct blk_layout *lay, const void *entry, const struct blk_limits *lim,
	       struct xa_domain *d, struct blk_req *ret);

/** blk_encode - build the response to @id; returns its length, rsp_size of the layout */
void blk_encode(const struct blk_layout *lay, uint64_t id, uint8_t ring_op, int result, void *rsp);

struct blk_disk;
struct blk_nbd;
struct blk_slot;

/* The file or device behind a disk. */
struct blk_img {
	int fd;				/* O_DIRECT where possible */
	int buffered_fd;		/* same file without, for requests it refuses; -1: fd is it */
	bool is_bdev;
	uint32_t join_max;		/* bytes of several requests at once; 0: each is done by itself */
	struct blk_nbd *nbd;		/* not NULL: a server's, neither of the descriptors is open */
};

/**
 * blk_img_open - open the image @path and find its size and limits
 *
 * A raw image, a block device, or the socket of a server that speaks NBD. Returns 0 and fills img
 * and lim of @disk; -errno named in @err.
 */
int blk_img_open(struct pvb_dev *dev, const char *path, bool readonly, struct blk_disk *disk,
		 struct dom_err *err);
/** blk_img_sectors - size now, in 512-byte sectors, or -errno */
int64_t blk_img_sectors(const struct blk_img *img);
void blk_img_close(struct blk_img *img);

/* Commands of the NBD protocol. */
enum { NBD_READ = 0, NBD_WRITE = 1, NBD_FLUSH = 3, NBD_TRIM = 4 };

/**
 * blk_nbd_open - negotiate with the server at @fd, a connected stream socket, which is taken over
 *
 * Waits for it, at most some seconds. Returns 0 and *lim; -ENOENT when it has no export without a
 * name; -EPROTO; an error of the socket.
 */
int blk_nbd_open(struct blk_disk *disk, int fd, struct blk_limits *lim, struct blk_nbd **ret);
void blk_nbd_close(struct blk_nbd *nbd);

/** blk_nbd_dead - has the server gone away? */
bool blk_nbd_dead(const struct blk_nbd *nbd);

/** blk_nbd_sectors - size of the export, in 512-byte sectors */
int64_t blk_nbd_sectors(const struct blk_nbd *nbd);

/**
 * blk_nbd_begin - run s->nbd_cmd on [s->off, s->off + s->len)
 *
 * s->op completes with 0, and s->res has the result: bytes, 0 or -errno.
 */
void blk_nbd_begin(struct blk_nbd *nbd, struct blk_slot *s);

/**
 * blk_nbd_succeed - @nbd takes the place of @old, whose server is dead
 *
 * Requests that waited for it go to @nbd, in the order in which they came. If @old died with writes that
 * were not flushed, those flushes fail or, if there are none, the next one does.
 */
void blk_nbd_succeed(struct blk_nbd *nbd, struct blk_nbd *old);

/** blk_nbd_forget - s->op was cancelled: its pages are not touched any more */
void blk_nbd_forget(struct blk_nbd *nbd, struct blk_slot *s);

struct blk_queue;

/* A request in progress. */
struct blk_slot {
	struct blk_queue *q;
	struct ev_op op;
	uint64_t id;
	uint8_t ring_op;
	uint8_t step;			/* next row of its plan */
	bool direct;			/* not to be tried without O_DIRECT any more */
	enum blk_op kind;
	uint16_t nbd_cmd;		/* img_nbd.c: what it does there, */
	int res;			/* with what result, */
	struct nbd_req *nbd_req;	/* its place among the requests sent, NULL: none, */
	struct dom_list link;		/* or among those that wait for one */
	struct blk_slot *next;		/* done by the same operation, the op of the first of them */
	uint64_t off, len;		/* bytes of the device; of reads and writes what is left */
	unsigned nsegs, niov, iov_done;
	struct iovec *iov;		/* niov of them, each up to several segments */
	grant_ref_t *grefs;		/* nsegs of them, pinned */
	/*
	 * Room for direct requests is here, for indirect ones in arrays of the queue: those of
	 * neighbouring slots are a page apart and would fight for the same cache lines.
	 */
	struct iovec few_iov[BLKIF_MAX_SEGMENTS_PER_REQUEST];
	grant_ref_t few_grefs[BLKIF_MAX_SEGMENTS_PER_REQUEST];
};

struct blk_stats {
	uint64_t ops[BLK_OPS], bytes[BLK_OPS], errors, kicks, notifies;
	uint64_t joined;		/* requests done by the operation of another one */
};

/* What the queues of a device share. */
struct blk_disk {
	struct ev_loop *loop;
	struct xa_domain *domain;
	struct blk_img img;
	struct blk_limits lim;
	uint64_t spin_max;		/* ns; 0: never poll */
	struct blk_stats stats;
	/* Called now and then while requests come, for what nobody tells us: a new size. */
	void (*look)(struct blk_disk *disk);
	uint64_t look_at;		/* not before, ns */
	/*
	 * The server of the image is dead: ask whoever started it for another one. False when nobody is
	 * there, or it is of no use any more. May be NULL.
	 */
	bool (*ask_server)(struct blk_disk *disk);
	/* Something is wrong with what the guest wrote or with the image; for the log. */
	void (*complain)(struct blk_disk *disk, const char *what, int error);
};

/* Requests of one batch that are to be done by one operation; see blk_join.c. */
struct blk_run {
	struct blk_slot *first, *last;	/* by their next; first is NULL: there are none */
	uint64_t end, len;		/* bytes of the device */
	unsigned nsegs;
};

/* Whether patience pays; see blk_pace.c. */
struct blk_pace {
	bool patient;
	uint32_t done;			/* answers in this stretch */
	uint32_t glanced;		/* so many at the last glance, */
	unsigned glances;		/* and at this many before it */
	uint64_t since;			/* when it began, ns; 0: none has */
	unsigned stretches;		/* of this round */
	uint64_t best;			/* what the fastest of them took, ns */
	uint64_t hurried;		/* that of a round in a hurry */
	unsigned rounds;		/* that were patient, in a row */
	unsigned skip, penalty;		/* rounds to hurry through; and after the last failure */
};

struct blk_queue {
	struct blk_disk *disk;
	struct xa_domain *domain;	/* the disk's, which may go before a queue that never worked */
	const struct blk_layout *lay;
	struct pvb_sring ring;
	grant_ref_t ring_grefs[PVB_SRING_PAGES];
	unsigned ring_pages;		/* mapped */
	evtchn_port_t port;
	bool bound;
	int eventfd;
	struct ev_group group;
	struct ev_op kick, flush, glance;
	struct ev_spinner spin;
	uint64_t spin_window;		/* how long to poll, ns; 0: it would not pay */
	uint64_t spin_until;		/* end of the polling going on, ns */
	uint64_t slept_at;		/* when an idle queue went to sleep, ns; 0: it did not */
	unsigned spin_skip;		/* chances to poll that are left out */
	unsigned spin_penalty;		/* of how many after the last polling in vain */
	struct blk_pace pace;
	bool waiting;			/* asleep without having asked for a kick, until q->glance */
	bool held;			/* answers wait for the next turn */
	bool broken;			/* impossible index: not served any more */
	struct blk_slot *slots, **free;	/* ring.entries of each; free[0 .. nfree - 1] */
	unsigned nfree;
	struct blk_slot *barrier;	/* waits for all others, nothing is taken meanwhile */
	struct iovec *iovs;		/* BLK_MAX_SEGMENTS for each slot */
	grant_ref_t *grefs;
	struct blk_req req;		/* being decoded */
	struct blk_run run;		/* taken, but not begun; none outside of serve() */
	void (*idle)(struct blk_queue *q);
};

/**
 * blk_pace - all there is has been taken, @in_flight requests are: be patient now?
 *
 * The caller counts answers in p->done.
 */
bool blk_pace(struct blk_pace *p, unsigned in_flight);

/** blk_pace_glance - BLK_PATIENCE_NS have passed in patience without an answer */
void blk_pace_glance(struct blk_pace *p);

/** blk_join - add @s, a read or write, to q->run; false if it does not continue that */
bool blk_join(struct blk_queue *q, struct blk_slot *s);

/** blk_join_first - make @s the only one of q->run */
void blk_join_first(struct blk_queue *q, struct blk_slot *s);

/** blk_join_begin - do @first and those after it by one operation on @fd, which is first->op */
void blk_join_begin(struct blk_slot *first, int fd);

/** blk_join_whole - has an operation with the result @res done @first and all after it? */
bool blk_join_whole(const struct blk_slot *first, int res);

/* How the front end described a queue. */
struct blk_queue_config {
	const struct blk_layout *lay;
	grant_ref_t ring[PVB_SRING_PAGES];
	unsigned pages;
	evtchn_port_t port;
};

/**
 * blk_queue_new - map the ring, bind the event channel, start serving
 *
 * Returns 0; an error of xa_grant_map() or xa_evtchn_bind_backend(); -EPROTO, -ENOMEM.
 */
int blk_queue_new(struct blk_disk *disk, const struct blk_queue_config *cfg,
		  struct blk_queue **ret);

/** blk_queue_count - add the requests of @q that are being worked on, and those that are in the ring still */
void blk_queue_count(const struct blk_queue *q, uint64_t *begun, uint64_t *waiting);

/**
 * blk_queue_free - stop serving, cancel what is in flight, free
 * @idle: called once the guest's memory is used no more, just before @q is freed
 */
void blk_queue_free(struct blk_queue *q, void (*idle)(struct blk_queue *q));

#endif
