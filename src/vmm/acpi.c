// SPDX-License-Identifier: MIT
/*
 * ACPI tables of a PVH domain: RSDP, XSDT, a hardware-reduced FADT, a MADT with one local APIC per
 * vCPU, and a DSDT that knows one thing, how to power off.
 *
 * Linux has no hypercall for powering off a PVH domain; it writes the type that \_S5 names to the
 * FADT's sleep control register (port VMM_PORT_ACPI_SLEEP_CONTROL). Reboot is the reset register.
 *   ABI: ACPI specification 6.4, chapters 5.2 and 4.8.3.7
 */
#include <string.h>

#include "vmm.h"

#define TABLE_ALIGN 16u
#define FADT_LENGTH 276u	/* revision 6 */
#define FADT_WBINVD (1u << 0)
#define FADT_PWR_BUTTON (1u << 4)	/* set: no fixed-hardware power button */
#define FADT_SLP_BUTTON (1u << 5)	/* set: no fixed-hardware sleep button */
#define FADT_RESET_REG_SUP (1u << 10)
#define FADT_HW_REDUCED (1u << 20)
#define BOOT_ARCH_NO_VGA (1u << 2)
#define BOOT_ARCH_NO_CMOS_RTC (1u << 5)
#define MADT_LOCAL_APIC 0u
#define MADT_ENABLED 1u
#define LAPIC_BASE 0xfee00000u
#define SPACE_IO 1u
#define ACCESS_BYTE 1u

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} DOM_PACKED;

struct gas {	/* generic address structure */
	uint8_t space, width, offset, access;
	uint64_t address;
} DOM_PACKED;

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
} DOM_PACKED;

struct madt_lapic {
	uint8_t type, length, acpi_id, apic_id;
	uint32_t flags;
} DOM_PACKED;

/* Name (_S5, Package () { 5, 5, 0, 0 }) */
static const uint8_t dsdt_aml[] = {
	0x08, '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, 0x05, 0x0a, 0x05, 0x00, 0x00,
};

/* Where the next table goes: tables are laid out upwards in the reserved area. */
struct builder {
	uint8_t *base;		/* host address of VMM_ACPI_GPA */
	uint32_t used;
};

static uint8_t *place(struct builder *b, uint32_t length, uint64_t *ret_gpa)
{
	uint8_t *p = b->base + b->used;

	*ret_gpa = VMM_ACPI_GPA + b->used;
	b->used = (b->used + length + TABLE_ALIGN - 1) & ~(TABLE_ALIGN - 1);
	memset(p, 0, length);
	return p;
}

static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

/* A table of @length bytes with its header filled in; finish() completes the checksum. */
static uint8_t *begin(struct builder *b, const char *signature, uint8_t revision, uint32_t length,
		      uint64_t *ret_gpa)
{
	struct header h = { .length = length, .revision = revision, .oem_revision = 1,
			    .creator_revision = 1 };
	uint8_t *p = place(b, length, ret_gpa);

	memcpy(h.signature, signature, sizeof(h.signature));
	memcpy(h.oem_id, "Xen   ", sizeof(h.oem_id));
	memcpy(h.oem_table_id, "HVM     ", sizeof(h.oem_table_id));
	memcpy(h.creator_id, "DOMI", sizeof(h.creator_id));
	memcpy(p, &h, sizeof(h));
	return p;
}

static void finish(uint8_t *table)
{
	struct header *h = (struct header *)table;

	h->checksum = checksum(table, h->length);
}

static void put(uint8_t *table, size_t offset, const void *value, size_t len)
{
	memcpy(table + offset, value, len);
}

static uint64_t build_dsdt(struct builder *b)
{
	uint64_t gpa;
	uint8_t *t = begin(b, "DSDT", 2, sizeof(struct header) + sizeof(dsdt_aml), &gpa);

	put(t, sizeof(struct header), dsdt_aml, sizeof(dsdt_aml));
	finish(t);
	return gpa;
}

static uint64_t build_fadt(struct builder *b, uint64_t dsdt)
{
	const struct gas reset = { SPACE_IO, 8, 0, ACCESS_BYTE, VMM_PORT_ACPI_RESET };
	const struct gas control = { SPACE_IO, 8, 0, ACCESS_BYTE, VMM_PORT_ACPI_SLEEP_CONTROL };
	const struct gas status = { SPACE_IO, 8, 0, ACCESS_BYTE, VMM_PORT_ACPI_SLEEP_STATUS };
	uint32_t flags = FADT_WBINVD | FADT_PWR_BUTTON | FADT_SLP_BUTTON | FADT_RESET_REG_SUP |
			 FADT_HW_REDUCED;
	uint16_t boot_arch = BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_CMOS_RTC;
	uint32_t dsdt32 = (uint32_t)dsdt;
	uint64_t gpa;
	uint8_t *t = begin(b, "FACP", 6, FADT_LENGTH, &gpa);

	put(t, 40, &dsdt32, sizeof(dsdt32));
	put(t, 109, &boot_arch, sizeof(boot_arch));
	put(t, 112, &flags, sizeof(flags));
	put(t, 116, &reset, sizeof(reset));
	t[128] = 1;				/* RESET_VALUE, what pio.c expects */
	put(t, 140, &dsdt, sizeof(dsdt));	/* X_DSDT */
	put(t, 244, &control, sizeof(control));	/* SLEEP_CONTROL_REG */
	put(t, 256, &status, sizeof(status));	/* SLEEP_STATUS_REG */
	finish(t);
	return gpa;
}

static uint64_t build_madt(struct builder *b, unsigned vcpus)
{
	uint32_t lapic = LAPIC_BASE;
	uint32_t fixed = sizeof(struct header) + 8;
	uint64_t gpa;
	uint8_t *t = begin(b, "APIC", 4, fixed + vcpus * (uint32_t)sizeof(struct madt_lapic), &gpa);

	put(t, sizeof(struct header), &lapic, sizeof(lapic));
	for (unsigned i = 0; i < vcpus; i++) {
		const struct madt_lapic entry = {
			MADT_LOCAL_APIC, sizeof(entry), (uint8_t)i, (uint8_t)i, MADT_ENABLED,
		};

		put(t, fixed + i * sizeof(entry), &entry, sizeof(entry));
	}
	finish(t);
	return gpa;
}

uint64_t vmm_acpi_build(struct vmm *vm)
{
	struct builder b = { .base = vmm_ram(vm, VMM_ACPI_GPA, VMM_ACPI_SIZE) };
	struct rsdp rsdp = { .revision = 2, .length = sizeof(rsdp) };
	uint64_t gpa, rsdp_gpa, tables[2];
	uint8_t *p = place(&b, sizeof(rsdp), &rsdp_gpa), *xsdt;

	tables[0] = build_fadt(&b, build_dsdt(&b));
	tables[1] = build_madt(&b, vm->cfg.vcpus);
	xsdt = begin(&b, "XSDT", 1, sizeof(struct header) + sizeof(tables), &gpa);
	put(xsdt, sizeof(struct header), tables, sizeof(tables));
	finish(xsdt);

	memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
	memcpy(rsdp.oem_id, "Xen   ", sizeof(rsdp.oem_id));
	rsdp.xsdt = gpa;
	rsdp.checksum = checksum(&rsdp, 20);
	rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
	memcpy(p, &rsdp, sizeof(rsdp));
	return rsdp_gpa;
}
