// SPDX-License-Identifier: MIT
/*
 * xen_version: who the hypervisor says it is.
 *   ABI: xen/include/public/version.h
 *
 * Texts are those of a Xen that a distribution built, so that guests which parse them find what
 * they expect; as on real Xen an ordinary guest is not shown command line and build id.
 */
#include <string.h>

#include "xenabi/dumpcore.h"
#include "domicile/base/num.h"
#include "domicile/base/xenver.h"

#include "priv.h"

#define FEATURE(name) (1u << XENFEAT_##name)

/* What Xen 4.17 showed a PVH guest: 0x12305. */
#define FEATURES_PVH                                                                               \
	(FEATURE(writable_page_tables) | FEATURE(auto_translated_physmap) |                        \
	 FEATURE(hvm_callback_vector) | FEATURE(hvm_safe_pvclock) |                                \
	 FEATURE(memory_op_vnode_supported) | FEATURE(not_direct_mapped))

/* The rest of what Xen 4.20 showed (0x1d2305), as far as it is implemented. */
#define FEATURES_PVH_4_18 FEATURE(runstate_phys_area)

/* What Xen 4.17 showed a PV guest: 0x220f0. */
#define FEATURES_PV                                                                                \
	(FEATURE(pae_pgdir_above_4gb) | FEATURE(mmu_pt_update_preserve_ad) |                       \
	 FEATURE(highmem_assist) | FEATURE(gnttab_map_avail_bits) |                                \
	 FEATURE(memory_op_vnode_supported) | FEATURE(direct_mapped))

static const char capabilities[] = DOM_XEN_CAPS;
static const char extraversion[] = DOM_XEN_EXTRA;
static const char changeset[] = "";
static const char denied[] = "<denied>";

static bool is_4_18(const struct xa_vcpu *v)
{
	const struct xa_config *cfg = &v->d->cfg;

	return cfg->xen_major > 4 || (cfg->xen_major == 4 && cfg->xen_minor >= 18);
}

static int64_t xenver_version(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)call;
	(void)arg;
	return v->d->cfg.xen_major << 16 | v->d->cfg.xen_minor;
}

static int64_t xenver_extraversion(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)v;
	(void)call;
	memcpy(arg, extraversion, sizeof(extraversion));
	return 0;
}

static const struct xen_compile_info compile_info = {
	.compiler = DOM_XEN_COMPILER,
	.compile_by = DOM_XEN_COMPILE_BY,
};

static int64_t xenver_compile_info(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)v;
	(void)call;
	*(struct xen_compile_info *)arg = compile_info;
	return 0;
}

static int64_t xenver_capabilities(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)v;
	(void)call;
	memcpy(arg, capabilities, sizeof(capabilities));
	return 0;
}

static int64_t xenver_changeset(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)v;
	(void)call;
	memcpy(arg, changeset, sizeof(changeset));
	return 0;
}

static int64_t xenver_platform_parameters(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct xen_platform_parameters_64 *p = arg;

	(void)v;
	(void)call;
	p->virt_start = 0;	/* a PVH guest shares no address space with the hypervisor */
	return 0;
}

static int64_t xenver_get_features(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct xen_feature_info *f = arg;

	(void)call;
	if (f->submap_idx != 0)
		return -EINVAL;
	f->submap = v->d->cfg.pv ? FEATURES_PV : FEATURES_PVH;
	if (!v->d->cfg.pv && is_4_18(v))
		f->submap |= FEATURES_PVH_4_18;
	return 0;
}

static int64_t xenver_pagesize(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)v;
	(void)arg;
	return call->arg[1] ? -EINVAL : (int64_t)XEN_PAGE_SIZE;
}

static int64_t xenver_guest_handle(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)call;
	memcpy(arg, v->d->cfg.uuid, sizeof(v->d->cfg.uuid));
	return 0;
}

static const char *commandline(const struct xa_vcpu *v)
{
	return v->d->cmdline ? v->d->cmdline : denied;
}

static int64_t xenver_commandline(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const char *text = commandline(v);

	(void)call;
	memcpy(arg, text, strnlen(text, XEN_COMMANDLINE_LEN - 1));
	return 0;
}

/* The *2 operations: @text without a limit, or its length if the guest passes no buffer. */
static int64_t varbuf(struct xa_vcpu *v, const struct xa_call *call, const char *text)
{
	struct xa_gva at = { call->arg[1] };
	size_t len = strlen(text);
	struct xen_varbuf head;

	if (!is_4_18(v))
		return -ENOSYS;
	if (!at.v)
		return (int64_t)len;
	if (xa_copy_from(v, &head, at, sizeof(head)))
		return -EFAULT;
	if (head.len == 0)
		return -EINVAL;
	if (head.len < len)
		return -ENOBUFS;
	if (!dom_add_u64(at.v, sizeof(head), &at.v) || xa_copy_to(v, at, text, len))
		return -EFAULT;
	return (int64_t)len;
}

static int64_t xenver_extraversion2(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)arg;
	return varbuf(v, call, extraversion);
}

static int64_t xenver_capabilities2(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)arg;
	return varbuf(v, call, capabilities);
}

static int64_t xenver_changeset2(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)arg;
	return varbuf(v, call, changeset);
}

static int64_t xenver_commandline2(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)arg;
	return is_4_18(v) ? -EPERM : varbuf(v, call, commandline(v));
}

static const struct xa_field platform_parameters[] = {
	XA_FIELD(xen_platform_parameters, virt_start),
};

static const struct xa_op ops[] = {
	[XENVER_version] = { "version", xenver_version },
	[XENVER_extraversion] = { "extraversion", xenver_extraversion,
		.size64 = XEN_EXTRAVERSION_LEN, .dir = XA_OUT },
	[XENVER_compile_info] = { "compile_info", xenver_compile_info,
		XA_ARG(xen_compile_info), .dir = XA_OUT },
	[XENVER_capabilities] = { "capabilities", xenver_capabilities,
		.size64 = XEN_CAPABILITIES_INFO_LEN, .dir = XA_OUT },
	[XENVER_changeset] = { "changeset", xenver_changeset,
		.size64 = XEN_CHANGESET_INFO_LEN, .dir = XA_OUT },
	[XENVER_platform_parameters] = { "platform_parameters", xenver_platform_parameters,
		XA_ARG2(xen_platform_parameters, platform_parameters), .dir = XA_OUT },
	[XENVER_get_features] = { "get_features", xenver_get_features,
		XA_ARG(xen_feature_info), .dir = XA_INOUT },
	[XENVER_pagesize] = { "pagesize", xenver_pagesize },
	[XENVER_guest_handle] = { "guest_handle", xenver_guest_handle,
		.size64 = 16, .dir = XA_OUT },
	[XENVER_commandline] = { "commandline", xenver_commandline,
		.size64 = XEN_COMMANDLINE_LEN, .dir = XA_OUT },
	[XENVER_build_id] = { "build_id", .err = -EPERM },
	[XENVER_extraversion2] = { "extraversion2", xenver_extraversion2 },
	[XENVER_capabilities2] = { "capabilities2", xenver_capabilities2 },
	[XENVER_changeset2] = { "changeset2", xenver_changeset2 },
	[XENVER_commandline2] = { "commandline2", xenver_commandline2 },
};

const struct xa_family xa_version_ops = { ops, DOM_ARRAY_LEN(ops), .arg = 1 };

void xa_dump_version(const struct xa_domain *d, struct xen_dumpcore_elfnote_xen_version *ret)
{
	*ret = (struct xen_dumpcore_elfnote_xen_version){
		.major_version = d->cfg.xen_major,
		.minor_version = d->cfg.xen_minor,
		.compile_info = compile_info,
		.pagesize = XEN_PAGE_SIZE,
	};
	memcpy(ret->extra_version, extraversion, sizeof(extraversion));
	memcpy(ret->capabilities, capabilities, sizeof(capabilities));
	memcpy(ret->changeset, changeset, sizeof(changeset));
}
