// SPDX-License-Identifier: MIT
/*
 * Basic types of the Xen ABI and the macro that pins the size of a layout.
 *
 * include/xenabi holds facts only: numbers and layouts, spelled as in Xen so that one search finds
 * both worlds, each with the header of the Xen tree that specifies it. Layouts that depend on the
 * guest's width exist once per width, with the width in their name.
 */
#ifndef XENABI_BASE_H
#define XENABI_BASE_H

#include <stdint.h>

typedef uint16_t domid_t;	/* xen/include/public/xen.h */
typedef uint32_t evtchn_port_t;	/* xen/include/public/event_channel.h */
typedef uint32_t grant_ref_t;	/* xen/include/public/grant_table.h */

/* Special domain ids. ABI: xen/include/public/xen.h */
#define DOMID_FIRST_RESERVED 0x7ff0u
#define DOMID_SELF 0x7ff0u
#define DOMID_IO 0x7ff1u
#define DOMID_XEN 0x7ff2u
#define DOMID_COW 0x7ff3u
#define DOMID_INVALID 0x7ff4u
#define DOMID_ANY 0x7ff5u
#define DOMID_IDLE 0x7fffu

#define XEN_PAGE_SHIFT 12
#define XEN_PAGE_SIZE 4096u

#define XA_CHECK_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has another size")

#endif
