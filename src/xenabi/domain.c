// SPDX-License-Identifier: MIT
/*
 * Life cycle of a domain: what it consists of before its guest has done anything, which is also the
 * state that a reboot brings back.
 *
 * Until the guest says where it wants them, shared_info and vcpu_info are private pages, so that
 * events can be raised from the first moment on.
 */
#include <stdlib.h>
#include <string.h>

#include "xenabi/sched.h"
#include "domicile/base/bits.h"

#include "priv.h"

static int check_config(const struct xa_config *cfg, struct dom_err *err)
{
	if (!cfg->max_vcpus || cfg->max_vcpus > XA_MAX_VCPUS)
		return dom_err_set(err, -EINVAL, "%u vCPUs are not possible, choose 1 to %u",
				   cfg->max_vcpus, XA_MAX_VCPUS);
	if (!cfg->max_grant_frames || cfg->max_grant_frames > XA_MAX_GRANT_FRAMES)
		return dom_err_set(err, -EINVAL, "%u grant frames are not possible, choose 1 to %u",
				   cfg->max_grant_frames, XA_MAX_GRANT_FRAMES);
	if (cfg->max_evtchn < 2)
		return dom_err_set(err, -EINVAL, "%u event channels are too few, choose 2 or more",
				   cfg->max_evtchn);
	if (cfg->domid >= DOMID_FIRST_RESERVED)
		return dom_err_set(err, -EINVAL, "domain id %u is reserved, choose one below %u",
				   cfg->domid, DOMID_FIRST_RESERVED);
	return 0;
}

/* Highest page number of RAM. */
static uint64_t top_gfn(const struct xa_config *cfg)
{
	uint64_t top = 0;

	for (unsigned i = 0; i < cfg->memmap_count; i++) {
		const struct xa_memmap_entry *e = &cfg->memmap[i];

		if (e->type == 1 && e->size >= XEN_PAGE_SIZE)
			top = DOM_MAX(top, ((e->addr + e->size) >> XEN_PAGE_SHIFT) - 1);
	}
	return xa_frame_of(cfg, top);
}

uint8_t *xa_default_info(const struct xa_vcpu *v)
{
	const struct xa_domain *d = v->d;

	return v->id < XEN_LEGACY_MAX_VCPUS ? d->shared + v->id * XA_VCPU_INFO_SIZE : d->dummy_info;
}

static void vcpu_reset(struct xa_vcpu *v)
{
	v->walk.have_paging = v->walk.have_page = false;
	v->in_multicall = false;
	v->down = v->id != 0;
	v->ran = v->id == 0;
	v->initialised = v->id == 0;
	v->info = xa_default_info(v);
	v->info_registered = false;
	v->upcall = (struct xa_upcall){ v->d->cfg.pv ? XA_UPCALL_PV : XA_UPCALL_NONE };
	memset(v->virq_port, 0, sizeof(v->virq_port));
	v->singleshot = v->periodic = v->period = 0;
	v->times = (struct xa_times){ .state = v->id ? XA_OFFLINE : XA_RUNNABLE };
	v->runstate_area.on = v->runstate_area.by_host = false;
}

/* Parameters that exist from the start. ABI: as libxc's PVH domain builder sets them */
static void params_reset(struct xa_domain *d)
{
	uint64_t special = d->cfg.special_gfn.v;

	memset(d->params, 0, sizeof(d->params));
	d->params[HVM_PARAM_STORE_PFN] = d->cfg.store_gfn.v;
	d->params[HVM_PARAM_CONSOLE_PFN] = d->cfg.console_gfn.v;
	if (special) {
		d->params[HVM_PARAM_PAGING_RING_PFN] = special;
		d->params[HVM_PARAM_MONITOR_RING_PFN] = special + 1;
		d->params[HVM_PARAM_SHARING_RING_PFN] = special + 2;
		d->params[HVM_PARAM_BUFIOREQ_PFN] = special + 3;
		d->params[HVM_PARAM_IOREQ_PFN] = special + 5;
		d->params[HVM_PARAM_IDENT_PT] = (special + 6) << XEN_PAGE_SHIFT;
	}
}

/* Everything that a guest can change, but not what takes memory. */
static void domain_reset(struct xa_domain *d)
{
	d->tot_pages = d->cfg.tot_pages;
	d->max_gfn = DOM_MAX(top_gfn(&d->cfg), d->cfg.special_gfn.v ? d->cfg.special_gfn.v + 7 : 0);
	if (d->ballooned)
		memset(d->ballooned, 0, DOM_BITS_WORDS(d->ballooned_bits) * sizeof(uint64_t));
	d->shared_gfn = UINT64_MAX;
	d->shared = d->shared_private;
	memset(d->shared_private, 0, XEN_PAGE_SIZE);
	memset(d->dummy_info, 0, XA_VCPU_INFO_SIZE);
	d->shared_32 = false;
	xa_evtchn_limit_changed(d);
	d->upcall = (struct xa_upcall){ .kind = XA_UPCALL_NONE };
	memset(d->watchdog, 0, sizeof(d->watchdog));
	d->runstate_flag = false;
	d->shutdown_code = -1;
	params_reset(d);
	for (unsigned i = 0; i < d->cfg.max_vcpus; i++)
		vcpu_reset(&d->vcpus[i]);
}

static int alloc_vcpus(struct xa_domain *d)
{
	unsigned counters = xa_stat_bases(d->stat_base);

	d->vcpus = calloc(d->cfg.max_vcpus, sizeof(*d->vcpus));
	if (!d->vcpus)
		return -ENOMEM;
	for (unsigned i = 0; i < d->cfg.max_vcpus; i++) {
		struct xa_vcpu *v = &d->vcpus[i];

		v->d = d;
		v->id = i;
		pthread_mutex_init(&v->lock, NULL);
		v->counts = calloc(counters, sizeof(*v->counts));
		if (!v->counts)
			return -ENOMEM;
	}
	return 0;
}

static int alloc_domain(struct xa_domain *d)
{
	const struct xa_config *cfg = &d->cfg;
	int err;

	d->shared_private = aligned_alloc(XEN_PAGE_SIZE, XEN_PAGE_SIZE);
	d->dummy_info = aligned_alloc(XA_VCPU_INFO_SIZE, XA_VCPU_INFO_SIZE);
	d->memmap = calloc(cfg->memmap_count + 1, sizeof(*d->memmap));
	if (!d->shared_private || !d->dummy_info || !d->memmap)
		return -ENOMEM;
	if (cfg->memmap_count)
		memcpy(d->memmap, cfg->memmap, cfg->memmap_count * sizeof(*d->memmap));
	if (cfg->cmdline) {
		d->cmdline = strdup(cfg->cmdline);
		if (!d->cmdline)
			return -ENOMEM;
	}
	d->cfg.memmap = d->memmap;
	d->cfg.cmdline = d->cmdline;
	err = alloc_vcpus(d);
	if (!err)
		err = xa_evtchn_init(d);
	if (!err)
		err = xa_gnttab_init(d);
	return err;
}

int xa_domain_new(const struct xa_config *cfg, struct xa_domain **ret, struct dom_err *err)
{
	struct xa_domain *d;
	int code = check_config(cfg, err);

	if (code)
		return code;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->cfg = *cfg;
	d->plat = cfg->platform;
	d->ctx = cfg->platform_ctx;
	d->log = cfg->log;
	pthread_mutex_init(&d->mem_lock, NULL);
	pthread_mutex_init(&d->gnt_lock, NULL);
	pthread_mutex_init(&d->evtchn_lock, NULL);
	code = alloc_domain(d);
	if (code) {
		xa_domain_free(d);
		return dom_err_set(err, code, "not enough memory for the state of a domain");
	}
	domain_reset(d);
	*ret = d;
	return 0;
}

void xa_domain_rename(struct xa_domain *d, domid_t domid)
{
	d->cfg.domid = domid;
}

void xa_domain_free(struct xa_domain *d)
{
	if (!d)
		return;
	xa_gnttab_fini(d);
	xa_evtchn_fini(d);
	for (unsigned i = 0; d->vcpus && i < d->cfg.max_vcpus; i++)
		free(d->vcpus[i].counts);
	free(d->vcpus);
	free(d->memmap);
	free(d->cmdline);
	free(d->ballooned);
	free(d->dummy_info);
	free(d->shared_private);
	free(d);
}

void xa_domain_reset(struct xa_domain *d)
{
	xa_evtchn_reset(d);
	xa_gnttab_reset(d);
	for (unsigned i = 0; i < d->cfg.max_vcpus; i++) {
		struct xa_vcpu *v = &d->vcpus[i];

		xa_timer_set_periodic(v, 0);
		xa_timer_set_singleshot(v, 0);
		xa_runstate_area(v, NULL, 0);
		xa_poll_ended(v);
	}
	if (d->plat->set_watchdog)
		d->plat->set_watchdog(d->ctx, 0);
	domain_reset(d);
}

struct xa_vcpu *xa_domain_vcpu(struct xa_domain *d, unsigned id)
{
	return id < d->cfg.max_vcpus ? &d->vcpus[id] : NULL;
}

void xa_set_shared(struct xa_domain *d, uint8_t *page)
{
	xa_lock(&d->evtchn_lock);
	if (page != d->shared) {
		dom_copy_once(page, d->shared, XEN_PAGE_SIZE);
		d->shared = page;
		for (unsigned i = 0; i < d->cfg.max_vcpus && i < XEN_LEGACY_MAX_VCPUS; i++)
			if (!d->vcpus[i].info_registered)
				__atomic_store_n(&d->vcpus[i].info, page + i * XA_VCPU_INFO_SIZE,
						 __ATOMIC_RELEASE);
	}
	xa_unlock(&d->evtchn_lock);
}

void xa_latch_width(struct xa_domain *d, bool is_32)
{
	xa_lock(&d->evtchn_lock);
	__atomic_store_n(&d->shared_32, is_32, __ATOMIC_RELAXED);
	xa_evtchn_limit_changed(d);
	xa_unlock(&d->evtchn_lock);
}

bool xa_shared_is_32bit(const struct xa_domain *d)
{
	return __atomic_load_n(&d->shared_32, __ATOMIC_RELAXED);
}

void xa_shutdown(struct xa_domain *d, unsigned reason)
{
	int code;

	xa_lock(&d->evtchn_lock);
	code = d->shutdown_code;
	xa_unlock(&d->evtchn_lock);
	d->plat->shutdown(d->ctx, code >= 0 ? (unsigned)code : reason);
}

uint64_t xa_hvm_param_get(struct xa_domain *d, unsigned index)
{
	uint64_t value;

	if (index >= HVM_NR_PARAMS)
		return 0;
	xa_lock(&d->evtchn_lock);
	value = d->params[index];
	xa_unlock(&d->evtchn_lock);
	return value;
}

void xa_hvm_param_set(struct xa_domain *d, unsigned index, uint64_t value)
{
	if (index >= HVM_NR_PARAMS)
		return;
	xa_lock(&d->evtchn_lock);
	d->params[index] = value;
	xa_unlock(&d->evtchn_lock);
}

const void *xa_shared_page(struct xa_domain *d)
{
	return d->shared;
}
