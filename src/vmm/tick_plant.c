// SPDX-License-Identifier: MIT
/*
 * Room for tick_stub.S in a guest's kernel. A hypercall site has three bytes, which hold a short
 * jump; the padding behind the function that the site is in holds a long one; and the stub itself
 * goes to the middle of one of the large gaps, filled with int3, by which Linux aligns parts of its
 * code to 2 MiB. Nothing that the kernel executes or reads is moved. A kernel without such room keeps
 * its plain sites.
 */
#include <errno.h>
#include <string.h>

#include "boot/boot.h"
#include "vmm.h"

enum {
	SITE_LEN = 3,
	JMP8_LEN = 2,
	JMP_LEN = 5,		/* jmp rel32 */
	GAP_STEP = 1 << 16,	/* where gaps are looked for: they are much larger than this */
	GAP_MARGIN = 64,	/* of int3 left on both sides */
	PADDING_MAX = 16,
};

#define INT3 0xccu

extern const uint8_t vmm_tick_stub[], vmm_tick_stub_call[], vmm_tick_stub_leave[];
extern const uint8_t vmm_tick_stub_table[], vmm_tick_stub_end[];

static uint32_t offset_of(const uint8_t *symbol)
{
	return (uint32_t)(symbol - vmm_tick_stub);
}

/* Length of the instruction that does nothing at @p, as compilers and assemblers pad; 0: none. */
static size_t padding_insn(const uint8_t *p, const uint8_t *end)
{
	static const struct { uint8_t modrm, len; } nops[] = {
		{ 0x00, 3 }, { 0x40, 4 }, { 0x44, 5 }, { 0x80, 7 }, { 0x84, 8 },
	};
	size_t prefixes = 0;

	if (p < end && (*p == 0x90 || *p == INT3))
		return 1;
	while (p < end && (*p == 0x66 || *p == 0x2e)) {
		p++;
		prefixes++;
	}
	if (prefixes && p < end && *p == 0x90)
		return prefixes + 1;
	if (end - p < 3 || p[0] != 0x0f || p[1] != 0x1f)
		return 0;
	for (size_t i = 0; i < DOM_ARRAY_LEN(nops); i++) {
		if (p[2] == nops[i].modrm && end - p >= nops[i].len)
			return prefixes + nops[i].len;
	}
	return 0;
}

size_t vmm_tick_padding(const uint8_t *p, const uint8_t *end)
{
	size_t total = 0, len;

	while (total < PADDING_MAX && (len = padding_insn(p + total, end)) > 0)
		total += len;
	return total;
}

/* The code that sites are in, as the host and as the guest see it. */
struct text {
	uint8_t *mem;
	uint64_t gpa, gva, len;
};

static bool find_text(struct vmm *vm, const struct boot_kernel *k, struct text *t)
{
	for (unsigned i = 0; i < k->segs; i++) {
		const struct boot_seg *s = &k->seg[i];

		if (!(s->flags & BOOT_SEG_X) || k->site[0].gpa < s->gpa ||
		    k->site[0].gpa - s->gpa >= s->filesz)
			continue;
		*t = (struct text){ vmm_ram(vm, s->gpa, s->filesz), s->gpa, s->gva, s->filesz };
		/* Displacements of jumps are 32 bits, and no real kernel comes near. */
		return t->mem && t->len < INT32_MAX;
	}
	return false;
}

static bool is_gap(const uint8_t *p, size_t len)
{
	return *p == INT3 && !memcmp(p, p + 1, len - 1);
}

/* Offset of a place for the stub, 0 if there is none. Code follows it: what is at the end is freed. */
static uint64_t find_gap(const struct text *t)
{
	uint64_t room = offset_of(vmm_tick_stub_end) + 2 * GAP_MARGIN;

	for (uint64_t at = GAP_STEP; at + GAP_STEP < t->len; at += GAP_STEP) {
		if (is_gap(t->mem + at, room))
			return at + GAP_MARGIN;
	}
	return 0;
}

static void put_jump(const struct text *t, uint64_t at, uint64_t to)
{
	uint32_t rel = (uint32_t)(to - (at + JMP_LEN));

	t->mem[at] = 0xe9;
	memcpy(t->mem + at + 1, &rel, sizeof(rel));
}

/* Offset of the padding behind the site at offset @site, 0 if there is not enough of it. */
static uint64_t find_hop(const struct text *t, uint64_t site)
{
	uint64_t hop = site + SITE_LEN + (t->mem[site + SITE_LEN] == 0xe9 ? JMP_LEN : 1);

	if (hop + PADDING_MAX > t->len || vmm_tick_padding(t->mem + hop, t->mem + t->len) < JMP_LEN)
		return 0;
	return hop;
}

static void put_stub(struct vmm *vm, const struct text *t, uint64_t at, uint64_t leave_to)
{
	uint64_t call = at + offset_of(vmm_tick_stub_call);
	uint64_t leave = at + offset_of(vmm_tick_stub_leave);
	uint32_t rel = (uint32_t)(leave_to - (leave + sizeof(rel)));

	memcpy(t->mem + at, vmm_tick_stub, offset_of(vmm_tick_stub_end));
	memcpy(t->mem + leave, &rel, sizeof(rel));
	vmm_plain_add_site(vm, t->gpa + call, t->gva + call);
	vm->tick_table = (uint64_t *)(void *)(t->mem + at + offset_of(vmm_tick_stub_table));
}

bool vmm_tick_plant(struct vmm *vm, const struct boot_kernel *k)
{
	uint64_t site[2], hop[2], stub;
	struct text t;

	_Static_assert(VMM_MAX_VCPUS == 128, "tick_stub.S has a table of that size");
	/* All sites of a pair leave to the same place, so the stub may leave behind any of them. */
	if (!k->elf64 || k->sites != DOM_ARRAY_LEN(site) || !find_text(vm, k, &t))
		return false;
	stub = find_gap(&t);
	for (size_t i = 0; i < DOM_ARRAY_LEN(site); i++) {
		site[i] = k->site[i].gpa - t.gpa;
		if (site[i] + SITE_LEN + JMP_LEN > t.len)
			return false;
		hop[i] = find_hop(&t, site[i]);
		if (!hop[i])
			return false;
	}
	if (!stub || vm->nr_sites >= VMM_MAX_SITES)
		return false;
	put_stub(vm, &t, stub, site[0] + SITE_LEN);
	for (size_t i = 0; i < DOM_ARRAY_LEN(site); i++) {
		put_jump(&t, hop[i], stub);
		vmm_plain_redirect(vm, t.gpa + site[i], (int8_t)(hop[i] - (site[i] + JMP8_LEN)));
	}
	return true;
}
