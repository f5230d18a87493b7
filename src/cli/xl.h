// SPDX-License-Identifier: MIT
/*
 * xl: what its commands share. One file per group of commands (cmd_*.c); the table of all
 * commands is commands.c.
 */
#ifndef XL_XL_H
#define XL_XL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

#include "domicile/base/err.h"
#include "domicile/ctl.h"
#include "domicile/domcfg.h"
#include "domicile/paths.h"
#include "domicile/xsc.h"

/*
 * Exit statuses, as real xl's: scripts look at them. What xl itself refuses is 1, wrong usage 2,
 * what libxl refuses 3, a configuration that is nowhere 6.
 */
enum { XL_OK = 0, XL_FAIL = 1, XL_USAGE = 2, XL_LIBXL = 3, XL_NOCONFIG = 6 };

/** struct xl - one run of xl; made in main and passed down */
struct xl {
	unsigned verbose;		/* -v, repeatable */
	bool dryrun, force;		/* -N, -f */
	bool progress, timestamps;	/* -t, -T */
	char rundir[DOM_PATH_MAX];
	struct xsc *xs;			/* by xl_store(); NULL until asked for */
	const struct xl_cmd *cmd;	/* the command that runs */
};

/* opts.c: options and usage, from rows */

#define XL_OPT_IDS 160

struct xl_opt {
	int id;			/* its letter, or a number from 128 on when it has none */
	const char *name;	/* long name or NULL */
	const char *arg;	/* what it takes, for the usage; NULL: nothing */
	const char *doc;
};

/** struct xl_args - a parsed command line, options by their id */
struct xl_args {
	bool set[XL_OPT_IDS];
	const char *val[XL_OPT_IDS];
	int argc;		/* words that are no options */
	char **argv;
};

#define XL_CMD_OPTS 12

enum xl_cmd_flags {
	XL_CMD_MODIFIES = 1,	/* shown with -f */
	XL_CMD_DRYRUN = 2,	/* knows -N */
};

struct xl_cmd {
	const char *name;
	int (*run)(struct xl *xl, struct xl_args *a);
	unsigned flags;
	int min_args;
	const char *args;	/* synopsis behind the name */
	const char *doc;
	struct xl_opt opts[XL_CMD_OPTS];
};

/** struct xl_absent - a command of Xen's xl that does not exist here yet */
struct xl_absent {
	const char *name, *why;
};

/**
 * xl_opts_parse - options and words of a command line
 *
 * Returns -1 to go on, or the exit status to end with, after usage or an error was printed.
 */
int xl_opts_parse(const struct xl_cmd *cmd, int argc, char **argv, struct xl_args *ret);

void xl_usage(FILE *f, const struct xl_cmd *cmd);

/* commands.c */
extern const struct xl_cmd xl_commands[];	/* both end with a row without name */
extern const struct xl_absent xl_absents[];

/** xl_main - run the command line; returns the exit status */
int xl_main(int argc, char **argv);

/* store.c: the store, as seen by commands */

/** xl_store - the connection to the store; NULL after a message when there is none */
struct xsc *xl_store(struct xl *xl);

/** xl_store_start - the same, with a daemon started if none runs; 0 or -errno with a sentence */
int xl_store_start(struct xl *xl, struct dom_err *err);

/** xl_read - value of a node whose path is formatted, to be freed; NULL when missing */
DOM_PRINTF(3, 4)
char *xl_read(struct xl *xl, xsc_tx tx, const char *fmt, ...);

/** xl_read_uint - number in a node, or @def */
DOM_PRINTF(4, 5)
uint64_t xl_read_uint(struct xl *xl, xsc_tx tx, uint64_t def, const char *fmt, ...);

/**
 * xl_domain_find - id of the domain that a user names by name or number
 *
 * A number is taken as it is, whether there is such a domain or not. Returns 0, or -ESRCH after
 * real xl's message.
 */
int xl_domain_find(struct xl *xl, const char *text, unsigned *ret_domid);

/** xl_domain_by_name - as above for names only, silently */
int xl_domain_by_name(struct xl *xl, const char *name, unsigned *ret_domid);

/** xl_domain_exists - is there a domain @domid? Domain 0 always exists. */
bool xl_domain_exists(struct xl *xl, unsigned domid);

/** xl_domain_name - name of a domain, to be freed; NULL when there is none such */
char *xl_domain_name(struct xl *xl, unsigned domid);

/** xl_domain_uuid - UUID of a domain in @ret; zeros for domain 0 */
void xl_domain_uuid(struct xl *xl, unsigned domid, char ret[37]);

/** xl_domains - ids of all guests, ascending, to be freed; -errno after a message */
int xl_domains(struct xl *xl, unsigned **ret, unsigned *ret_count);

/** xl_error - one line on standard error, "xl: ..." with a time when asked for */
DOM_PRINTF(2, 3)
void xl_error(struct xl *xl, const char *fmt, ...);

/** xl_debug - one line on standard error, "xl: debug: ...", for who gave -v @level times or more */
DOM_PRINTF(3, 4)
void xl_debug(struct xl *xl, unsigned level, const char *fmt, ...);

/* ctl_client.c: the control sockets */

/**
 * xl_ctl - one request to the VMM of @domid
 * @req:    request without "v" and "cmd", consumed; NULL when it has no fields
 * @ret:    reply, to be freed; may be NULL
 *
 * Returns 0; -ENOENT or -ECONNREFUSED when no VMM listens; -ETIMEDOUT; the errno of the reply.
 */
int xl_ctl(struct xl *xl, unsigned domid, const char *cmd, struct json_object *req,
	   struct json_object **ret, struct dom_err *err);

/**
 * xl_console_tty - the terminal of a domain's console @num, as its VMM names it; to be freed
 *
 * The store says the same where a guest cannot write: for console 0. NULL when there is none.
 */
char *xl_console_tty(struct xl *xl, unsigned domid, unsigned num);

/**
 * xl_ctl_with - the same, with @count (at most DOM_CTL_FDS_MAX) open files, which stay the caller's
 */
int xl_ctl_with(struct xl *xl, unsigned domid, const char *cmd, struct json_object *req,
		const int *fds, unsigned count, struct dom_err *err);

/**
 * xl_ctl_files - hand @count (at most DOM_CTL_FDS_MAX) open files to the VMM of @domid
 * @name:  path by which a back end will ask for them
 *
 * The descriptors stay the caller's. Errors as of xl_ctl().
 */
int xl_ctl_files(struct xl *xl, unsigned domid, const char *name, const int *fds, unsigned count,
		 struct dom_err *err);

/** struct xl_ctl_reply - what one of many domains answered */
struct xl_ctl_reply {
	unsigned domid;
	int err;			/* 0 or -errno */
	struct json_object *json;	/* to be freed */
};

/** xl_ctl_all - ask all @replies[].domid at once; no domain waits for another */
void xl_ctl_all(struct xl *xl, const char *cmd, struct xl_ctl_reply *replies, unsigned count);

/* host.c: what domain 0 and xl info show */

struct xl_host {
	uint64_t total_kb, avail_kb;
	uint64_t cpu_ns;		/* CPU time of the host without that of guests */
	unsigned cpus;			/* online */
};

void xl_host_read(struct xl_host *ret);

/** xl_proc_line - value of "KEY: value" or "KEY value" of a /proc file in @buf; false if absent */
bool xl_proc_line(const char *path, const char *key, char *buf, size_t size);

/* stored.c: the stored configuration of a domain */

/** xl_config_load - stored JSON of a domain, to be freed; NULL when there is none */
struct json_object *xl_config_load(struct xl *xl, unsigned domid);

/** xl_config_save - replace the stored JSON of a domain; 0 or -errno */
int xl_config_save(struct xl *xl, unsigned domid, struct json_object *json);

/* life.h: life cycle */

struct xl_create {
	struct json_object *json;	/* domain, libxl form; owned */
	bool paused;			/* leave it paused */
	bool foreground;		/* stay until the domain's end */
	bool no_monitor;		/* nobody waits for its end */
	bool console;			/* attach to the console before it runs */
	unsigned domid;			/* out */
};

/** xl_create_domain - make and start a domain; returns the exit status */
int xl_create_domain(struct xl *xl, struct xl_create *c);

/**
 * xl_domain_remove - take away everything that belongs to the dead or dying domain @domid
 * @uuid:  of the domain that is meant, so that a later one with the same number is safe
 *
 * Store nodes, host side of the devices, run-time directory, cgroup. Two that do it at once do no
 * harm. Returns 0; -ENOENT when it was gone already.
 */
int xl_domain_remove(struct xl *xl, unsigned domid, const char *uuid);

/** xl_domain_destroy - end a domain now and remove it; 0 or -errno with a sentence */
int xl_domain_destroy(struct xl *xl, unsigned domid, struct dom_err *err);

/**
 * xl_console_session - connect the terminal with console @num until @escape or the domain's end
 * @unpause: let the paused domain run once the console is open, so that nothing is missed
 *
 * Returns the exit status.
 */
int xl_console_session(struct xl *xl, unsigned domid, unsigned num, char escape, bool unpause);

/** xl_domain_rename - new name of a domain; -EEXIST when it is taken */
int xl_domain_rename(struct xl *xl, unsigned domid, const char *name);

#endif
