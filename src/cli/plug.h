// SPDX-License-Identifier: MIT
/*
 * What attaching and detaching devices of a running domain have in common, whatever their kind.
 */
#ifndef XL_PLUG_H
#define XL_PLUG_H

#include "xl.h"

/* XenbusState* */
enum { XL_STATE_INITIALISING = 1, XL_STATE_INIT_WAIT = 2, XL_STATE_CLOSING = 5, XL_STATE_CLOSED = 6 };

#define XL_PLUG_ATTACH_MS 20000	/* for the back end to open what it needs */
#define XL_PLUG_DETACH_MS 10000	/* for the guest to let go, as libxl */

/**
 * xl_plug_attached - wait until the back end has taken a device that was described
 * @back:  its back end's directory
 * @name:  of the device, for the sentence
 *
 * Returns 0; -ETIMEDOUT, -ENOENT when it has vanished, -EIO with what the back end said.
 */
int xl_plug_attached(struct xl *xl, const char *back, const char *name, struct dom_err *err);

/**
 * xl_plug_close - have both ends of a device close, and wait for it unless @force
 *
 * Returns 0, also when it has vanished; -ETIMEDOUT when the guest still uses it.
 */
int xl_plug_close(struct xl *xl, const char *back, bool force, struct dom_err *err);

/**
 * xl_plug_store - change the stored configuration, so that a restart finds the same devices
 * @list:  "disks", "nics"; @id tells the number of an element
 * @dev:   takes the place of the one numbered @devid; NULL: that one goes
 */
void xl_plug_store(struct xl *xl, unsigned domid, const char *list,
		   unsigned (*id)(struct json_object *dev), unsigned devid, struct json_object *dev);

#endif
