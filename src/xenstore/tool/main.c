// SPDX-License-Identifier: MIT
/*
 * The xenstore tools. The mode is in the name (xenstore-read, ...) or is the first argument of any
 * other name (domicile-xenstore read ...). Texts and exit codes are those of Xen's tools.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/fd.h"
#include "tool.h"

/* How many arguments make a transaction worth while. */
#define NEVER 1000000

static const struct mode {
	const char *name;
	int (*run)(struct tool *t, int argc, char **argv);
	const char *options;	/* of getopt; -h and -s (ignored) everywhere */
	const char *usage;
	int min;		/* arguments */
	int atomic;		/* arguments from which on it is one transaction */
} modes[] = {
	{ "read",    tool_read,    "hspR",   "[-h] [-p] [-R] key [...]",              1, 2 },
	{ "write",   tool_write,   "hsR",    "[-h] [-R] key value [...]",             2, 3 },
	{ "rm",      tool_rm,      "hst",    "[-h] [-t] key [...]",                   1, 1 },
	{ "exists",  tool_exists,  "hsp",    "[-h] [-p] key [...]",                   1, 1 },
	{ "list",    tool_list,    "hsp",    "[-h] [-p] key [...]",                   1, 1 },
	{ "ls",      tool_ls,      "hsfp",   "[-h] [-f] [-p] [path]",                 0, NEVER },
	{ "chmod",   tool_chmod,   "hsur",   "[-h] [-u] [-r] key <mode [modes...]>",  1, 1 },
	{ "watch",   tool_watch,   "hsn:d:", "[-h] [-n NR] key",                      1, NEVER },
	{ "control", tool_control, "+",      NULL,                                    1, NEVER },
};

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(modes); i++)
		if (!strcmp(name, modes[i].name))
			return &modes[i];
	return NULL;
}

static DOM_NORETURN void usage(int status, const struct mode *m, const char *prog, bool with_mode)
{
	if (!m->usage) {
		fprintf(stderr, "Usage:\n%s <command> [<arg>...]\n", prog);
		exit(status ? 2 : 0);
	}
	errx(status, "Usage: %s %s%s%s", prog, with_mode ? m->name : "", with_mode ? " " : "",
	     m->usage);
}

/* Run until no transaction was disturbed. */
static int run(const struct mode *m, struct tool *t, int argc, char **argv)
{
	int status;

	do {
		char *text DOM_CLEANUP_FREE = NULL;
		size_t len;
		bool atomic = argc >= m->atomic;

		if (atomic && xsc_transaction_start(t->xs, &t->tx))
			errx(1, "couldn't start transaction");
		t->out = open_memstream(&text, &len);
		if (!t->out)
			err(1, "malloc");
		status = m->run(t, argc, argv);
		fclose(t->out);
		if (atomic) {
			int code = xsc_transaction_end(t->xs, t->tx, status != 0);

			if (code == -EAGAIN && !status)
				status = -EAGAIN;
			else if (code && !status)
				errx(1, "couldn't end transaction");
		}
		if (status != -EAGAIN)
			fwrite(text, 1, len, stdout);
	} while (status == -EAGAIN);
	return status;
}

static void take_option(struct tool *t, int opt)
{
	switch (opt) {
	case 'p': t->path_first = true; break;
	case 'R': t->raw = true; break;
	case 'f': t->full = true; break;
	case 't': t->tidy = true; break;
	case 'u': t->up = true; break;
	case 'r': t->recurse = true; break;
	case 'n': t->events = strtol(optarg, NULL, 10); break;
	case 'd': t->depth = (int)strtol(optarg, NULL, 10); break;
	case 's': break;
	}
}

int main(int argc, char **argv)
{
	struct tool t = { .events = -1, .depth = -1 };
	const char *prog = program_invocation_short_name;
	const struct mode *m = NULL;
	bool with_mode = false;
	int opt, code;

	if (!strncmp(prog, "xenstore-", 9))
		m = find_mode(prog + 9);
	if (!m) {
		if (argc < 2)
			errx(1, "Usage: %s <mode> [-h] [...]", prog);
		m = find_mode(argv[1]);
		if (!m)
			errx(1, "unknown mode %s\n", argv[1]);
		with_mode = true;
		argv[1] = argv[0];
		argv++;
		argc--;
	}
	while ((opt = getopt(argc, argv, m->options)) != -1) {
		if (opt == 'h' || opt == '?')
			usage(opt == '?', m, prog, with_mode);
		take_option(&t, opt);
	}
	argv += optind;
	argc -= optind;
	if (argc < m->min || (m->run == tool_write && argc % 2))
		usage(1, m, prog, with_mode);
	code = xsc_open(&t.xs, NULL, NULL);
	if (code && m->run == tool_control) {
		fprintf(stderr, "Failed to contact Xenstored.\n");
		return 1;
	}
	if (code) {
		errno = -code;
		err(1, "xs_open");
	}
	code = run(m, &t, argc, argv);
	xsc_close(t.xs);
	return code;
}
