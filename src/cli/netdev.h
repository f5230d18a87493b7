// SPDX-License-Identifier: MIT
/*
 * Host side of a domain's network interfaces.
 */
#ifndef XL_NETDEV_H
#define XL_NETDEV_H

#include "life.h"

/** xl_netdev_check - is @nic (libxl form) one that can be served here? 0 or -errno */
int xl_netdev_check(struct json_object *nic, struct dom_err *err);

/** xl_netdevs_up - make the taps of all vifs and connect them; undoes all if one fails */
int xl_netdevs_up(struct xl_life *l);

/** xl_netdevs_offline - run the scripts of vifs with "offline"; they look into the store */
void xl_netdevs_offline(struct xl *xl, unsigned domid, struct json_object *json);

/** xl_netdevs_down - take the taps away */
void xl_netdevs_down(unsigned domid, struct json_object *json);

/**
 * xl_netdev_attach - give a running domain one more interface
 *
 * The interface is made and connected here, and its queues are handed to the VMM. Returns 0 when the
 * back end has it; -EEXIST; or what it said.
 */
int xl_netdev_attach(struct xl *xl, unsigned domid, struct json_object *nic, struct dom_err *err);

/**
 * xl_netdev_restore - make the host's side of an interface anew, which somebody took away
 * @ifname: its name
 *
 * It is connected as at first and handed to the VMM. Returns 0; -ENOENT without a sentence when the
 * domain has no such interface, or is about to lose it.
 */
int xl_netdev_restore(struct xl *xl, unsigned domid, const char *ifname, struct dom_err *err);

/** xl_netdevs_rejoin - make interfaces that belong to no bridge ports of theirs, where there is one now */
void xl_netdevs_rejoin(struct xl *xl, unsigned domid);

/**
 * xl_netdev_detach - take interface @devid away
 * @force: do not wait for the guest to let go of it
 *
 * Returns 0; -ENOENT without a sentence when there is none; -ETIMEDOUT when the guest still uses it.
 */
int xl_netdev_detach(struct xl *xl, unsigned domid, unsigned devid, bool force,
		     struct dom_err *err);

#endif
