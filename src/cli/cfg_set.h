// SPDX-License-Identifier: MIT
#ifndef XL_CFG_SET_H
#define XL_CFG_SET_H

#include "domain.h"

/* Setters of the key table; 0 or -EINVAL after a message. */
int xl_set_str(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_bool(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_int(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_limit(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_mib(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_enum(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_strs(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_strs_or_str(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_type(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_name(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_uuid(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_vcpus(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_cpus(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_cpus_soft(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_memory(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_maxmem(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_kernel(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_cmdline(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_action(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_disks(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_vifs(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_misc(struct xl_key_ctx *c, const struct xl_key *k);
int xl_set_vfbs(struct xl_key_ctx *c, const struct xl_key *k);
int xl_tell_vif2(struct xl_key_ctx *c, const struct xl_key *k);

#endif
