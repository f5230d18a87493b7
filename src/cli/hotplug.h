// SPDX-License-Identifier: MIT
/*
 * Hotplug scripts, called as libxl calls them, so that Xen's own and people's work as they are.
 */
#ifndef XL_HOTPLUG_H
#define XL_HOTPLUG_H

#include "xl.h"

#define XL_SCRIPT_DIR "/etc/xen/scripts"

/** xl_hotplug_path - @script as it is, or below XL_SCRIPT_DIR when it has no directory */
void xl_hotplug_path(const char *script, char buf[DOM_PATH_MAX]);

/**
 * xl_hotplug_run - run `@script @verb` for device @kind/@devid of @domid, for at most 40 s
 *
 * XENBUS_PATH, XENBUS_TYPE and XENBUS_BASE_PATH are in its environment, its output goes to standard
 * error. Returns 0, or -errno with the sentence that the script left in hotplug-error, if any.
 */
int xl_hotplug_run(struct xl *xl, const char *script, const char *verb, const char *kind,
		   unsigned domid, unsigned devid, struct dom_err *err);

#endif
