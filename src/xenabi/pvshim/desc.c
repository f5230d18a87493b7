// SPDX-License-Identifier: MIT
/*
 * Segments: the guest's descriptor tables, trap table and segment bases; and its debug registers.
 *
 * Each vCPU has a window of 32 pages in which the frames of its GDT (14 pages, then ours) and of
 * its LDT (16 pages) appear. So the tables are where the processor finds them whatever page table it
 * uses, and what the guest changes in its frames holds at once.
 */
#include "shim.h"
#include "hw.h"

#define GDT_WINDOW_BYTES (16u * 4096)
#define LDT_PAGES 16u
#define PTE_WINDOW (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX)

/* Parts of a segment descriptor. ABI: AMD64 manual volume 2, 4.7 and 4.8 */
#define DESC_S (1ull << 44)
#define DESC_DPL (3ull << 45)
#define DESC_P (1ull << 47)

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3], reserved1, ist[7];
	uint64_t reserved2;
	uint16_t reserved3, io_map;
} __attribute__((packed));

static uint64_t window_va(const struct shim_vcpu *v)
{
	return SHIM_WINDOWS_VA + (uint64_t)v->id * SHIM_WINDOW_PAGES * 4096;
}

static void map_window(struct shim_vcpu *v, unsigned page, uint64_t entry)
{
	shim_windows()[v->id * SHIM_WINDOW_PAGES + page] = entry;
	hw_invlpg(window_va(v) + page * 4096ull);
}

/* A descriptor of 16 bytes: TSS (type 9) or LDT (type 2). */
static void system_descriptor(uint64_t *at, uint64_t base, uint32_t limit, unsigned type)
{
	at[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | (uint64_t)type << 40 | DESC_P |
		(uint64_t)(limit >> 16 & 0xf) << 48 | (base >> 24 & 0xff) << 56;
	at[1] = base >> 32;
}

/* Where @selector's descriptor is in the reserved page. */
static uint64_t *reserved(struct shim_vcpu *v, unsigned selector)
{
	uint8_t *page = (uint8_t *)v + VCPU_GDT;

	return (uint64_t *)(void *)(page + (selector & ~7u) - FIRST_RESERVED_GDT_BYTE);
}

void shim_build_tables(struct shim_vcpu *v)
{
	struct tss *tss = (struct tss *)(void *)((uint8_t *)v + VCPU_TSS);
	uintptr_t block = (uintptr_t)v;
	uint64_t gpa;

	*tss = (struct tss){
		.rsp = { block + (shim_info()->duties & SHIM_DUTY_ROOTS ? VCPU_ENTRY_STACK :
									  VCPU_STACK_TOP) },
		.ist = { block + VCPU_IST1_TOP, block + VCPU_IST2_TOP },
		.io_map = sizeof(*tss),		/* beyond the limit: no port is open */
	};
	*reserved(v, SEL_SHIM_CS) = 0x00af9b000000ffffull;
	*reserved(v, SEL_SHIM_SS) = 0x00cf93000000ffffull;
	*reserved(v, FLAT_RING3_CS32) = 0x00cffb000000ffffull;
	*reserved(v, FLAT_RING3_DS64) = 0x00cff3000000ffffull;
	*reserved(v, FLAT_RING3_CS64) = 0x00affb000000ffffull;
	*reserved(v, SEL_KERNEL_CS) = 0x00afbb000000ffffull;
	*reserved(v, SEL_KERNEL_SS) = 0x00cfb3000000ffffull;
	system_descriptor(reserved(v, SEL_TSS), (uintptr_t)tss, sizeof(*tss) - 1, 9);
	gpa = shim_info()->area_gpa + SHIM_BLOCK + (uint64_t)v->id * SHIM_VCPU_SIZE + VCPU_GDT;
	map_window(v, FIRST_RESERVED_GDT_PAGE, gpa | PTE_WINDOW);
}

/*
 * Make a descriptor fit for a kernel at level 1, which could not load one of level 0. ABI: gates
 * and task segments are not for guests.
 */
static int fix_descriptor(uint64_t *d)
{
	if (!(*d & DESC_P))
		return 0;
	if (!(*d & DESC_S))
		return -EINVAL;
	*d |= DESC_DPL;
	return 0;
}

int shim_load_gdt(struct shim_vcpu *v, const uint64_t *frames, unsigned entries)
{
	unsigned pages = (entries + 511) / 512;

	if (pages > FIRST_RESERVED_GDT_PAGE)
		return -EINVAL;
	for (unsigned i = 0; i < pages; i++) {
		uint64_t *d;

		if (!shim_is_ram(frames[i]))
			return -EINVAL;
		d = shim_direct(frames[i] << 12);
		for (unsigned n = 0; n < 512; n++) {
			if (fix_descriptor(&d[n]))
				return -EINVAL;
		}
	}
	for (unsigned i = 0; i < FIRST_RESERVED_GDT_PAGE; i++)
		map_window(v, i, i < pages ? frames[i] << 12 | PTE_WINDOW : 0);
	v->state.gdt_entries = entries;
	return 0;
}

int64_t shim_set_gdt(struct shim_vcpu *v, const struct shim_call *call)
{
	uint64_t frames[FIRST_RESERVED_GDT_PAGE], entries = call->arg[1];

	if (entries > FIRST_RESERVED_GDT_PAGE * 512)
		return -EINVAL;
	if (shim_copy_from(frames, call->arg[0], (entries + 511) / 512 * sizeof(frames[0])))
		return -EFAULT;
	return shim_load_gdt(v, frames, (unsigned)entries);
}

int shim_load_ldt(struct shim_vcpu *v, uint64_t va, uint64_t entries)
{
	uint64_t frames[LDT_PAGES], pages = (entries + 511) / 512;
	bool writable;

	if (entries > LDT_PAGES * 512 || va & 4095 || !shim_va_ok(va))
		return -EINVAL;
	for (unsigned i = 0; i < pages; i++) {
		const uint64_t *pte = shim_find_pte(v->kernel_root, va + i * 4096ull, &writable);

		if (!pte || !(*pte & PTE_P) || !shim_is_ram((*pte & PTE_ADDR) >> 12))
			return -EINVAL;
		frames[i] = *pte & PTE_ADDR;
	}
	for (unsigned i = 0; i < LDT_PAGES; i++)
		map_window(v, 16 + i, i < pages ? frames[i] | PTE_WINDOW : 0);
	if (pages)
		system_descriptor(reserved(v, SEL_LDT), window_va(v) + GDT_WINDOW_BYTES,
				  (uint32_t)entries * 8 - 1, 2);
	hw_lldt(pages ? SEL_LDT : 0);
	v->state.ldt_base = pages ? va : 0;
	v->state.ldt_entries = entries;
	return 0;
}

bool shim_window_fault(struct shim_vcpu *v, uint64_t va, uint64_t *ret_error)
{
	uint64_t offset = va - window_va(v);

	if (offset >= SHIM_WINDOW_PAGES * 4096ull)
		return false;
	/* Bit 2 of a selector: the LDT. */
	*ret_error = offset < GDT_WINDOW_BYTES ? offset & ~7ull :
						 ((offset - GDT_WINDOW_BYTES) & ~7ull) | 4;
	return true;
}

int64_t shim_update_descriptor(struct shim_vcpu *v, const struct shim_call *call)
{
	uint64_t at = call->arg[0], d = call->arg[1];

	(void)v;
	if (at & 7 || !shim_is_ram(at >> 12) || fix_descriptor(&d))
		return -EINVAL;
	__atomic_store_n((uint64_t *)shim_direct(at), d, __ATOMIC_RELAXED);
	return 0;
}

void shim_set_trap(struct shim_vcpu *v, const struct trap_info_64 *t)
{
	v->state.traps[t->vector] = (struct shim_gate){
		.address = t->address, .dpl = t->flags & TI_DPL, .masks = t->flags & TI_IF,
	};
	shim_set_unusual(v);
}

int64_t shim_set_trap_table(struct shim_vcpu *v, const struct shim_call *call)
{
	struct trap_info_64 t;

	/* ABI: without a list, all are taken back. */
	if (!call->arg[0]) {
		memset(v->state.traps, 0, sizeof(v->state.traps));
		shim_set_unusual(v);
		return 0;
	}
	for (unsigned i = 0; i <= 256; i++) {
		if (shim_copy_from(&t, call->arg[0] + i * sizeof(t), sizeof(t)))
			return -EFAULT;
		if (!t.address)
			return 0;
		if (!shim_va_ok(t.address))
			return -EINVAL;
		shim_set_trap(v, &t);
	}
	return -EINVAL;
}

int64_t shim_set_segment_base(struct shim_vcpu *v, const struct shim_call *call)
{
	static const uint32_t msr[] = {
		[SEGBASE_FS] = MSR_FS_BASE,
		[SEGBASE_GS_USER] = MSR_KERNEL_GS_BASE,
		[SEGBASE_GS_KERNEL] = MSR_GS_BASE,
	};

	if (call->arg[0] < DOM_ARRAY_LEN(msr))
		return shim_wrmsr(v, msr[call->arg[0]], call->arg[1]) ? 0 : -EINVAL;
	if (call->arg[0] != SEGBASE_GS_USER_SEL)
		return -EINVAL;
	if (hw_load_user_gs((uint16_t)call->arg[1]))
		hw_load_user_gs(0);
	return 0;
}

/* Bits of DR7 that must be 0, and the one that is 1. ABI: AMD64 manual volume 2, 13.1 */
#define DR7_ZERO 0xf800ull	/* among them GD, which would stop the shim */
#define DR7_ONE 0x400ull
#define DR6_FIXED 0xffff0ff0ull
#define DR6_CAUSES 0xe00full

int64_t shim_write_dr(struct shim_vcpu *v, unsigned reg, uint64_t value)
{
	if (reg > 7 || reg == 4 || reg == 5)
		return -EINVAL;
	if (reg < 4 && !shim_va_ok(value))
		return -EPERM;
	if (reg >= 6 && value >> 32)
		return -EPERM;
	if (reg == 7)
		value = (value & ~DR7_ZERO) | DR7_ONE;
	if (reg == 6)
		value = (value & DR6_CAUSES) | DR6_FIXED;
	v->state.dr[reg] = value;
	hw_write_dr(reg, value);
	return 0;
}

int64_t shim_set_debugreg(struct shim_vcpu *v, const struct shim_call *call)
{
	return call->arg[0] > 7 ? -EINVAL : shim_write_dr(v, (unsigned)call->arg[0], call->arg[1]);
}

int64_t shim_get_debugreg(struct shim_vcpu *v, const struct shim_call *call)
{
	uint64_t reg = call->arg[0];

	if (reg == 4 || reg == 5)
		reg += 2;
	return reg > 7 ? -EINVAL : (int64_t)v->state.dr[reg];
}
