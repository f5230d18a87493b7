// SPDX-License-Identifier: MIT
/*
 * xl.conf(5). $DOMICILE_ETCDIR/xl.conf is read, or /etc/xen/xl.conf when there is none: people
 * bring theirs along.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "cfg.h"
#include "conf.h"
#include "file.h"
#include "js.h"

const struct xl_conf_key xl_conf_keys[] = {
	{ "claim_mode",              "b_info/claim_mode",          XL_CONF_DOMAIN_BOOL },
	{ "max_grant_frames",        "b_info/max_grant_frames",    XL_CONF_DOMAIN_NUM },
	{ "max_maptrack_frames",     "b_info/max_maptrack_frames", XL_CONF_DOMAIN_NUM },
	{ "max_grant_version",       "b_info/max_grant_version",   XL_CONF_DOMAIN_NUM },
	{ "pv_to_pvh",               NULL,                         XL_CONF_TYPE },
	{ "vif.default.bridge",      "bridge",                     XL_CONF_NIC },
	{ "vif.default.script",      "script",                     XL_CONF_NIC },
	{ "vif.default.gatewaydev",  "gatewaydev",                 XL_CONF_NIC },
	{ "vif.default.backend",     NULL, XL_CONF_IGNORED, "back ends run in domain 0" },
	{ "autoballoon",             NULL, XL_CONF_IGNORED, "the host gives memory as guests use it" },
	{ "run_hotplug_scripts",     NULL, XL_CONF_IGNORED, "scripts of vifs always run" },
	{ "lockfile",                NULL, XL_CONF_IGNORED, "the store's transactions are the lock" },
	{ "domid_policy",            NULL, XL_CONF_IGNORED, "domain ids are given out one after the other" },
	{ "output_format",           NULL, XL_CONF_IGNORED, "the format is json" },
	{ "blkdev_start",            NULL, XL_CONF_IGNORED, "it is for bootloader" },
	{ "bootloader_restrict",     NULL, XL_CONF_IGNORED, "it is for bootloader" },
	{ "bootloader_user",         NULL, XL_CONF_IGNORED, "it is for bootloader" },
	{ "vm.cpumask",              NULL, XL_CONF_IGNORED, "give cpus= per domain, or AllowedCPUs= to domicile.slice" },
	{ "vm.hvm.cpumask",          NULL, XL_CONF_IGNORED, "give cpus= per domain, or AllowedCPUs= to domicile.slice" },
	{ "vm.pv.cpumask",           NULL, XL_CONF_IGNORED, "give cpus= per domain, or AllowedCPUs= to domicile.slice" },
	{ "remus.default.netbufscript", NULL, XL_CONF_IGNORED, "there is no high availability" },
	{ "colo.default.proxyscript", NULL, XL_CONF_IGNORED, "there is no high availability" },
	{ 0 }
};

static void apply_nic(struct json_object *json, const struct xl_conf_key *k, const char *value)
{
	struct json_object *nics = xl_js_get(json, "nics");

	for (size_t i = 0; nics && i < json_object_array_length(nics); i++) {
		struct json_object *nic = json_object_array_get_idx(nics, i);

		if (!xl_js_get(nic, k->path))
			xl_js_set_str(nic, k->path, value);
	}
}

static int apply_key(struct xl *xl, struct xl_cfg *cfg, struct json_object *json,
		     const struct xl_conf_key *k)
{
	const char *text;
	long n;

	if (k->kind == XL_CONF_TYPE && !xl_cfg_string(cfg, k->name, &text))
		return xl_pv_to_pvh(xl, cfg->source, text, json);
	if (k->kind == XL_CONF_NIC && !xl_cfg_string(cfg, k->name, &text))
		apply_nic(json, k, text);
	else if (k->kind == XL_CONF_DOMAIN_BOOL && !xl_cfg_number(cfg, k->name, &n))
		xl_js_set_defbool(json, k->path, n != 0);
	else if (k->kind == XL_CONF_DOMAIN_NUM && !xl_js_get(json, k->path) &&
		 !xl_cfg_number(cfg, k->name, &n) && n > 0)
		xl_js_set_int(json, k->path, n);
	return 0;
}

int xl_conf_apply(struct xl *xl, struct json_object *json)
{
	char dir[DOM_PATH_MAX], path[DOM_PATH_MAX + 16], *text DOM_CLEANUP_FREE = NULL;
	struct xl_cfg *cfg;
	size_t len = 0;
	int err;

	if (dom_path_dir(DOM_DIR_ETC, dir))
		return -EINVAL;
	snprintf(path, sizeof(path), "%s/xl.conf", dir);
	if (access(path, F_OK))
		strcpy(path, "/etc/xen/xl.conf");
	err = xl_file_read(path, XL_CFG_SIZE_MAX, &text, &len);
	if (err == -ENOENT)
		return 0;
	if (err) {
		xl_error(xl, "%s: cannot be read: %s", path, strerror(-err));
		return err;
	}
	err = xl_cfg_parse(&cfg, path, text, len, stderr);
	if (err)
		return err;
	for (const struct xl_conf_key *k = xl_conf_keys; k->name && !err; k++)
		err = apply_key(xl, cfg, json, k);
	xl_cfg_free(cfg);
	return err;
}
