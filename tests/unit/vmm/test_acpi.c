// SPDX-License-Identifier: MIT
/*
 * ACPI tables and memory map, as a guest finds them: every checksum is right, every pointer leads to
 * a table inside the reserved area, every vCPU has its local APIC.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/vmm.h"

#define RAM_SIZE (16u << 20)

static struct vmm vm;

static int set_up(void **state)
{
	(void)state;
	vm = (struct vmm){ .cfg.vcpus = 3, .mem = { .memfd = -1, .size = RAM_SIZE, .low = RAM_SIZE } };
	vm.mem.ram = calloc(1, RAM_SIZE);
	return vm.mem.ram ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(vm.mem.ram);
	return 0;
}

static const uint8_t *at(uint64_t gpa, size_t len)
{
	assert_in_range(gpa, VMM_ACPI_GPA, VMM_ACPI_GPA + VMM_ACPI_SIZE - len);
	return vm.mem.ram + gpa;
}

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s = (uint8_t)(s + *p++);
	return s;
}

/* The table at @gpa, whose signature and checksum are as they must be. */
static const uint8_t *table(uint64_t gpa, const char *signature)
{
	const uint8_t *t = at(gpa, 36);

	assert_memory_equal(t, signature, 4);
	at(gpa, u32(t + 4));
	assert_int_equal(sum(t, u32(t + 4)), 0);
	return t;
}

/* The table with @signature that the XSDT lists. */
static const uint8_t *find(const char *signature)
{
	const uint8_t *rsdp = at(vmm_acpi_build(&vm), 36), *xsdt;

	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(rsdp[15], 2);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	xsdt = table(u64(rsdp + 24), "XSDT");
	for (uint32_t off = 36; off + 8 <= u32(xsdt + 4); off += 8) {
		uint64_t gpa = u64(xsdt + off);

		if (!memcmp(at(gpa, 4), signature, 4))
			return table(gpa, signature);
	}
	fail_msg("no %s", signature);
	return NULL;
}

static void fadt_is_hardware_reduced_and_names_our_registers(void **state)
{
	const uint8_t *fadt = find("FACP");

	(void)state;
	assert_true(u32(fadt + 112) & 1u << 20);
	assert_int_equal(u64(fadt + 120), VMM_PORT_ACPI_RESET);
	assert_int_equal(u64(fadt + 248), VMM_PORT_ACPI_SLEEP_CONTROL);
	assert_int_equal(u64(fadt + 260), VMM_PORT_ACPI_SLEEP_STATUS);
	table(u64(fadt + 140), "DSDT");
	assert_int_equal(u32(fadt + 40), u64(fadt + 140));
}

static void madt_has_one_local_apic_per_vcpu(void **state)
{
	(void)state;
	for (vm.cfg.vcpus = 1; vm.cfg.vcpus <= VMM_MAX_VCPUS; vm.cfg.vcpus *= 2) {
		const uint8_t *madt = find("APIC");
		unsigned apics = 0;

		for (uint32_t off = 44; off < u32(madt + 4); off += madt[off + 1]) {
			assert_true(madt[off + 1] >= 2);
			if (madt[off] != 0)
				continue;
			assert_int_equal(madt[off + 3], apics++);
			assert_int_equal(u32(madt + off + 4), 1);
		}
		assert_int_equal(apics, vm.cfg.vcpus);
	}
}

static void map_covers_all_memory_once(void **state)
{
	static const uint64_t sizes[] = { 16ull << 20, 3ull << 30, (3ull << 30) + (1 << 20), 64ull << 30 };

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(sizes); i++) {
		struct xa_memmap_entry map[VMM_MEMMAP_MAX];
		uint64_t ram = 0, end = 0;
		unsigned n;

		vm.mem.size = sizes[i];
		vm.mem.low = DOM_MIN(sizes[i], VMM_HOLE_START);
		n = vmm_memmap(&vm, map);
		for (unsigned e = 0; e < n; e++) {
			assert_true(map[e].addr >= end);
			assert_true(map[e].size > 0);
			end = map[e].addr + map[e].size;
			if (map[e].type == 1)
				ram += map[e].size;
		}
		/* All but the legacy area, which holds the tables. */
		assert_int_equal(ram, sizes[i] - 0x60000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fadt_is_hardware_reduced_and_names_our_registers,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(madt_has_one_local_apic_per_vcpu, set_up, tear_down),
		cmocka_unit_test_setup_teardown(map_covers_all_memory_once, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
