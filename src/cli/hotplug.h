// SPDX-License-Identifier: MIT
/*
 * Hotplug scripts, called as libxl calls them, so that Xen's own and people's work as they are.
 */
#ifndef XL_HOTPLUG_H
#define XL_HOTPLUG_H

#include "xl.h"

/** xl_hotplug_find - what is run for @script: Xen's or, where there is none of that name, our own */
void xl_hotplug_find(const char *script, char buf[DOM_PATH_MAX]);

/** struct xl_hotplug - a device and its script */
struct xl_hotplug {
	const char *script, *kind;	/* "vbd", "vif" */
	unsigned domid, devid;
	const char *ifname;		/* of a vif: its interface, and gatewaydev= */
	const char *netdev;
};

/**
 * xl_hotplug_run - run the script with @verb, for at most 40 s
 *
 * XENBUS_PATH, XENBUS_TYPE and XENBUS_BASE_PATH are in its environment, for a vif also vif and
 * netdev; its output goes to standard error. Returns 0, or -errno with the sentence that the script
 * left in hotplug-error, if any.
 */
int xl_hotplug_run(struct xl *xl, const struct xl_hotplug *h, const char *verb,
		   struct dom_err *err);

/**
 * xl_hotplug_undo - run the script with @verb, once, however many processes ask for it
 *
 * Returns when it has been run, by whomever; what fails is told on standard error.
 */
void xl_hotplug_undo(struct xl *xl, const struct xl_hotplug *h, const char *verb);

#endif
