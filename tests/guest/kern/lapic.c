// SPDX-License-Identifier: MIT
/*
 * The local APIC, by MSRs (x2APIC) or by its page.
 *   ABI: Intel SDM volume 3, chapter 11
 */
#include "kern/kern.h"

#define MSR_APIC_BASE 0x1bu
#define APIC_BASE_X2 (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)
#define MSR_X2APIC 0x800u
#define LAPIC_PAGE 0xfee00000ul

#define REG_ID 0x20u
#define REG_EOI 0xb0u
#define REG_SPURIOUS 0xf0u
#define REG_ISR 0x100u
#define REG_COMMAND 0x300u
#define SPURIOUS_ENABLE 0x1ffu	/* and vector 0xff */

bool lapic_x2;

static uint32_t get(unsigned reg)
{
	if (lapic_x2)
		return (uint32_t)rdmsr(MSR_X2APIC + reg / 16);
	return *(volatile uint32_t *)(LAPIC_PAGE + reg);
}

static void set(unsigned reg, uint32_t v)
{
	if (lapic_x2)
		wrmsr(MSR_X2APIC + reg / 16, v);
	else
		*(volatile uint32_t *)(LAPIC_PAGE + reg) = v;
}

static void spurious(struct frame *f)
{
	(void)f;
}

void lapic_init(bool x2)
{
	uint64_t base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

	wrmsr(MSR_APIC_BASE, base);
	if (x2)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2);
	lapic_x2 = x2;
	set_handler(SPURIOUS_ENABLE & 0xff, spurious);
	set(REG_SPURIOUS, SPURIOUS_ENABLE);
}

unsigned lapic_id(void)
{
	return lapic_x2 ? get(REG_ID) : get(REG_ID) >> 24;
}

void lapic_eoi(void)
{
	set(REG_EOI, 0);
}

bool lapic_in_service(unsigned vector)
{
	return get(REG_ISR + vector / 32 * 16) >> vector % 32 & 1;
}

void lapic_ipi(unsigned dest, uint32_t cmd)
{
	if (lapic_x2) {
		wrmsr(MSR_X2APIC + REG_COMMAND / 16, (uint64_t)dest << 32 | cmd);
	} else {
		set(REG_COMMAND + 0x10, dest << 24);
		set(REG_COMMAND, cmd);
	}
}
