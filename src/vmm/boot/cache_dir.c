// SPDX-License-Identifier: MIT
/*
 * The directory of the cache: where it is, who may own it, and what leaves it when it is full.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "impl.h"

enum { EVICT_SCAN = 256, TMP_AGE = 3600 };	/* entries looked at; seconds */

int boot_cache_default_dir(char *buf, size_t size)
{
	/* Ignored in a setuid program, where the environment is the caller's. */
	const char *dir = secure_getenv("DOMICILE_CACHE");
	const char *xdg = secure_getenv("XDG_CACHE_HOME"), *home = secure_getenv("HOME");
	int n;

	if (dir && *dir)
		n = snprintf(buf, size, "%s", dir);
	else if (!geteuid())
		n = snprintf(buf, size, "/var/cache/domicile");
	else if (xdg && *xdg == '/')
		n = snprintf(buf, size, "%s/domicile", xdg);
	else if (home && *home == '/')
		n = snprintf(buf, size, "%s/.cache/domicile", home);
	else
		return -ENOENT;
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/*
 * boot_cache_open_dir - open the cache's directory, make it if its parent exists
 *
 * Returns the descriptor; -EPERM unless it is ours and nobody else's to read or write.
 */
int boot_cache_open_dir(const char *path)
{
	struct stat st;
	int fd DOM_CLEANUP_FD = -1;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	fd = dom_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return -EPERM;
	return dom_fd_steal(&fd);
}

struct entry {
	char name[40];
	uint64_t used;		/* ns */
	uint64_t bytes;
};

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && !strcmp(name + n - m, suffix);
}

/* List the kernels in @dir, newest first; removes what crashed writers left behind. */
static unsigned list_entries(DIR *dir, struct entry *entries)
{
	unsigned n = 0;
	struct dirent *de;
	struct stat st;

	while (n < EVICT_SCAN && (de = readdir(dir))) {
		struct entry e = { 0 };
		unsigned i = n;

		if (strlen(de->d_name) >= sizeof(e.name) ||
		    fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		if (has_suffix(de->d_name, CACHE_TMP) && time(NULL) - st.st_mtime > TMP_AGE)
			unlinkat(dirfd(dir), de->d_name, 0);
		if (!has_suffix(de->d_name, CACHE_SUFFIX))
			continue;
		strcpy(e.name, de->d_name);
		e.used = (uint64_t)st.st_atim.tv_sec * 1000000000 + (uint64_t)st.st_atim.tv_nsec;
		e.bytes = (uint64_t)st.st_blocks * 512;
		for (; i && entries[i - 1].used < e.used; i--)
			entries[i] = entries[i - 1];
		entries[i] = e;
		n++;
	}
	return n;
}

/* boot_cache_evict - remove the kernels longest unused until the rest is within the bounds */
void boot_cache_evict(int dir, uint64_t max_bytes, unsigned max_entries)
{
	struct entry *entries DOM_CLEANUP_FREE = calloc(EVICT_SCAN, sizeof(*entries));
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	uint64_t bytes = 0;
	unsigned n, kept = 0;

	if (!d && fd >= 0)
		close(fd);
	if (!entries || !d)
		goto out;
	n = list_entries(d, entries);
	for (unsigned i = 0; i < n; i++) {
		bytes += entries[i].bytes;
		if (kept == max_entries || bytes > max_bytes) {
			unlinkat(dir, entries[i].name, 0);
			bytes -= entries[i].bytes;
		} else {
			kept++;
		}
	}
out:
	if (d)
		closedir(d);
}
