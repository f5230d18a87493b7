// SPDX-License-Identifier: MIT
/*
 * The service manager's notification socket: sd_notify(3)'s protocol, which is one datagram, so
 * that there is no library to link. Does nothing when $NOTIFY_SOCKET is not set.
 */
#ifndef XL_NOTIFY_H
#define XL_NOTIFY_H

#include "domicile/base/cc.h"

DOM_PRINTF(1, 2)
void xl_notify(const char *fmt, ...);

#endif
