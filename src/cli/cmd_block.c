// SPDX-License-Identifier: MIT
/*
 * block-attach, block-detach: disks of running domains.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"
#include "domicile/base/vdev.h"

#include "blkdev.h"
#include "cmds.h"
#include "js.h"
#include "spec.h"

/* The words of a specification, joined as real xl does: by commas. */
static char *join_words(struct xl_args *a, int first)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (int i = first; i < a->argc; i++)
		fprintf(f, "%s%s", i > first ? "," : "", a->argv[i]);
	return fclose(f) ? NULL : text;
}

int cmd_block_attach(struct xl *xl, struct xl_args *a)
{
	char *spec DOM_CLEANUP_FREE = NULL;
	struct json_object *disk;
	struct dom_err err = { 0 };
	uint64_t number;
	unsigned domid;
	int r;

	if (!xl_store(xl))
		return XL_FAIL;
	/* Other words than of most commands: real xl does without the number here. */
	if (!dom_parse_u64(a->argv[0], DOM_CFG_DOMID_MAX, &number)) {
		domid = (unsigned)number;
	} else if (xl_domain_by_name(xl, a->argv[0], &domid)) {
		fprintf(stderr, "%s is an invalid domain identifier\n", a->argv[0]);
		return XL_FAIL;
	}
	spec = join_words(a, 1);
	disk = json_object_new_object();
	r = spec ? xl_spec_disk(spec, disk, &err) : -ENOMEM;
	if (r) {
		fprintf(stderr, "command line: %s\n", err.msg);
	} else if (xl->dryrun) {
		printf("disk: ");
		xl_js_print(stdout, disk);
		putchar('\n');
	} else {
		r = xl_domain_exists(xl, domid) ? xl_blkdev_attach(xl, domid, disk, &err) :
			dom_err_set(&err, -ESRCH, "Domain %u:Non-existant domain", domid);
		if (r)
			fprintf(stderr, "xl: error: %s\nlibxl_device_disk_add failed.\n", err.msg);
	}
	json_object_put(disk);
	return r ? XL_FAIL : XL_OK;
}

int cmd_block_detach(struct xl *xl, struct xl_args *a)
{
	struct dom_err err = { 0 };
	uint32_t devid;
	unsigned domid;
	int r;

	if (!xl_store(xl))
		return XL_FAIL;
	if (xl_domain_find(xl, a->argv[0], &domid))
		return XL_FAIL;
	r = dom_vdev_number(a->argv[1], &devid) ? -ENOENT :
		xl_blkdev_detach(xl, domid, devid, a->set['f'] || xl->force, &err);
	if (r == -ENOENT && !err.code)
		fprintf(stderr, "Error: Device %s not connected.\n", a->argv[1]);
	else if (r)
		fprintf(stderr, "xl: error: Disk vdev=%s: %s\nlibxl_device_disk_remove failed.\n",
			a->argv[1], err.msg);
	return r ? XL_FAIL : XL_OK;
}
