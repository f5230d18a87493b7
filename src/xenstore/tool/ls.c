// SPDX-License-Identifier: MIT
/*
 * ls: a subtree with values, cut to the width of the terminal.
 */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "tool.h"

#define TAG_LEN ((int)strlen(" = \"...\""))
#define PERMS_COLUMN 60

struct listing {
	struct tool *t;
	int width;		/* columns of a line */
	int perms_column;	/* where permissions begin */
};

static void print_perms(const struct listing *l, const char *path, const char *name)
{
	struct xsc_perm *perms DOM_CLEANUP_FREE = NULL;
	unsigned n = 0;
	char buf[8];
	int code = xsc_get_perms(l->t->xs, XSC_TX_NONE, path, &perms, &n);

	if (code) {
		errno = -code;
		warn("\ncould not access permissions for %s", name);
		return;
	}
	fputs("  (", stdout);
	for (unsigned i = 0; i < n; i++)
		printf("%s%s", i ? "," : "", xsc_perm_format(&perms[i], buf));
	putchar(')');
}

static void print_node(const struct listing *l, const char *path, const char *name, int depth)
{
	char *value DOM_CLEANUP_FREE = NULL, *text DOM_CLEANUP_FREE = NULL;
	size_t len = 0;
	int column = 0;

	if (l->t->full)
		fputs(path, stdout);
	else
		column = printf("%*s%.*s", depth, "", DOM_MAX(l->width - TAG_LEN - depth, 0), name);
	if (xsc_read(l->t->xs, XSC_TX_NONE, path, &value, &len)) {
		fputs(":\n", stdout);
		return;
	}
	text = text_escape(value, len);
	if (l->width < column + (int)len + TAG_LEN) {
		printf(" = \"%.*s\\...\"", DOM_MAX(l->width - TAG_LEN - column, 0), text);
	} else {
		column += printf(" = \"%s\"", text);
		if (l->t->path_first)
			for (putchar(' '); ++column < l->perms_column;)
				putchar(column & 1 ? '.' : ' ');
	}
	if (l->t->path_first)
		print_perms(l, path, name);
	putchar('\n');
}

/* Returns 0 or the reason why @path cannot be listed. */
static int list(const struct listing *l, const char *path, int depth)
{
	char **names DOM_CLEANUP_FREE = NULL;
	unsigned n;
	int code = xsc_directory(l->t->xs, XSC_TX_NONE, path, &names, &n);

	/* One that goes away meanwhile is passed over. */
	if (code)
		return depth && code == -ENOENT ? 0 : code;
	for (unsigned i = 0; i < n && !code; i++) {
		char *child DOM_CLEANUP_FREE = NULL;

		if (asprintf(&child, "%s%s%s", path,
			     path[0] && path[strlen(path) - 1] == '/' ? "" : "/", names[i]) < 0)
			err(1, "malloc");
		print_node(l, child, names[i], depth);
		code = list(l, child, depth + 1);
		if (code) {
			errno = -code;
			err(1, "xs_directory (%s)", child);
		}
	}
	return code;
}

int tool_ls(struct tool *t, int argc, char **argv)
{
	struct listing l = { .t = t, .width = 80, .perms_column = PERMS_COLUMN };
	static char root[] = "/", *top[] = { root, NULL };
	struct winsize ws;

	if (t->full) {
		l.width = INT_MAX / 2;
		l.perms_column = 0;
	} else if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) && ws.ws_col) {
		l.width = ws.ws_col - 2;
		l.perms_column = DOM_MIN(PERMS_COLUMN, l.width);
	}
	for (argv = argc ? argv : top; *argv; argv++) {
		int code = list(&l, *argv, 0);

		if (code) {
			errno = -code;
			err(1, "xs_directory (%s)", *argv);
		}
	}
	return 0;
}
