// SPDX-License-Identifier: MIT
/*
 * What a VMM is asked for, by options and by the description of a domain (domcfg.h), and how it tells
 * who started it what became of that.
 */
#ifndef VMM_CONFIG_H
#define VMM_CONFIG_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domicile/base/err.h"
#include "domicile/base/log.h"
#include "domicile/domcfg.h"
#include "domicile/xa.h"

struct json_object;

#define VMM_MAX_VCPUS XA_MAX_VCPUS
#define VMM_MIN_MEMORY_MIB 16u

/* What became of the guest. The process's exit status is this value; see domcfg.h. */
enum vmm_outcome {
	VMM_RUNNING = -1,
	VMM_POWEROFF = 0,
	VMM_FAILED = DOM_EXIT_START,	/* our own failure; the reason was told */
	VMM_USAGE = DOM_EXIT_USAGE,
	VMM_REBOOT = 65,
	VMM_SUSPEND = 66,
	VMM_CRASHED = 67,		/* SHUTDOWN_crash, or a state KVM cannot continue */
	VMM_WATCHDOG = 68,
	VMM_SOFT_RESET = 69,
	VMM_DESTROYED = DOM_EXIT_DESTROYED,
};

enum vmm_accel_kind { VMM_ACCEL_AUTO, VMM_ACCEL_XEN, VMM_ACCEL_PLAIN };

#define VMM_MAX_MODULES 8u

/* What guest memory is made of, see mem.c. */
enum vmm_ram { VMM_RAM_AUTO, VMM_RAM_SHARED, VMM_RAM_PRIVATE };

/* How much of the confinement of sandbox.c is in force. */
enum vmm_sandbox { VMM_SANDBOX_OFF, VMM_SANDBOX_LOG, VMM_SANDBOX_ON };

/* A device of a domain started by hand: the nodes of its two ends in the store. */
#define VMM_MAX_DEVICES 64u
#define VMM_DEVICE_NODES 16u
struct vmm_device_node {
	const char *key, *value;	/* key NULL: no more */
};
struct vmm_device {
	const char *kind;		/* directory in the store: "vbd" */
	unsigned id;
	struct vmm_device_node back[VMM_DEVICE_NODES], front[VMM_DEVICE_NODES];
};

/* Does user mode of a PV guest run on the kernel's page table? AUTO: as the processor allows. */
enum vmm_roots { VMM_ROOTS_AUTO, VMM_ROOTS_ONE, VMM_ROOTS_TWO };

/* Does a PV guest's shim guard against speculation? AUTO: as the host does for itself. */
enum vmm_speculation { VMM_SPECULATION_AUTO, VMM_SPECULATION_OFF, VMM_SPECULATION_ON };

struct vmm_config {
	const char *name;
	bool pv;			/* PV guest; otherwise PVH */
	enum vmm_roots pv_roots;
	enum vmm_speculation pv_speculation;
	domid_t domid;
	uint8_t uuid[16];
	const char *kernel;
	const char *entries;		/* only tell what guests this kernel can be */
	const char *modules[VMM_MAX_MODULES];
	unsigned nr_modules;
	const char *cmdline;
	uint64_t memory_mib;
	enum vmm_ram ram;
	unsigned vcpus;			/* in all */
	unsigned vcpus_online;		/* that the store offers to the guest at boot */
	enum vmm_accel_kind accel;
	enum xa_events events;
	bool events_forced;		/* --events was given */
	const char *console;		/* "stdio", "pty", "none" or a file's path */
	const char *console_log;	/* file that also gets the guest's output; may be NULL */
	const char *xenstore;		/* "auto", "none" or a socket's path */
	bool reboot_restarts;		/* --on-reboot restart */
	bool stats;
	unsigned max_grant_frames, max_grant_version, max_evtchn;
	const char *config_file;	/* description by xl, domcfg.h; NULL: all by options */
	int ready_fd;			/* -1: nobody waits */
	enum dom_log_level log_level;
	bool log_level_forced;		/* --log-level was given */
	enum vmm_sandbox sandbox;
	const char *user;		/* to run as, when started by root; NULL: who we are */
	struct vmm_device *devices;	/* by options; those of a description are in the store */
	unsigned nr_devices;

	/* By the description only. */
	const char *rundir;		/* place of the control socket; NULL: none */
	bool paused;			/* start with vCPUs paused */
	uint64_t maxmem_kib;		/* limit of ballooning; 0: memory_mib */
	const char **affinity;		/* CPU list per vCPU, "" and beyond the end: all */
	unsigned nr_affinity;
	unsigned preserve;		/* bit per SHUTDOWN_* code: stay, for a look at the corpse */

	char **owned;			/* strings that others above point to */
	unsigned nr_owned;
};

/* config.c */
/**
 * vmm_config_parse - read the command line, and the description of the domain that it names
 *
 * Call vmm_config_fini() in any case. Returns 0; -EOPNOTSUPP when something is asked for rightly that
 * this VMM cannot do; other errors mean wrong usage.
 */
int vmm_config_parse(int argc, char **argv, struct vmm_config *cfg, struct dom_err *err);
void vmm_config_fini(struct vmm_config *cfg);
void vmm_usage(int fd);

/* config_value.c */
/** -EINVAL with the sentence that @value of @option is not the @want that it should be. */
int vmm_config_bad(struct dom_err *err, const char *option, const char *value, const char *want);
/** The index of @value among @words, which end in NULL; 0 or -EINVAL as vmm_config_bad(). */
int vmm_config_word(const char *option, const char *value, const char *const *words, int *ret,
		    struct dom_err *err);
/** Returns 0, or -EINVAL with @err (may be NULL) naming the words possible. */
int vmm_ram_mode_parse(const char *word, enum vmm_ram *ret, struct dom_err *err);
/** A copy of @text that lives as long as @cfg; NULL when there is no memory. */
const char *vmm_config_keep(struct vmm_config *cfg, const char *text);

/* config_device.c: devices by options; strings are copied, but for @kind and @key */
struct vmm_device *vmm_config_find_device(const struct vmm_config *cfg, const char *kind,
					  unsigned id);
/** NULL when there are too many, or no memory. Valid until the next one is added. */
struct vmm_device *vmm_config_add_device(struct vmm_config *cfg, const char *kind, unsigned id);
/** Add a node to the back end's or the front end's directory; 0, -ENOMEM, -E2BIG. */
int vmm_device_back(struct vmm_config *cfg, struct vmm_device *dev, const char *key,
		    const char *value);
int vmm_device_front(struct vmm_config *cfg, struct vmm_device *dev, const char *key,
		     const char *value);
/* config_disk.c, config_net.c */
int vmm_config_disk(struct vmm_config *cfg, const char *spec, struct dom_err *err);
int vmm_config_net(struct vmm_config *cfg, const char *spec, struct dom_err *err);

/* config_json.c: the description of a domain, see domcfg.h */
struct reader;
struct vmm_config_key {
	const char *name;	/* of dom_cfg_keys */
	int (*apply)(struct reader *rd, const char *key, size_t field, struct json_object *v);
	size_t field;		/* offset in struct vmm_config, for those that need it */
};
/** One row per row of dom_cfg_keys; ends with a row without name. */
extern const struct vmm_config_key vmm_config_keys[];
/**
 * vmm_config_json - read a description
 * @text:  @len bytes and a NUL
 * @file:  name for messages
 *
 * Returns 0; -EINVAL for a description that breaks the tables, -EOPNOTSUPP for one that asks for what
 * we cannot do, -ENOMEM.
 */
int vmm_config_json(const char *text, size_t len, const char *file, struct vmm_config *cfg,
		    struct dom_err *err);
int vmm_config_read(const char *file, struct vmm_config *cfg, struct dom_err *err);

/* cpulist.c: sets of host CPUs as text, "0-3,5" */
/** Returns 0, or -EINVAL for text that is no list or names a CPU beyond CPU_SETSIZE. */
int vmm_cpulist_parse(const char *text, cpu_set_t *ret);
/** Returns the length; what does not fit in @size (1 or more) is left out. */
size_t vmm_cpulist_format(const cpu_set_t *set, char *buf, size_t size);

/* ready.c: telling who started us how it goes, by the ready pipe of domcfg.h */
void vmm_ready(const struct vmm_config *cfg);
void vmm_ready_error(const struct vmm_config *cfg, const struct dom_err *err);
void vmm_ready_shutdown(const struct vmm_config *cfg, enum vmm_outcome outcome);
/** The server of disk @id is gone: whoever listens may start another. Is there somebody? */
bool vmm_ready_disk(const struct vmm_config *cfg, unsigned id);
/** The host's side of interface @ifname is gone: whoever listens may give another. */
void vmm_ready_link(const struct vmm_config *cfg, const char *ifname);
/** The row of dom_shutdowns that tells @outcome; NULL when the guest did not end by itself. */
const struct dom_shutdown *vmm_shutdown_of(enum vmm_outcome outcome);

#endif
