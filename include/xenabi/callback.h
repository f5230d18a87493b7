// SPDX-License-Identifier: MIT
/*
 * Entry points that PV guests register.
 *   ABI: xen/include/public/callback.h, nmi.h
 */
#ifndef XENABI_CALLBACK_H
#define XENABI_CALLBACK_H

#include "xenabi/base.h"

#define CALLBACKOP_register 0
#define CALLBACKOP_unregister 1

#define CALLBACKTYPE_event 0
#define CALLBACKTYPE_failsafe 1
#define CALLBACKTYPE_syscall 2
#define CALLBACKTYPE_sysenter_deprecated 3
#define CALLBACKTYPE_nmi 4
#define CALLBACKTYPE_sysenter 5
#define CALLBACKTYPE_syscall32 7
#define CALLBACKF_mask_events (1u << 0)

struct callback_register_64 {
	uint16_t type, flags;
	uint32_t _pad;
	uint64_t address;
};
struct callback_register_32 {
	uint16_t type, flags;
	uint32_t cs, eip;
};
struct callback_unregister {
	uint16_t type, _unused;
};
XA_CHECK_SIZE(struct callback_register_64, 16);
XA_CHECK_SIZE(struct callback_register_32, 12);
XA_CHECK_SIZE(struct callback_unregister, 4);

#define XENNMI_register_callback 0
#define XENNMI_unregister_callback 1

#endif
