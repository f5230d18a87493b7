// SPDX-License-Identifier: MIT
/*
 * The table of configuration keys, and the domain that a configuration describes. A domain is kept
 * in libxl's JSON form throughout xl: that is what `xl create -n` and `xl list -l` print and what
 * a restart starts from, so nothing is translated twice.
 */
#ifndef XL_DOMAIN_H
#define XL_DOMAIN_H

#include <stdbool.h>
#include <stdio.h>

#include <json-c/json.h>

#include "domicile/base/err.h"

#include "cfg.h"

enum xl_key_status {
	XL_KEY_WORKS,
	XL_KEY_NO_EFFECT,	/* accepted; `why` says why nothing comes of it */
	XL_KEY_REFUSED,		/* `why` says why; values that ask for nothing are accepted */
};

struct xl_key_ctx;
struct xl_key;
typedef int (*xl_key_fn)(struct xl_key_ctx *c, const struct xl_key *k);

struct xl_key {
	const char *name;
	enum xl_key_status status;
	xl_key_fn fn;		/* fills the JSON; NULL: done by another row, or nothing to fill */
	const char *path;	/* member it fills */
	const char *arg;	/* fn's: words of an enumeration */
	const char *benign;	/* further values, blank-separated, that ask for nothing */
	const char *why;
};

extern const struct xl_key xl_keys[];	/* ends with a row without name; in libxl's member order */

/** struct xl_key_ctx - what the setters of the table work on */
struct xl_key_ctx {
	struct xl_cfg *cfg;
	struct json_object *json;
	FILE *report;			/* never NULL */
	int exit_code;			/* of xl after a failure */
};

/** enum xl_domain_flags - how a configuration is looked at */
enum xl_domain_flags {
	XL_DOMAIN_DRYRUN = 1,		/* what is refused is only told */
	XL_DOMAIN_QUIET = 2,		/* do not tell what has no effect */
};

/**
 * xl_domain_from_cfg - the domain that a configuration describes
 * @report:  receives errors and warnings, one line each
 * @ret:     the domain, to be freed with json_object_put()
 *
 * Returns 0 or the exit code xl ends with.
 */
int xl_domain_from_cfg(struct xl_cfg *cfg, unsigned flags, FILE *report, struct json_object **ret);

/**
 * xl_domain_defaults - fill in what libxl fills in when a domain is made
 *
 * Random MAC addresses, scheduler parameters and so on: the difference between the output of
 * `xl create -n` and that of `xl list -l`.
 */
void xl_domain_defaults(struct json_object *json);

/** xl_nic_defaults - the same for one interface: its address, a random one, and kind */
void xl_nic_defaults(struct json_object *nic);

/** xl_uuid_parse - canonical lower-case form of @text in @ret (37 bytes); -EINVAL */
int xl_uuid_parse(const char *text, char ret[37]);

/** xl_uuid_random - a random (version 4) UUID */
void xl_uuid_random(char ret[37]);

#endif
