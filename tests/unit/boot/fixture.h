// SPDX-License-Identifier: MIT
/*
 * What tests of boot/ have around them: a directory with a file to load, and a guest. Include once per
 * program.
 */
#ifndef TEST_BOOT_FIXTURE_H
#define TEST_BOOT_FIXTURE_H

#include "image.h"

static char dir[64], path[128];
static struct t_guest g;

/* A directory, and the path of @file there, which does not exist yet. */
static void fixture_init(const char *file)
{
	t_mkdir(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/%s", dir, file);
}

static int teardown(void **state)
{
	(void)state;
	t_rmdir(dir);
	free(g.mem);
	g = (struct t_guest){ 0 };
	return 0;
}

#endif
