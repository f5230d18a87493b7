// SPDX-License-Identifier: MIT
/*
 * The xenstore command-line tools: one program, one mode per command.
 */
#ifndef XENSTORE_TOOL_H
#define XENSTORE_TOOL_H

#include <stdbool.h>
#include <stdio.h>

#include "domicile/xsc.h"

/** struct tool - one run of one mode */
struct tool {
	struct xsc *xs;
	xsc_tx tx;
	FILE *out;		/* shown when the transaction has succeeded */
	bool path_first;	/* -p: paths or permissions, too */
	bool raw;		/* -R */
	bool full;		/* -f */
	bool tidy;		/* -t */
	bool up;		/* -u */
	bool recurse;		/* -r */
	long events;		/* -n, -1: no end */
	int depth;		/* -d, -1: none */
};

/*
 * Modes. Arguments are those behind the options, NULL-terminated. Return the exit status, or
 * -EAGAIN to be run again in a new transaction. What went wrong has been told.
 */
int tool_read(struct tool *t, int argc, char **argv);
int tool_write(struct tool *t, int argc, char **argv);
int tool_rm(struct tool *t, int argc, char **argv);
int tool_exists(struct tool *t, int argc, char **argv);
int tool_list(struct tool *t, int argc, char **argv);
int tool_ls(struct tool *t, int argc, char **argv);
int tool_chmod(struct tool *t, int argc, char **argv);
int tool_watch(struct tool *t, int argc, char **argv);
int tool_control(struct tool *t, int argc, char **argv);

/** text_escape - a value for people: \n, \t, \r, \\, \001, \x80; allocated, exits without memory */
char *text_escape(const char *value, size_t len);

/** text_unescape - undo text_escape() in place; returns the new length */
size_t text_unescape(char *text);

#endif
