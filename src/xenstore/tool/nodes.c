// SPDX-License-Identifier: MIT
/*
 * read, write, rm, exists, list, chmod, watch: the short modes.
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/fd.h"
#include "tool.h"

int tool_read(struct tool *t, int argc, char **argv)
{
	(void)argc;
	for (; *argv; argv++) {
		char *value DOM_CLEANUP_FREE = NULL, *text;
		size_t len;

		if (xsc_read(t->xs, t->tx, *argv, &value, &len)) {
			warnx("couldn't read path %s", *argv);
			return 1;
		}
		if (t->path_first)
			fprintf(t->out, "%s: ", *argv);
		if (t->raw) {
			fwrite(value, 1, len, t->out);
			continue;
		}
		text = text_escape(value, len);
		fprintf(t->out, "%s\n", text);
		free(text);
	}
	return 0;
}

int tool_write(struct tool *t, int argc, char **argv)
{
	(void)argc;
	for (; *argv; argv += 2) {
		char *value DOM_CLEANUP_FREE = strdup(argv[1]);
		size_t len = strlen(argv[1]);

		if (!value)
			err(1, "malloc");
		if (!t->raw)
			len = text_unescape(value);
		if (xsc_write(t->xs, t->tx, argv[0], value, len)) {
			warnx("could not write path %s", argv[0]);
			return 1;
		}
	}
	return 0;
}

/* Has @path neither value nor children? */
static bool is_bare(struct tool *t, const char *path)
{
	char *value DOM_CLEANUP_FREE = NULL;
	char **names DOM_CLEANUP_FREE = NULL;
	unsigned n = 0;
	size_t len = 0;

	return !xsc_read(t->xs, t->tx, path, &value, &len) && !len &&
	       !xsc_directory(t->xs, t->tx, path, &names, &n) && !n;
}

int tool_rm(struct tool *t, int argc, char **argv)
{
	(void)argc;
	for (; *argv; argv++) {
		char *path DOM_CLEANUP_FREE = strdup(*argv);
		char *slash;

		if (!path)
			err(1, "malloc");
		do {
			if (xsc_rm(t->xs, t->tx, path)) {
				warnx("could not remove path %s", path);
				return 1;
			}
			slash = strrchr(path, '/');
			if (slash)
				*slash = 0;
		} while (t->tidy && slash && *path && is_bare(t, path));
	}
	return 0;
}

int tool_exists(struct tool *t, int argc, char **argv)
{
	(void)argc;
	for (; *argv; argv++) {
		char *value = NULL;

		if (xsc_read(t->xs, t->tx, *argv, &value, NULL))
			return 1;
		free(value);
	}
	return 0;
}

int tool_list(struct tool *t, int argc, char **argv)
{
	(void)argc;
	for (; *argv; argv++) {
		const char *prefix = strcmp(*argv, "/") ? *argv : "";
		char **names DOM_CLEANUP_FREE = NULL;
		unsigned n;

		if (xsc_directory(t->xs, t->tx, *argv, &names, &n)) {
			warnx("could not list path %s", *argv);
			return 1;
		}
		for (unsigned i = 0; i < n; i++)
			fprintf(t->out, "%s%s%s\n", t->path_first ? prefix : "",
				t->path_first ? "/" : "", names[i]);
	}
	return 0;
}

/* --- chmod --- */

/* What comes for a permission as a user writes it; the number is taken as far as it is one. */
static void parse_perm(const char *text, struct xsc_perm *ret)
{
	static const char letters[] = "nrwb";
	const char *at = text[0] ? strchr(letters, text[0]) : NULL;

	if (!at)
		errx(1, "Invalid permission specification: '%c'", text[0]);
	ret->perms = (uint8_t)(at - letters);
	ret->domid = (uint16_t)strtoul(text + 1, NULL, 10);
}

static void set(struct tool *t, const char *path, const struct xsc_perm *perms, unsigned n)
{
	int code = xsc_set_perms(t->xs, t->tx, path, perms, n);

	if (code) {
		errno = -code;
		err(1, "Error occurred setting permissions on '%s'", path);
	}
}

static void set_below(struct tool *t, const char *path, const struct xsc_perm *perms, unsigned n)
{
	char **names DOM_CLEANUP_FREE = NULL;
	unsigned count;

	if (xsc_directory(t->xs, t->tx, path, &names, &count))
		return;
	for (unsigned i = 0; i < count; i++) {
		char *child DOM_CLEANUP_FREE = NULL;

		if (asprintf(&child, "%s/%s", strcmp(path, "/") ? path : "", names[i]) < 0)
			err(1, "malloc");
		set(t, child, perms, n);
		set_below(t, child, perms, n);
	}
}

int tool_chmod(struct tool *t, int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)argc - 1 : 0;
	struct xsc_perm *perms DOM_CLEANUP_FREE = calloc(n + 1, sizeof(*perms));
	char *path DOM_CLEANUP_FREE = strdup(argv[0]);
	char *slash;

	if (!perms || !path)
		err(1, "malloc");
	for (unsigned i = 0; i < n; i++)
		parse_perm(argv[i + 1], &perms[i]);
	set(t, path, perms, n);
	if (t->recurse)
		set_below(t, path, perms, n);
	while (t->up && (slash = strrchr(path, '/')) && slash != path) {
		*slash = 0;
		set(t, path, perms, n);
	}
	return 0;
}

/* --- watch --- */

int tool_watch(struct tool *t, int argc, char **argv)
{
	(void)argc;
	for (; *argv; argv++) {
		int code = t->depth < 0 ?
			xsc_watch(t->xs, *argv, *argv) :
			xsc_watch_depth(t->xs, *argv, *argv, (unsigned)t->depth);

		if (code)
			errx(1, "Unable to add watch on %s\n", *argv);
	}
	for (long n = 0; t->events < 0 || n < t->events; n++) {
		struct xsc_event ev;

		if (xsc_next_event(t->xs, -1, &ev))
			errx(1, "connection to xenstored lost");
		printf("%s\n", ev.path);
		fflush(stdout);
	}
	return 0;
}
