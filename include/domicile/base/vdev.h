// SPDX-License-Identifier: MIT
/*
 * Names of virtual disks and the numbers they stand for.
 *   ABI: docs/man/xen-vbd-interface.7: xvdX: 202 << 8 | disk << 4 | partition, or, beyond disk 15
 *   or partition 15, 1 << 28 | disk << 8 | partition; hdX and sdX as on old Linux
 */
#ifndef DOM_BASE_VDEV_H
#define DOM_BASE_VDEV_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/num.h"

static inline bool dom_vdev_parts(const char *s, unsigned *ret_disk, unsigned *ret_part)
{
	unsigned long part = 0;
	unsigned disk = 0;
	char *end;

	if (*s < 'a' || *s > 'z')
		return false;
	for (; *s >= 'a' && *s <= 'z'; s++) {
		disk = disk * 26 + (unsigned)(*s - 'a') + 1;
		if (disk > 1 << 20)
			return false;
	}
	if (*s) {
		part = strtoul(s, &end, 10);
		if (*s < '1' || *s > '9' || *end || part > 255)
			return false;
	}
	*ret_disk = disk - 1;
	*ret_part = (unsigned)part;
	return true;
}

static inline bool dom_vdev_d_p(const char *s, unsigned *ret_disk, unsigned *ret_part)
{
	int n = 0;

	*ret_part = 0;
	if (sscanf(s, "d%up%u%n", ret_disk, ret_part, &n) == 2 && !s[n])
		return true;
	return sscanf(s, "d%u%n", ret_disk, &n) == 1 && !s[n];
}

static inline int dom_vdev_xen(unsigned disk, unsigned part, uint32_t *ret)
{
	if (disk >= 1 << 20 || part > 255)
		return -EINVAL;
	*ret = disk < 16 && part < 16 ? 202u << 8 | disk << 4 | part : 1u << 28 | disk << 8 | part;
	return 0;
}

/**
 * dom_vdev_number - the number of a virtual disk: "xvda" is 51712, "hda" 768, "sda" 2048
 *
 * Also "d0p1" and plain numbers. Returns 0; -EINVAL when @vdev is no such name.
 */
static inline int dom_vdev_number(const char *vdev, uint32_t *ret)
{
	unsigned disk, part;
	uint64_t number;

	if (!dom_parse_u64(vdev, 0x1fffffff, &number)) {
		*ret = (uint32_t)number;
		return 0;
	}
	if (*vdev == 'd' && dom_vdev_d_p(vdev, &disk, &part))
		return dom_vdev_xen(disk, part, ret);
	if (!strncmp(vdev, "xvd", 3) && dom_vdev_parts(vdev + 3, &disk, &part))
		return dom_vdev_xen(disk, part, ret);
	if (!strncmp(vdev, "hd", 2) && dom_vdev_parts(vdev + 2, &disk, &part) && disk < 4 && part < 64) {
		*ret = (disk < 2 ? 3u : 22u) << 8 | (disk & 1) << 6 | part;
		return 0;
	}
	if (!strncmp(vdev, "sd", 2) && dom_vdev_parts(vdev + 2, &disk, &part) && disk < 16 && part < 16) {
		*ret = 8u << 8 | disk << 4 | part;
		return 0;
	}
	return -EINVAL;
}

#endif
