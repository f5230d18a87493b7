// SPDX-License-Identifier: MIT
/*
 * Devices of a guest started by hand: each is a list of store nodes for its two ends, which store.c
 * writes and the back ends read. Options such as --disk (config_disk.c) fill the lists.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

struct vmm_device *vmm_config_find_device(const struct vmm_config *cfg, const char *kind, unsigned id)
{
	for (unsigned i = 0; i < cfg->nr_devices; i++) {
		if (cfg->devices[i].id == id && !strcmp(cfg->devices[i].kind, kind))
			return &cfg->devices[i];
	}
	return NULL;
}

struct vmm_device *vmm_config_add_device(struct vmm_config *cfg, const char *kind, unsigned id)
{
	struct vmm_device *more, *dev;

	if (cfg->nr_devices == VMM_MAX_DEVICES)
		return NULL;
	more = realloc(cfg->devices, (cfg->nr_devices + 1) * sizeof(*more));
	if (!more)
		return NULL;
	cfg->devices = more;
	dev = &more[cfg->nr_devices++];
	*dev = (struct vmm_device){ .kind = kind, .id = id };
	return dev;
}

static int add_node(struct vmm_config *cfg, struct vmm_device_node *nodes, const char *key,
		    const char *value)
{
	for (unsigned i = 0; i < VMM_DEVICE_NODES; i++) {
		if (nodes[i].key)
			continue;
		nodes[i] = (struct vmm_device_node){ key, vmm_config_keep(cfg, value) };
		return nodes[i].value ? 0 : -ENOMEM;
	}
	return -E2BIG;
}

int vmm_device_back(struct vmm_config *cfg, struct vmm_device *dev, const char *key,
		    const char *value)
{
	return add_node(cfg, dev->back, key, value);
}

int vmm_device_front(struct vmm_config *cfg, struct vmm_device *dev, const char *key,
		     const char *value)
{
	return add_node(cfg, dev->front, key, value);
}
