// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "js.h"
#include "nbd.h"

void xl_device_back(const char *kind, unsigned domid, unsigned devid, char buf[80])
{
	snprintf(buf, 80, "/local/domain/0/backend/%s/%u/%u", kind, domid, devid);
}

const char *xl_disk_kind(struct json_object *disk)
{
	const char *backend = xl_js_str(disk, "backend", ""), *format = xl_js_str(disk, "format", "raw");

	if (xl_js_get(disk, "script"))
		return "vbd";
	return !strcmp(backend, "qdisk") || (strcmp(format, "raw") && strcmp(format, "empty")) ||
	       xl_nbd_remote(disk) ? "qdisk" : "vbd";
}

void xl_nic_name(struct json_object *nic, unsigned domid, char buf[16])
{
	const char *name = xl_js_str(nic, "ifname", NULL);

	if (name)
		snprintf(buf, 16, "%s", name);
	else
		snprintf(buf, 16, "vif%u.%u", domid, (unsigned)xl_js_int(nic, "devid", 0) & 0xff);
}

void xl_script_path(const char *script, char buf[DOM_PATH_MAX])
{
	snprintf(buf, DOM_PATH_MAX, "%s%s", strchr(script, '/') ? "" : XL_SCRIPT_DIR "/", script);
}
