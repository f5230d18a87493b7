// SPDX-License-Identifier: MIT
/*
 * Host side of a domain's disks: from a specification to the file that the back end opens.
 */
#ifndef XL_BLKDEV_H
#define XL_BLKDEV_H

#include "life.h"

/** xl_blkdev_check - is @disk (libxl form) one that can be served here? 0 or -errno */
int xl_blkdev_check(struct json_object *disk, struct dom_err *err);

/**
 * xl_blkdevs_up - say in the store which file or device each disk of a new domain is
 *
 * A disk with script= has its script run, which does that. Undoes all if one fails.
 */
int xl_blkdevs_up(struct xl_life *l);

/** xl_blkdevs_down - run the scripts of the disks of @json, whose VMM is gone, with "remove" */
void xl_blkdevs_down(struct xl *xl, unsigned domid, struct json_object *json);

/**
 * xl_blkdev_attach - give a running domain one more disk
 *
 * The image is opened here and handed to the VMM, which cannot open it any more. Returns when the
 * back end has it, 0; -EEXIST; or what it said.
 */
int xl_blkdev_attach(struct xl *xl, unsigned domid, struct json_object *disk, struct dom_err *err);

/**
 * xl_blkdev_restore - start another server for disk @devid, a number, whose server has died
 *
 * Returns 0; -ENOENT without a sentence when there is no such disk, or it has its server.
 */
int xl_blkdev_restore(struct xl *xl, unsigned domid, const char *devid, struct dom_err *err);

/**
 * xl_blkdev_detach - take disk @devid away
 * @force: do not wait for the guest to let go of it
 *
 * Returns 0; -ENOENT without a sentence when there is none; -ETIMEDOUT when the guest still uses it
 * after ten seconds: the disk stays then, and goes when the guest lets go.
 */
int xl_blkdev_detach(struct xl *xl, unsigned domid, unsigned devid, bool force,
		     struct dom_err *err);

#endif
