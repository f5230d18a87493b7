// SPDX-License-Identifier: MIT
/*
 * Images that the back end cannot open itself are served to it by another program, one process per disk,
 * over a socket in the domain's directory: other formats than raw by qemu-nbd, what is not on this host by
 * that or by nbdkit. qemu-nbd parses what a guest has written, so it is confined as far as the host lets
 * us: no new privileges, no file to write but the image, and a network only where the image is behind it.
 */
#ifndef XL_NBD_H
#define XL_NBD_H

#include "xl.h"

struct json_object;

/** xl_nbd_format - qemu's name of libxl's image format, NULL when qemu-nbd is not for it */
const char *xl_nbd_format(const char *format);

/** xl_nbd_remote - is the target of @disk (libxl's JSON) no file of this host, but one that a server reaches? */
bool xl_nbd_remote(struct json_object *disk);

/** xl_nbd_serves - does @disk need a server, for its format or to reach it? */
bool xl_nbd_serves(struct json_object *disk);

/**
 * xl_nbd_start - start the server of @disk, which is disk @devid of @domid
 * @image: its target; of a file the absolute path
 * @ret:  path of the socket
 *
 * Returns when it listens, 0, which takes minutes if a host does not answer; -ENOENT when the program is not
 * installed; -ENOTSUP; -EIO after its own message.
 */
int xl_nbd_start(struct xl *xl, unsigned domid, unsigned devid, struct json_object *disk,
		 const char *image, char ret[DOM_PATH_MAX], struct dom_err *err);

/** xl_nbd_runs - does the server of disk @devid of @domid run? */
bool xl_nbd_runs(struct xl *xl, unsigned domid, unsigned devid);

/**
 * xl_nbd_stop - end the server of a disk, if there is one
 *
 * It ends by itself when its back end goes; this is for one that never came.
 */
void xl_nbd_stop(struct xl *xl, unsigned domid, unsigned devid);

#endif
