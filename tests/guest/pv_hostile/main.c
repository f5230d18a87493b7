// SPDX-License-Identifier: MIT
/*
 * Fact: a PV kernel that passes impossible things harms itself only, and the log says how it ended.
 * Source: none; it is what Domicile promises.
 * Expect: a crash with one line that names the reason: no stack for an exception frame, an exception
 *   without a handler, an iret frame that is not there, a return that is impossible without a failsafe
 *   callback, page tables without the kernel in them; a kernel that writes over the shim ends, too. What
 *   can be refused is refused: wild arguments to every hypercall leave the guest running.
 * run: as=pv_hostile_stack cmdline=stack exit=67 log=no,room,for,an,exception,frame
 * run: as=pv_hostile_handler cmdline=handler exit=67 log=no,handler,for
 * run: as=pv_hostile_iret cmdline=iret exit=67 log=an,iret,frame,that,cannot,be,read
 * run: as=pv_hostile_return cmdline=return exit=67 log=no,failsafe,callback
 * run: as=pv_hostile_root cmdline=root exit=67 log=the,PV,guest,crashed
 * run: as=pv_hostile_shim cmdline=shim exit=67 log=vcpu,0
 * run: as=pv_hostile_calls cmdline=calls
 */
#include "domicile/shim.h"
#include "kernpv/pv.h"

static uint8_t empty[PAGE_SIZE] PAGE_ALIGNED;

static void bad_stack(void)
{
	__asm__ volatile("mov $0x600000000000, %%rsp; ud2" : : : "memory");
}

static void no_handler(void)
{
	CHECK_EQ(hypercall(__HYPERVISOR_set_trap_table, 0, 0, 0, 0), 0);
	__asm__ volatile("ud2");
}

static void bad_iret(void)
{
	enter((const struct iret_context_64 *)0x600000000000);
}

static void bad_return(void)
{
	const struct iret_context_64 to = {
		.rip = 0x8000000000000000, .cs = FLAT_RING3_CS64, .rflags = 0x202, .ss = 0x7777,
	};

	CHECK_EQ(hypercall(__HYPERVISOR_set_callbacks, 0, 0, 0, 0), 0);
	enter(&to);
}

/* The kernel is not in them: its next fetch faults, and so does the frame for that. */
static void bad_root(void)
{
	struct mmuext_op_64 op = { .cmd = MMUEXT_NEW_BASEPTR, .arg1 = (uint64_t)empty / PAGE_SIZE };

	hypercall(__HYPERVISOR_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF);
}

static void overwrite_shim(void)
{
	memset((void *)SHIM_VA, 0xff, SHIM_TABLES);
	xen_version(XENVER_version, NULL);
}

/* Addresses with nothing behind them that a guest may name. */
static const uint64_t nowhere[] = { ~0ull, PV_HYPERVISOR_START, SHIM_VA, 0x600000000000, 1ull << 63 };
#define NOWHERE(i) nowhere[(i) % ARRAY_LEN(nowhere)]

/* Calls whose first argument, if small, is an address: what is at our own is not for them. */
static bool takes_address(unsigned nr)
{
	switch (nr) {
	case __HYPERVISOR_set_trap_table:
	case __HYPERVISOR_mmu_update:
	case __HYPERVISOR_set_gdt:
	case __HYPERVISOR_update_descriptor:
	case __HYPERVISOR_multicall:
	case __HYPERVISOR_update_va_mapping:
	case __HYPERVISOR_update_va_mapping_otherdomain:
	case __HYPERVISOR_mmuext_op:
		return true;
	}
	return false;
}

/* Every hypercall and operation with wild arguments; none may end us. */
static void wild_calls(void)
{
	for (unsigned nr = 0; nr < 64; nr++) {
		/* Those that end the domain, or go elsewhere, because they are asked to. */
		if (nr == __HYPERVISOR_iret || nr == __HYPERVISOR_sched_op ||
		    nr == __HYPERVISOR_set_callbacks || nr == __HYPERVISOR_stack_switch)
			continue;
		for (unsigned i = 0; i < ARRAY_LEN(nowhere) * 2; i++)
			hypercall(nr, NOWHERE(i), NOWHERE(i + i / 2), NOWHERE(i * 3), NOWHERE(i + 1));
		for (unsigned op = 0; op < 40 && !takes_address(nr); op++) {
			hypercall(nr, op, NOWHERE(op), NOWHERE(op + 1), NOWHERE(op + 2));
			hypercall(nr, op, NOWHERE(op), 1, 0);
		}
	}
	CHECK_EQ(xen_version(XENVER_version, NULL) >> 16, 4);
}

static bool told(const char *word)
{
	const char *s = pv_info->cmd_line;

	while (*word && *s == *word)
		s++, word++;
	return !*word;
}

void test_main(void)
{
	static const struct {
		const char *word;
		void (*fn)(void);
		bool lives;
	} acts[] = {
		{ "stack", bad_stack, false },
		{ "handler", no_handler, false },
		{ "iret", bad_iret, false },
		{ "return", bad_return, false },
		{ "root", bad_root, false },
		{ "shim", overwrite_shim, false },
		{ "calls", wild_calls, true },
	};

	for (unsigned i = 0; i < ARRAY_LEN(acts); i++) {
		if (!told(acts[i].word))
			continue;
		acts[i].fn();
		if (!acts[i].lives)
			fail("still alive after %s", acts[i].word);
		return;
	}
	fail("no word on the command line");
}
