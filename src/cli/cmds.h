// SPDX-License-Identifier: MIT
/*
 * Handlers of the rows of commands.c.
 */
#ifndef XL_CMDS_H
#define XL_CMDS_H

#include "xl.h"

int cmd_block_attach(struct xl *xl, struct xl_args *a);
int cmd_block_detach(struct xl *xl, struct xl_args *a);
int cmd_channel_list(struct xl *xl, struct xl_args *a);
int cmd_config_update(struct xl *xl, struct xl_args *a);
int cmd_console(struct xl *xl, struct xl_args *a);
int cmd_create(struct xl *xl, struct xl_args *a);
int cmd_debug_keys(struct xl *xl, struct xl_args *a);
int cmd_destroy(struct xl *xl, struct xl_args *a);
int cmd_dmesg(struct xl *xl, struct xl_args *a);
int cmd_domid(struct xl *xl, struct xl_args *a);
int cmd_domname(struct xl *xl, struct xl_args *a);
int cmd_dump_core(struct xl *xl, struct xl_args *a);
int cmd_help(struct xl *xl, struct xl_args *a);
int cmd_info(struct xl *xl, struct xl_args *a);
int cmd_list(struct xl *xl, struct xl_args *a);
int cmd_block_list(struct xl *xl, struct xl_args *a);
int cmd_network_attach(struct xl *xl, struct xl_args *a);
int cmd_network_detach(struct xl *xl, struct xl_args *a);
int cmd_network_list(struct xl *xl, struct xl_args *a);
int cmd_pause(struct xl *xl, struct xl_args *a);
int cmd_reboot(struct xl *xl, struct xl_args *a);
int cmd_rename(struct xl *xl, struct xl_args *a);
int cmd_sched_credit(struct xl *xl, struct xl_args *a);
int cmd_sched_credit2(struct xl *xl, struct xl_args *a);
int cmd_shutdown(struct xl *xl, struct xl_args *a);
int cmd_sysrq(struct xl *xl, struct xl_args *a);
int cmd_trigger(struct xl *xl, struct xl_args *a);
int cmd_unpause(struct xl *xl, struct xl_args *a);
int cmd_uptime(struct xl *xl, struct xl_args *a);
int cmd_vcpu_list(struct xl *xl, struct xl_args *a);
int cmd_vcpu_pin(struct xl *xl, struct xl_args *a);
int cmd_vm_list(struct xl *xl, struct xl_args *a);

#endif
