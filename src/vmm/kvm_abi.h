// SPDX-License-Identifier: MIT
/*
 * Parts of the kernel's KVM interface that are newer than the oldest linux/kvm.h we build with
 * (Debian 12's). Facts of include/uapi/linux/kvm.h.
 */
#ifndef VMM_KVM_ABI_H
#define VMM_KVM_ABI_H

#include <linux/kvm.h>

#ifndef KVM_XEN_HVM_CONFIG_RUNSTATE_UPDATE_FLAG
#define KVM_XEN_HVM_CONFIG_RUNSTATE_UPDATE_FLAG (1 << 6)
#endif
#ifndef KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG
#define KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG 0x5
#endif

#endif
