// SPDX-License-Identifier: MIT
/*
 * The life cycle of a domain, from inside: what its files share. Each uses those above it.
 *
 *   teardown  takes everything away, from any process, once
 *   make      allocates id and name -> directory -> files -> store tree -> host devices -> cgroup;
 *             when a stage fails, what was made is taken away
 *   start     VMM -> ready
 *   monitor   makes, starts, waits for the VMM's end and does what on_* says
 *   create    forks the monitor and waits until the domain runs
 */
#ifndef XL_LIFE_H
#define XL_LIFE_H

#include <sys/types.h>

#include "xl.h"

#define XL_FILE_PID "vmm.pid"				/* in the domain's directory */
#define XL_FILE_CGROUP "cgroup"				/* there, too: link to its cgroup */
#define XL_NAME_MAX 1000				/* bytes of a domain's name */
#define XL_NAME_PATH_MAX (3 * XL_NAME_MAX + 40)		/* its entry in the index */

int xl_name_path(const char *name, char *buf, size_t size);
unsigned xl_index_read(struct xl *xl, xsc_tx tx, const char *path, char token[37]);
int xl_domain_by_name_tx(struct xl *xl, xsc_tx tx, const char *name, unsigned *ret_domid);

/** struct xl_life - a domain being made, or running under a monitor */
struct xl_life {
	struct xl *xl;
	struct json_object *json;	/* libxl form */
	unsigned domid;			/* 0 until allocated */
	const char *name, *uuid, *type;	/* in json */
	bool paused;
	int ready_fd;			/* our end of the ready pipe, -1 */
	int signal_fd;			/* SIGINT, SIGTERM and SIGHUP arrive here, -1 */
	char token[37];			/* ours, in the name index */
	pid_t vmm;			/* 0 until started */
	char cgroup[DOM_PATH_MAX + 32];	/* its directory, "" for none */
	char line[256];			/* last line from the ready pipe */
	struct dom_err err;
};

/** xl_life_init - point into @json, which the caller keeps */
void xl_life_init(struct xl_life *l, struct xl *xl, struct json_object *json, bool paused);

/** xl_life_make - all stages; after a failure nothing is left. 0 or -errno with l->err */
int xl_life_make(struct xl_life *l);

/** xl_life_unmake - take back what was made, also after somebody else had destroyed the domain */
void xl_life_unmake(struct xl_life *l);

/** xl_life_next_line - next line of the ready pipe into l->line
 *
 * Returns 1; 0 at its end; -EINTR when a signal asks us to end; -ETIMEDOUT after @ms, -1: never.
 */
int xl_life_next_line(struct xl_life *l, int ms);

/**
 * xl_life_remove - xl_domain_remove() by the domain's own monitor, once the VMM is gone
 *
 * When somebody else has removed the domain already, what came into being after that goes, too: the
 * cgroup that the VMM was still in, and files that it made.
 *
 * Returns as xl_domain_remove(): -ENOENT when somebody else has removed it.
 */
int xl_life_remove(struct xl_life *l);

/** xl_life_start - start the VMM of a made domain and wait until it is ready; undoes all if not */
int xl_life_start(struct xl_life *l);

/** xl_life_abandon - take back what was started and made */
void xl_life_abandon(struct xl_life *l);

/** struct xl_life_result - what the monitor tells who waits for the domain to run */
struct xl_life_result {
	int status;			/* exit status; 0: it runs */
	unsigned domid;
};

/**
 * xl_life_live - make and start a domain, report that, and stay until it is gone for good
 * @report: where a struct xl_life_result goes; from then on we are a daemon. -1: nowhere
 *
 * Returns the exit status; at once where c->no_monitor is set. Messages go to standard error.
 */
int xl_life_live(struct xl *xl, struct xl_create *c, int report);

/* layout.c */

/** xl_layout_write - the store tree of a new domain and its devices, in one transaction */
int xl_layout_write(struct xl_life *l);

/* domcfg_write.c */

/** xl_domcfg_write - write the description for the VMM; 0 or -errno with @err */
int xl_domcfg_write(struct xl_life *l, const char *path, const char *rundir);

/** xl_domcfg_from_json - the same as an object, to be freed */
struct json_object *xl_domcfg_from_json(const struct xl_life *l, const char *rundir);

/* ctl_client.c */

/** xl_ctl_decode - the reply in a line of text; 0 or its errno */
int xl_ctl_decode(const char *text, struct json_object **ret, struct dom_err *err);

/* cgroup.c */

/** xl_cgroup_make - a cgroup for the domain where the host lets us; 0 also when it does not */
int xl_cgroup_make(struct xl_life *l);

/** xl_cgroup_enter - move the calling process there; to be called in the VMM's process */
void xl_cgroup_enter(struct xl *xl, unsigned domid);

/** xl_cgroup_remove - remove the cgroup of a domain that has one; it is empty, or somebody else's matter */
void xl_cgroup_remove(struct xl *xl, unsigned domid);
/** xl_cgroup_remove_dir - the same by its directory, for the domain's maker */
void xl_cgroup_remove_dir(const char *dir);

/** xl_cgroup_set - weight (1..65535) and cap (percent, 0 none) of a domain; 0 or -errno */
int xl_cgroup_set(struct xl *xl, unsigned domid, unsigned weight, unsigned cap);

#endif
