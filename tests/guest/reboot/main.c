// SPDX-License-Identifier: MIT
/*
 * Fact: a guest reboots by hypercall, by the reset register that the FADT names, by the keyboard
 *   controller, or as a last resort by a triple fault.
 * Source: xen/include/public/sched.h; ACPI 6.4, 4.8.3.6; HVM_PARAM_TRIPLE_FAULT_REASON's default
 * Expect: the VMM's exit status for a reboot (domcfg.h: 65).
 * run: cmdline=hypercall exit=65
 * run: cmdline=acpi exit=65 as=reboot_acpi
 * run: cmdline=keyboard exit=65 as=reboot_keyboard
 * run: cmdline=fault exit=65 as=reboot_fault
 */
#include "kern/hypercall.h"

#define FADT_RESET_REG 116	/* generic address: space, width, offset, access, address */
#define FADT_RESET_VALUE 128
#define SPACE_IO 1

static void by_acpi(void)
{
	const uint8_t *fadt = (const void *)acpi_find("FACP");
	uint64_t port;

	CHECK(fadt);
	CHECK_EQ(fadt[FADT_RESET_REG], SPACE_IO);
	memcpy(&port, fadt + FADT_RESET_REG + 4, sizeof(port));
	pass_unless_alive();
	outb((uint16_t)port, fadt[FADT_RESET_VALUE]);
}

void test_main(void)
{
	if (arg_has("acpi")) {
		by_acpi();
	} else {
		pass_unless_alive();
		if (arg_has("hypercall"))
			sched_shutdown(SHUTDOWN_reboot);
		else if (arg_has("keyboard"))
			outb(0x64, 0xfe);
		else
			triple_fault();
	}
	spin_ms(1000);
	fail("still alive");
}
