// SPDX-License-Identifier: MIT
/*
 * Which byte strings are paths.
 */
#include "xenstore.h"

/* Characters of a path, '/' included. Spec: docs/misc/xenstore.txt */
static const bool path_chars[256] = {
	['-'] = true, ['/'] = true, ['@'] = true, ['_'] = true,
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

bool xsc_path_valid(const char *path, size_t len)
{
	if (len == 0 || (path[0] != '/' && path[0] != '@'))
		return false;
	if (len == 1)
		return true;
	for (size_t i = 0; i < len; i++) {
		if (!path_chars[(unsigned char)path[i]])
			return false;
		if (path[i] == '/' && (i + 1 == len || path[i + 1] == '/'))
			return false;
	}
	return true;
}
