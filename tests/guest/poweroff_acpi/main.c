// SPDX-License-Identifier: MIT
/*
 * Fact: Linux powers a PVH domain off by the sleep control register of the FADT, with the type that
 *   \_S5 in the DSDT names; other types do nothing.
 * Source: ACPI 6.4, 4.8.3.7 and 7.4.2; docs/misc/pvh.pandoc
 * Expect: exit status 0. A write of another sleep type, or without the enable bit, does not end it.
 * run:
 */
#include "kern/kern.h"

#define FADT_X_DSDT 140
#define FADT_SLEEP_CONTROL 244
#define SPACE_IO 1
#define SLEEP_ENABLE 0x20

/* The first number of the package \_S5: Name, PackageOp, PkgLength, NumElements, BytePrefix. */
static uint8_t s5_type(const struct acpi_header *dsdt)
{
	const uint8_t *p = (const uint8_t *)dsdt;

	for (uint32_t i = sizeof(*dsdt); i + 9 < dsdt->length; i++) {
		if (!memcmp(p + i, "_S5_\x12", 5) && p[i + 7] == 0x0a)
			return p[i + 8];
	}
	fail("no \\_S5 in the DSDT");
}

void test_main(void)
{
	const uint8_t *fadt = (const void *)acpi_find("FACP");
	uint64_t dsdt, port;
	uint8_t type;

	CHECK(fadt);
	memcpy(&dsdt, fadt + FADT_X_DSDT, sizeof(dsdt));
	type = s5_type((const void *)(unsigned long)dsdt);
	CHECK_EQ(fadt[FADT_SLEEP_CONTROL], SPACE_IO);
	memcpy(&port, fadt + FADT_SLEEP_CONTROL + 4, sizeof(port));

	outb((uint16_t)port, (uint8_t)(SLEEP_ENABLE | (type ^ 1) << 2));
	outb((uint16_t)port, (uint8_t)(type << 2));
	spin_ms(100);
	pass_unless_alive();
	outb((uint16_t)port, (uint8_t)(SLEEP_ENABLE | type << 2));
	spin_ms(1000);
	fail("still alive");
}
