// SPDX-License-Identifier: MIT
/*
 * The table of commands and the look-up in it. Names may be shortened as long as one command of
 * Xen's xl is meant; those that do not exist here yet take part in that, so that what a script
 * gets away with here it gets away with there.
 *
 * Adding a command: a row here, a handler in cmd_<group>.c and cmds.h, a section in xl(1), a golden
 * test.
 */
#include <getopt.h>
#include <string.h>

#include "cmds.h"

#define M XL_CMD_MODIFIES
#define D XL_CMD_DRYRUN
#define ID_IGNORE_MASKS 128
#define ID_FORMAT 129

const struct xl_cmd xl_commands[] = {
	{ "create", cmd_create, M | D, 0, "<ConfigFile> [options] [vars]",
	  "Create a domain from a configuration file", {
		{ 'c', NULL, NULL, "attach to the console before the domain runs" },
		{ 'd', NULL, NULL, "print the resulting configuration, too" },
		{ 'e', NULL, NULL, "do not wait in the background for the domain's end" },
		{ 'F', NULL, NULL, "stay in the foreground until the domain's end" },
		{ 'f', "defconfig", "FILE", "configuration file, instead of <ConfigFile>" },
		{ 'n', "dryrun", NULL, "print the resulting configuration and make nothing" },
		{ 'p', NULL, NULL, "leave the domain paused" },
		{ 'q', "quiet", NULL, "say nothing but errors" },
		{ ID_IGNORE_MASKS, "ignore-global-affinity-masks", NULL, "ignore the CPU masks of xl.conf(5)" },
	  } },
	{ "config-update", cmd_config_update, M | D, 1, "<Domain> <ConfigFile> [options] [vars]",
	  "Replace the stored configuration that a restart of the domain will use", {
		{ 'f', "defconfig", "FILE", "configuration file, instead of <ConfigFile>" },
		{ 'd', NULL, NULL, "print the resulting configuration, too" },
	  } },
	{ "list", cmd_list, 0, 0, "[options] [Domain]", "List domains", {
		{ 'l', "long", NULL, "everything, as JSON" },
		{ 'v', "verbose", NULL, "with UUID, shutdown reason and security label" },
		{ 'Z', "context", NULL, "with security label" },
		{ 'c', "cpupool", NULL, "with CPU pool" },
		{ 'n', "numa", NULL, "with NUMA nodes" },
		{ ID_FORMAT, "format", "json|table", "json: the columns as an array of JSON objects" },
	  } },
	{ "destroy", cmd_destroy, M, 1, "[options] <Domain>", "End a domain at once", {
		{ 'f', NULL, NULL, "for compatibility: domain 0 is never destroyed" },
	  } },
	{ "shutdown", cmd_shutdown, M, 0, "[options] <-a|Domain>", "Ask a domain to shut down", {
		{ 'a', "all", NULL, "all guests" },
		{ 'F', NULL, NULL, "for compatibility: only HVM guests have ACPI buttons" },
		{ 'w', "wait", NULL, "wait until it has" },
	  } },
	{ "reboot", cmd_reboot, M, 0, "[options] <-a|Domain>", "Ask a domain to reboot", {
		{ 'a', "all", NULL, "all guests" },
		{ 'F', NULL, NULL, "for compatibility: only HVM guests have ACPI buttons" },
		{ 'w', "wait", NULL, "wait until it has" },
	  } },
	{ "pause", cmd_pause, M, 1, "<Domain>", "Stop a domain's processors" },
	{ "unpause", cmd_unpause, M, 1, "<Domain>", "Let a paused domain go on" },
	{ "console", cmd_console, 0, 1, "[options] <Domain>",
	  "Attach to the console of a domain", {
		{ 't', NULL, "<type>", "kind of console: pv" },
		{ 'n', NULL, "<number>", "which console; 0 when not given" },
		{ 'e', NULL, "<escape>", "character that ends the session, ^] when not given" },
	  } },
	{ "vcpu-list", cmd_vcpu_list, 0, 0, "[Domain, ...]", "List virtual processors" },
	{ "vcpu-pin", cmd_vcpu_pin, M | D, 3,
	  "[option] <Domain> <VCPU|all> <Hard affinity|-|all> <Soft affinity|-|all>",
	  "Set which host processors a virtual processor may use", {
		{ 'f', "force", NULL, "for compatibility: nothing overrides a pinning" },
		{ ID_IGNORE_MASKS, "ignore-global-affinity-masks", NULL, "ignore the CPU masks of xl.conf(5)" },
	  } },
	{ "vm-list", cmd_vm_list, 0, 0, "", "List guests with their UUIDs" },
	{ "info", cmd_info, 0, 0, "[-n] [field]", "Tell about the host", {
		{ 'n', "numa", NULL, "with processor and memory topology" },
		{ 'x', NULL, NULL, "for compatibility: without effect" },
	  } },
	{ "sched-credit", cmd_sched_credit, M, 0,
	  "[-d <Domain> [-w[=WEIGHT]|-c[=CAP]]] [-s [-t TSLICE] [-r RATELIMIT]] [-p CPUPOOL]",
	  "Show credit scheduler parameters; the scheduler is credit2, so there are none", {
		{ 'd', "domain", "DOMAIN", "domain to show or change" },
		{ 'w', "weight", "WEIGHT", "1 to 65535" },
		{ 'c', "cap", "CAP", "percent of one processor, 0: none" },
		{ 's', "schedparam", NULL, "parameters of the scheduler itself" },
		{ 't', "tslice_ms", "TSLICE", "time slice in ms" },
		{ 'r', "ratelimit_us", "RLIMIT", "rate limit in us" },
		{ 'm', "migration_delay_us", "DLY", "migration delay in us" },
		{ 'p', "cpupool", "CPUPOOL", "only domains of this pool" },
	  } },
	{ "sched-credit2", cmd_sched_credit2, M, 0, "[-d <Domain> [-w[=WEIGHT]]] [-p CPUPOOL]",
	  "Show or set weight and cap of domains", {
		{ 'd', "domain", "DOMAIN", "domain to show or change" },
		{ 'w', "weight", "WEIGHT", "1 to 65535, 256 when never set" },
		{ 'c', "cap", "CAP", "percent of one processor, 0: none" },
		{ 's', "schedparam", NULL, "parameters of the scheduler itself" },
		{ 'r', "ratelimit_us", "RLIMIT", "not settable here" },
		{ 'p', "cpupool", "CPUPOOL", "only domains of this pool" },
	  } },
	{ "dump-core", cmd_dump_core, M, 2, "<Domain> <filename>",
	  "Write the memory and the processors of a domain to a file" },
	{ "domid", cmd_domid, 0, 1, "<DomainName>", "Tell the id of a domain" },
	{ "domname", cmd_domname, 0, 1, "<DomainId>", "Tell the name of a domain" },
	{ "rename", cmd_rename, M, 2, "<Domain> <NewDomainName>", "Rename a domain" },
	{ "trigger", cmd_trigger, M, 1, "<Domain> <nmi|reset|init|power|sleep|s3resume> [<VCPU>]",
	  "Press one of a domain's buttons" },
	{ "sysrq", cmd_sysrq, M, 2, "<Domain> <letter>", "Send a magic SysRq to a domain" },
	{ "debug-keys", cmd_debug_keys, M, 1, "<Keys>",
	  "Have all VMMs write debugging information, see dmesg" },
	{ "dmesg", cmd_dmesg, 0, 0, "[-c]", "Print the messages of all running VMMs", {
		{ 'c', NULL, NULL, "clear them, too" },
	  } },
	{ "network-list", cmd_network_list, 0, 1, "<Domain(s)>", "List network interfaces of domains" },
	{ "network-attach", cmd_network_attach, M | XL_CMD_DRYRUN, 1,
	  "<Domain> [type=<type>] [mac=<mac>] [bridge=<bridge>] [ip=<ip>] [script=<script>] [backend=<BackDomain>] [vifname=<name>] [rate=<rate>] [model=<model>] [accel=<accel>] [mtu=<mtu>]",
	  "Give a running domain one more network interface" },
	{ "network-detach", cmd_network_detach, M, 2, "<Domain> <DevId|mac>",
	  "Take a network interface away from a running domain" },
	{ "block-list", cmd_block_list, 0, 1, "<Domain(s)>", "List block devices of domains" },
	{ "block-attach", cmd_block_attach, M | XL_CMD_DRYRUN, 2, "<Domain> <disk-spec-component(s)>...",
	  "Give a running domain one more block device" },
	{ "block-detach", cmd_block_detach, M, 2, "[option] <Domain> <DevId>",
	  "Take a block device away from a running domain", {
		{ 'f', "force", NULL, "do not wait for the domain to let go of it" },
	  } },
	{ "channel-list", cmd_channel_list, 0, 1, "<Domain(s)>", "List virtual channels of domains" },
	{ "uptime", cmd_uptime, 0, 0, "[-s] [Domain]", "Tell for how long domains have run", {
		{ 's', "short", NULL, "one short line per domain" },
	  } },
	{ "help", cmd_help, 0, 0, "[--long] [command]", "List commands, or tell about one", {
		{ 'l', "long", NULL, "with the usage of each" },
	  } },
	{ 0 }
};

const struct xl_absent xl_absents[] = {
	{ "pci-attach",             "PCI passthrough" },
	{ "pci-detach",             "PCI passthrough" },
	{ "pci-list",               "PCI passthrough" },
	{ "pci-assignable-add",     "PCI passthrough" },
	{ "pci-assignable-remove",  "PCI passthrough" },
	{ "pci-assignable-list",    "PCI passthrough" },
	{ "vncviewer",              "displays" },
	{ "save",                   "saving domains" },
	{ "migrate",                "migration" },
	{ "restore",                "saving domains" },
	{ "migrate-receive",        "migration" },
	{ "cd-insert",              "HVM guests" },
	{ "cd-eject",               "HVM guests" },
	{ "mem-max",                "resizing" },
	{ "mem-set",                "resizing" },
	{ "button-press",           "ACPI buttons; use trigger" },
	{ "vcpu-set",               "resizing" },
	{ "sharing",                "page sharing" },
	{ "sched-rtds",             "the RTDS scheduler" },
	{ "top",                    "xentop" },
	{ "set-parameters",         "hypervisor parameters" },
	{ "vtpm-attach",            "TPMs" },
	{ "vtpm-list",              "TPMs" },
	{ "vtpm-detach",            "TPMs" },
	{ "vkb-attach",             "keyboards" },
	{ "vkb-list",               "keyboards" },
	{ "vkb-detach",             "keyboards" },
	{ "vdispl-attach",          "displays" },
	{ "vdispl-list",            "displays" },
	{ "vdispl-detach",          "displays" },
	{ "vsnd-attach",            "sound" },
	{ "vsnd-list",              "sound" },
	{ "vsnd-detach",            "sound" },
	{ "claims",                 "memory claims" },
	{ "tmem-list",              "transcendent memory" },
	{ "getenforce",             "security labels" },
	{ "setenforce",             "security labels" },
	{ "loadpolicy",             "security labels" },
	{ "cpupool-create",         "CPU pools" },
	{ "cpupool-list",           "CPU pools" },
	{ "cpupool-destroy",        "CPU pools" },
	{ "cpupool-rename",         "CPU pools" },
	{ "cpupool-cpu-add",        "CPU pools" },
	{ "cpupool-cpu-remove",     "CPU pools" },
	{ "cpupool-migrate",        "CPU pools" },
	{ "cpupool-numa-split",     "CPU pools" },
	{ "suspend",                "suspending" },
	{ "resume",                 "suspending" },
	{ "remus",                  "high availability" },
	{ "devd",                   "driver domains" },
	{ "usbctrl-attach",         "USB" },
	{ "usbctrl-detach",         "USB" },
	{ "usbdev-attach",          "USB" },
	{ "usbdev-detach",          "USB" },
	{ "usb-list",               "USB" },
	{ "psr-hwinfo",             "platform shared resources" },
	{ "psr-cmt-attach",         "platform shared resources" },
	{ "psr-cmt-detach",         "platform shared resources" },
	{ "psr-cmt-show",           "platform shared resources" },
	{ "psr-cat-set",            "platform shared resources" },
	{ "psr-cat-show",           "platform shared resources" },
	{ "psr-mba-set",            "platform shared resources" },
	{ "psr-mba-show",           "platform shared resources" },
	{ "qemu-monitor-command",   "HVM guests" },
	{ "xenstore-quota-get",     "quotas per domain" },
	{ "xenstore-quota-set",     "quotas per domain" },
	{ "dt-overlay",             "ARM hosts" },
	{ 0 }
};

/*
 * The row that @name means: its exact name, or the only one that it begins. Of the two tables,
 * exactly one of the results is set, none when nothing or more than one fits.
 */
static void look_up(const char *name, const struct xl_cmd **ret_cmd,
		    const struct xl_absent **ret_absent)
{
	size_t len = strlen(name);
	unsigned hits = 0;

	*ret_cmd = NULL;
	*ret_absent = NULL;
	for (const struct xl_cmd *c = xl_commands; c->name; c++) {
		if (strncmp(c->name, name, len))
			continue;
		*ret_cmd = c;
		*ret_absent = NULL;
		if (!c->name[len])
			return;
		hits++;
	}
	for (const struct xl_absent *b = xl_absents; b->name; b++) {
		if (strncmp(b->name, name, len))
			continue;
		*ret_absent = b;
		*ret_cmd = NULL;
		if (!b->name[len])
			return;
		hits++;
	}
	if (hits != 1) {
		*ret_cmd = NULL;
		*ret_absent = NULL;
	}
}

/* Say that there is no such command, or which one is missing. */
static int not_a_command(const struct xl_absent *absent)
{
	if (absent)
		fprintf(stderr, "xl %s does not exist here yet (%s)\n", absent->name, absent->why);
	else
		fprintf(stderr, "command not implemented\n");
	return XL_FAIL;
}

int cmd_help(struct xl *xl DOM_UNUSED, struct xl_args *a)
{
	const struct xl_absent *absent;
	const struct xl_cmd *cmd;

	if (a->argc) {
		look_up(a->argv[0], &cmd, &absent);
		if (cmd)
			xl_usage(stdout, cmd);
		else if (absent)
			printf("xl %s does not exist here yet (%s)\n", absent->name, absent->why);
		else
			printf("command \"%s\" not implemented\n", a->argv[0]);
		return XL_OK;
	}
	printf("Usage xl [-vfNtT] <subcommand> [args]\n\nxl full list of subcommands:\n\n");
	for (cmd = xl_commands; cmd->name; cmd++) {
		if (a->set['l'])
			xl_usage(stdout, cmd);
		else
			printf(" %-19s %s\n", cmd->name, cmd->doc);
	}
	return XL_OK;
}

/* Global options, up to the command's name. Returns -1 to go on. */
static int parse_globals(struct xl *xl, int argc, char **argv)
{
	static const struct {
		int id;
		size_t member;
	} flags[] = {
		{ 'N', offsetof(struct xl, dryrun) },   { 'f', offsetof(struct xl, force) },
		{ 't', offsetof(struct xl, progress) }, { 'T', offsetof(struct xl, timestamps) },
	};
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "+vftTN")) != -1) {
		if (c == 'v')
			xl->verbose++;
		for (size_t i = 0; i < DOM_ARRAY_LEN(flags); i++)
			if (flags[i].id == c)
				*(bool *)((char *)xl + flags[i].member) = true;
		if (c == '?') {
			fprintf(stderr, "xl: invalid option -- '%c'\nunknown global option\n", optopt);
			return XL_FAIL;
		}
	}
	return -1;
}

int xl_main(int argc, char **argv)
{
	struct xl xl = { 0 };
	struct xl_args args = { 0 };
	const struct xl_absent *absent;
	int ret = parse_globals(&xl, argc, argv);

	if (ret >= 0)
		return ret;
	if (optind == argc) {
		cmd_help(&xl, &args);
		return XL_FAIL;
	}
	look_up(argv[optind], &xl.cmd, &absent);
	if (!xl.cmd)
		return not_a_command(absent);
	if (xl.dryrun && !(xl.cmd->flags & XL_CMD_DRYRUN)) {
		fprintf(stderr, "command does not implement -N (dryrun) option\n");
		return XL_FAIL;
	}
	if (dom_path_dir(DOM_DIR_RUN, xl.rundir)) {
		fprintf(stderr, "xl: the run-time directory's path is too long: shorten $DOMICILE_RUNDIR\n");
		return XL_FAIL;
	}
	ret = xl_opts_parse(xl.cmd, argc - optind, argv + optind, &args);
	if (ret < 0)
		ret = xl.cmd->run(&xl, &args);
	xsc_close(xl.xs);
	if (fflush(stdout)) {
		fprintf(stderr, "xl: standard output: cannot be written\n");
		return XL_FAIL;
	}
	return ret;
}
