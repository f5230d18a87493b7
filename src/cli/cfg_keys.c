// SPDX-License-Identifier: MIT
/*
 * Every key of xl.cfg(5), what becomes of it here, and which setter reads it. The rows stand in the
 * order of libxl's JSON members; a key that has no row is told and ignored, as many programs
 * that write such files rely on that.
 *
 * Adding a key: a row here, a paragraph in xl.cfg(5) (compared by tests/unit/cli/test_manual.c),
 * accept and reject cases in tests/unit/cli/test_cfg_domain.c.
 */
#include <stddef.h>

#include "cfg_set.h"

#define W XL_KEY_WORKS
#define N XL_KEY_NO_EFFECT
#define R XL_KEY_REFUSED
#define HVM "only HVM guests have it"
#define ARM "it is for ARM hosts"
#define LATER "not supported yet"

#define TSC_MODES "default always_emulate native native_paravirt"
#define TIMER_MODES "delay_for_missed_ticks no_delay_for_missed_ticks no_missed_ticks_pending one_missed_tick_pending"

const struct xl_key xl_keys[] = {
	/* identity and type */
	{ "type",                 W, xl_set_type,  "c_info/type", "pv pvh hvm" },
	{ "builder",              W, NULL },
	{ "hap",                  N, xl_set_bool,  "c_info/hap", .benign = "1", .why = "paging is always assisted by hardware" },
	{ "oos",                  N, xl_set_bool,  "c_info/oos", .why = "there is no shadow paging" },
	{ "seclabel",             R, xl_set_str,   "c_info/ssid_label", .why = "there are no security labels yet" },
	{ "init_seclabel",        R, xl_set_str,   "c_info/ssid_label", .why = "there are no security labels yet" },
	{ "name",                 W, xl_set_name,  "c_info/name" },
	{ "uuid",                 W, xl_set_uuid,  "c_info/uuid" },
	{ "pool",                 R, xl_set_str,   "c_info/pool_name", .benign = "Pool-0", .why = "there is no CPU pool but Pool-0 yet" },
	{ "driver_domain",        R, xl_set_bool,  "c_info/driver_domain", .why = "driver domains are " LATER },
	{ "passthrough",          R, xl_set_enum,  "c_info/passthrough", "default disabled enabled sync_pt share_pt", .benign = "default disabled", .why = "PCI passthrough is " LATER },
	{ "xend_suspend_evtchn_compat", N, xl_set_bool, "c_info/xend_suspend_evtchn_compat", .why = "it is about a toolstack of the past" },

	/* processors */
	{ "vcpus",                W, xl_set_vcpus, "b_info/avail_vcpus" },
	{ "maxvcpus",             W, NULL },
	{ "cpus",                 W, xl_set_cpus,  "b_info/vcpu_hard_affinity" },
	{ "cpus_soft",            N, xl_set_cpus_soft, "b_info/vcpu_soft_affinity", .why = "Linux knows no soft affinity; it is stored and shown only" },
	{ "vnuma",                R, NULL, .why = "virtual NUMA nodes are " LATER },
	{ "tsc_mode",             N, xl_set_enum,  "b_info/tsc_mode", TSC_MODES, .benign = "default native", .why = "guests see the TSC of the host" },
	{ "cpuid",                R, NULL, .why = "CPUID policies are " LATER },

	/* memory */
	{ "memory",               W, xl_set_memory, "b_info/target_memkb" },
	{ "maxmem",               W, xl_set_maxmem, "b_info/max_memkb" },
	{ "videoram",             N, xl_set_mib,   "b_info/video_memkb", .why = HVM },
	{ "shadow_memory",        N, xl_set_mib,   "b_info/shadow_memkb", .why = "there is no shadow paging" },

	/* time */
	{ "rtc_timeoffset",       N, xl_set_int,   "b_info/rtc_timeoffset", .why = "the wall clock of guests is the host's, in UTC" },
	{ "localtime",            N, xl_set_bool,  "b_info/localtime", .benign = "0", .why = "the wall clock of guests is the host's, in UTC" },

	/* limits */
	{ "nomigrate",            N, xl_set_bool,  "b_info/disable_migrate", .benign = "1", .why = "no domain can be migrated yet" },
	{ "max_grant_frames",     W, xl_set_limit, "b_info/max_grant_frames" },
	{ "max_maptrack_frames",  N, xl_set_limit, "b_info/max_maptrack_frames", .why = "guests cannot map pages of other domains yet" },
	{ "max_grant_version",    W, xl_set_limit, "b_info/max_grant_version" },
	{ "max_event_channels",   W, xl_set_int,   "b_info/event_channels" },

	/* scheduling */
	{ "cpu_weight",           W, xl_set_limit, "b_info/sched_params/weight" },
	{ "cap",                  W, xl_set_limit, "b_info/sched_params/cap" },
	{ "period",               N, xl_set_int,   "b_info/sched_params/period", .why = "it is for the RTDS scheduler" },
	{ "budget",               N, xl_set_int,   "b_info/sched_params/budget", .why = "it is for the RTDS scheduler" },
	{ "extratime",            N, xl_set_int,   "b_info/sched_params/extratime", .why = "it is for the RTDS scheduler" },
	{ "slice",                N, xl_set_int,   "b_info/sched_params/slice", .why = "it is for a scheduler of the past" },
	{ "latency",              N, xl_set_int,   "b_info/sched_params/latency", .why = "it is for a scheduler of the past" },

	/* host resources */
	{ "ioports",              R, NULL, .why = "guests cannot have I/O ports of the host" },
	{ "irqs",                 R, NULL, .why = "guests cannot have interrupts of the host" },
	{ "iomem",                R, NULL, .why = "guests cannot have I/O memory of the host" },

	/* boot */
	{ "kernel",               W, xl_set_kernel, "b_info/kernel" },
	{ "cmdline",              W, xl_set_cmdline, "b_info/cmdline" },
	{ "root",                 W, NULL },
	{ "extra",                W, NULL },
	{ "ramdisk",              W, xl_set_str,   "b_info/ramdisk" },
	{ "firmware_override",    N, NULL, .why = HVM },
	{ "firmware",             R, NULL, .why = "give the boot loader image, such as pvgrub2, as kernel" },
	{ "bootloader",           R, xl_set_str,   "b_info/bootloader", .why = "boot loaders on the host are " LATER "; give kernel and ramdisk" },
	{ "bootloader_args",      N, xl_set_strs_or_str, "b_info/bootloader_args", .why = "there is no bootloader" },
	{ "bootloader_restrict",  N, xl_set_bool,  "b_info/bootloader_restrict", .why = "there is no bootloader" },
	{ "bootloader_user",      N, xl_set_str,   "b_info/bootloader_user", .why = "there is no bootloader" },
	{ "pvshim",               R, NULL, .why = "PV guests run without a shim of their own: use type = \"pv\"" },
	{ "pvshim_path",          N, NULL, .why = "there is no pvshim" },
	{ "pvshim_cmdline",       N, NULL, .why = "there is no pvshim" },
	{ "pvshim_extra",         N, NULL, .why = "there is no pvshim" },

	/* platform */
	{ "timer_mode",           N, xl_set_enum,  "b_info/timer_mode", TIMER_MODES, .why = "there is no emulated timer whose ticks could be missed" },
	{ "acpi",                 N, xl_set_bool,  "b_info/acpi", .benign = "1", .why = "PVH guests always have ACPI tables" },
	{ "apic",                 N, NULL, .benign = "1", .why = HVM },
	{ "nestedhvm",            R, xl_set_bool,  "b_info/nested_hvm", .why = "nested virtualization is " LATER },
	{ "e820_host",            R, NULL, .why = "guests do not see the memory map of the host" },
	{ "msr_relaxed",          N, xl_set_bool,  "b_info/arch_x86/msr_relaxed", .benign = "0", .why = "which MSRs a guest may read is fixed" },
	{ "vpmu",                 R, xl_set_bool,  "b_info/vpmu", .why = "performance counters are not given to guests" },
	{ "vmtrace_buf_kb",       R, xl_set_int,   "b_info/vmtrace_buf_kb", .why = "processor trace is not given to guests" },
	{ "mca_caps",             N, NULL, .why = HVM },
	{ "dm_restrict",          N, xl_set_bool,  "b_info/dm_restrict", .why = "there is no device model; the VMM is always confined" },

	/* xenstore */
	{ "xenstore_feature_mask", N, NULL, .why = "guests see all features of xenstore" },
	{ "xenstore_quota",       R, NULL, .why = "quotas per domain are " LATER },

	/* what follows the end of the guest */
	{ "on_poweroff",          W, xl_set_action, "on_poweroff",   "destroy" },
	{ "on_reboot",            W, xl_set_action, "on_reboot",     "restart" },
	{ "on_watchdog",          W, xl_set_action, "on_watchdog",   "destroy" },
	{ "on_crash",             W, xl_set_action, "on_crash",      "destroy" },
	{ "on_soft_reset",        N, xl_set_action, "on_soft_reset", "soft-reset", .why = "a soft reset counts as a crash" },

	/* devices */
	{ "disk",                 W, xl_set_disks, "disks" },
	{ "vif",                  W, xl_set_vifs,  "nics" },
	{ "vifscript",            N, NULL, .why = "give script= in the vif" },
	{ "vif2",                 N, xl_tell_vif2, .why = "its protocol is a thing of the past" },
	{ "p9",                   R, xl_set_misc, "p9s", .why = "9pfs is " LATER },
	{ "channel",              W, xl_set_misc, "channels" },
	{ "vfb",                  R, xl_set_vfbs, "vfbs", .why = "displays are " LATER },
	{ "vkb",                  R, NULL, .why = "keyboards are " LATER },
	{ "vdispl",               R, NULL, .why = "displays are " LATER },
	{ "vsnd",                 R, NULL, .why = "sound is " LATER },
	{ "vtpm",                 R, NULL, .why = "TPMs are " LATER },
	{ "pvcalls",              R, NULL, .why = "PV calls are " LATER },
	{ "virtio",               R, NULL, .why = "virtio is " LATER },
	{ "usbctrl",              R, NULL, .why = "USB is " LATER },
	{ "usbdev",               R, NULL, .why = "USB is " LATER },
	{ "pci",                  R, xl_set_misc, "pcidevs", .why = "PCI passthrough is " LATER },
	{ "pci_permissive",       N, NULL, .why = "there is no PCI passthrough" },
	{ "pci_msitranslate",     N, NULL, .why = "there is no PCI passthrough" },
	{ "pci_seize",            N, NULL, .why = "there is no PCI passthrough" },
	{ "pci_power_mgmt",       N, NULL, .why = "there is no PCI passthrough" },
	{ "gfx_passthru",         R, NULL, .why = "PCI passthrough is " LATER },
	{ "rdm",                  N, NULL, .why = "there is no PCI passthrough" },
	{ "dtdev",                R, NULL, .why = ARM },

	/* device model */
	{ "device_model",          N, NULL, .why = "it is a thing of the past, and for HVM guests" },
	{ "device_model_version",  N, NULL, .why = HVM },
	{ "device_model_override", N, NULL, .why = HVM },
	{ "device_model_user",     N, xl_set_str,  "b_info/device_model_user", .why = HVM },
	{ "device_model_args",     N, xl_set_strs, "b_info/extra", .why = HVM },
	{ "device_model_args_pv",  N, xl_set_strs, "b_info/extra_pv", .why = "there is no device model" },
	{ "device_model_args_hvm", N, xl_set_strs, "b_info/extra_hvm", .why = HVM },
	{ "device_model_stubdomain_override", N, NULL, .why = HVM },
	{ "device_model_stubdomain_seclabel", N, NULL, .why = HVM },
	{ "stubdomain_kernel",     N, NULL, .why = HVM },
	{ "stubdomain_cmdline",    N, NULL, .why = HVM },
	{ "stubdomain_ramdisk",    N, NULL, .why = HVM },
	{ "stubdomain_memory",     N, NULL, .why = HVM },

	/* what only HVM guests have; real xl ignores these for PV and PVH, too */
	{ "acpi_firmware",         N, NULL, .why = HVM },
	{ "acpi_laptop_slate",     N, NULL, .why = HVM },
	{ "acpi_s3",               N, NULL, .why = HVM },
	{ "acpi_s4",               N, NULL, .why = HVM },
	{ "altp2m",                R, xl_set_enum, "b_info/altp2m", "disabled mixed external limited", .benign = "disabled", .why = "alternate physical maps do not exist here" },
	{ "altp2mhvm",             N, NULL, .why = HVM },
	{ "altp2m_count",          N, NULL, .why = HVM },
	{ "bios",                  N, NULL, .why = HVM },
	{ "bios_path_override",    N, NULL, .why = HVM },
	{ "boot",                  N, NULL, .why = HVM },
	{ "hdtype",                N, NULL, .why = HVM },
	{ "hpet",                  N, NULL, .why = HVM },
	{ "hvm_pirq",              N, NULL, .why = HVM },
	{ "keymap",                N, NULL, .why = HVM },
	{ "mmio_hole",             N, NULL, .why = HVM },
	{ "ms_vm_genid",           N, NULL, .why = HVM },
	{ "nographic",             N, NULL, .why = HVM },
	{ "nx",                    N, NULL, .why = HVM },
	{ "opengl",                N, NULL, .why = HVM },
	{ "pae",                   N, NULL, .why = HVM },
	{ "rdm_mem_boundary",      N, NULL, .why = HVM },
	{ "sdl",                   N, NULL, .why = HVM },
	{ "serial",                N, NULL, .why = HVM },
	{ "smbios",                N, NULL, .why = HVM },
	{ "smbios_firmware",       N, NULL, .why = HVM },
	{ "soundhw",               N, NULL, .why = HVM },
	{ "spice",                 N, NULL, .why = HVM },
	{ "spice_image_compression", N, NULL, .why = HVM },
	{ "spice_streaming_video", N, NULL, .why = HVM },
	{ "spiceagent_mouse",      N, NULL, .why = HVM },
	{ "spicedisable_ticketing", N, NULL, .why = HVM },
	{ "spicehost",             N, NULL, .why = HVM },
	{ "spicepasswd",           N, NULL, .why = HVM },
	{ "spiceport",             N, NULL, .why = HVM },
	{ "spicetls_port",         N, NULL, .why = HVM },
	{ "spiceusbredirection",   N, NULL, .why = HVM },
	{ "spicevdagent",          N, NULL, .why = HVM },
	{ "spice_clipboard_sharing", N, NULL, .why = HVM },
	{ "stdvga",                N, NULL, .why = HVM },
	{ "timeoffset",            N, NULL, .why = HVM },
	{ "usb",                   N, NULL, .why = HVM },
	{ "usbdevice",             N, NULL, .why = HVM },
	{ "usbversion",            N, NULL, .why = HVM },
	{ "vendor_device",         N, NULL, .why = HVM },
	{ "vga",                   N, NULL, .why = HVM },
	{ "viridian",              N, NULL, .why = HVM },
	{ "vkb_device",            N, NULL, .why = HVM },
	{ "vnc",                   N, NULL, .why = HVM },
	{ "vncdisplay",            N, NULL, .why = HVM },
	{ "vnclisten",             N, NULL, .why = HVM },
	{ "vncpasswd",             N, NULL, .why = HVM },
	{ "vncunused",             N, NULL, .why = HVM },
	{ "vpt_align",             N, NULL, .why = HVM },
	{ "xauthority",            N, NULL, .why = HVM },
	{ "display",               N, NULL, .why = HVM },
	{ "xen_platform_pci",      N, NULL, .why = HVM },
	{ "xen_platform_pci_bar_uc", N, NULL, .why = HVM },

	/* ARM */
	{ "arm_sci",               N, NULL, .why = ARM },
	{ "device_tree",           N, xl_set_str, "b_info/device_tree", .why = ARM },
	{ "gic_version",           N, NULL, .why = ARM },
	{ "llc_colors",            N, NULL, .why = ARM },
	{ "nr_spis",               N, NULL, .why = ARM },
	{ "sve",                   N, NULL, .why = ARM },
	{ "tee",                   N, NULL, .why = ARM },
	{ "trap_unmapped_accesses", N, NULL, .why = ARM },
	{ "vuart",                 N, NULL, .why = ARM },
	{ 0 }
};
