// SPDX-License-Identifier: MIT
/*
 * Ring of the PV console, by offset within its page. Indices are free-running; "in" carries what
 * the guest reads, "out" what it writes.
 *   ABI: xen/include/public/io/console.h (struct xencons_interface)
 */
#ifndef XENABI_IO_CONSOLE_H
#define XENABI_IO_CONSOLE_H

#include "xenabi/base.h"

#define XA_CONSOLE_IN 0u
#define XA_CONSOLE_IN_SIZE 1024u
#define XA_CONSOLE_OUT 1024u
#define XA_CONSOLE_OUT_SIZE 2048u
#define XA_CONSOLE_IN_CONS 3072u	/* uint32_t: guest */
#define XA_CONSOLE_IN_PROD 3076u	/* uint32_t: back end */
#define XA_CONSOLE_OUT_CONS 3080u	/* uint32_t: back end */
#define XA_CONSOLE_OUT_PROD 3084u	/* uint32_t: guest */

#endif
