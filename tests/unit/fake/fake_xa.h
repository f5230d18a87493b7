// SPDX-License-Identifier: MIT
/*
 * A host for src/xenabi that is a few arrays: unit tests and fuzz targets drive every hypercall
 * with it, without KVM. It records what the library asked of it and can be told to refuse.
 *
 * Guest memory: FAKE_RAM_PAGES pages at guest page 0, and a window of FAKE_HOLE_PAGES at
 * FAKE_HOLE_GFN that has no memory until it is populated. Paging is off at first, so that guest-
 * virtual and guest-physical addresses are equal.
 */
#ifndef FAKE_XA_H
#define FAKE_XA_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xenabi/event_channel.h"
#include "xenabi/grant_table.h"
#include "xenabi/hvm.h"
#include "xenabi/hypercall.h"
#include "xenabi/memory.h"
#include "xenabi/sched.h"
#include "xenabi/shared_info.h"
#include "xenabi/vcpu.h"
#include "xenabi/version.h"
#include "domicile/base/bits.h"
#include "domicile/base/once.h"
#include "domicile/xa.h"
#include "domicile/xa_guest.h"

#define FAKE_RAM_PAGES 512u
#define FAKE_HOLE_GFN 0x100000u
#define FAKE_HOLE_PAGES 64u
#define FAKE_VCPUS 4u
#define FAKE_MAX_VCPUS 64u	/* for tests that want more */
#define FAKE_PORTS 4096u

/* Where fake_op() puts arguments, and a page for lists that arguments point to. */
#define FAKE_ARG 0x10000u
#define FAKE_LIST 0x11000u
/* Pages that tests use for shared_info, vcpu_info, FIFO control blocks and arrays. */
#define FAKE_SHARED_GFN 0x20u
#define FAKE_CONTROL_GFN 0x30u
#define FAKE_ARRAY_GFN 0x40u
#define FAKE_GRANT_GFN 0x60u
/* An address without memory. */
#define FAKE_BAD 0x80000000u

struct fake {
	struct xa_domain *d;
	enum xa_abi abi;
	uint8_t *ram, *hole;
	bool ram_gone[FAKE_RAM_PAGES], hole_here[FAKE_HOLE_PAGES];
	struct xa_paging paging;
	uint64_t now;			/* atomic */
	uint8_t *shared;		/* page of the last shared_info call */

	unsigned pagings, upcalls[FAKE_MAX_VCPUS], waits, wakes[FAKE_MAX_VCPUS];
	unsigned blocks, yields, nmis;
	unsigned set_timers, releases;
	struct xa_upcall upcall[FAKE_MAX_VCPUS], upcall_set;
	uint64_t timer[FAKE_MAX_VCPUS], watchdog, wait_deadline;
	uint64_t vcpu_info[FAKE_MAX_VCPUS], time_area, runstate_area;
	struct xa_port_route route[FAKE_PORTS];
	evtchn_port_t timer_port[FAKE_MAX_VCPUS];
	int ups, downs, shutdown_reason, runstate_flag;
	struct xa_vcpu_start start;
	struct xa_times given_times, host_times;
	char console[1024];
	size_t console_len;

	/* What the functions return: 0, or an errno to test failures with. */
	int ret_populate, ret_release, ret_upcall_set, ret_shared_info, ret_vcpu_info;
	int ret_time_area, ret_runstate_area, ret_runstate_times, ret_vcpu_up, ret_vcpu_down, ret_nmi, ret_flag;
	void (*on_wait)(struct fake *f, unsigned vcpu);
	bool sleeps;			/* wait() returns before the wait is over */
	bool quiet;			/* concurrent use: record nothing */
};

static void *fake_page(void *ctx, struct xa_gfn gfn)
{
	struct fake *f = ctx;

	if (gfn.v < FAKE_RAM_PAGES)
		return f->ram_gone[gfn.v] ? NULL : f->ram + gfn.v * XEN_PAGE_SIZE;
	if (gfn.v - FAKE_HOLE_GFN < FAKE_HOLE_PAGES && f->hole_here[gfn.v - FAKE_HOLE_GFN])
		return f->hole + (gfn.v - FAKE_HOLE_GFN) * XEN_PAGE_SIZE;
	return NULL;
}

static int fake_populate(void *ctx, struct xa_gfn gfn)
{
	struct fake *f = ctx;

	if (f->ret_populate)
		return f->ret_populate;
	if (gfn.v < FAKE_RAM_PAGES)
		f->ram_gone[gfn.v] = false;
	else if (gfn.v - FAKE_HOLE_GFN < FAKE_HOLE_PAGES)
		f->hole_here[gfn.v - FAKE_HOLE_GFN] = true;
	else
		return -EINVAL;
	return 0;
}

/* Pages stay addressable after release, as the interface allows; they read as zero. */
static int fake_release(void *ctx, struct xa_gfn gfn, uint64_t count)
{
	struct fake *f = ctx;

	if (f->ret_release)
		return f->ret_release;
	f->releases++;
	for (uint64_t i = 0; i < count; i++) {
		void *page = fake_page(ctx, (struct xa_gfn){ gfn.v + i });

		if (page)
			memset(page, 0, XEN_PAGE_SIZE);
	}
	return 0;
}

static void fake_paging(void *ctx, unsigned vcpu, struct xa_paging *ret)
{
	struct fake *f = ctx;

	(void)vcpu;
	if (!f->quiet)
		f->pagings++;
	*ret = f->paging;
}

static void fake_upcall(void *ctx, unsigned vcpu, struct xa_upcall how)
{
	struct fake *f = ctx;

	f->upcalls[vcpu]++;
	f->upcall[vcpu] = how;
}

static int fake_upcall_set(void *ctx, unsigned vcpu, struct xa_upcall how)
{
	struct fake *f = ctx;

	(void)vcpu;
	if (!f->ret_upcall_set && !f->quiet)
		f->upcall_set = how;
	return f->ret_upcall_set;
}

static void fake_wait(void *ctx, unsigned vcpu, uint64_t deadline)
{
	struct fake *f = ctx;

	if (f->on_wait) {
		f->on_wait(f, vcpu);
	} else {
		f->waits++;
		f->wait_deadline = deadline;
	}
	if (!f->sleeps)
		xa_poll_ended(xa_domain_vcpu(f->d, vcpu));
}

static void fake_wake(void *ctx, unsigned vcpu)
{
	((struct fake *)ctx)->wakes[vcpu]++;
}

static void fake_block(void *ctx, unsigned vcpu)
{
	(void)vcpu;
	((struct fake *)ctx)->blocks++;
}

static void fake_yield(void *ctx, unsigned vcpu)
{
	(void)vcpu;
	((struct fake *)ctx)->yields++;
}

static uint64_t fake_now(void *ctx)
{
	return DOM_LOAD(&((struct fake *)ctx)->now);
}

static void fake_set_timer(void *ctx, unsigned vcpu, uint64_t deadline)
{
	struct fake *f = ctx;

	__atomic_fetch_add(&f->set_timers, 1, __ATOMIC_RELAXED);
	DOM_STORE(&f->timer[vcpu], deadline);
}

static int fake_shared_info(void *ctx, struct xa_gfn gfn)
{
	struct fake *f = ctx;

	if (!f->ret_shared_info)
		f->shared = fake_page(ctx, gfn);
	return f->ret_shared_info;
}

static int fake_vcpu_info(void *ctx, unsigned vcpu, struct xa_gpa gpa)
{
	struct fake *f = ctx;

	if (!f->ret_vcpu_info)
		f->vcpu_info[vcpu] = gpa.v;
	return f->ret_vcpu_info;
}

static int fake_time_area(void *ctx, unsigned vcpu, struct xa_gpa gpa)
{
	struct fake *f = ctx;

	(void)vcpu;
	f->time_area = gpa.v;
	return f->ret_time_area;
}

static int fake_runstate_area(void *ctx, unsigned vcpu, struct xa_gpa gpa,
			      const struct xa_times *times)
{
	struct fake *f = ctx;

	(void)vcpu;
	f->runstate_area = gpa.v;
	f->given_times = *times;
	return f->ret_runstate_area;
}

static int fake_runstate_times(void *ctx, unsigned vcpu, struct xa_times *ret)
{
	struct fake *f = ctx;

	(void)vcpu;
	if (!f->ret_runstate_times)
		*ret = f->host_times;
	return f->ret_runstate_times;
}

static void fake_port_route(void *ctx, evtchn_port_t port, const struct xa_port_route *route)
{
	struct fake *f = ctx;

	if (port < FAKE_PORTS)
		f->route[port] = *route;
}

static void fake_timer_port(void *ctx, unsigned vcpu, evtchn_port_t port)
{
	((struct fake *)ctx)->timer_port[vcpu] = port;
}

static int fake_vcpu_up(void *ctx, unsigned vcpu, const struct xa_vcpu_start *start)
{
	struct fake *f = ctx;

	(void)vcpu;
	f->ups++;
	f->start = start ? *start : (struct xa_vcpu_start){ 0 };
	return f->ret_vcpu_up;
}

static int fake_vcpu_down(void *ctx, unsigned vcpu)
{
	struct fake *f = ctx;

	(void)vcpu;
	f->downs++;
	return f->ret_vcpu_down;
}

static int fake_nmi(void *ctx, unsigned vcpu)
{
	struct fake *f = ctx;

	(void)vcpu;
	f->nmis++;
	return f->ret_nmi;
}

static void fake_shutdown(void *ctx, unsigned reason)
{
	((struct fake *)ctx)->shutdown_reason = (int)reason;
}

static void fake_console(void *ctx, const char *data, size_t len)
{
	struct fake *f = ctx;
	size_t n = sizeof(f->console) - f->console_len;

	n = len < n ? len : n;
	memcpy(f->console + f->console_len, data, n);
	f->console_len += n;
}

static void fake_set_watchdog(void *ctx, uint64_t deadline)
{
	((struct fake *)ctx)->watchdog = deadline;
}

static int fake_runstate_flag(void *ctx, bool on)
{
	struct fake *f = ctx;

	f->runstate_flag = on;
	return f->ret_flag;
}

static const struct xa_platform fake_platform = {
	.page = fake_page,
	.populate = fake_populate,
	.release = fake_release,
	.paging = fake_paging,
	.upcall = fake_upcall,
	.upcall_set = fake_upcall_set,
	.wait = fake_wait,
	.wake = fake_wake,
	.block = fake_block,
	.yield = fake_yield,
	.now = fake_now,
	.set_timer = fake_set_timer,
	.shared_info = fake_shared_info,
	.vcpu_info = fake_vcpu_info,
	.time_area = fake_time_area,
	.runstate_area = fake_runstate_area,
	.runstate_times = fake_runstate_times,
	.port_route = fake_port_route,
	.timer_port = fake_timer_port,
	.vcpu_up = fake_vcpu_up,
	.vcpu_down = fake_vcpu_down,
	.nmi = fake_nmi,
	.shutdown = fake_shutdown,
	.console = fake_console,
	.set_watchdog = fake_set_watchdog,
	.runstate_flag = fake_runstate_flag,
};

static const struct xa_memmap_entry fake_memmap[] = {
	{ 0, FAKE_RAM_PAGES * (uint64_t)XEN_PAGE_SIZE, 1 },
	{ 0xfeff8000, 0x8000, 2 },
};

static inline struct xa_config fake_config(struct fake *f)
{
	return (struct xa_config){
		.domid = 7,
		.uuid = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
		.max_vcpus = FAKE_VCPUS,
		.tot_pages = FAKE_RAM_PAGES,
		.max_pages = FAKE_RAM_PAGES + 16,
		.max_grant_frames = 4,
		.max_evtchn = EVTCHN_FIFO_NR_CHANNELS,
		.xen_major = 4,
		.xen_minor = 17,
		.console_gfn = { 0xfefff },
		.store_gfn = { 0xfeffc },
		.special_gfn = { 0xfeff8 },
		.memmap = fake_memmap,
		.memmap_count = DOM_ARRAY_LEN(fake_memmap),
		.platform = &fake_platform,
		.platform_ctx = f,
	};
}

/* Pages of zeros between inaccessible ones, so that no access beyond them goes unseen. */
static inline uint8_t *fake_pages(size_t pages)
{
	uint8_t *p = mmap(NULL, (pages + 2) * XEN_PAGE_SIZE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + XEN_PAGE_SIZE, pages * XEN_PAGE_SIZE,
					PROT_READ | PROT_WRITE))
		abort();
	return p + XEN_PAGE_SIZE;
}

static inline void fake_pages_free(uint8_t *p, size_t pages)
{
	munmap(p - XEN_PAGE_SIZE, (pages + 2) * XEN_PAGE_SIZE);
}

/* A host without a domain yet. */
static inline struct fake *fake_host(void)
{
	struct fake *f = calloc(1, sizeof(*f));

	f->ram = fake_pages(FAKE_RAM_PAGES);
	f->hole = fake_pages(FAKE_HOLE_PAGES);
	f->shutdown_reason = -1;
	f->now = 1000000000;
	return f;
}

static inline struct fake *fake_new_cfg(void (*tweak)(struct xa_config *cfg))
{
	struct fake *f = fake_host();
	struct xa_config cfg = fake_config(f);

	if (tweak)
		tweak(&cfg);
	if (xa_domain_new(&cfg, &f->d, NULL)) {
		fprintf(stderr, "no domain\n");
		abort();
	}
	return f;
}

static inline struct fake *fake_new(void)
{
	return fake_new_cfg(NULL);
}

static inline void fake_free(struct fake *f)
{
	xa_domain_free(f->d);
	fake_pages_free(f->ram, FAKE_RAM_PAGES);
	fake_pages_free(f->hole, FAKE_HOLE_PAGES);
	free(f);
}

/* Host address of guest-physical @gpa in RAM. */
static inline void *fake_at(struct fake *f, uint64_t gpa)
{
	return f->ram + gpa;
}

/* One hypercall of vCPU @vcpu. */
static inline int64_t fake_call(struct fake *f, unsigned vcpu, uint64_t nr, uint64_t a0,
				uint64_t a1, uint64_t a2)
{
	struct xa_call call = { .abi = f->abi, .nr = nr, .arg = { a0, a1, a2 } };

	return xa_hypercall(xa_domain_vcpu(f->d, vcpu), &call);
}

/* One operation with an argument, which is copied into guest memory and back. */
static inline int64_t fake_op_on(struct fake *f, unsigned vcpu, uint64_t nr, uint64_t op, void *arg,
				 size_t size)
{
	int64_t ret;

	memcpy(fake_at(f, FAKE_ARG), arg, size);
	ret = fake_call(f, vcpu, nr, op, FAKE_ARG, 1);
	memcpy(arg, fake_at(f, FAKE_ARG), size);
	return ret;
}

#define fake_op(f, nr, op, arg) fake_op_on(f, 0, nr, op, arg, sizeof(*(arg)))
#define fake_evtchn(f, op, arg) fake_op(f, __HYPERVISOR_event_channel_op, op, arg)

/* vcpu_op on @target, made by @vcpu. */
static inline int64_t fake_vcpu_op(struct fake *f, unsigned vcpu, unsigned op, unsigned target,
				   const void *arg, size_t size)
{
	if (size)
		memcpy(fake_at(f, FAKE_ARG), arg, size);
	return fake_call(f, vcpu, __HYPERVISOR_vcpu_op, op, target, size ? FAKE_ARG : 0);
}

/* Place shared_info at FAKE_SHARED_GFN. */
static inline int64_t fake_map_shared(struct fake *f)
{
	if (f->abi == XA_ABI_PVH32) {
		struct xen_add_to_physmap_32 a = { DOMID_SELF, 0, XENMAPSPACE_shared_info, 0,
						   FAKE_SHARED_GFN };

		return fake_op(f, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, &a);
	}
	struct xen_add_to_physmap_64 a = { DOMID_SELF, 0, XENMAPSPACE_shared_info, 0,
					   FAKE_SHARED_GFN };

	return fake_op(f, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, &a);
}

/* Place grant frame @idx at @gfn. */
static inline int64_t fake_map_grants(struct fake *f, uint64_t idx, uint64_t gfn)
{
	struct xen_add_to_physmap_64 a = { DOMID_SELF, 0, XENMAPSPACE_grant_table, idx, gfn };

	return fake_op(f, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, &a);
}

static inline int64_t fake_upcall_vector(struct fake *f, unsigned vcpu, uint8_t vector)
{
	struct xen_hvm_evtchn_upcall_vector a = { vcpu, vector };

	return fake_op(f, __HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector, &a);
}

static inline int64_t fake_send(struct fake *f, evtchn_port_t port)
{
	struct evtchn_send a = { port };

	return fake_evtchn(f, EVTCHNOP_send, &a);
}

static inline int64_t fake_bind_ipi(struct fake *f, unsigned vcpu, evtchn_port_t *ret)
{
	struct evtchn_bind_ipi a = { vcpu, 0 };
	int64_t err = fake_evtchn(f, EVTCHNOP_bind_ipi, &a);

	*ret = a.port;
	return err;
}

static inline int64_t fake_alloc_unbound(struct fake *f, domid_t remote, evtchn_port_t *ret)
{
	struct evtchn_alloc_unbound a = { DOMID_SELF, remote, 0 };
	int64_t err = fake_evtchn(f, EVTCHNOP_alloc_unbound, &a);

	*ret = a.port;
	return err;
}

static inline int64_t fake_status(struct fake *f, evtchn_port_t port)
{
	struct evtchn_status a = { .dom = DOMID_SELF, .port = port };
	int64_t err = fake_evtchn(f, EVTCHNOP_status, &a);

	return err ? err : (int64_t)a.status;
}

/* Bits of the 2-level format, in the page at FAKE_SHARED_GFN, 64-bit layout. */
static inline uint64_t *fake_pending(struct fake *f)
{
	return fake_at(f, FAKE_SHARED_GFN * XEN_PAGE_SIZE + XA_SHARED_INFO_PENDING);
}

static inline uint64_t *fake_mask(struct fake *f)
{
	return fake_at(f, FAKE_SHARED_GFN * XEN_PAGE_SIZE + XA_SHARED_INFO_MASK_64);
}

static inline uint8_t *fake_info(struct fake *f, unsigned vcpu)
{
	return fake_at(f, FAKE_SHARED_GFN * XEN_PAGE_SIZE + vcpu * XA_VCPU_INFO_SIZE);
}

/* Contents of an eventfd, 0 if it was not written. */
static inline uint64_t fake_eventfd_read(int fd)
{
	uint64_t value = 0;

	return read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

#endif
