// SPDX-License-Identifier: MIT
/*
 * The stored configuration of a domain: what was made of it, in libxl's form, in its directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "js.h"
#include "xl.h"

struct json_object *xl_config_load(struct xl *xl, unsigned domid)
{
	char path[DOM_PATH_MAX];

	if (dom_path_domain(xl->rundir, domid, DOM_FILE_CONFIG, path) || access(path, R_OK))
		return NULL;
	return json_object_from_file(path);
}

int xl_config_save(struct xl *xl, unsigned domid, struct json_object *json)
{
	char path[DOM_PATH_MAX], temp[DOM_PATH_MAX], *text = NULL;
	size_t size;
	FILE *f;
	int err;

	if (dom_path_domain(xl->rundir, domid, DOM_FILE_CONFIG, path) ||
	    dom_path_domain(xl->rundir, domid, DOM_FILE_CONFIG ".new", temp))
		return -ENAMETOOLONG;
	f = open_memstream(&text, &size);
	if (!f)
		return -ENOMEM;
	xl_js_print(f, json);
	fclose(f);
	int fd DOM_CLEANUP_FD = dom_open(temp, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	err = fd < 0 ? fd : dom_write_all(fd, text, size);
	free(text);
	if (!err && rename(temp, path))
		err = -errno;
	if (err)
		unlink(temp);
	return err;
}
