// SPDX-License-Identifier: MIT
/*
 * Code for processors that let code look where it must not, taken out where the VMM says that ours
 * does not. entry.S has a table of it, by duty. Done once, by the first vCPU, before there is another
 * and before the vCPUs' own copies are made.
 */
#include "shim.h"

/* No operation, in one instruction of as many bytes. ABI: AMD64 manual volume 3, NOP */
static const uint8_t nops[][9] = {
	{ 0x90 },
	{ 0x66, 0x90 },
	{ 0x0f, 0x1f, 0x00 },
	{ 0x0f, 0x1f, 0x40, 0x00 },
	{ 0x0f, 0x1f, 0x44, 0x00, 0x00 },
	{ 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
	{ 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },
	{ 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
	{ 0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
};

/* Up to 9 bytes in one instruction, more with a jump over them. */
void shim_leave_out(uint8_t *at, uint32_t len)
{
	uint32_t over = len - 5;

	if (!len)
		return;
	if (len <= DOM_ARRAY_LEN(nops)) {
		memcpy(at, nops[len - 1], len);
		return;
	}
	memset(at, 0xcc, len);
	at[0] = 0xe9;
	memcpy(&at[1], &over, sizeof(over));
}

#ifndef SHIM_UNIT
#pragma GCC visibility push(hidden)
extern const struct shim_duty_site {
	uint64_t at;
	uint32_t len, duty;
} shim_duty_sites[], shim_duty_sites_end[];
#pragma GCC visibility pop

void shim_patch(uint32_t duties)
{
	for (const struct shim_duty_site *s = shim_duty_sites; s != shim_duty_sites_end; s++) {
		if (!(duties & s->duty))
			shim_leave_out((uint8_t *)(uintptr_t)s->at, s->len);
	}
}
#endif
