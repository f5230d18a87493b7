// SPDX-License-Identifier: MIT
/*
 * Ports and MMIO. A PVH domain has no legacy devices; this table answers the probes that kernels
 * make all the same, and serves the registers that our ACPI tables name. Reads of anything else
 * give all ones, writes are dropped.
 *
 * A write that is dropped need not leave the kernel: KVM collects writes to the ranges marked
 * "coalesced" in a ring that we empty unread, which saves most exits of a PCI probe.
 */
#include <string.h>

#include "domicile/shim.h"
#include "vmm.h"

/* SLP_EN and SLP_TYP of the ACPI sleep control register; 5 is our _S5. ABI: ACPI 6, 4.8.3.7 */
#define SLEEP_ENABLE 0x20u
#define SLEEP_TYPE_S5 (5u << 2)
#define RESET_VALUE 0x01u

static void write_sleep(struct vmm_vcpu *v, uint16_t port, uint32_t value)
{
	(void)port;
	if (value == (SLEEP_ENABLE | SLEEP_TYPE_S5))
		vmm_finish(v->vmm, VMM_POWEROFF);
}

static void write_reset(struct vmm_vcpu *v, uint16_t port, uint32_t value)
{
	(void)port;
	if (value == RESET_VALUE)
		vmm_finish(v->vmm, VMM_REBOOT);
}

/* Keyboard controller: the classic way to reset a PC. */
static void write_i8042(struct vmm_vcpu *v, uint16_t port, uint32_t value)
{
	(void)port;
	if (value == 0xfe)
		vmm_finish(v->vmm, VMM_REBOOT);
}

/* Xen's debug port: one character for the log. ABI: docs/misc/hvm-emulated-unplug.pandoc, 0xe9 */
static void write_debug(struct vmm_vcpu *v, uint16_t port, uint32_t value)
{
	char c = (char)value;

	(void)port;
	vmm_platform.console(v->vmm, &c, 1);
}

static void write_nothing(struct vmm_vcpu *v, uint16_t port, uint32_t value)
{
	(void)v;
	(void)port;
	(void)value;
}

static uint32_t read_zero(struct vmm_vcpu *v, uint16_t port)
{
	(void)v;
	(void)port;
	return 0;
}

static uint32_t read_ones(struct vmm_vcpu *v, uint16_t port)
{
	(void)v;
	(void)port;
	return ~0u;
}

static const struct {
	uint16_t first, last;
	uint32_t (*in)(struct vmm_vcpu *v, uint16_t port);
	void (*out)(struct vmm_vcpu *v, uint16_t port, uint32_t value);
	bool coalesced;
	const char *what;
} ports[] = {
	/* Linux reads the PIT until it counts or gives zero: all ones cost 100,000 exits. */
	{ 0x40, 0x43, read_zero, write_nothing, true,  "PIT" },
	{ 0x61, 0x61, read_zero, write_nothing, true,  "PC speaker gate, read in TSC calibration" },
	{ 0x64, 0x64, read_ones, write_i8042,   false, "keyboard controller" },
	{ 0x70, 0x71, read_ones, write_nothing, true,  "CMOS" },
	{ 0xe9, 0xe9, read_ones, write_debug,   false, "debug console" },
	{ 0x2e8, 0x2ef, read_ones, write_nothing, true, "serial port 4" },
	{ 0x2f8, 0x2ff, read_ones, write_nothing, true, "serial port 2" },
	{ 0x3e8, 0x3ef, read_ones, write_nothing, true, "serial port 3" },
	{ 0x3f8, 0x3ff, read_ones, write_nothing, true, "serial port 1" },
	{ 0xcf8, 0xcff, read_ones, write_nothing, true, "PCI configuration" },
	{ VMM_PORT_ACPI_SLEEP_CONTROL, VMM_PORT_ACPI_SLEEP_CONTROL, read_zero, write_sleep, false,
	  "ACPI sleep control" },
	{ VMM_PORT_ACPI_SLEEP_STATUS, VMM_PORT_ACPI_SLEEP_STATUS, read_zero, write_nothing, false,
	  "ACPI sleep status" },
	{ VMM_PORT_ACPI_RESET, VMM_PORT_ACPI_RESET, read_zero, write_reset, false, "ACPI reset" },
};

static void access_port(struct vmm_vcpu *v, bool out, uint16_t port, uint8_t *data, unsigned size)
{
	uint32_t value = ~0u;

	if (out)
		memcpy(&value, data, size);
	for (size_t i = 0; i < DOM_ARRAY_LEN(ports); i++) {
		if (port < ports[i].first || port > ports[i].last)
			continue;
		if (out)
			ports[i].out(v, port, size < 4 ? value & ((1u << size * 8) - 1) : value);
		else
			value = ports[i].in(v, port);
		break;
	}
	if (!out)
		memcpy(data, &value, size);
}

int vmm_exit_io(struct vmm_vcpu *v)
{
	/* KVM wrote this description, not the guest: size is 1, 2 or 4 and the data is in the area. */
	uint8_t *data = (uint8_t *)v->run + v->run->io.data_offset;
	bool out = v->run->io.direction == KVM_EXIT_IO_OUT;

	if (v->run->io.port == VMM_PORT_HYPERCALL && out && v->run->io.size == 4 &&
	    vmm_plain_hypercall(v))
		return 0;
	if (v->run->io.port == SHIM_PORT && out && v->run->io.size == 4 && vmm_pv_call(v))
		return 0;
	for (uint32_t i = 0; i < v->run->io.count; i++, data += v->run->io.size)
		access_port(v, out, v->run->io.port, data, v->run->io.size);
	return 0;
}

int vmm_exit_mmio(struct vmm_vcpu *v)
{
	if (!v->run->mmio.is_write)
		memset(v->run->mmio.data, 0xff, sizeof(v->run->mmio.data));
	return 0;
}

void vmm_pio_init(struct vmm *vm)
{
	if (!vmm_kvm_cap(vm, KVM_CAP_COALESCED_PIO))
		return;
	for (size_t i = 0; i < DOM_ARRAY_LEN(ports); i++) {
		struct kvm_coalesced_mmio_zone zone = {
			.addr = ports[i].first,
			.size = ports[i].last - ports[i].first + 1u,
			.pio = 1,
		};

		/* Only an optimisation: without it the writes come to us. */
		if (ports[i].coalesced)
			vmm_ioctl(vm->vm_fd, KVM_REGISTER_COALESCED_MMIO, &zone);
	}
}
