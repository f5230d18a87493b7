// SPDX-License-Identifier: MIT
/*
 * xl.conf(5): defaults of this host.
 */
#ifndef XL_CONF_H
#define XL_CONF_H

#include <json-c/json.h>

#include "xl.h"

struct xl_conf_key {
	const char *name;
	const char *path;	/* member (of every nic, or of the domain) that gets it */
	enum { XL_CONF_DOMAIN_NUM, XL_CONF_DOMAIN_BOOL, XL_CONF_NIC, XL_CONF_TYPE, XL_CONF_IGNORED } kind;
	const char *why;	/* of XL_CONF_IGNORED */
};

extern const struct xl_conf_key xl_conf_keys[];	/* ends with a row without name */

/**
 * xl_conf_apply - put the host's defaults into the domain @json where it says nothing
 *
 * A host without xl.conf has none. Returns 0 or -EINVAL after messages.
 */
int xl_conf_apply(struct xl *xl, struct json_object *json);

/**
 * xl_pv_to_pvh - make a PV domain a PVH one where @word says so
 * @source:  the file that says it
 * @word:    never, auto (if its kernel can be one) or always
 *
 * Returns 0, or -EINVAL after a message for any other word.
 */
int xl_pv_to_pvh(struct xl *xl, const char *source, const char *word, struct json_object *json);

#endif
