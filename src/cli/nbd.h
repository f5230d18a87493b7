// SPDX-License-Identifier: MIT
/*
 * Image formats that the back end does not know are served to it by qemu-nbd, one process per disk, over
 * a socket in the domain's directory. It parses what a guest has written, so it is confined as far as the
 * host lets us: no network, no new privileges, no file to write but the image.
 */
#ifndef XL_NBD_H
#define XL_NBD_H

#include "xl.h"

/** xl_nbd_format - qemu's name of libxl's image format, NULL when qemu-nbd is not for it */
const char *xl_nbd_format(const char *format);

/**
 * xl_nbd_start - serve @image of libxl's @format for disk @devid of @domid
 * @ret:  path of the socket
 *
 * Returns when it listens, 0; -ENOENT when there is no qemu-nbd; -EIO after its own message.
 */
int xl_nbd_start(struct xl *xl, unsigned domid, unsigned devid, const char *image,
		 const char *format, bool readonly, char ret[DOM_PATH_MAX], struct dom_err *err);

/** xl_nbd_runs - does the server of disk @devid of @domid run? */
bool xl_nbd_runs(struct xl *xl, unsigned domid, unsigned devid);

/**
 * xl_nbd_stop - end the server of a disk, if there is one
 *
 * It ends by itself when its back end goes; this is for one that never came.
 */
void xl_nbd_stop(struct xl *xl, unsigned domid, unsigned devid);

#endif
