// SPDX-License-Identifier: MIT
/*
 * Private declarations of the network back end.
 *
 * To the host:  ring -> struct net_tx (net_tx.c: a chain copied once, every field checked, pages
 * pinned) -> one writev() of the link, straight from the guest's pages -> responses.
 * To the guest: granted pages of the ring's requests -> one readv() of the link straight into
 * them -> responses (net_rx.c).
 *
 * A link is what is on the host's side: a tap (link_tap.c) or the socket of a user-mode network
 * (link_stream.c). Both are plain system calls on non-blocking descriptors: a frame given to a tap
 * is taken at once or never, so that there is nothing to wait for, and a request through io_uring
 * would only cost the second trip through the loop. Waiting - for frames, for a ring's event, for
 * rate credit - is the loop's.
 */
#ifndef PVB_NET_H
#define PVB_NET_H

#include <linux/virtio_net.h>
#include <sys/uio.h>

#include "domicile/ev.h"
#include "xenabi/io_netif.h"

#include "pvbackends/priv.h"
#include "pvbackends/sring.h"

/* Limits of a network device. */
#define NET_MAX_QUEUES PVB_NET_QUEUES
#define NET_MAX_SLOTS XEN_NETIF_NR_SLOTS_MIN	/* fragments of a frame */
#define NET_MAX_CHAIN 20u		/* of a frame that is refused, but understood */
#define NET_MAX_EXTRAS 5u		/* extra infos of a frame: one of each type */
#define NET_MAX_MCAST 64u		/* addresses in the multicast filter */
#define NET_MAX_HEADROOM 2048u		/* XDP, bytes before each fragment */
#define NET_HEADER_MAX 256u		/* of a frame, looked into */
#define NET_HEADER_USUAL 96u		/* enough for most */
#define NET_MSS_MIN 48u			/* of a frame that is cut here: others would be much work */
#define NET_GSO_MIN 8u			/* payload of segments that the host cuts; Linux' TCP has no less */
#define NET_GSO_NONE 0xffffu		/* no size to the host's kernel, but its GSO_BY_FRAGS */
#define NET_FRAME_MAX (NET_MAX_SLOTS * 4096u)	/* bytes; the largest have 64 KiB and a header */
#define NET_BUDGET 64u			/* frames per turn of the loop and direction */
#define NET_MAX_HASH_KEY 40u
#define NET_MAX_HASH_MAP 128u
#define NET_STALL_NS 60000000000ull	/* without room in the ring, then the carrier goes off */
#define NET_DRAIN_NS 10000000000ull	/* without room in the ring, then what waits is dropped */
#define NET_RETRY_NS 100000000ull	/* until a link that went away is looked for; doubled each time */
#define NET_RETRY_MAX_NS 12800000000ull	/* up to this */

#define NET_ETH_HLEN 14u

/* Headers (net_frame.c). */

/* Where the headers of a frame are, as far as they were understood. */
struct net_headers {
	uint16_t l3, l4;		/* offsets; 0: none, or not in what was looked at */
	uint8_t version;		/* 4, 6; 0: not IP */
	uint8_t proto;			/* IPPROTO_*, of IPv6 after its extensions */
	bool fragment;
	uint16_t payload;		/* offset of what follows TCP or UDP; 0: unknown */
};

/** net_parse - find the headers in the first @len bytes of a frame */
struct net_headers net_parse(const uint8_t *frame, size_t len);

/** net_csum_offset - offset of the checksum in the transport header; 0: none that we know */
unsigned net_csum_offset(const struct net_headers *h);

/** net_csum_add - @sum plus the 16-bit words of @len bytes, of which the first is an even one */
uint32_t net_csum_add(uint32_t sum, const void *data, size_t len);

/** net_csum_fold - the 16-bit sum, not inverted */
uint16_t net_csum_fold(uint32_t sum);

/** net_csum_pseudo - sum of the pseudo header of a frame of @total bytes, for its transport */
uint32_t net_csum_pseudo(const struct net_headers *h, const uint8_t *frame, size_t total);

/**
 * net_csum_fill - complete the checksum of a whole frame whose sum from @start on is due at
 * @start + @offset, where that of the pseudo header is already
 *
 * Returns 0; -EINVAL when that is not within the frame.
 */
int net_csum_fill(uint8_t *frame, size_t len, size_t start, size_t offset);

/* A large TCP frame that is cut into segments here; at most one per queue. */
struct net_cut {
	uint8_t header[NET_HEADER_MAX];	/* of the frame */
	struct net_headers h;
	unsigned mss;			/* 0: no such frame */
	unsigned count;			/* of segments before this */
	size_t at;			/* offset of the next one's payload in the frame */
};

/**
 * net_cut_start - begin with a frame of @len bytes and segments of @mss bytes of payload
 *
 * False when it is not TCP with its headers within NET_HEADER_MAX, has no payload, or @mss is less
 * than NET_MSS_MIN.
 */
bool net_cut_start(struct net_cut *c, const uint8_t *frame, size_t len, unsigned mss);

/**
 * net_cut_next - make the next segment in place, checksums and all
 * @frame: of @len bytes; the headers of a segment overwrite what is before its payload
 *
 * Returns the segment, of *ret_len bytes. It is made anew until net_cut_done().
 */
uint8_t *net_cut_next(const struct net_cut *c, uint8_t *frame, size_t len, size_t *ret_len);

/** net_cut_done - go on behind that segment; c->mss is 0 after the last */
void net_cut_done(struct net_cut *c, size_t len);

/* Hashing (net_hash.c). */

struct net_hash {
	uint32_t algorithm, flags;
	uint8_t key[NET_MAX_HASH_KEY];
	uint32_t map_size;		/* 0: modulo the number of queues */
	uint8_t map[NET_MAX_HASH_MAP];	/* queue numbers */
};

/** net_toeplitz - the Toeplitz hash of @len bytes */
uint32_t net_toeplitz(const uint8_t key[NET_MAX_HASH_KEY], const uint8_t *data, size_t len);

/**
 * net_hash_frame - hash of a frame, by the kinds of hash that the guest chose
 * @ret_type: bit number of XEN_NETIF_CTRL_HASH_TYPE_*
 *
 * False when none of them applies.
 */
bool net_hash_frame(const struct net_hash *hash, const uint8_t *frame, size_t len,
		    uint32_t *ret_value, uint8_t *ret_type);

/** net_hash_queue - the queue for a hash value */
unsigned net_hash_queue(const struct net_hash *hash, uint32_t value, unsigned queues);

/**
 * net_hash_control - do what a message of the control ring asks for
 *
 * Returns XEN_NETIF_CTRL_STATUS_* and *ret_data.
 */
uint32_t net_hash_control(struct net_hash *hash, struct xa_domain *d, unsigned queues,
			  const struct xen_netif_ctrl_request *req, uint32_t *ret_data);

/* Rate (net_rate.c): a token bucket that may be overdrawn by the frame that empties it. */

struct net_rate {
	uint64_t bytes, window_ns;	/* bytes per window; 0: no limit */
	int64_t credit;
	uint64_t next;			/* time of the next replenishment */
};

/** net_rate_init - @text is "bytes,microseconds"; returns false and no limit when it is not */
bool net_rate_init(struct net_rate *r, const char *text, uint64_t now);

/** net_rate_wait - 0: send now; else the time to ask again */
uint64_t net_rate_wait(struct net_rate *r, uint64_t now);

/* Links. */

/* What the guest's driver accepts in frames to it. */
struct net_offload {
	bool csum;			/* frames without checksum, IPv4 and IPv6 */
	bool tso4, tso6;
};

struct net_link;

struct net_link_ops {
	const char *name;
	bool offload;			/* frames without checksum, and large ones, both ways */

	/* Use the first @queues descriptors, with @off. Returns 0 or -errno. */
	int (*start)(struct net_link *l, unsigned queues, const struct net_offload *off);

	/* Nobody is there any more: frames need not be kept. May be NULL. */
	void (*stop)(struct net_link *l);

	/*
	 * Send a frame; iov[0] is its struct virtio_net_hdr. Returns 0 when it was taken; -errno: it
	 * was dropped, -EBADFD and -EPIPE: the link is gone.
	 */
	int (*send)(struct net_link *l, unsigned queue, const struct iovec *iov, unsigned n,
		    size_t len);

	/*
	 * Get a frame; iov[0] is for its struct virtio_net_hdr. Returns the bytes of the frame and
	 * its header; -EAGAIN; -errno: the link is gone.
	 */
	int (*recv)(struct net_link *l, unsigned queue, const struct iovec *iov, unsigned n);

	/* Say whether frames are wanted at all; may be NULL. */
	void (*carrier)(struct net_link *l, bool on);

	/* Is something left of an earlier send()? Then wait until writable, and resume(). */
	bool (*unsent)(struct net_link *l);
	int (*resume)(struct net_link *l);
};

struct net_link {
	const struct net_link_ops *ops;	/* NULL: no link */
	int fd[NET_MAX_QUEUES];
	unsigned nfds;
	void *priv;
};

extern const struct net_link_ops net_link_tap, net_link_stream;

/**
 * net_link_open - get the descriptors of the link of a device, and see what they are
 *
 * Up to NET_MAX_QUEUES of them; fewer are fine, none is the error of the first. -EINVAL for what
 * is neither a tap nor a stream socket.
 */
int net_link_open(struct pvb_dev *dev, const char *ifname, const char *passt,
		  struct net_link *ret);
void net_link_close(struct net_link *l);

/* Devices and queues. */

struct net_stats {
	uint64_t tx_frames, tx_bytes, tx_dropped, tx_errors;	/* tx: from the guest */
	uint64_t rx_frames, rx_bytes, rx_dropped;
	uint64_t kicks, notifies;
};

struct net_queue;

/* What the queues of a device share. */
struct net_vif {
	struct ev_loop *loop;
	struct xa_domain *domain;
	struct net_link link;
	bool link_lost;			/* reported; nothing moves until it is back */
	struct net_offload offload;	/* what the guest takes */
	bool sg;			/* the guest takes frames of several fragments */
	uint16_t headroom;		/* XDP */
	struct net_rate rate;
	struct net_hash hash;
	bool mcast_control;		/* multicast only for the addresses below */
	unsigned nmcast;
	uint8_t mcast[NET_MAX_MCAST][6];
	struct net_queue *queue[NET_MAX_QUEUES];
	unsigned nqueues;
	struct net_stats stats;
	uint64_t stall_ns, drain_ns;	/* NET_STALL_NS, NET_DRAIN_NS */
	unsigned stalled;		/* queues without room for too long */
	/* The guest or the host did something wrong; for the log. */
	void (*complain)(struct net_vif *vif, const char *what, int error);
	/* The link is gone. */
	void (*lost)(struct net_vif *vif);
};

/** net_hashing - does the guest want frames to be spread by their hash? */
static inline bool net_hashing(const struct net_vif *vif)
{
	return vif->hash.algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_NONE && vif->hash.flags;
}

/* A frame from the guest: where the bytes of a slot are in its page; and all of it. */
struct net_tx_piece {
	uint16_t offset, size;
};

struct net_tx {
	unsigned nslots, nextras;
	grant_ref_t gref[NET_MAX_CHAIN];	/* of a frame that is sent: NET_MAX_SLOTS at most */
	struct net_tx_piece piece[NET_MAX_CHAIN];
	uint16_t id[NET_MAX_CHAIN];
	uint16_t flags;			/* NETTXF_* of the first request */
	unsigned size;			/* of the whole frame */
	struct netif_extra_info extra[NET_MAX_EXTRAS + 1];	/* by type; type 0: not there */
};

/* A page that the guest gave for frames to it. */
struct net_rx_slot {
	grant_ref_t gref;
	uint16_t id;
	bool bad;			/* the grant is no good; answered as error */
	uint8_t *page;			/* of a bad one: not to be used */
};

#define NET_RX_READY 32u	/* power of two; more than pages and extra infos of a frame */

struct net_rx {
	struct pvb_sring ring;
	struct net_rx_slot ready[NET_RX_READY];		/* taken from the ring, in order */
	unsigned first, nready;		/* the first of them, free-running */
	unsigned want;			/* slots that the frame in `held` needs; 0: any */
	unsigned gap;			/* slots between the first two fragments, by experience */
	unsigned since_large;		/* frames since the last one of several pages */
	uint32_t held;			/* bytes of the frame that waits in `bounce`; 0: none */
	struct virtio_net_hdr hdr;
	struct net_cut cut;		/* of the frame in `bounce` */
	uint8_t *bounce;		/* NET_FRAME_MAX + one page for bad slots */
	bool waits;			/* for room in the ring */
	uint64_t waits_since;
	bool stalled;
};

struct net_queue {
	struct net_vif *vif;
	struct xa_domain *domain;	/* the vif's, which may go before a queue that failed */
	unsigned index;
	struct pvb_sring tx;
	struct net_rx rx;
	grant_ref_t ring_gref[2];	/* tx, rx */
	unsigned mapped;		/* rings */
	unsigned ports;			/* event channels: 1, or 2 when they are split */
	evtchn_port_t port[2];		/* for tx, for rx */
	unsigned bound;			/* ports */
	int eventfd[2];
	struct ev_group group;
	struct ev_op kick[2];
	struct ev_op readable, writable;	/* of the link */
	struct ev_op tx_later, rx_later;	/* go on in the next turn, or when credit is back */
	struct ev_op rx_stall;		/* look whether the guest gives pages */
	bool broken;			/* impossible index: not served any more */
	struct net_tx frame;		/* being sent */
	struct iovec iov[2 + NET_MAX_SLOTS];
	uint8_t header[NET_HEADER_MAX];
	void (*idle)(struct net_queue *q);
};

/* How the front end described a queue. */
struct net_queue_config {
	unsigned index;
	grant_ref_t tx_ring, rx_ring;
	unsigned ports;			/* 1 or 2 */
	evtchn_port_t port[2];
};

/**
 * net_queue_new - map the rings, bind the event channels
 *
 * Returns 0; an error of xa_grant_map() or xa_evtchn_bind_backend(); -EPROTO, -ENOMEM. It is
 * served once net_queue_start() was called.
 */
int net_queue_new(struct net_vif *vif, const struct net_queue_config *cfg, struct net_queue **ret);
void net_queue_start(struct net_queue *q);

/**
 * net_queue_free - stop serving, free
 * @idle: called once the guest's memory is used no more, just before @q is freed
 */
void net_queue_free(struct net_queue *q, void (*idle)(struct net_queue *q));

/** net_queue_break - the guest broke the protocol: serve it no more */
void net_queue_break(struct net_queue *q, const char *what);

/** net_link_lost - the link is gone: say so, once */
void net_link_lost(struct net_vif *vif, int error);

/** net_tx_run, net_rx_run - move frames until there are none, or this turn's share is done */
void net_tx_run(struct net_queue *q);
void net_rx_run(struct net_queue *q);

/** net_rx_check_stall - rx_stall is over */
void net_rx_check_stall(struct net_queue *q);

/** net_rx_alloc, net_rx_release - memory of the receive side; and the pages it has pinned */
int net_rx_alloc(struct net_queue *q);
void net_rx_release(struct net_queue *q);

/** net_notify - interrupt the guest for the tx (0) or the rx (1) ring */
void net_notify(struct net_queue *q, unsigned ring);

/* The control ring (net_ctrl.c). */

struct net_ctrl;

/** net_ctrl_new, net_ctrl_free - like those of queues */
int net_ctrl_new(struct net_vif *vif, grant_ref_t ring, evtchn_port_t port, struct net_ctrl **ret);
void net_ctrl_free(struct net_ctrl *c, void (*idle)(struct net_vif *vif));

#endif
