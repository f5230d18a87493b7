// SPDX-License-Identifier: MIT
/*
 * Fact: the private way from the shim to the VMM gives a guest that has taken the shim's place nothing that
 *   a hypercall would not.
 * Source: none; it is what Domicile promises.
 * Expect: the kernel writes its own code over the shim's entry and runs at level 0 from then on. Numbers that
 *   there are not, hypercalls with arbitrary arguments, and other sizes and directions of the port do not
 *   end it, let alone the VMM; then it says why it ends, with a reason that there is not, and is a crash.
 * run: exit=67 log=unknown,reason
 * run: as=pv_private_exit_calls cmdline=calls
 */
#include "domicile/shim.h"
#include "kernpv/pv.h"
#include "xenabi/version.h"

#define STUBS 0x4000u
#define CALLS 4000u

static uint8_t junk[PAGE_SIZE] PAGE_ALIGNED;
static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* out %eax, $port; jmp *%rcx: SYSCALL comes back at level 0, interrupts off. */
static void take_over(void)
{
	static const uint8_t code[] = { 0xe7, SHIM_PORT, 0xff, 0xe1 };
	uint16_t cs;

	memcpy((void *)(SHIM_VCPUS_VA + STUBS), code, sizeof(code));
	CHECK_EQ(xen_version(XENVER_version, NULL) >> 16, 4);
	__asm__ volatile("mov %%cs, %0" : "=r"(cs));
	CHECK_EQ(cs & 3, 0);
}

/* The hypercall page ends at 128. */
static long call(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	register uint64_t r10 __asm__("r10") = d;

	__asm__ volatile("syscall" : "+a"(nr), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
			 : : "rcx", "r11", "r8", "r9", "memory");
	return (long)nr;
}

/* Numbers, addresses of junk, and addresses of nothing. */
static uint64_t wild(void)
{
	uint64_t r = random();

	switch (r >> 60) {
	case 0: case 1: case 2: case 3: case 4:
		return r & 63;
	case 5: case 6: case 7: case 8:
		return (uint64_t)junk + (r & 0xff8);
	case 9:
		return SHIM_VA + (r & 0xffffff);
	case 10:
		return (uint32_t)r;
	case 11:
		return DOMID_SELF;
	default:
		return r;
	}
}

/* Those that end us because they are asked to, wait, or print. */
static bool is_meant(uint64_t nr, uint64_t op)
{
	return nr == SHIM_CALL_CRASH || nr == __HYPERVISOR_sched_op || nr == __HYPERVISOR_console_io ||
	       (nr == __HYPERVISOR_vcpu_op && op == VCPUOP_down) || nr == __HYPERVISOR_multicall;
}

static void wild_calls(void)
{
	for (unsigned i = 0; i < CALLS; i++) {
		uint64_t nr = random() % 3 ? random() % 64 : SHIM_CALLS + random() % 16, op = wild();

		if (i % 64 == 0)
			nr = random();
		for (unsigned n = 0; n < 64; n++)
			junk[random() % sizeof(junk)] = (uint8_t)random();
		if (!is_meant(nr, op))
			call(nr, op, wild(), wild(), wild());
	}
}

static void other_sizes(void)
{
	uint32_t value = SHIM_CALL_CRASH;

	__asm__ volatile("out %%al, %1" : "+a"(value) : "i"(SHIM_PORT));
	__asm__ volatile("out %%ax, %1" : "+a"(value) : "i"(SHIM_PORT));
	__asm__ volatile("in %1, %%eax" : "+a"(value) : "i"(SHIM_PORT));
	__asm__ volatile("in %1, %%al" : "+a"(value) : "i"(SHIM_PORT));
	/* A call by its size; its number is what RAX happens to be, and the answer goes there. */
	for (unsigned i = 0; i < 4; i++) {
		const void *from = junk;
		uint64_t nr = SHIM_CALLS + 1;

		__asm__ volatile("outsl" : "+S"(from), "+a"(nr) : "d"(SHIM_PORT) : "memory");
	}
}

void test_main(void)
{
	take_over();
	if (pv_info->cmd_line[0] == 'c') {
		wild_calls();
		other_sizes();
		CHECK_EQ(xen_version(XENVER_version, NULL) >> 16, 4);
		return;
	}
	call(SHIM_CALL_CRASH, SHIM_NR_CRASHES, 1, 2, 3);
	fail("still alive after the end");
}
