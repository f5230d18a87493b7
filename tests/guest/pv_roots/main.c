// SPDX-License-Identifier: MIT
/*
 * Fact: with two page tables per process, that of user mode shows nothing of the shim but what is needed to
 *   enter it; with one, all of it, for the kernel only.
 * Source: none; it is what domicile(7) promises.
 * Expect: of the hypervisor's slots in a user page table one is there; in it are the pages that the image
 *   names, three pages of each vCPU's block (no main stack among them) and of the windows the reserved
 *   page of each GDT; none of it is for user mode. The kernel's page table shows the direct map, too. A
 *   user program comes back from there by exception and by system call; to it the direct map and a
 *   stack are not even protected pages but none at all.
 * run: vcpus=2 roots=two
 * run: as=pv_roots_speculation vcpus=2 roots=two speculation=on
 * run: as=pv_roots_one vcpus=2 roots=one cmdline=one
 */
#include "domicile/shim.h"
#include "kernpv/pv.h"

#define ADDR 0x000ffffffffff000ull
#define PF_P 1u

static uint64_t user_root[512] PAGE_ALIGNED;
static volatile uint64_t probe;

static const struct shim_info *info(void)
{
	return (const struct shim_info *)(SHIM_VA + SHIM_INFO);
}

/* The shim's tables are in its first block. */
static const uint64_t *table(uint64_t entry)
{
	return (const uint64_t *)(SHIM_VA + (entry & ADDR) - info()->area_gpa);
}

static bool allowed(uint64_t gpa)
{
	static const unsigned pages[] = SHIM_VCPU_USER_PAGES;
	const struct shim_header *h = (const struct shim_header *)SHIM_VA;
	uint64_t offset = gpa - info()->area_gpa;

	if (offset < SHIM_BLOCK)
		return offset >= h->user && offset < h->user_end;
	offset -= SHIM_BLOCK;
	for (unsigned i = 0; i < ARRAY_LEN(pages); i++) {
		if (offset / SHIM_VCPU_SIZE < info()->nr_vcpus &&
		    offset % SHIM_VCPU_SIZE == pages[i] * PAGE_SIZE)
			return true;
	}
	return false;
}

/* All that is below the table behind @entry; returns the number of pages. */
static unsigned walk(uint64_t entry, unsigned level)
{
	const uint64_t *t = table(entry);
	unsigned pages = 0;

	for (unsigned i = 0; i < 512; i++) {
		if (!(t[i] & PTE_P))
			continue;
		if (t[i] & PTE_U)
			fail("an entry of level %u is for users: %#lx", level, t[i]);
		if (level > 1) {
			if (t[i] & 0x80)
				fail("a large page: %#lx", t[i]);
			pages += walk(t[i], level - 1);
			continue;
		}
		if (!allowed(t[i] & ADDR))
			fail("a page that is not for users: %#lx", t[i]);
		pages++;
	}
	return pages;
}

static void set_user_root(void)
{
	const uint64_t *kernel = (const uint64_t *)pv_info->pt_base;
	struct mmuext_op_64 op = {
		.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1 = (uint64_t)user_root / PAGE_SIZE,
	};

	/* The test's own code and data are in the first slot. */
	user_root[0] = kernel[0];
	CHECK_EQ(hypercall(__HYPERVISOR_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF), 0);
}

static void user_syscall(void)
{
	__asm__ volatile("syscall; ud2" : : "a"(0x1234));
}

static void user_trap(void)
{
	__asm__ volatile("ud2");
}

static void user_look(void)
{
	__asm__ volatile("mov (%0), %%rax; ud2" : : "r"(probe) : "rax");
}

static void let_user(uint64_t va)
{
	CHECK_EQ(pv_map(va, pv_pte(va) | PTE_U, UVMF_INVLPG), 0);
}

/* What the error code says of a page: there, but protected; or not there. */
static bool is_there(uint64_t va)
{
	probe = va;
	CHECK_EQ(pv_user(user_look), 14);
	return pv_frame.error & PF_P;
}

static void check_users_view(bool two)
{
	uint64_t stack = SHIM_VCPUS_VA + SHIM_VCPU_SIZE - PAGE_SIZE;

	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(pv_user(user_syscall), VECTOR_SYSCALL);
		CHECK_EQ(pv_user(user_trap), 6);
	}
	let_user((uint64_t)&probe);
	CHECK_EQ(is_there(SHIM_DIRECT_VA), !two);
	CHECK_EQ(is_there(SHIM_M2P_VA), !two);
	CHECK_EQ(is_there(stack), !two);
	CHECK_EQ(is_there(SHIM_VA + SHIM_INFO), !two);
	CHECK_EQ(is_there(SHIM_MARKS_VA), !two);
	CHECK_EQ(is_there(SHIM_VCPUS_VA), true);
	CHECK_EQ(is_there(SHIM_VA + ((const struct shim_header *)SHIM_VA)->user), true);
}

void test_main(void)
{
	const struct shim_header *h = (const struct shim_header *)SHIM_VA;
	bool two = pv_info->cmd_line[0] != 'o';
	unsigned there = 0;

	set_user_root();
	for (unsigned i = SHIM_M2P_SLOT; i < SHIM_M2P_SLOT + SHIM_HOLE_SLOTS; i++)
		there += user_root[i] & PTE_P;
	CHECK_EQ(there, two ? 1 : 3);
	if (two)
		/* The windows: a reserved GDT page of each vCPU that was started, which is one. */
		CHECK_EQ(walk(user_root[SHIM_SLOT], 3),
			 (h->user_end - h->user) / PAGE_SIZE + 3 * info()->nr_vcpus + 1);
	CHECK((((const uint64_t *)pv_info->pt_base)[SHIM_DIRECT_SLOT] & PTE_P) != 0);
	CHECK_EQ(info()->duties & SHIM_DUTY_ROOTS, two);
	check_users_view(two);
}
