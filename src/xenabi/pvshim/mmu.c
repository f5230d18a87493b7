// SPDX-License-Identifier: MIT
/*
 * Page tables. The guest's own are the processor's; machine frames are its physical ones, so
 * entries need no translation, and nothing is validated, since an impossible entry hurts only the
 * guest. All that an update takes is a store.
 *
 * A guest maps its page tables read-only and changes them by hypercall, but now and then it writes
 * to one directly and expects the hypervisor to do that for it. Here, the first such write makes
 * the mapping writable: no instruction needs to be emulated. To tell a page table from a page that
 * is read-only for another reason, frames are marked when they are pinned, loaded or hung below a
 * marked one. A mark holds the level, 1 to 4, and ends when the guest maps the frame writable. What
 * was below a table when it was marked is looked at only when a write to an unmarked frame asks for
 * it, which hardly ever happens: guests pin the tables that they write to. So that it costs no more
 * than there is to see, a bit for each block of frames says where tables were marked since.
 *
 * TLBs are the guest's to flush, as on a processor; Xen, too, flushes only for its own safety.
 * Where an old, read-only translation still makes a write fault, the fault is found groundless.
 */
#include "xenabi/grant_table.h"

#include "shim.h"
#include "hw.h"

#define MARK_LEVEL 7u
#define MARK_PINNED 0x80u
#define MARK_UNSEEN 0x40u	/* there may be unmarked tables below */

/* Frames of a block, of which shim_unseen() tells whether some may have MARK_UNSEEN. */
#define BLOCK 4096u
_Static_assert((uint64_t)SHIM_UNSEEN_WORDS * 64 * BLOCK ==
	       (uint64_t)(SHIM_L3_USER - SHIM_L2_DIRECT) << (30 - 12), "not all that is mapped");

/* What a page table's index of level @level (1 to 4) is for @va. */
static unsigned index_of(uint64_t va, unsigned level)
{
	return va >> (12 + (level - 1) * 9) & 511;
}

static uint64_t *table(uint64_t entry)
{
	return shim_is_ram((entry & PTE_ADDR) >> 12) ? shim_direct(entry & PTE_ADDR) : NULL;
}

uint64_t *shim_find_pte(uint64_t root, uint64_t va, bool *ret_writable)
{
	uint64_t *t = table(root), e;

	*ret_writable = true;
	for (unsigned level = 4; t && level > 1; level--) {
		e = __atomic_load_n(&t[index_of(va, level)], __ATOMIC_RELAXED);
		if (!(e & PTE_P) || e & PTE_PS)
			return NULL;
		*ret_writable &= !!(e & PTE_RW);
		t = table(e);
	}
	return t ? &t[index_of(va, 1)] : NULL;
}

static void put(uint64_t *pte, uint64_t value)
{
	__atomic_store_n(pte, value, __ATOMIC_RELEASE);
}

static void note_unseen(uint64_t block)
{
	uint64_t *word = &shim_unseen()[block / 64], bit = 1ull << block % 64;

	if (!(__atomic_load_n(word, __ATOMIC_SEQ_CST) & bit))
		__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
}

/* Another vCPU may pin or unpin the same frame, and neither's word may get lost. */
static void mark(uint64_t mfn, unsigned level)
{
	uint8_t *m, old, new;

	if (!shim_is_ram(mfn))
		return;
	m = &shim_marks()[mfn];
	old = __atomic_load_n(m, __ATOMIC_RELAXED);
	do {
		if ((old & MARK_LEVEL) == level)
			return;
		new = (uint8_t)((old & MARK_PINNED) | level | (level > 1 ? MARK_UNSEEN : 0));
	} while (!__atomic_compare_exchange_n(m, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if (level > 1)
		note_unseen(mfn / BLOCK);
}

/* Mark the tables below the table @mfn. One that is its own entry is not below itself. */
static void mark_below(uint64_t mfn, unsigned level)
{
	const uint64_t *t = shim_direct(mfn << 12);

	__atomic_fetch_and(&shim_marks()[mfn], (uint8_t)~MARK_UNSEEN, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < 512; i++) {
		if (level == 4 && i - SHIM_M2P_SLOT < SHIM_HOLE_SLOTS)
			continue;
		if ((t[i] & (PTE_P | PTE_PS)) == PTE_P && (t[i] & PTE_ADDR) >> 12 != mfn)
			mark((t[i] & PTE_ADDR) >> 12, level - 1);
	}
}

#define UNSEEN_OF_8 (MARK_UNSEEN * 0x0101010101010101ull)

/* RAM is whole MiB, so frames can be looked at eight at a time. */
static bool any_unseen(uint64_t mfn)
{
	return *(const uint64_t *)(const void *)&shim_marks()[mfn] & UNSEEN_OF_8;
}

static uint64_t end_of(uint64_t block)
{
	uint64_t end = (block + 1) * BLOCK;

	return end < shim_info()->end_frame ? end : shim_info()->end_frame;
}

static void look_in_block(uint64_t block, unsigned level)
{
	for (uint64_t mfn = block * BLOCK; mfn < end_of(block); mfn += 8) {
		if (!any_unseen(mfn))
			continue;
		for (unsigned i = 0; i < 8; i++) {
			if ((shim_marks()[mfn + i] & (MARK_UNSEEN | MARK_LEVEL)) == (MARK_UNSEEN | level) &&
			    shim_is_ram(mfn + i))
				mark_below(mfn + i, level);
		}
	}
}

/* First the bit goes, then comes the look: who marks a table meanwhile sets the bit behind that. */
static void tidy_block(uint64_t block, unsigned unused)
{
	bool found = false;

	(void)unused;
	__atomic_fetch_and(&shim_unseen()[block / 64], ~(1ull << block % 64), __ATOMIC_SEQ_CST);
	for (uint64_t mfn = block * BLOCK; mfn < end_of(block) && !found; mfn += 8)
		found = any_unseen(mfn);
	if (found)
		note_unseen(block);
}

static void each_block(void (*fn)(uint64_t block, unsigned level), unsigned level)
{
	for (uint64_t w = 0; w < SHIM_UNSEEN_WORDS; w++) {
		uint64_t bits = __atomic_load_n(&shim_unseen()[w], __ATOMIC_SEQ_CST);

		for (; bits; bits &= bits - 1)
			fn(w * 64 + (unsigned)__builtin_ctzll(bits), level);
	}
}

/* Level by level, once: tables that hang below each other as none should do not keep us here. */
static void mark_unseen(void)
{
	for (unsigned level = 4; level > 1; level--)
		each_block(look_in_block, level);
	each_block(tidy_block, 0);
}

/* The level of a frame of RAM as a table, also of one that nobody has asked for yet; 0: it is none. */
static unsigned level_of(uint64_t mfn)
{
	if (!(shim_marks()[mfn] & MARK_LEVEL))
		mark_unseen();
	return shim_marks()[mfn] & MARK_LEVEL;
}

/* Is there a mark on the frame that a writable mapping ends? */
static bool is_unpinned_table(uint64_t mfn)
{
	return shim_is_ram(mfn) && shim_marks()[mfn] && !(shim_marks()[mfn] & MARK_PINNED);
}

/* What an entry that becomes @value in a table of @level (0: unknown) means for marks. */
static void account(unsigned level, uint64_t value)
{
	uint64_t target = (value & PTE_ADDR) >> 12;

	if (!(value & PTE_P) || !shim_is_ram(target))
		return;
	if (level > 1)
		mark(target, level - 1);
	else if (value & PTE_RW && is_unpinned_table(target))
		shim_marks()[target] = 0;
}

/* Write the entry at machine address @at. */
static int update(uint64_t at, uint64_t value, bool keep_ad)
{
	uint64_t mfn = at >> 12, old;
	unsigned level;
	uint64_t *pte;

	if (at & 7 || !shim_is_ram(mfn))
		return -EINVAL;
	level = shim_marks()[mfn] & MARK_LEVEL;
	/* Whether the entry maps a page or leads to a table is worth a search if there is a mark to lose. */
	if (!level && value & PTE_P && is_unpinned_table((value & PTE_ADDR) >> 12))
		level = level_of(mfn);
	if (level == 4 && (at >> 3 & 511) - SHIM_M2P_SLOT < SHIM_HOLE_SLOTS)
		return -EPERM;
	pte = shim_direct(at);
	account(level, value);
	if (!keep_ad) {
		put(pte, value);
		return 0;
	}
	old = __atomic_load_n(pte, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(pte, &old, value | (old & (PTE_A | PTE_D)), false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		;
	return 0;
}

static int update_one(const struct mmu_update_64 *u)
{
	switch (u->ptr & 3) {
	case MMU_NORMAL_PT_UPDATE:
		return update(u->ptr & ~3ull, u->val, false);
	case MMU_PT_UPDATE_PRESERVE_AD:
		return update(u->ptr & ~3ull, u->val, true);
	case MMU_MACHPHYS_UPDATE:
		return shim_set_pfn(u->ptr >> 12, u->val);
	}
	return -ENOSYS;
}

/* Our own domain, in both halves of a foreign domain argument. ABI: the upper is 0 or id + 1 */
static bool is_self(uint64_t id)
{
	uint32_t pt = (uint32_t)id >> 16;

	return (id & 0xffff) == DOMID_SELF && (!pt || pt - 1 == DOMID_SELF);
}

#define UPDATES 16u

static DOM_NOINLINE int64_t update_list(const struct shim_call *call)
{
	uint64_t count = (uint32_t)call->arg[1] & ~MMU_UPDATE_PREEMPTED, done = 0;
	struct mmu_update_64 list[UPDATES];
	int64_t err = is_self(call->arg[3]) ? 0 : -ESRCH;

	while (done < count && !err) {
		unsigned n = count - done < UPDATES ? (unsigned)(count - done) : UPDATES;
		uint64_t at = call->arg[0] + done * sizeof(list[0]);

		if (shim_copy_from(list, at, n * sizeof(list[0])))
			err = -EFAULT;
		for (unsigned i = 0; i < n && !err; i++) {
			err = update_one(&list[i]);
			done += !err;
		}
	}
	if (call->arg[2]) {
		uint32_t success = (uint32_t)done;

		if (shim_copy_to(call->arg[2], &success, sizeof(success)) && !err)
			err = -EFAULT;
	}
	return err;
}

/* One at a time is what Linux does for a page fault, and nearly always. */
int64_t shim_mmu_update(struct shim_vcpu *v, const struct shim_call *call)
{
	struct mmu_update_64 u;

	(void)v;
	if (call->arg[1] != 1 || call->arg[2] || !is_self(call->arg[3]))
		return update_list(call);
	return shim_copy_from(&u, call->arg[0], sizeof(u)) ? -EFAULT : update_one(&u);
}

static uint64_t all_vcpus(void)
{
	return shim_info()->nr_vcpus < 64 ? (1ull << shim_info()->nr_vcpus) - 1 : ~0ull;
}

/* A set of vCPUs in guest memory: one bit each, as many bytes as there are vCPUs. */
static int read_mask(uint64_t va, uint64_t *ret)
{
	*ret = 0;
	return shim_copy_from(ret, va, (shim_info()->nr_vcpus + 7) / 8);
}

static void flush_all(void)
{
	hw_write_cr3(hw_read_cr3());
}

/* Flush here and on the vCPUs of @mask; @va: one page, UINT64_MAX: everything. */
static void flush(struct shim_vcpu *v, uint64_t mask, uint64_t va)
{
	if (mask & ~(1ull << v->id))
		shim_flush_others(v, mask);
	if (!(mask >> v->id & 1))
		return;
	if (va == UINT64_MAX)
		flush_all();
	else
		hw_invlpg(va);
}

int64_t shim_update_va_mapping(struct shim_vcpu *v, const struct shim_call *call)
{
	uint64_t va = call->arg[0], where = call->arg[2] & ~(uint64_t)UVMF_FLUSHTYPE_MASK;
	uint64_t mask = 1ull << v->id;
	bool writable;
	uint64_t *pte;

	/* The call for other domains has one argument more, and the same meaning for our own. */
	if (call->nr == __HYPERVISOR_update_va_mapping_otherdomain && !is_self(call->arg[3]))
		return -ESRCH;
	pte = shim_va_ok(va) ? shim_find_pte(v->kernel_root, va, &writable) : NULL;
	if (!pte)
		return -EINVAL;
	account(1, call->arg[1]);
	put(pte, call->arg[1]);
	if (!(call->arg[2] & UVMF_FLUSHTYPE_MASK))
		return 0;
	if (where == UVMF_ALL)
		mask = all_vcpus();
	else if (where && read_mask(where, &mask))
		return -EFAULT;
	flush(v, mask, (call->arg[2] & UVMF_FLUSHTYPE_MASK) == UVMF_INVLPG ? va : UINT64_MAX);
	return 0;
}

/* The VMM writes the entries of grants; what it takes away is forgotten everywhere. */
int64_t shim_grant_table_op(struct shim_vcpu *v, const struct shim_call *call)
{
	int64_t r = shim_forward(v, call);

	if (call->arg[0] == GNTTABOP_unmap_grant_ref)
		flush(v, all_vcpus(), UINT64_MAX);
	return r;
}

/* Our slots in a page table's top. User mode may see the shim, so that it can be entered. */
static void put_hole(uint64_t mfn, bool user)
{
	const uint64_t flags = PTE_P | PTE_RW | PTE_A;
	uint64_t tables = shim_info()->area_gpa + SHIM_TABLES;
	uint64_t *t = shim_direct(mfn << 12);
	bool all = !user || !(shim_info()->duties & SHIM_DUTY_ROOTS);

	put(&t[SHIM_M2P_SLOT], all ? (tables + SHIM_L3_M2P * 4096ull) | flags : 0);
	put(&t[SHIM_SLOT], (tables + (all ? SHIM_L3_SHIM : SHIM_L3_USER) * 4096ull) | flags);
	put(&t[SHIM_DIRECT_SLOT], all ? (tables + SHIM_L3_DIRECT * 4096ull) | flags : 0);
}

int shim_set_root(struct shim_vcpu *v, uint64_t mfn)
{
	if (!shim_is_ram(mfn))
		return -EINVAL;
	mark(mfn, 4);
	put_hole(mfn, false);
	v->kernel_root = mfn << 12;
	if (!v->state.user_root)
		v->user_cr3 = v->kernel_root;
	hw_write_cr3(v->kernel_root);
	return 0;
}

void shim_set_user_root(struct shim_vcpu *v, uint64_t mfn)
{
	v->state.user_root = mfn << 12;
	v->user_cr3 = mfn ? v->state.user_root : v->kernel_root;
	if (!mfn)
		return;
	mark(mfn, 4);
	put_hole(mfn, v->state.user_root != v->kernel_root);
}

static int64_t pin(struct shim_vcpu *v, const struct mmuext_op_64 *op)
{
	(void)v;
	if (!shim_is_ram(op->arg1))
		return -EINVAL;
	mark(op->arg1, op->cmd - MMUEXT_PIN_L1_TABLE + 1);
	__atomic_fetch_or(&shim_marks()[op->arg1], MARK_PINNED, __ATOMIC_SEQ_CST);
	return 0;
}

/* The page table that the kernel is started with is pinned, as by Xen's domain builder. */
void shim_pin_boot(struct shim_vcpu *v)
{
	shim_marks()[v->kernel_root >> 12] |= MARK_PINNED;
}

static int64_t unpin(struct shim_vcpu *v, const struct mmuext_op_64 *op)
{
	(void)v;
	if (!shim_is_ram(op->arg1) || !(shim_marks()[op->arg1] & MARK_PINNED))
		return -EINVAL;
	__atomic_fetch_and(&shim_marks()[op->arg1], (uint8_t)~MARK_PINNED, __ATOMIC_SEQ_CST);
	return 0;
}

static int64_t new_baseptr(struct shim_vcpu *v, const struct mmuext_op_64 *op)
{
	return shim_set_root(v, op->arg1);
}

static int64_t new_user_baseptr(struct shim_vcpu *v, const struct mmuext_op_64 *op)
{
	if (op->arg1 && !shim_is_ram(op->arg1))
		return -EINVAL;
	/* Another process. A processor that does not know the command was forced on us (--pv-speculation). */
	if (op->arg1 && op->arg1 << 12 != v->state.user_root && shim_info()->duties & SHIM_DUTY_IBPB)
		(void)hw_wrmsr_safe(MSR_PRED_CMD, PRED_CMD_IBPB);
	shim_set_user_root(v, op->arg1);
	return 0;
}

static int64_t tlb_local(struct shim_vcpu *v, const struct mmuext_op_64 *op)
{
	flush(v, 1ull << v->id, op->cmd == MMUEXT_INVLPG_LOCAL ? op->arg1 : UINT64_MAX);
	return 0;
}

static int64_t tlb_multi(struct shim_vcpu *v, const struct mmuext_op_64 *op)
{
	uint64_t mask;

	if (read_mask(op->arg2, &mask))
		return -EFAULT;
	flush(v, mask & all_vcpus(), op->cmd == MMUEXT_INVLPG_MULTI ? op->arg1 : UINT64_MAX);
	return 0;
}

static int64_t tlb_all(struct shim_vcpu *v, const struct mmuext_op_64 *op)
{
	flush(v, all_vcpus(), op->cmd == MMUEXT_INVLPG_ALL ? op->arg1 : UINT64_MAX);
	return 0;
}

static int64_t set_ldt(struct shim_vcpu *v, const struct mmuext_op_64 *op)
{
	return shim_load_ldt(v, op->arg1, op->arg2);
}

static int64_t clear_page(struct shim_vcpu *v, const struct mmuext_op_64 *op)
{
	(void)v;
	if (!shim_is_ram(op->arg1))
		return -EINVAL;
	memset(shim_direct(op->arg1 << 12), 0, 4096);
	return 0;
}

static int64_t copy_page(struct shim_vcpu *v, const struct mmuext_op_64 *op)
{
	(void)v;
	if (!shim_is_ram(op->arg1) || !shim_is_ram(op->arg2))
		return -EINVAL;
	memcpy(shim_direct(op->arg1 << 12), shim_direct(op->arg2 << 12), 4096);
	return 0;
}

/* Caches: there is no uncached memory. */
static int64_t nothing(struct shim_vcpu *v, const struct mmuext_op_64 *op)
{
	(void)v;
	(void)op;
	return 0;
}

static int64_t (*const ops[])(struct shim_vcpu *v, const struct mmuext_op_64 *op) = {
	[MMUEXT_PIN_L1_TABLE] = pin, [MMUEXT_PIN_L2_TABLE] = pin,
	[MMUEXT_PIN_L3_TABLE] = pin, [MMUEXT_PIN_L4_TABLE] = pin,
	[MMUEXT_UNPIN_TABLE] = unpin,
	[MMUEXT_NEW_BASEPTR] = new_baseptr,
	[MMUEXT_TLB_FLUSH_LOCAL] = tlb_local, [MMUEXT_INVLPG_LOCAL] = tlb_local,
	[MMUEXT_TLB_FLUSH_MULTI] = tlb_multi, [MMUEXT_INVLPG_MULTI] = tlb_multi,
	[MMUEXT_TLB_FLUSH_ALL] = tlb_all, [MMUEXT_INVLPG_ALL] = tlb_all,
	[MMUEXT_FLUSH_CACHE] = nothing, [MMUEXT_FLUSH_CACHE_GLOBAL] = nothing,
	[MMUEXT_SET_LDT] = set_ldt,
	[MMUEXT_NEW_USER_BASEPTR] = new_user_baseptr,
	[MMUEXT_CLEAR_PAGE] = clear_page, [MMUEXT_COPY_PAGE] = copy_page,
};

int64_t shim_mmuext_op(struct shim_vcpu *v, const struct shim_call *call)
{
	uint64_t count = (uint32_t)call->arg[1] & ~MMU_UPDATE_PREEMPTED, done = 0;
	int64_t err = is_self(call->arg[3]) ? 0 : -ESRCH;

	for (; done < count && !err; done += !err) {
		struct mmuext_op_64 op;

		if (shim_copy_from(&op, call->arg[0] + done * sizeof(op), sizeof(op)))
			err = -EFAULT;
		else if (op.cmd >= DOM_ARRAY_LEN(ops) || !ops[op.cmd])
			err = -ENOSYS;
		else
			err = ops[op.cmd](v, &op);
	}
	if (call->arg[2]) {
		uint32_t success = (uint32_t)done;

		if (shim_copy_to(call->arg[2], &success, sizeof(success)) && !err)
			err = -EFAULT;
	}
	return err;
}

/* The kernel may not write to @va. Is it a page table of its, or is it not even true? */
bool shim_write_fault(struct shim_vcpu *v, uint64_t va)
{
	bool writable;
	uint64_t *pte, e, mfn;

	if (!shim_va_ok(va))
		return false;
	pte = shim_find_pte(v->kernel_root, va, &writable);
	e = pte ? __atomic_load_n(pte, __ATOMIC_RELAXED) : 0;
	mfn = (e & PTE_ADDR) >> 12;
	if (!(e & PTE_P) || !writable)
		return false;
	if (!(e & PTE_RW)) {
		/* A user mapping is read-only for the sake of copy-on-write. */
		if (e & PTE_USER || !shim_is_ram(mfn) || !level_of(mfn))
			return false;
		__atomic_fetch_or(pte, PTE_RW, __ATOMIC_ACQ_REL);
	}
	hw_invlpg(va);
	return true;
}
