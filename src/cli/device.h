// SPDX-License-Identifier: MIT
/*
 * What follows from the description of a device (libxl form) alone: the names and places that
 * whoever makes, describes or serves it has to agree on.
 */
#ifndef XL_DEVICE_H
#define XL_DEVICE_H

#include "xl.h"

#define XL_SCRIPT_DIR "/etc/xen/scripts"

/** xl_device_back - path of a back end's directory */
void xl_device_back(const char *kind, unsigned domid, unsigned devid, char buf[80]);

/** xl_disk_kind - directory of the back ends of such disks, as libxl chooses: "vbd", "qdisk" */
const char *xl_disk_kind(struct json_object *disk);

/** xl_nic_name - interface of vif @nic of @domid: as configured, or vifDOMID.DEVID */
void xl_nic_name(struct json_object *nic, unsigned domid, char buf[16]);

/** xl_script_path - @script as it is, or below XL_SCRIPT_DIR when it has no directory */
void xl_script_path(const char *script, char buf[DOM_PATH_MAX]);

#endif
