// SPDX-License-Identifier: MIT
/*
 * Walking the ACPI tables, and checking those that are touched.
 *   ABI: ACPI specification 6.4, chapter 5.2
 */
#include "kern/kern.h"
#include "xenabi/pvh.h"

#define RSDP_V1_SIZE 20u
#define RSDP_SIZE 36u
#define RSDP_REVISION 15
#define RSDP_XSDT 24

uint8_t acpi_sum(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *b++);
	return sum;
}

const uint8_t *acpi_rsdp(void)
{
	const uint8_t *rsdp = (const uint8_t *)(unsigned long)start_info()->rsdp_paddr;

	if (!rsdp || memcmp(rsdp, "RSD PTR ", 8))
		fail("start_info's rsdp_paddr %#lx is not an RSDP", (unsigned long)rsdp);
	if (acpi_sum(rsdp, RSDP_V1_SIZE) || rsdp[RSDP_REVISION] < 2 || acpi_sum(rsdp, RSDP_SIZE))
		fail("bad checksum or revision of the RSDP");
	return rsdp;
}

static const struct acpi_header *check_table(uint64_t gpa)
{
	const struct acpi_header *h = (const struct acpi_header *)(unsigned long)gpa;

	if (!gpa || gpa >> 32 || h->length < sizeof(*h) || h->length > 65536 ||
	    acpi_sum(h, h->length))
		fail("bad ACPI table at %#llx", (unsigned long long)gpa);
	return h;
}

const struct acpi_header *acpi_find(const char *signature)
{
	const struct acpi_header *xsdt;
	uint64_t gpa;

	memcpy(&gpa, acpi_rsdp() + RSDP_XSDT, sizeof(gpa));
	xsdt = check_table(gpa);
	if (memcmp(xsdt->signature, "XSDT", 4))
		fail("the RSDP does not lead to an XSDT");
	for (uint32_t at = sizeof(*xsdt); at + 8 <= xsdt->length; at += 8) {
		const struct acpi_header *h;

		memcpy(&gpa, (const uint8_t *)xsdt + at, sizeof(gpa));
		h = check_table(gpa);
		if (!memcmp(h->signature, signature, 4))
			return h;
	}
	return NULL;
}
