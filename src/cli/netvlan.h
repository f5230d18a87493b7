// SPDX-License-Identifier: MIT
/*
 * VLANs of an interface that is a bridge's port: vlan= of xl-network-configuration(5).
 */
#ifndef XL_NETVLAN_H
#define XL_NETVLAN_H

#include <stdint.h>

#include "domicile/base/err.h"

#define XL_VLANS 4095u		/* 1 .. 4094 are names of VLANs */

enum { XL_VLAN_MEMBER = 1, XL_VLAN_UNTAGGED = 2, XL_VLAN_PVID = 4 };

/**
 * xl_vlan_parse - terms N[p|u], A-B[u], BASE+STEPxMORE[u], separated by slashes
 * @ret: XL_VLAN_* of each
 *
 * One of them takes the frames without a tag ("p"), or it is the only one. Returns 0 or -EINVAL.
 */
int xl_vlan_parse(const char *spec, uint8_t ret[XL_VLANS], struct dom_err *err);

/**
 * xl_vlan_apply - make port @name of @bridge a member of these VLANs and no others
 *
 * Returns 0; -EINVAL as above; -ENOTSUP when the bridge does not look at VLANs; the kernel's error.
 */
int xl_vlan_apply(const char *spec, const char *bridge, const char *name, struct dom_err *err);

#endif
