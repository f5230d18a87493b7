// SPDX-License-Identifier: MIT
/*
 * The domain description: what xl hands to the VMM. One JSON object in a file,
 *
 *   domicile --config FILE [--ready-fd N]
 *
 * written by xl (src/cli/domcfg_write.c) and read by the VMM. The tables below are the format:
 * every key has a row, both ends check against the rows, a key without a row is an error. A key
 * that is absent has the default of its row; a row without default (NULL) is required.
 *
 * Who does what
 *   xl   allocates domid and name in the store, writes the whole store tree of the domain and its
 *        devices (state 1, Initialising, on both sides), makes tap interfaces, writes this file,
 *        starts the VMM with standard input /dev/null, standard output and error appended to
 *        vmm.log, one extra descriptor (the ready pipe), its own session and its own cgroup.
 *   VMM  builds the guest, writes the nodes only it can know: store/port, store/ring-ref,
 *        console/port, console/ring-ref, console/tty (and device/console/N/tty of further
 *        consoles) below /local/domain/<domid>, introduces the domain to xenstored,
 *        listens on <rundir>/ctl, then reports on the ready pipe. Its back ends take over the
 *        back-end directories that xl made.
 *   xl's monitor (the process that started the VMM, as the daemonised `xl create` of Xen) waits
 *        for the VMM's end, cleans the store and executes on_*. The VMM cannot do that itself:
 *        once confined it may neither execute a program nor look up a path, and a VMM that was
 *        killed does nothing at all. Cost: one process with well below 1 MiB of own memory, no
 *        thread, asleep in poll(2).
 *
 * Ready pipe: lines of text, VMM to xl.
 *   READY=1            the guest is about to run, or is paused where "paused" asked for that
 *   ERROR=<sentence>   it will not run; the VMM exits with DOM_EXIT_START
 *   SHUTDOWN=<reason>  later: the guest shut itself down; <reason> as in dom_shutdowns[]
 *   LINK=<interface>   later, and again until it is given (ctl command give-files): the host's side
 *                      of a network interface is gone
 *   DISK=<number>      later, and again for ten seconds: the server of the image of disk <number>
 *                      (51712 for xvda) is gone; another one's socket is given (give-files) and then
 *                      named in the back end's directory
 * The VMM keeps the descriptor open until it exits. Without --ready-fd nothing is reported, and
 * errors go to standard error only.
 *
 * After a guest's shutdown the VMM looks up on_<reason>: with an action of DOM_CFG_LINGER it stops
 * the vCPUs and the back ends, keeps memory and control socket, and stays in the state "shutdown"
 * until the ctl command `destroy`; the monitor asks for the core with `dump-core` before. With any
 * other action it exits, and its exit status tells the reason (dom_shutdowns[].exit_status).
 */
#ifndef DOM_DOMCFG_H
#define DOM_DOMCFG_H

#include <stddef.h>
#include <stdint.h>

#include "domicile/base/cc.h"

#define DOM_CFG_VERSION 1

enum dom_cfg_type {
	DOM_CFG_UINT,		/* JSON integer, min <= value <= max */
	DOM_CFG_BOOL,		/* true or false */
	DOM_CFG_STRING,		/* min <= length <= max, bytes */
	DOM_CFG_ENUM,		/* string, one of the blank-separated words of `words` */
	DOM_CFG_STRINGS,	/* array of strings, at most max elements */
	DOM_CFG_OBJECTS,	/* array of objects with the rows `sub`, at most max elements */
};

struct dom_cfg_key {
	const char *name;
	enum dom_cfg_type type;
	uint64_t min, max;		/* by type, see above */
	const char *def;		/* default as JSON text; NULL: the key is required */
	const char *words;		/* DOM_CFG_ENUM */
	const struct dom_cfg_key *sub;	/* DOM_CFG_OBJECTS; ends with a row without name */
	const char *doc;
};

#define DOM_CFG_DOMID_MAX 32751		/* 0x7fef: ids from 0x7ff0 on are reserved by the ABI */
#define DOM_CFG_VCPUS_MAX 512
#define DOM_CFG_DEVS_MAX 256		/* of one kind */
#define DOM_CFG_STR_MAX 4095
#define DOM_CFG_ACTIONS "destroy restart rename-restart preserve coredump-destroy coredump-restart"
#define DOM_CFG_LINGER "rename-restart preserve coredump-destroy coredump-restart"

/* The domain's main console (/local/domain/N/console). Further ones are devices, and in the store. */
static const struct dom_cfg_key dom_cfg_console[] DOM_UNUSED = {
	{ "devid",  DOM_CFG_UINT,   0, 255, "0", .doc = "0: /local/domain/N/console" },
	{ "output", DOM_CFG_ENUM,   .def = "\"pty\"", .words = "pty none", .doc = "pty: allocate one, raw, and write its path to the node tty" },
	{ "log",    DOM_CFG_STRING, 0, DOM_CFG_STR_MAX, "\"\"", .doc = "file that the guest's output is appended to; empty: none" },
	{ 0 }
};

/* One disk. Back end: /local/domain/0/backend/<kind>/<domid>/<devid>. */
static const struct dom_cfg_key dom_cfg_disk[] DOM_UNUSED = {
	{ "devid",          DOM_CFG_UINT,   0, 0x1fffffff, NULL, .doc = "vbd number, 51712 for xvda" },
	{ "vdev",           DOM_CFG_STRING, 1, 32, NULL, .doc = "name as configured, for messages: xvda" },
	{ "kind",           DOM_CFG_ENUM,   .def = "\"vbd\"", .words = "vbd qdisk", .doc = "directory name of the back end in the store" },
	{ "target",         DOM_CFG_STRING, 0, DOM_CFG_STR_MAX, "\"\"", .doc = "file or block device; empty: no medium" },
	{ "format",         DOM_CFG_ENUM,   .def = "\"raw\"", .words = "raw empty nbd", .doc = "contents of target; nbd: another program reads it, at the socket in physical-device-path of the back end" },
	{ "readonly",       DOM_CFG_BOOL,   .def = "false", .doc = "open for reading only, offer VDISK_READONLY" },
	{ "cdrom",          DOM_CFG_BOOL,   .def = "false", .doc = "offer VDISK_CDROM" },
	{ "removable",      DOM_CFG_BOOL,   .def = "false", .doc = "offer VDISK_REMOVABLE" },
	{ "discard",        DOM_CFG_BOOL,   .def = "true",  .doc = "offer discard when target can do it" },
	{ "direct_io_safe", DOM_CFG_BOOL,   .def = "false", .doc = "target may be opened O_DIRECT" },
	{ 0 }
};

/* One network interface. Back end: /local/domain/0/backend/vif/<domid>/<devid>. */
static const struct dom_cfg_key dom_cfg_vif[] DOM_UNUSED = {
	{ "devid",         DOM_CFG_UINT,   0, 255, NULL, .doc = "number of the interface in the guest" },
	{ "mac",           DOM_CFG_STRING, 17, 17, NULL, .doc = "aa:bb:cc:dd:ee:ff of the guest's end" },
	{ "ifname",        DOM_CFG_STRING, 1, 15, NULL, .doc = "tap interface of the host, made and bridged by xl with IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE; the VMM attaches queues to it" },
	{ "mtu",           DOM_CFG_UINT,   68, 65535, "1500", .doc = "bytes" },
	{ "rate_bytes",    DOM_CFG_UINT,   0, UINT64_MAX / 2, "0", .doc = "guest may send that many bytes per rate_interval; 0: no limit" },
	{ "rate_interval", DOM_CFG_UINT,   0, 0xffffffff, "50000", .doc = "microseconds" },
	{ 0 }
};

static const struct dom_cfg_key dom_cfg_keys[] DOM_UNUSED = {
	/* identity */
	{ "version",      DOM_CFG_UINT,   1, DOM_CFG_VERSION, NULL, .doc = "of this format" },
	{ "domid",        DOM_CFG_UINT,   1, DOM_CFG_DOMID_MAX, NULL, .doc = "domain id" },
	{ "name",         DOM_CFG_STRING, 1, 1023, NULL, .doc = "unique among running domains; any bytes but NUL" },
	{ "uuid",         DOM_CFG_STRING, 36, 36, NULL, .doc = "lower case, with dashes" },
	{ "rundir",       DOM_CFG_STRING, 1, 255, NULL, .doc = "absolute path of this domain's directory (paths.h), exists" },
	{ "type",         DOM_CFG_ENUM,   .words = "pvh pv", .doc = "kind of guest" },

	/* boot */
	{ "kernel",       DOM_CFG_STRING, 1, DOM_CFG_STR_MAX, NULL, .doc = "path" },
	{ "ramdisks",     DOM_CFG_STRINGS, 0, 8, "[]", .doc = "paths; PVH: modules in this order, PV: the first" },
	{ "cmdline",      DOM_CFG_STRING, 0, DOM_CFG_STR_MAX, "\"\"", .doc = "kernel command line" },
	{ "paused",       DOM_CFG_BOOL,   .def = "false", .doc = "do not run the vCPUs until `unpause`" },

	/* memory and CPU */
	{ "memory_kb",    DOM_CFG_UINT,   1024, UINT64_C(1) << 40, NULL, .doc = "memory at boot, KiB" },
	{ "maxmem_kb",    DOM_CFG_UINT,   1024, UINT64_C(1) << 40, NULL, .doc = "most it can grow to by ballooning, KiB, >= memory_kb" },
	{ "ram_mode",     DOM_CFG_ENUM,   .def = "\"auto\"", .words = "auto shared private", .doc = "shared: memfd; private: anonymous, for KSM; auto: shared where the host backs it with huge pages" },
	{ "vcpus",        DOM_CFG_UINT,   1, DOM_CFG_VCPUS_MAX, "1", .doc = "vCPUs online at boot" },
	{ "maxvcpus",     DOM_CFG_UINT,   1, DOM_CFG_VCPUS_MAX, "1", .doc = "vCPUs in all, >= vcpus" },
	{ "affinity",     DOM_CFG_STRINGS, 0, DOM_CFG_VCPUS_MAX, "[]", .doc = "hard affinity, one string per vCPU: \"0-3,5\"; \"\" or a missing one: all host CPUs" },

	/* what happens at the end; the VMM only tells whether it lingers, see above */
	{ "on_poweroff",   DOM_CFG_ENUM,  .def = "\"destroy\"", .words = DOM_CFG_ACTIONS, .doc = "SHUTDOWN_poweroff" },
	{ "on_reboot",     DOM_CFG_ENUM,  .def = "\"restart\"", .words = DOM_CFG_ACTIONS, .doc = "SHUTDOWN_reboot" },
	{ "on_watchdog",   DOM_CFG_ENUM,  .def = "\"destroy\"", .words = DOM_CFG_ACTIONS, .doc = "SHUTDOWN_watchdog" },
	{ "on_crash",      DOM_CFG_ENUM,  .def = "\"destroy\"", .words = DOM_CFG_ACTIONS, .doc = "SHUTDOWN_crash, and any way of dying that the guest did not ask for" },

	/* limits of the guest's ABI */
	{ "max_event_channels",  DOM_CFG_UINT, 1, 131072, "1023", .doc = "highest event channel port" },
	{ "max_grant_frames",    DOM_CFG_UINT, 1, 4096,   "64",   .doc = "4 KiB frames of grant table" },
	{ "max_maptrack_frames", DOM_CFG_UINT, 0, 16384,  "1024", .doc = "frames of grant mappings" },
	{ "max_grant_version",   DOM_CFG_UINT, 1, 2,      "2",    .doc = "highest grant table version" },

	/* devices */
	{ "consoles",     DOM_CFG_OBJECTS, 0, 16, "[{\"devid\": 0}]", .sub = dom_cfg_console, .doc = "consoles" },
	{ "disks",        DOM_CFG_OBJECTS, 0, DOM_CFG_DEVS_MAX, "[]", .sub = dom_cfg_disk, .doc = "block devices" },
	{ "vifs",         DOM_CFG_OBJECTS, 0, DOM_CFG_DEVS_MAX, "[]", .sub = dom_cfg_vif, .doc = "network interfaces" },

	{ "log_level",    DOM_CFG_ENUM,   .def = "\"info\"", .words = "error warn info debug", .doc = "least important lines written to standard error" },
	{ 0 }
};

/*
 * Why a guest ended: number and word of the ABI, the key that tells what follows, and the status
 * that the VMM exits with. One table for the ready pipe, ctl.h's "reason" and the monitor.
 *   ABI: xen/include/public/sched.h, SHUTDOWN_*
 */
struct dom_shutdown {
	unsigned code;		/* SHUTDOWN_* */
	const char *name;
	const char *key;	/* of dom_cfg_keys; NULL: always destroy */
	int exit_status;
};

static const struct dom_shutdown dom_shutdowns[] DOM_UNUSED = {
	{ 0, "poweroff",   "on_poweroff", 0 },
	{ 1, "reboot",     "on_reboot",   65 },
	{ 2, "suspend",    NULL,          66 },
	{ 3, "crash",      "on_crash",    67 },
	{ 4, "watchdog",   "on_watchdog", 68 },
	{ 5, "soft-reset", "on_crash",    69 },
};

/* The other exit statuses of the VMM. Any status or signal not listed counts as a crash. */
#define DOM_EXIT_START 1	/* the guest never ran; ERROR= or standard error says why */
#define DOM_EXIT_USAGE 2	/* wrong arguments, or a description that breaks the tables */
#define DOM_EXIT_DESTROYED 80	/* destroyed by ctl `destroy`, or by SIGTERM */

#endif
