// SPDX-License-Identifier: MIT
/*
 * Store nodes of single devices, for those that come and go while a domain runs; the tree of a new
 * domain is written by xl_layout_write() (life.h).
 */
#ifndef XL_LAYOUT_H
#define XL_LAYOUT_H

#include "xl.h"

/** xl_layout_disk - describe @disk (libxl form) of a running domain; 0, -EEXIST, or -errno */
int xl_layout_disk(struct xl *xl, unsigned domid, struct json_object *disk, struct dom_err *err);

/** xl_layout_nic - the same for an interface */
int xl_layout_nic(struct xl *xl, unsigned domid, struct json_object *nic, struct dom_err *err);

/** xl_layout_remove - remove both ends of a device and libxl's copy; 0 or -errno */
int xl_layout_remove(struct xl *xl, unsigned domid, const char *kind, unsigned devid);

/* For the tree of a new domain, whose transaction @t is. */
struct xl_tree;
void xl_layout_put_disk(struct xl_tree *t, struct json_object *disk);
void xl_layout_put_nic(struct xl_tree *t, struct json_object *nic);
void xl_layout_put_channels(struct xl_tree *t, struct json_object *list);
void xl_layout_put_console(struct xl_tree *t);

#endif
