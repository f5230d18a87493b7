// SPDX-License-Identifier: MIT
/*
 * Device and CPU specification strings: what stands inside the quotes of disk = [ "..." ].
 */
#ifndef XL_SPEC_H
#define XL_SPEC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

#include "domicile/base/err.h"

/**
 * xl_spec_disk - parse one disk specification, xl-disk-configuration(5)
 * @disk:  receives the members of libxl's device_disk
 *
 * Returns 0; -EINVAL with the sentence that libxlutil has for it (without the part before "config
 * parsing error").
 */
int xl_spec_disk(const char *spec, struct json_object *disk, struct dom_err *err);

/**
 * xl_spec_vif - parse one interface specification, xl-network-configuration(5)
 * @devid:  number of the interface unless the specification has one
 * @warn:   receives lines about parts that were ignored; NULL drops them
 *
 * Returns 0; -EINVAL.
 */
int xl_spec_vif(const char *spec, unsigned devid, struct json_object *nic, FILE *warn,
		struct dom_err *err);

/** xl_spec_misc - parse a "vfb", "p9", "channel" or "pci" string, for dry runs; 0 or -EINVAL */
int xl_spec_misc(const char *kind, const char *spec, unsigned devid, struct json_object *dev,
		 struct dom_err *err);

#define XL_CPUS_MAX 4096

/** xl_spec_check_channels - can these channels (NULL: none) be had? 0, -EINVAL with @err */
int xl_spec_check_channels(struct json_object *channels, struct dom_err *err);

/** struct xl_cpus - a set of host CPUs */
struct xl_cpus {
	uint64_t map[XL_CPUS_MAX / 64];
};

/**
 * xl_cpus_parse - "0-3,5,^2", "all", "node:0", "nodes:0-1,^node:1"
 * @host:  number of CPUs of this host; "all" are those below it
 *
 * Returns 0; -EINVAL.
 */
int xl_cpus_parse(const char *text, unsigned host, struct xl_cpus *ret, struct dom_err *err);

/** xl_cpus_format - ranges and commas, "0-3,5"; "" for the empty set. Returns @buf. */
char *xl_cpus_format(const struct xl_cpus *cpus, char *buf, size_t size);

/** xl_host_cpus - how many CPUs this host has */
unsigned xl_host_cpus(void);

#endif
