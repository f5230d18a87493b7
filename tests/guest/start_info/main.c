// SPDX-License-Identifier: MIT
/*
 * Fact: EBX points at a start_info that names command line, modules, memory map and ACPI tables.
 * Source: xen/include/public/arch-x86/hvm/start_info.h; ACPI specification 6.4, chapter 5.2
 * Expect: magic and version; the command line given; the module's bytes; FADT (hardware-reduced,
 *   with sleep and reset registers), DSDT and MADT with good checksums; as many usable local APICs
 *   as vCPUs, with ids 0, 1, ...; nothing of it outside RAM below 4 GiB.
 * run: vcpus=3 cmdline=vcpus=3,hello ramdisk
 */
#include "kern/kern.h"
#include "xenabi/pvh.h"

#define FADT_FLAGS 112
#define FADT_RESET_REG_SUP (1u << 10)
#define FADT_HW_REDUCED (1u << 20)
#define FADT_X_DSDT 140
#define FADT_SLEEP_CONTROL 244	/* space, width, offset, access, address */
#define MADT_ENTRIES 44
#define MADT_LAPIC 0

static unsigned count_lapics(const struct acpi_header *madt)
{
	const uint8_t *p = (const uint8_t *)madt + MADT_ENTRIES;
	const uint8_t *end = (const uint8_t *)madt + madt->length;
	unsigned n = 0;

	for (; p + 2 <= end && p[1] >= 2; p += p[1]) {
		if (p[0] != MADT_LAPIC)
			continue;
		CHECK_EQ(p[1], 8);
		CHECK_EQ(p[2], n);	/* processor id */
		CHECK_EQ(p[3], n);	/* APIC id */
		CHECK_EQ(p[4] & 1, 1);
		n++;
	}
	CHECK(p == end);
	return n;
}

static void check_acpi(void)
{
	const struct acpi_header *fadt = acpi_find("FACP"), *madt = acpi_find("APIC"), *dsdt;
	uint32_t flags;
	uint64_t at;

	CHECK(fadt && fadt->length >= 268 && fadt->revision >= 5);
	memcpy(&flags, (const uint8_t *)fadt + FADT_FLAGS, sizeof(flags));
	CHECK(flags & FADT_HW_REDUCED && flags & FADT_RESET_REG_SUP);
	memcpy(&at, (const uint8_t *)fadt + FADT_SLEEP_CONTROL + 4, sizeof(at));
	CHECK(at > 0 && at < 0x10000);
	memcpy(&at, (const uint8_t *)fadt + FADT_X_DSDT, sizeof(at));
	dsdt = (const struct acpi_header *)(unsigned long)at;
	CHECK(at && !memcmp(dsdt->signature, "DSDT", 4) && !acpi_sum(dsdt, dsdt->length));
	CHECK(madt);
	CHECK_EQ(count_lapics(madt), arg_number("vcpus"));
}

static void check_module(void)
{
	const struct hvm_start_info *si = start_info();
	const struct hvm_modlist_entry *mod = (const void *)(unsigned long)si->modlist_paddr;

	CHECK_EQ(si->nr_modules, 1);
	/* The runner gives this line as the ramdisk. */
	CHECK_EQ(mod->size, 14);
	CHECK_EQ(mod->paddr & (PAGE_SIZE - 1), 0);
	CHECK(!memcmp((const void *)(unsigned long)mod->paddr, "domicile test\n", 14));
}

void test_main(void)
{
	const struct hvm_start_info *si = start_info();

	CHECK_EQ(si->magic, XEN_HVM_START_MAGIC_VALUE);
	CHECK_EQ(si->version, XEN_HVM_START_VERSION);
	CHECK_EQ(si->flags, 0);
	CHECK_EQ(si->reserved, 0);
	CHECK(si->memmap_entries >= 2 && si->memmap_paddr && !(si->memmap_paddr >> 32));
	CHECK(si->cmdline_paddr && !(si->cmdline_paddr >> 32));
	CHECK(!memcmp((const char *)(unsigned long)si->cmdline_paddr, "vcpus=3 hello", 13));
	CHECK(arg_has("hello"));
	check_module();
	check_acpi();
}
