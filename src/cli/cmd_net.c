// SPDX-License-Identifier: MIT
/*
 * network-attach, network-detach: interfaces of running domains.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"

#include "cmds.h"
#include "conf.h"
#include "domain.h"
#include "js.h"
#include "netdev.h"
#include "spec.h"

#define DEVIDS 256u

/* The number of the first interface that is not there yet. */
static unsigned next_devid(struct xl *xl, unsigned domid)
{
	unsigned id = 0;

	for (; id < DEVIDS; id++) {
		char *there DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "/libxl/%u/device/vif/%u",
						       domid, id);

		if (!there)
			break;
	}
	return id;
}

/*
 * The interface that the words of the command line describe. Other than in a configuration, what is
 * not understood is an error.
 */
static int parse(struct xl_args *a, unsigned devid, struct json_object *nic)
{
	char *spec DOM_CLEANUP_FREE = NULL, *told DOM_CLEANUP_FREE = NULL;
	struct dom_err err = { 0 };
	size_t size;
	FILE *words = open_memstream(&spec, &size), *warn = open_memstream(&told, &size);
	int r = -ENOMEM;

	if (!words || !warn)
		abort();
	for (int i = 1; i < a->argc; i++)
		fprintf(words, "%s%s", i > 1 ? "," : "", a->argv[i]);
	if (!fclose(words))
		r = xl_spec_vif(spec, devid, nic, warn, &err);
	fclose(warn);
	if (r)
		fprintf(stderr, "%s\n", err.code ? err.msg : strerror(-r));
	fputs(told, stderr);
	return r ? r : *told ? -EINVAL : 0;
}

/* Defaults of this host, as for the interfaces of a new domain. */
static int fill_in(struct xl *xl, struct json_object *nic)
{
	struct json_object *json = json_object_new_object();
	int r;

	json_object_array_add(xl_js_array(json, "nics"), json_object_get(nic));
	r = xl_conf_apply(xl, json);
	xl_nic_defaults(nic);
	json_object_put(json);
	return r;
}

int cmd_network_attach(struct xl *xl, struct xl_args *a)
{
	struct json_object *nic;
	struct dom_err err = { 0 };
	unsigned domid;
	int r;

	if (!xl_store(xl) || xl_domain_find(xl, a->argv[0], &domid))
		return XL_FAIL;
	nic = json_object_new_object();
	r = parse(a, next_devid(xl, domid), nic);
	if (!r)
		r = fill_in(xl, nic);
	if (!r && xl->dryrun) {
		printf("vif: ");
		xl_js_print(stdout, nic);
		putchar('\n');
	} else if (!r) {
		r = xl_netdev_attach(xl, domid, nic, &err);
		if (r)
			fprintf(stderr, "xl: error: %s\nlibxl_device_nic_add failed.\n", err.msg);
	}
	json_object_put(nic);
	return r ? XL_FAIL : XL_OK;
}

/* An interface by its number or its address; -ENOENT. */
static int find(struct xl *xl, unsigned domid, const char *what, unsigned *ret)
{
	char path[DOM_PATH_MAX], **ids DOM_CLEANUP_FREE = NULL;
	unsigned count = 0;
	uint64_t number;

	if (!strchr(what, ':')) {
		if (dom_parse_u64(what, UINT32_MAX, &number))
			return -ENOENT;
		*ret = (unsigned)number;
		return 0;
	}
	snprintf(path, sizeof(path), "/libxl/%u/device/vif", domid);
	if (xsc_directory(xl->xs, XSC_TX_NONE, path, &ids, &count))
		return -ENOENT;
	for (unsigned i = 0; i < count; i++) {
		char *mac DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "%s/%s/mac", path, ids[i]);

		if (mac && !strcasecmp(mac, what) && !dom_parse_u64(ids[i], UINT32_MAX, &number)) {
			*ret = (unsigned)number;
			return 0;
		}
	}
	return -ENOENT;
}

int cmd_network_detach(struct xl *xl, struct xl_args *a)
{
	struct dom_err err = { 0 };
	unsigned domid, devid;
	int r;

	if (!xl_store(xl) || xl_domain_find(xl, a->argv[0], &domid))
		return XL_FAIL;
	r = find(xl, domid, a->argv[1], &devid);
	if (!r)
		r = xl_netdev_detach(xl, domid, devid, xl->force, &err);
	if (r == -ENOENT && !err.code)
		fprintf(stderr, "Unknown device %s.\n", a->argv[1]);
	else if (r)
		fprintf(stderr, "xl: error: vif %s: %s\nlibxl_device_nic_del failed.\n", a->argv[1],
			err.msg);
	return r ? XL_FAIL : XL_OK;
}
