// SPDX-License-Identifier: MIT
/*
 * Private header of src/xenabi: a domain, its vCPUs, and what its files offer to each other.
 *
 * Locks, in the order in which they may be taken:
 *   mem_lock     where shared_info is, memory accounting, the balloon map
 *   gnt_lock     grant frames and use counts
 *   evtchn_lock  ports, both event formats, vcpu_info pointers, pollers, upcall routes
 *   vcpu.lock    timers and run state of one vCPU
 */
#ifndef XA_PRIV_H
#define XA_PRIV_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "xenabi/base.h"
#include "xenabi/event_channel.h"
#include "xenabi/grant_table.h"
#include "xenabi/hvm.h"
#include "xenabi/shared_info.h"
#include "domicile/base/once.h"
#include "domicile/xa.h"
#include "domicile/xa_guest.h"

/*
 * Everything that a guest can make grow or run long. Described in domicile(8).
 */
#define XA_PORTS_PER_BUCKET 128u	/* port records allocated at a time */
#define XA_PORT_BUCKETS (EVTCHN_FIFO_NR_CHANNELS / XA_PORTS_PER_BUCKET)
#define XA_FIFO_WORDS (XEN_PAGE_SIZE / 4)	/* event words per page of the guest's array */
#define XA_FIFO_PAGES (EVTCHN_FIFO_NR_CHANNELS / XA_FIFO_WORDS)
#define XA_GRANTS_PER_FRAME 512u	/* at most: of version 1 */
#define XA_MAX_POLL_PORTS 128u		/* SCHEDOP_poll; Xen's limit */
#define XA_MAX_EXTENT_ORDER 9u		/* Xen's default for guests: 2 MiB */
#define XA_WORK (1u << 18)		/* pages, list elements or console lines per hypercall */
#define XA_MAX_BATCH (1u << 16)		/* elements of grant_table_op and multicall */
#define XA_MAX_CONSOLE (64u << 10)	/* console_io bytes per call */
#define XA_WATCHDOGS 2u			/* per domain; Xen's number */
#define XA_HCALLS 56u			/* hypercall numbers */
#define XA_MAX_ARG 1024u		/* largest hypercall argument */

enum xa_port_state {
	XA_PORT_FREE,
	XA_PORT_RESERVED,	/* port 0 */
	XA_PORT_UNBOUND,	/* waits for .remote_dom */
	XA_PORT_INTERDOMAIN,	/* both ends in this domain: .remote_port */
	XA_PORT_BACKEND,	/* other end is a back end: .eventfd */
	XA_PORT_VIRQ,
	XA_PORT_IPI,
};

/* One event channel. Protected by evtchn_lock. */
struct xa_port {
	uint8_t state;		/* enum xa_port_state */
	uint8_t priority;	/* FIFO: queue for the next event */
	uint8_t linked_prio;	/* FIFO: queue of the last one */
	bool held;		/* FIFO: pending, but the guest's array has no word for it yet */
	uint16_t vcpu;		/* vCPU that is notified */
	uint16_t linked_vcpu;	/* FIFO: vCPU of the last event's queue */
	union {
		domid_t remote_dom;
		evtchn_port_t remote_port;
		uint32_t virq;
		int eventfd;
	} u;
};

/*
 * A format of pending events. All functions are called with evtchn_lock held and a port below
 * limit(); memory of the guest may have any contents.
 */
struct xa_evtchn_abi {
	unsigned (*limit)(const struct xa_domain *d);
	void (*set_pending)(struct xa_domain *d, evtchn_port_t port, struct xa_port *p);
	void (*clear_pending)(struct xa_domain *d, evtchn_port_t port, struct xa_port *p);
	void (*unmask)(struct xa_domain *d, evtchn_port_t port, struct xa_port *p);
	bool (*is_pending)(struct xa_domain *d, evtchn_port_t port, const struct xa_port *p);
	bool (*is_masked)(struct xa_domain *d, evtchn_port_t port);
	/* May @port not be given out, because the guest's structures still name it? */
	bool (*is_busy)(struct xa_domain *d, evtchn_port_t port);
	/* -ENOSYS where the format has no priorities. */
	int (*set_priority)(struct xa_domain *d, struct xa_port *p, uint32_t priority);
};
extern const struct xa_evtchn_abi xa_evtchn_2l, xa_evtchn_fifo;

/* FIFO state of a vCPU: its control block and the last port of each queue. evtchn_lock. */
struct xa_fifo_vcpu {
	uint32_t *control;	/* guest memory: ready, reserved, head[16]; NULL: none */
	evtchn_port_t tail[EVTCHN_FIFO_MAX_QUEUES];
};

/* How often a grant entry is used, and for which part of which page. gnt_lock. */
struct xa_grant_use {
	uint64_t frame;
	uint16_t offset, length;
	uint16_t readers, writers;
};
/* An entry and what belongs to it. */
struct xa_grant_entry {
	void *shared;			/* in a grant frame */
	grant_status_t *status;		/* in a status frame; version 1: NULL */
	struct xa_grant_use *use;
};
#define XA_GRANT_IN_USE (GTF_reading | GTF_writing)	/* flags of ours, the others are the guest's */
#define XA_STATUS_PER_FRAME (XEN_PAGE_SIZE / sizeof(grant_status_t))

/* A version of the table. All functions are called with gnt_lock held. */
struct xa_gnttab_abi {
	unsigned version;
	/* The entry as one of version 1; -ERANGE if it cannot be one. */
	int (*get)(const struct xa_grant_entry *e, struct grant_entry_v1 *ret);
	void (*put)(const struct xa_grant_entry *e, const struct grant_entry_v1 *v);
	void (*swap)(const struct xa_grant_entry *a, const struct xa_grant_entry *b);
};
extern const struct xa_gnttab_abi xa_gnttab_v1, xa_gnttab_v2;

struct xa_grant_frame {
	void *page;			/* guest or private memory; NULL while it does not exist */
	uint64_t gfn;			/* where the guest sees it; UINT64_MAX: nowhere */
	bool is_private;		/* page is ours to free */
	struct xa_grant_use *use;	/* XA_GRANTS_PER_FRAME entries; of status frames NULL */
};

/* A grant that the guest has mapped into a page table of its own; flags 0: none. gnt_lock. */
struct xa_grant_map {
	uint64_t frame;
	grant_ref_t ref;
	uint32_t flags;			/* GNTMAP_*: those halves that are still mapped */
};
#define XA_MAX_GRANT_MAPS 1024u

struct xa_vcpu {
	struct xa_domain *d;
	unsigned id;
	uint64_t *counts;		/* per operation; written by the vCPU's thread only */

	/* Paging state and last translation of the hypercall in progress; vCPU's thread. */
	struct {
		bool have_paging, have_page, page_write;
		struct xa_paging paging;
		uint64_t va;		/* page address */
		uint8_t *host;
		uint64_t gpa;		/* of the page */
	} walk;
	bool in_multicall;		/* vCPU's thread */
	uint32_t work_left;		/* of XA_WORK, in this hypercall; vCPU's thread */
	bool down;			/* not started, or stopped; atomic */
	bool ran;			/* was started once, in whatever way; atomic */
	bool initialised;		/* VCPUOP_initialise done; evtchn_lock */
	struct xa_vcpu_start start;	/* evtchn_lock */

	uint8_t *info;			/* vcpu_info; written under evtchn_lock, read atomically */
	bool info_registered;		/* evtchn_lock */
	struct xa_upcall upcall;	/* evtchn_lock */
	evtchn_port_t virq_port[NR_VIRQS];	/* 0: unbound; evtchn_lock */
	struct xa_fifo_vcpu fifo;	/* evtchn_lock */
	bool polling;			/* by SCHEDOP_poll; evtchn_lock */
	evtchn_port_t poll_port;	/* the only port polled, 0: several; evtchn_lock */

	pthread_mutex_t lock;
	uint64_t singleshot;		/* deadline, 0: none */
	uint64_t periodic, period;	/* next deadline and period, 0: none */
	uint64_t armed;			/* what the platform was told last */
	bool arming, rearm;		/* a thread is telling it; it should look again */

	struct xa_times times;
	struct {
		bool on, by_host;
		uint64_t gpa[2];	/* of the area and, if it crosses a page, of its rest */
		unsigned split;		/* bytes before the page end */
	} runstate_area;
};

struct xa_domain {
	const struct xa_platform *plat;
	void *ctx;
	struct xa_config cfg;
	char *cmdline;
	struct xa_memmap_entry *memmap;
	const struct dom_log *log;
	struct dom_ratelimit rl;	/* evtchn_lock */
	struct xa_vcpu *vcpus;
	uint16_t stat_base[XA_HCALLS];	/* first counter of each hypercall */

	pthread_mutex_t mem_lock;
	uint64_t tot_pages;		/* mem_lock */
	uint64_t max_gfn;		/* highest page that ever had memory; mem_lock */
	uint64_t *ballooned;		/* bitmap of RAM pages given back; mem_lock */
	uint64_t ballooned_bits;
	uint64_t next_ballooned;	/* word of the bitmap at which the next search begins; mem_lock */
	uint64_t shared_gfn;		/* UINT64_MAX: not mapped; mem_lock */

	pthread_mutex_t gnt_lock;
	struct xa_grant_frame *frames;	/* cfg.max_grant_frames; gnt_lock */
	struct xa_grant_frame *status_frames;	/* one for 8 frames; with page for nr_frames once the
					 * guest has chosen version 2; gnt_lock */
	unsigned nr_frames;		/* gnt_lock */
	const struct xa_gnttab_abi *gnt_abi;	/* gnt_lock */
	struct xa_grant_map *maps;	/* XA_MAX_GRANT_MAPS of a PV guest; gnt_lock */

	pthread_mutex_t evtchn_lock;
	const struct xa_evtchn_abi *abi;	/* evtchn_lock */
	uint8_t *shared;		/* shared_info; written under mem_lock and evtchn_lock */
	uint8_t *shared_private;	/* the same before the guest maps it */
	uint8_t *dummy_info;		/* vcpu_info of vCPUs that have none */
	bool shared_32;			/* layout of the shared pages; evtchn_lock */
	unsigned max_ports;		/* of the present format and width; evtchn_lock */
	struct xa_port *buckets[XA_PORT_BUCKETS];
	evtchn_port_t next_free;	/* no free port below; evtchn_lock */
	unsigned pollers;		/* vCPUs that are polling; evtchn_lock */
	uint32_t *fifo_array[XA_FIFO_PAGES];	/* guest memory; evtchn_lock */
	unsigned fifo_pages;		/* evtchn_lock */
	struct xa_upcall upcall;	/* of vCPUs that have no vector of their own; evtchn_lock */
	uint64_t params[HVM_NR_PARAMS];	/* evtchn_lock */
	uint64_t watchdog[XA_WATCHDOGS];	/* deadlines, 0: unused; evtchn_lock */
	bool runstate_flag;		/* VMASST_TYPE_runstate_update_flag; atomic */
	int shutdown_code;		/* SCHEDOP_shutdown_code, -1: none; evtchn_lock */
};

/* A lock of ours never fails. */
static inline void xa_lock(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
}

static inline void xa_unlock(pthread_mutex_t *m)
{
	pthread_mutex_unlock(m);
}

/* ---- access.c: memory of the guest, by the address kinds it uses ---- */

/*
 * xa_copy_from / xa_copy_to - copy between @buf and guest-virtual memory, with the rights of the
 * vCPU's kernel. -EFAULT if some byte is not mapped (or not writable); what lies before it may have
 * been copied. On the vCPU's thread, during a hypercall.
 */
int xa_copy_from(struct xa_vcpu *v, void *buf, struct xa_gva from, size_t len);
int xa_copy_to(struct xa_vcpu *v, struct xa_gva to, const void *buf, size_t len);
/* xa_translate - guest-physical address of one writable guest-virtual byte; -EFAULT */
int xa_translate(struct xa_vcpu *v, struct xa_gva va, struct xa_gpa *ret);
/* xa_find_pte - the entry of 4 KiB that maps @va, or would; NULL without a table. Long mode only */
uint64_t *xa_find_pte(struct xa_vcpu *v, struct xa_gva va);

/* An element of an array of xen_pfn_t or xen_ulong_t, whose size depends on the caller. */
int xa_get_ulong(struct xa_vcpu *v, bool is_32, uint64_t array, uint64_t index, uint64_t *ret);
int xa_put_ulong(struct xa_vcpu *v, bool is_32, uint64_t array, uint64_t index, uint64_t value);

/* xa_grant_shift - a frame has 1 << this entries of @version */
static inline unsigned xa_grant_shift(unsigned version)
{
	return version == 1 ? 9 : 8;
}

/* xa_grant_entry - the entry of @ref, in a table of @version; false if there is none. gnt_lock held */
static DOM_ALWAYS_INLINE bool xa_grant_entry(const struct xa_domain *d, unsigned version,
					     grant_ref_t ref, struct xa_grant_entry *ret)
{
	const unsigned shift = xa_grant_shift(version);
	const unsigned at = ref & ((1u << shift) - 1);
	const struct xa_grant_frame *f;

	if (ref >> shift >= d->nr_frames)
		return false;
	f = &d->frames[ref >> shift];
	if (!f->page)
		return false;
	ret->shared = (uint8_t *)f->page + at * (XEN_PAGE_SIZE >> shift);
	ret->use = &f->use[at];
	ret->status = NULL;
	if (version == 2)
		ret->status = (grant_status_t *)d->status_frames[ref / XA_STATUS_PER_FRAME].page +
			      ref % XA_STATUS_PER_FRAME;
	return true;
}

/* xa_page_of - host address of @gfn, NULL if there is none */
static inline void *xa_page_of(struct xa_domain *d, uint64_t gfn)
{
	return d->plat->page(d->ctx, (struct xa_gfn){ gfn });
}

/* xa_frame_of - the frame of the guest's page @pfn: the same, but for a PV guest's high memory */
static inline uint64_t xa_frame_of(const struct xa_config *cfg, uint64_t pfn)
{
	return !cfg->pv || pfn < cfg->low_pages ? pfn : pfn - cfg->low_pages + cfg->high_gfn.v;
}

/* ---- hcall.c and the tables of the hc_*.c files ---- */

/* A field of an argument whose layout differs by width; see XA_FIELD. */
struct xa_field {
	uint8_t off64, size64, off32, size32;
};
#define XA_FIELD(type, member)                                                                     \
	{ offsetof(struct type##_64, member), sizeof(((struct type##_64 *)0)->member),             \
	  offsetof(struct type##_32, member), sizeof(((struct type##_32 *)0)->member) }

/* Which way an argument is copied. Out only if the operation did not fail, or with XA_ALWAYS. */
enum xa_dir { XA_NONE = 0, XA_IN = 1, XA_OUT = 2, XA_INOUT = 3, XA_ALWAYS = 4 };

/*
 * One operation of a hypercall family. The handler sees a copy of its argument in the 64-bit
 * layout; its result is the hypercall's. Without a handler, @err is.
 */
struct xa_op {
	const char *name;
	int64_t (*fn)(struct xa_vcpu *v, const struct xa_call *call, void *arg);
	uint16_t size64, size32;	/* bytes of the argument; size32 0: as size64 */
	uint8_t dir;			/* enum xa_dir */
	uint8_t nfields;
	const struct xa_field *fields;	/* where the widths differ */
	int16_t err;			/* without fn; 0: -ENOSYS */
};
#define XA_ARG(type) .size64 = sizeof(struct type)
#define XA_ARG2(type, table)                                                                       \
	.size64 = sizeof(struct type##_64), .size32 = sizeof(struct type##_32), .fields = table,   \
	.nfields = DOM_ARRAY_LEN(table)

/* A family: operations by number, and where the arguments are. */
struct xa_family {
	const struct xa_op *ops;
	uint16_t nr_ops;
	uint16_t op_mask;	/* bits of arg[0] that are the operation; 0: all */
	uint8_t arg;		/* index of the argument's address */
	/* Looked at before the argument is copied; NULL: nothing. Non-zero ends the call. */
	int64_t (*check)(struct xa_vcpu *v, const struct xa_call *call);
	/* Result when the argument cannot be copied in; NULL: -EFAULT. */
	int64_t (*fault)(const struct xa_call *call);
};
extern const struct xa_family xa_memory_ops, xa_version_ops, xa_console_ops, xa_grant_ops,
	xa_vm_assist_ops, xa_vcpu_ops, xa_sched_ops, xa_evtchn_ops, xa_physdev_ops, xa_hvm_ops;

typedef int64_t xa_hcall_fn(struct xa_vcpu *v, const struct xa_call *call,
			    const struct xa_family *f);
xa_hcall_fn xa_set_timer_op, xa_multicall, xa_grant_table_op;

/* xa_hcall - one call with its arguments already cut to the caller's width */
int64_t xa_hcall(struct xa_vcpu *v, const struct xa_call *call);
/* xa_stat_bases - first counter of each hypercall; returns the length of xa_vcpu.counts */
unsigned xa_stat_bases(uint16_t base[XA_HCALLS]);
/* xa_arg_in / xa_arg_out - copy one argument of @op from or to @va; -EFAULT */
int xa_arg_in(struct xa_vcpu *v, const struct xa_op *op, bool is_32, uint64_t va, void *arg);
int xa_arg_out(struct xa_vcpu *v, const struct xa_op *op, bool is_32, uint64_t va, const void *arg);

/*
 * xa_spend - account for @n pieces of work of the hypercall in progress
 *
 * Returns false when it has done enough: lists in lists would otherwise keep the vCPU's thread for
 * hours. Xen interrupts such calls and continues them; no guest known makes any.
 */
static inline bool xa_spend(struct xa_vcpu *v, uint32_t n)
{
	if (n > v->work_left)
		return false;
	v->work_left -= n;
	return true;
}

static inline bool xa_is_32(const struct xa_call *call)
{
	return call->abi == XA_ABI_PVH32 || call->abi == XA_ABI_PV32;
}

/*
 * xa_check_self - may a guest name domain @id as its own?
 *
 * Returns 0 for itself; -EPERM for domain 0, which exists but is not the guest's; -ESRCH.
 */
static inline int xa_check_self(const struct xa_domain *d, domid_t id)
{
	if (id == DOMID_SELF || id == d->cfg.domid)
		return 0;
	return id == 0 ? -EPERM : -ESRCH;
}

/* ---- evtchn.c ---- */
int xa_evtchn_init(struct xa_domain *d);	/* port 0 and the first bucket; -ENOMEM */
void xa_evtchn_fini(struct xa_domain *d);
void xa_evtchn_limit_changed(struct xa_domain *d);	/* format or width did; evtchn_lock held */
struct xa_port *xa_port_get(struct xa_domain *d, evtchn_port_t port);	/* NULL: no such port */
/* The following take no lock: the caller has evtchn_lock. */
void xa_port_wake_pollers(struct xa_domain *d, evtchn_port_t port);
void xa_mark_pending(struct xa_vcpu *v);	/* evtchn_upcall_pending := 1, and tell it */
void xa_routes_changed(struct xa_domain *d);	/* tell the platform all routes again */
struct xa_upcall xa_upcall_of(const struct xa_vcpu *v);
/* And these take it. */
int xa_evtchn_send(struct xa_domain *d, evtchn_port_t port);
int xa_evtchn_close(struct xa_domain *d, evtchn_port_t port);
int xa_evtchn_alloc_unbound(struct xa_domain *d, domid_t remote, evtchn_port_t *ret);
int xa_evtchn_bind_self(struct xa_domain *d, evtchn_port_t remote, evtchn_port_t *ret);
int xa_evtchn_bind_virq(struct xa_domain *d, uint32_t virq, uint32_t vcpu, evtchn_port_t *ret);
int xa_evtchn_bind_ipi(struct xa_domain *d, uint32_t vcpu, evtchn_port_t *ret);
int xa_evtchn_bind_vcpu(struct xa_domain *d, evtchn_port_t port, uint32_t vcpu);
int xa_evtchn_unmask(struct xa_domain *d, evtchn_port_t port);
int xa_evtchn_set_priority(struct xa_domain *d, evtchn_port_t port, uint32_t priority);
void xa_evtchn_reset(struct xa_domain *d);

/* ---- evtchn_fifo.c; evtchn_lock held ---- */
int xa_fifo_init_control(struct xa_domain *d, unsigned vcpu, uint64_t gfn, uint32_t offset);
int xa_fifo_expand(struct xa_domain *d, uint64_t gfn);
void xa_fifo_fini(struct xa_domain *d);

/* ---- domain.c ---- */
/* xa_default_info - vcpu_info of a vCPU that registered none; evtchn_lock held */
uint8_t *xa_default_info(const struct xa_vcpu *v);
/* xa_set_shared - shared_info moves to @page (contents copied); takes evtchn_lock */
void xa_set_shared(struct xa_domain *d, uint8_t *page);
/* xa_latch_width - the guest's shared pages have the layout of this caller's width */
void xa_latch_width(struct xa_domain *d, bool is_32);
/* xa_shutdown - end the domain for @reason, or for the code that the guest set before */
void xa_shutdown(struct xa_domain *d, unsigned reason);

/* ---- gnttab.c, gnttab_use.c ---- */
int xa_gnttab_init(struct xa_domain *d);
void xa_gnttab_reset(struct xa_domain *d);	/* back to an empty table */
void xa_gnttab_fini(struct xa_domain *d);
/*
 * xa_gnttab_map - frame @idx appears at @gfn, whose host page is @page; takes gnt_lock. With
 * XENMAPIDX_grant_table_status in @idx a status frame does, if the table has version 2.
 */
int xa_gnttab_map(struct xa_domain *d, uint64_t idx, uint64_t gfn, void *page);
/* xa_gnttab_may_map - is there a frame @idx, or room for one? takes gnt_lock */
bool xa_gnttab_may_map(struct xa_domain *d, uint64_t idx);
/* xa_gnttab_grow - the table has @frames frames at least; takes gnt_lock. -ENOMEM */
int xa_gnttab_grow(struct xa_domain *d, unsigned frames);
/* xa_gnttab_set_version - -EBUSY while grants are in use, -ERANGE; takes gnt_lock */
int xa_gnttab_set_version(struct xa_domain *d, unsigned version);
/* xa_gnttab_has - is @ref in the table? gnt_lock held */
bool xa_gnttab_has(const struct xa_domain *d, grant_ref_t ref);
/* xa_gnttab_unmap - the guest gives up @gfn: if a frame is there, keep its contents elsewhere */
int xa_gnttab_unmap(struct xa_domain *d, uint64_t gfn);
/*
 * xa_gnttab_pin - take @ref for @by; see xa_grant_map(). gnt_lock held
 * @ret_part: the part of the page that may be used; NULL: it must be all
 */
int xa_gnttab_pin(struct xa_domain *d, grant_ref_t ref, domid_t by, bool write, void **ret_page,
		  const struct xa_grant_use **ret_part);
/* xa_grant_frame_place - PV: let frame @idx, see xa_gnttab_map, appear at its place; takes mem_lock */
int xa_grant_frame_place(struct xa_domain *d, uint64_t idx, uint64_t *ret_gfn);
void xa_gnttab_unpin(struct xa_domain *d, grant_ref_t ref, bool write);
/* xa_gnttab_frame - the frame of @ref, which is in use. gnt_lock held */
uint64_t xa_gnttab_frame(struct xa_domain *d, grant_ref_t ref);
/* xa_gnttab_swap - exchange two unused entries; GNTST_*. gnt_lock held */
int xa_gnttab_swap(struct xa_domain *d, grant_ref_t a, grant_ref_t b);

/* ---- gntmap.c: of PV guests ---- */
int xa_gntmap_init(struct xa_domain *d);
void xa_gntmap_reset(struct xa_domain *d);
void xa_gntmap_fini(struct xa_domain *d);
struct gnttab_map_grant_ref;
struct gnttab_unmap_grant_ref;
/* Map one of the guest's own grants, and the opposite; GNTST_*. They take gnt_lock. */
int16_t xa_gntmap(struct xa_vcpu *v, struct gnttab_map_grant_ref *a);
int16_t xa_gntunmap(struct xa_vcpu *v, const struct gnttab_unmap_grant_ref *a);

/* ---- vtimer.c ---- */
void xa_timer_set_singleshot(struct xa_vcpu *v, uint64_t deadline);	/* 0: stop */
void xa_timer_set_periodic(struct xa_vcpu *v, uint64_t period);		/* 0: stop */

/* ---- runstate.c ---- */
/* xa_runstate_get - times of @v up to now, by who keeps its area */
void xa_runstate_get(struct xa_vcpu *v, struct xa_times *ret);
/* xa_runstate_area - set the area to these addresses; @gpa NULL: none */
int xa_runstate_area(struct xa_vcpu *v, const uint64_t *gpa, unsigned split);

#endif
