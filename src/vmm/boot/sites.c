// SPDX-License-Identifier: MIT
/*
 * Where a Linux kernel makes its hypercalls. On a host whose KVM does not know Xen the VMM must
 * replace these instructions with some that exit, and needs to find exactly them among data and
 * among the hypercalls that are meant for KVM, Hyper-V, VMware, TDX and SEV.
 *
 * Since the fixes for XSA-466 Linux has no hypercall page but two tiny functions, one per vendor:
 *
 *	[endbr64]		f3 0f 1e fa, with IBT
 *	vmcall | vmmcall	0f 01 c1 | 0f 01 d9
 *	jmp __x86_return_thunk	e9 rel32, or c3 without mitigations
 *
 * The rule, which on Debian's 6.1, 6.12 and 7.2 kernels, cloud and generic, finds the pair and
 * nothing else (of 29 to 66 places with these three bytes):
 *
 *	1. it stands at a 16-byte boundary, or behind an endbr64 that does;
 *	2. a ret or a jmp follows;
 *	3. within 64 bytes there is the other vendor's, which leaves to the same place.
 *
 * Rule 1 makes it cheap: one probe per 16 bytes. Kernels with more than one such pair give them
 * all; the VMM decides.
 */
#include "impl.h"

enum { PROBE = 16, PAIR_DISTANCE = 64, ENDBR_LEN = 4, CALL_LEN = 3 };

#define WORD_VMCALL 0x00c1010fu
#define WORD_VMMCALL 0x00d9010fu
#define WORD_ENDBR64 0xfa1e0ff3u

struct candidate {
	struct boot_site site;
	uint64_t leaves_to;	/* gva of the jump's target, 0 for ret */
	bool used;
};

static inline uint32_t word_at(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* Is the instruction at @p, of which @left bytes may be looked at, a candidate by rules 1 and 2? */
static bool probe(const uint8_t *p, size_t left, uint64_t gpa, uint64_t gva, struct candidate *ret)
{
	uint32_t w;

	if (left < ENDBR_LEN)
		return false;
	w = word_at(p);
	if (w == WORD_ENDBR64) {
		p += ENDBR_LEN;
		left -= ENDBR_LEN;
		gpa += ENDBR_LEN;
		gva += ENDBR_LEN;
		if (left < ENDBR_LEN)
			return false;
		w = word_at(p);
	}
	w &= 0xffffff;
	if (w != WORD_VMCALL && w != WORD_VMMCALL)
		return false;
	*ret = (struct candidate){ .site = { gpa, gva, w == WORD_VMMCALL } };
	if (p[CALL_LEN] == 0xc3)
		return true;
	if (p[CALL_LEN] != 0xe9 || left < CALL_LEN + 5)
		return false;
	ret->leaves_to = gva + CALL_LEN + 5 + (uint64_t)(int64_t)(int32_t)word_at(p + CALL_LEN + 1);
	return true;
}

unsigned boot_find_sites(const void *mem, size_t len, uint64_t gpa, uint64_t gva,
			 struct boot_site *ret, unsigned max)
{
	struct candidate prev = { .used = true }, cur;
	const uint8_t *code = mem;
	unsigned n = 0;

	for (size_t i = (PROBE - gva % PROBE) % PROBE; i < len; i += PROBE) {
		uint8_t first = code[i];

		/* One byte decides nearly always; the rest is out of line. */
		if (DOM_LIKELY(first != 0x0f && first != 0xf3))
			continue;
		if (DOM_LIKELY(!probe(code + i, len - i, gpa + i, gva + i, &cur)))
			continue;
		if (!prev.used && prev.site.vmmcall != cur.site.vmmcall &&
		    prev.leaves_to == cur.leaves_to && max - n >= 2 &&
		    cur.site.gva - prev.site.gva <= PAIR_DISTANCE) {
			ret[n++] = prev.site;
			ret[n++] = cur.site;
			cur.used = true;
		}
		prev = cur;
	}
	return n;
}
