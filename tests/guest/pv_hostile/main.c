// SPDX-License-Identifier: MIT
/*
 * Fact: a PV kernel that passes impossible things harms itself only, and the log says how it ended.
 * Source: none; it is what Domicile promises.
 * Expect: a crash with one line that names the reason: no stack for an exception frame, an exception
 *   without a handler, an iret frame that is not there, a return that is impossible without a failsafe
 *   callback, page tables without the kernel in them, handlers that are not there; a kernel that writes
 *   over the shim ends, too, and one that goes to level 0 through a gate of its own. What can be refused
 *   is refused: wild arguments to every hypercall, impossible returns to user mode with a failsafe
 *   callback, and page tables that hang below each other leave the guest running.
 * run: as=pv_hostile_stack cmdline=stack exit=67 log=no,room,for,an,exception,frame
 * run: as=pv_hostile_handler cmdline=handler exit=67 log=no,handler,for
 * run: as=pv_hostile_iret cmdline=iret exit=67 log=an,iret,frame,that,cannot,be,read
 * run: as=pv_hostile_return cmdline=return exit=67 log=no,failsafe,callback
 * run: as=pv_hostile_root cmdline=root exit=67 log=the,PV,guest,crashed
 * run: as=pv_hostile_shim cmdline=shim exit=67 log=vcpu,0
 * run: as=pv_hostile_callback cmdline=callback exit=67 log=no,room,for,an,exception,frame
 * run: as=pv_hostile_gate cmdline=gate exit=67 log=vcpu,0
 * run: as=pv_hostile_calls cmdline=calls
 * run: as=pv_hostile_impossible cmdline=impossible
 * run: as=pv_hostile_loops cmdline=loops
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

/* Every handler is where nothing is: each attempt to call one is a page fault, with a frame. */
static void bad_callback(void)
{
	struct trap_info_64 list[33] = { { 0 } };

	for (unsigned i = 0; i < 32; i++)
		list[i] = (struct trap_info_64){ .vector = (uint8_t)i, .address = 0x600000000000 };
	CHECK_EQ(hypercall(__HYPERVISOR_set_trap_table, (uint64_t)list, 0, 0, 0), 0);
	__asm__ volatile("ud2");
}

/* Level 0, in the shim's own code segment: interrupts off, no table for exceptions, an exception. */
static void at_level_0(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	__asm__ volatile("cli; lidt %0; ud2" : : "m"(none));
}

/*
 * The hypercalls take no gates, but the frame that holds the table is ours to write. Where the gate
 * leads the kernel could have gone otherwise: it can write to the shim, too.
 */
static void bad_gate(void)
{
	static volatile uint64_t gdt[512] PAGE_ALIGNED;
	const uint64_t frame = (uint64_t)gdt / PAGE_SIZE, to = (uint64_t)at_level_0;
	struct {
		uint64_t offset;
		uint16_t selector;
	} __attribute__((packed)) far = { 0, 0x10 };

	CHECK_EQ(hypercall(__HYPERVISOR_set_gdt, (uint64_t)&frame, 512, 0, 0), 0);
	gdt[2] = (to & 0xffff) | 0xe008ull << 16 | 0xec00ull << 32 | (to >> 16 & 0xffff) << 48;
	gdt[3] = to >> 32;
	/* rex.W lcall *(%rax), for which assemblers have different words. */
	__asm__ volatile(".byte 0x48, 0xff, 0x18" : : "a"(&far), "m"(far) : "memory");
}

/* A return to user mode that the processor refuses calls the failsafe callback, each time. */
static void wild_returns(void)
{
	static const struct {
		uint64_t rip, cs, ss;
	} to[] = {
		{ 0x8000000000000000, FLAT_RING3_CS64, FLAT_RING3_DS64 },
		{ 0x1000, 0xe04b, FLAT_RING3_DS64 },		/* a task segment */
		{ 0x1000, 0xfffb, FLAT_RING3_DS64 },		/* none */
		{ 0x1000, FLAT_RING3_DS64, FLAT_RING3_DS64 },	/* data */
		{ 0x1000, 3, FLAT_RING3_DS64 },			/* the null selector */
		{ 0x1000, FLAT_RING3_CS64, 0xe00b },		/* the shim's */
		{ 0x1000, 0xe00b, FLAT_RING3_DS64 },
		{ 0x1000, 0xe03b, FLAT_RING3_DS64 },		/* the kernel's */
		{ 0x1000, FLAT_RING3_CS64, 7 },			/* of an LDT, which there is not */
	};

	pv_handle(VECTOR_FAILSAFE, (void (*)(struct frame *))leave);
	for (unsigned i = 0; i < ARRAY_LEN(to); i++) {
		const struct iret_context_64 c = {
			.rip = to[i].rip, .cs = to[i].cs, .ss = to[i].ss, .rflags = ~0ull,
			.rsp = 0x600000000000,
		};
		unsigned count = pv_count;

		pv_enter(&c);
		/* By the callback, or by user mode that could not do a thing. */
		if (pv_count == count)
			fail("return %u went nowhere", i);
	}
	CHECK_EQ(xen_version(XENVER_version, NULL) >> 16, 4);
}

static long ext(unsigned cmd, uint64_t mfn)
{
	struct mmuext_op_64 op = { .cmd = cmd, .arg1 = mfn };

	return hypercall(__HYPERVISOR_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF);
}

/* Top tables that are their own entries, and each other's, at all levels. */
static void loops(void)
{
	static volatile uint64_t a[512] PAGE_ALIGNED, b[512] PAGE_ALIGNED;
	const volatile uint64_t *root = (const volatile uint64_t *)pv_info->pt_base;
	uint64_t fa = (uint64_t)a / PAGE_SIZE, fb = (uint64_t)b / PAGE_SIZE;

	for (unsigned i = 0; i < 512; i++)
		a[i] = b[i] = root[i];
	for (unsigned i = 1; i < 12; i++) {
		a[i] = i % 2 ? (uint64_t)b | PTE_P | PTE_W : (uint64_t)a | PTE_P | PTE_W;
		b[i] = i % 3 ? (uint64_t)a | PTE_P | PTE_W : (uint64_t)b | PTE_P | PTE_W;
	}
	/* Entries that lead out of memory, and into what is no table. */
	a[12] = 0x000ffffffffff000 | PTE_P;
	a[13] = PV_HYPERVISOR_END | PTE_P | 0x80;
	b[14] = 0x100000000 | PTE_P | PTE_W;
	for (unsigned cmd = MMUEXT_PIN_L1_TABLE; cmd <= MMUEXT_PIN_L4_TABLE; cmd++) {
		CHECK_EQ(ext(cmd, fa), 0);
		CHECK_EQ(ext(cmd, fb), 0);
	}
	CHECK_EQ(ext(MMUEXT_NEW_BASEPTR, fa), 0);
	CHECK_EQ(ext(MMUEXT_NEW_USER_BASEPTR, fb), 0);
	CHECK_EQ(xen_version(XENVER_version, NULL) >> 16, 4);
	/* Through themselves: an address that maps the table is found, and what is wild faults. */
	pv_handle(VECTOR_PF, pv_step_over);
	pv_skip = 3;
	for (unsigned i = 1; i < 16; i++) {
		uint64_t va = (uint64_t)i << 39 | (uint64_t)i << 30 | (uint64_t)i << 21 | (uint64_t)i << 12;
		uint64_t value;

		__asm__ volatile("mov (%1), %0" : "=a"(value) : "b"(va) : "memory");
		pv_map(va, 0x1234, UVMF_INVLPG | UVMF_ALL);
		hypercall(__HYPERVISOR_update_descriptor, va, 0, 0, 0);
	}
	CHECK_EQ(ext(MMUEXT_NEW_BASEPTR, pv_info->pt_base / PAGE_SIZE), 0);
	CHECK_EQ(ext(MMUEXT_UNPIN_TABLE, fa), 0);
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

/* Not through the hypercall page, which has no entries for such numbers. */
static int64_t raw_call(uint64_t nr)
{
	__asm__ volatile("syscall" : "+a"(nr) : "D"(0ul), "S"(0ul), "d"(0ul) : "rcx", "r11", "memory");
	return (int64_t)nr;
}

/* Every hypercall and operation with wild arguments; none may end us. */
static void wild_calls(void)
{
	static const uint64_t raw[] = { 64, SHIM_CALLS, SHIM_CALL_CRASH, 0x7fffffff, ~0ull };

	for (unsigned i = 0; i < ARRAY_LEN(raw); i++)
		CHECK_EQ(raw_call(raw[i]), -ENOSYS);
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
		{ "callback", bad_callback, false },
		{ "gate", bad_gate, false },
		{ "calls", wild_calls, true },
		{ "impossible", wild_returns, true },
		{ "loops", loops, true },
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
