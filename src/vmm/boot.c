// SPDX-License-Identifier: MIT
/*
 * Fills guest RAM: ACPI tables, kernel, modules and start_info. boot/ does the reading; this file
 * knows where things belong in our machine.
 */
#include <errno.h>
#include <string.h>

#include "boot/boot.h"
#include "vmm.h"

#define LOWEST_LOAD 0x1000ull	/* page 0 stays free: a null pointer must not find the start_info */
#define LEGACY_START 0xa0000ull	/* VGA and ROM area, reserved in the map */
#define LEGACY_SIZE 0x60000ull

static void *ram_range(void *ctx, uint64_t gpa, uint64_t len)
{
	return vmm_ram(ctx, gpa, len);
}

static int load_kernel(struct vmm *vm, const struct boot_ram *ram, struct boot_map *map,
		       struct boot_kernel *k, struct dom_err *err)
{
	/* Only hosts without KVM_XEN need the places where the kernel makes its hypercalls. */
	const struct boot_opts opts = {
		.no_sites = vm->accel != &vmm_accel_plain,
		.no_init = vm->cfg.pv,
	};
	struct boot_image *img;
	int r = boot_image_open(vm->cfg.kernel, &img, err);

	if (!r) {
		r = boot_image_load(img, ram, map, &opts, k, err);
		boot_image_close(img);
	}
	return r;
}

static int write_start_info(struct vmm *vm, const struct boot_ram *ram, struct boot_map *map,
			    const struct boot_module *mods, struct dom_err *err)
{
	struct xa_memmap_entry entries[VMM_MEMMAP_MAX];
	struct boot_memmap memmap[VMM_MEMMAP_MAX];
	struct boot_start_info info = {
		.cmdline = vm->cfg.cmdline,
		.mods = mods,
		.mod_count = vm->cfg.nr_modules,
		.memmap = memmap,
		.memmap_count = vmm_memmap(vm, entries),
		.rsdp = vmm_acpi_build(vm),
	};
	uint32_t gpa;
	int r;

	for (unsigned i = 0; i < info.memmap_count; i++)
		memmap[i] = (struct boot_memmap){ entries[i].addr, entries[i].size, entries[i].type };
	r = boot_pvh_start_info(&info, ram, map, &gpa, err);
	if (!r)
		vm->start_info_gpa = gpa;
	return r;
}

static int load_pv(struct vmm *vm, struct dom_err *err)
{
	const struct boot_ram ram = { .ctx = vm, .range = ram_range, .zeroed = true };
	struct boot_module mods[VMM_MAX_MODULES] = { 0 };
	struct boot_pv_config cfg = {
		.ram = &ram,
		.cmdline = vm->cfg.cmdline,
		.mods = mods,
		.mod_count = vm->cfg.nr_modules,
		.nr_pages = vm->mem.size >> XEN_PAGE_SHIFT,
		.low_pages = vm->mem.low >> XEN_PAGE_SHIFT,
		.high_frame = VMM_HIGH_START >> XEN_PAGE_SHIFT,
		.shared_info = VMM_PV_SHARED_GFN << XEN_PAGE_SHIFT,
		.hypercall_page = xa_hypercall_page_pv64,
	};
	struct boot_kernel k;
	struct boot_map map;
	struct boot_pv pv;
	int r;

	boot_map_init(&map, 0, vm->mem.low);
	r = load_kernel(vm, &ram, &map, &k, err);
	for (unsigned i = 0; i < vm->cfg.nr_modules; i++)
		mods[i].path = vm->cfg.modules[i];
	if (!r)
		r = boot_pv_build(&k, &cfg, &map, &pv, err);
	if (r)
		return r;
	dom_log(&vm->log, DOM_LOG_DEBUG, "%s: %s, payload %s%s, PV entry %#llx", vm->cfg.kernel,
		k.format, k.codec, k.cached ? " (cached)" : "", (unsigned long long)pv.rip);
	return vmm_pv_load(vm, &pv, err);
}

int vmm_boot_load(struct vmm *vm, struct dom_err *err)
{
	const struct boot_ram ram = { .ctx = vm, .range = ram_range, .zeroed = true };
	struct boot_module mods[VMM_MAX_MODULES] = { 0 };
	struct boot_kernel k;
	struct boot_map map;
	uint32_t entry;
	int r;

	if (vm->cfg.pv)
		return load_pv(vm, err);
	vm->store_gfn = VMM_STORE_GFN;
	vm->console_gfn = VMM_CONSOLE_GFN;
	boot_map_init(&map, LOWEST_LOAD, vm->mem.low);
	r = boot_map_add(&map, LEGACY_START, LEGACY_SIZE, "the legacy area with the ACPI tables", err);
	if (!r)
		r = load_kernel(vm, &ram, &map, &k, err);
	if (!r)
		r = boot_pvh_entry(&k, &entry, err);
	for (unsigned i = 0; i < vm->cfg.nr_modules; i++)
		mods[i].path = vm->cfg.modules[i];
	if (!r)
		r = boot_modules_load(mods, vm->cfg.nr_modules, &k, &ram, &map, err);
	if (!r)
		r = write_start_info(vm, &ram, &map, mods, err);
	if (r)
		return r;
	vm->entry_gpa = entry;
	if (vm->accel == &vmm_accel_plain)
		vmm_plain_set_kernel(vm, &k);
	dom_log(&vm->log, DOM_LOG_DEBUG, "%s: %s, payload %s%s, entry %#x, %u hypercall sites",
		vm->cfg.kernel, k.format, k.codec, k.cached ? " (cached)" : "", entry, k.sites);
	return 0;
}
