// SPDX-License-Identifier: MIT
/*
 * physdev_op: a PVH guest has no physical interrupts and no PCI, and Xen answers all of it -ENOSYS.
 * The names are here for the statistics.
 *   ABI: xen/include/public/physdev.h; xen/arch/x86/hvm/hypercall.c (observable behaviour)
 */
#include "xenabi/physdev.h"

#include "priv.h"

static const struct xa_op ops[] = {
	[PHYSDEVOP_irq_status_query]	 = { "irq_status_query" },
	[PHYSDEVOP_set_iopl]		 = { "set_iopl" },
	[PHYSDEVOP_set_iobitmap]	 = { "set_iobitmap" },
	[PHYSDEVOP_apic_read]		 = { "apic_read" },
	[PHYSDEVOP_apic_write]		 = { "apic_write" },
	[PHYSDEVOP_alloc_irq_vector]	 = { "alloc_irq_vector" },
	[PHYSDEVOP_free_irq_vector]	 = { "free_irq_vector" },
	[PHYSDEVOP_eoi]			 = { "eoi" },
	[PHYSDEVOP_map_pirq]		 = { "map_pirq" },
	[PHYSDEVOP_unmap_pirq]		 = { "unmap_pirq" },
	[PHYSDEVOP_manage_pci_add]	 = { "manage_pci_add" },
	[PHYSDEVOP_manage_pci_remove]	 = { "manage_pci_remove" },
	[PHYSDEVOP_pirq_eoi_gmfn_v1]	 = { "pirq_eoi_gmfn_v1" },
	[PHYSDEVOP_restore_msi]		 = { "restore_msi" },
	[PHYSDEVOP_manage_pci_add_ext]	 = { "manage_pci_add_ext" },
	[PHYSDEVOP_setup_gsi]		 = { "setup_gsi" },
	[PHYSDEVOP_get_free_pirq]	 = { "get_free_pirq" },
	[PHYSDEVOP_pci_mmcfg_reserved]	 = { "pci_mmcfg_reserved" },
	[PHYSDEVOP_pci_device_add]	 = { "pci_device_add" },
	[PHYSDEVOP_pci_device_remove]	 = { "pci_device_remove" },
	[PHYSDEVOP_restore_msi_ext]	 = { "restore_msi_ext" },
	[PHYSDEVOP_pirq_eoi_gmfn_v2]	 = { "pirq_eoi_gmfn_v2" },
	[PHYSDEVOP_dbgp_op]		 = { "dbgp_op" },
	[PHYSDEVOP_prepare_msix]	 = { "prepare_msix" },
	[PHYSDEVOP_release_msix]	 = { "release_msix" },
};

const struct xa_family xa_physdev_ops = { ops, DOM_ARRAY_LEN(ops), .arg = 1 };
