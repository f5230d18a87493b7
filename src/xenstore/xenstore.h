// SPDX-License-Identifier: MIT
/*
 * What the client library, the tools and the daemon share: error names, permissions as text and
 * the rules for paths.
 */
#ifndef XENSTORE_H
#define XENSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domicile/xsc.h"
#include "xenabi/io_xs.h"

/** xsc_wire_error_name - name that travels for @err (either sign); "EINVAL" for unlisted ones */
const char *xsc_wire_error_name(int err);

/** xsc_wire_error_code - negative errno of the @len bytes at @name; -EINVAL for unknown names */
int xsc_wire_error_code(const char *name, size_t len);

/**
 * xsc_wire_strings - find the NUL-terminated strings of a payload
 * @vec: receives the first @max of them
 *
 * Returns how many the payload holds, bytes behind the last NUL not counted.
 */
unsigned xsc_wire_strings(const char *payload, size_t len, const char **vec, unsigned max);

/** xsc_path_is_relative - neither absolute nor special */
static inline bool xsc_path_is_relative(const char *path)
{
	return path[0] != '/' && path[0] != '@';
}

/**
 * xsc_path_valid - do the @len bytes at @path form an absolute or special path?
 *
 * Letters, digits and "-/_@"; no empty component and no '/' at the end, except for "/" itself.
 * Length is not judged. Spec: docs/misc/xenstore.txt, "Xenstore protocol"
 */
bool xsc_path_valid(const char *path, size_t len);

#endif
