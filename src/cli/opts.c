// SPDX-License-Identifier: MIT
/*
 * Options of a command, from its rows: parsing and usage.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "xl.h"

void xl_usage(FILE *f, const struct xl_cmd *cmd)
{
	fprintf(f, "Usage: xl [-vtT%s%s] %s %s\n\n%s.\n\n", cmd->flags & XL_CMD_MODIFIES ? "f" : "",
		cmd->flags & XL_CMD_DRYRUN ? "N" : "", cmd->name, cmd->args, cmd->doc);
	if (cmd->opts[0].id)
		fprintf(f, "Options:\n\n");
	for (const struct xl_opt *o = cmd->opts; o->id; o++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%.1s%s%s%s%s%s", o->id < 128 ? "-" : "",
			 o->id < 128 ? (char[]){ (char)o->id, '\0' } : "",
			 o->id < 128 && o->name ? ", " : "", o->name ? "--" : "",
			 o->name ? o->name : "", o->arg ? (o->name ? "=" : " ") : "",
			 o->arg ? o->arg : "");
		fprintf(f, "%-28s %s\n", left, o->doc);
	}
}

/* getopt's tables for @cmd. */
static void make_tables(const struct xl_cmd *cmd, char shorts[64],
			struct option longs[XL_CMD_OPTS + 2])
{
	char *p = stpcpy(shorts, ":h");
	size_t n = 0;

	for (const struct xl_opt *o = cmd->opts; o->id; o++) {
		if (o->id < 128) {
			*p++ = (char)o->id;
			if (o->arg)
				*p++ = ':';
		}
		if (o->name)
			longs[n++] = (struct option){
				o->name, o->arg ? required_argument : no_argument, NULL, o->id };
	}
	*p = '\0';
	longs[n++] = (struct option){ "help", no_argument, NULL, 'h' };
	longs[n] = (struct option){ 0 };
}

static int bad_option(char **argv)
{
	if (optopt && optopt < 128)
		fprintf(stderr, "option `%c' not supported.\n", optopt);
	else
		fprintf(stderr, "option `%s' not supported.\n", argv[optind - 1]);
	return XL_USAGE;
}

int xl_opts_parse(const struct xl_cmd *cmd, int argc, char **argv, struct xl_args *ret)
{
	struct option longs[XL_CMD_OPTS + 2];
	char shorts[64];
	int c;

	make_tables(cmd, shorts, longs);
	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == 'h') {
			xl_usage(stdout, cmd);
			return XL_OK;
		}
		if (c == ':') {
			fprintf(stderr, "option `%s' needs an argument.\n", argv[optind - 1]);
			return XL_USAGE;
		}
		if (c == '?')
			return bad_option(argv);
		ret->set[c] = true;
		ret->val[c] = optarg;
	}
	ret->argc = argc - optind;
	ret->argv = argv + optind;
	if (ret->argc >= cmd->min_args)
		return -1;
	xl_usage(stdout, cmd);
	fflush(stdout);
	fprintf(stderr, "'xl %s' requires at least %d argument%s.\n\n", cmd->name, cmd->min_args,
		cmd->min_args > 1 ? "s" : "");
	return XL_USAGE;
}
