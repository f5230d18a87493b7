// SPDX-License-Identifier: MIT
/*
 * --disk: a disk of a guest started by hand. It becomes the nodes that libxl would write for it; the
 * back end reads those, whoever wrote them.
 *
 *   FILE[,WORD]...    vdev=NAME (the next free of xvda, xvdb, ...), ro, rw, cdrom, no-discard
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/fd.h"
#include "domicile/base/vdev.h"
#include "config.h"

struct disk {
	const char *vdev;		/* NULL: the next free */
	bool readonly, cdrom, no_discard;
};

static void set_ro(struct disk *d)
{
	d->readonly = true;
}

static void set_rw(struct disk *d)
{
	d->readonly = false;
}

static void set_cdrom(struct disk *d)
{
	d->cdrom = d->readonly = true;
}

static void set_no_discard(struct disk *d)
{
	d->no_discard = true;
}

static const struct {
	const char *word;
	void (*set)(struct disk *d);
} words[] = {
	{ "ro",         set_ro },
	{ "rw",         set_rw },
	{ "cdrom",      set_cdrom },
	{ "no-discard", set_no_discard },
};

static int parse_word(struct disk *d, const char *word, const char *spec, struct dom_err *err)
{
	if (!strncmp(word, "vdev=", 5)) {
		d->vdev = word + 5;
		return 0;
	}
	for (size_t i = 0; i < DOM_ARRAY_LEN(words); i++) {
		if (!strcmp(words[i].word, word)) {
			words[i].set(d);
			return 0;
		}
	}
	return dom_err_set(err, -EINVAL, "--disk %s: \"%.40s\" is none of vdev=NAME, ro, rw, cdrom, "
			   "no-discard", spec, word);
}

/* The number of @vdev, or of the first of xvda, xvdb, ... that is free; its name in @name. */
static int choose_vdev(struct vmm_config *cfg, const char *vdev, char name[32], uint32_t *ret)
{
	if (vdev) {
		snprintf(name, 32, "%s", vdev);
		return dom_vdev_number(vdev, ret);
	}
	for (unsigned i = 0; i < 26; i++) {
		snprintf(name, 32, "xvd%c", 'a' + i);
		if (!dom_vdev_number(name, ret) && !vmm_config_find_device(cfg, "vbd", *ret))
			return 0;
	}
	return -ENOSPC;
}

/* The nodes, as libxl writes them: xen/docs/misc/xenstore-paths, src/cli/layout.c. */
static int describe(struct vmm_config *cfg, const struct disk *d, const char *path,
		    const char *name, uint32_t number, struct dom_err *err)
{
	const char *type = d->cdrom ? "cdrom" : "disk";
	struct vmm_device *dev = vmm_config_add_device(cfg, "vbd", number);
	char id[16];

	snprintf(id, sizeof(id), "%u", number);
	if (!dev || vmm_device_back(cfg, dev, "params", path) ||
	    vmm_device_back(cfg, dev, "removable", d->cdrom ? "1" : "0") ||
	    vmm_device_back(cfg, dev, "bootable", "1") ||
	    vmm_device_back(cfg, dev, "dev", name) ||
	    vmm_device_back(cfg, dev, "type", "phy") ||
	    vmm_device_back(cfg, dev, "mode", d->readonly ? "r" : "w") ||
	    vmm_device_back(cfg, dev, "device-type", type) ||
	    vmm_device_back(cfg, dev, "discard-enable", d->readonly || d->no_discard ? "0" : "1") ||
	    vmm_device_front(cfg, dev, "virtual-device", id) ||
	    vmm_device_front(cfg, dev, "device-type", type))
		return dom_err_set(err, -ENOMEM, "--disk: no memory, or too many devices");
	return 0;
}

int vmm_config_disk(struct vmm_config *cfg, const char *spec, struct dom_err *err)
{
	char *copy DOM_CLEANUP_FREE = strdup(spec), path[PATH_MAX], name[32];
	struct disk d = { 0 };
	uint32_t number;
	char *next, *word;
	int r = 0;

	if (!copy)
		return dom_err_set(err, -ENOMEM, "--disk: no memory");
	next = copy;
	word = strsep(&next, ",");
	if (!realpath(word, path))
		return dom_err_set(err, -errno, "--disk %s: %s: %s", spec, word, strerror(errno));
	while (!r && (word = strsep(&next, ",")))
		r = parse_word(&d, word, spec, err);
	if (r)
		return r;
	r = choose_vdev(cfg, d.vdev, name, &number);
	if (r)
		return dom_err_set(err, r, "--disk %s: \"%s\" names no virtual disk", spec, name);
	if (vmm_config_find_device(cfg, "vbd", number))
		return dom_err_set(err, -EEXIST, "--disk %s: there is a disk %s already", spec, name);
	return describe(cfg, &d, path, name, number, err);
}
