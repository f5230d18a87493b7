// SPDX-License-Identifier: MIT
/*
 * The places from which a guest makes hypercalls on a KVM without CONFIG_KVM_XEN: two sites in its
 * kernel and hypercall pages, all with an instruction that we put there. See kvm_plain.c.
 */
#include <errno.h>

#include "domicile/base/once.h"
#include "domicile/xa_guest.h"
#include "vmm.h"

#define INSN_SIZE 3u

static const uint8_t hypercall_insn[] = { 0xe7, VMM_PORT_HYPERCALL };	/* out %eax, $port */

static uint16_t insn_word(const uint8_t *insn)
{
	return (uint16_t)(DOM_LOAD(&insn[0]) | DOM_LOAD(&insn[1]) << 8);
}

void vmm_plain_add_site(struct vmm *vm, uint64_t gpa, uint64_t gva)
{
	uint8_t *insn = vmm_ram(vm, gpa, INSN_SIZE);
	unsigned n = vm->nr_sites;

	if (!insn || n == VMM_MAX_SITES)
		return;
	insn[0] = hypercall_insn[0];
	insn[1] = hypercall_insn[1];
	insn[2] = 0x90;
	vm->site_insn[n] = insn_word(insn);
	DOM_STORE(&vm->site_gpa[n], gpa);
	DOM_STORE(&vm->site_va[n], gva);
	DOM_STORE_RELEASE(&vm->nr_sites, n + 1);
}

void vmm_plain_redirect(struct vmm *vm, uint64_t gpa, int8_t rel)
{
	for (unsigned i = 0; i < vm->nr_sites; i++) {
		uint8_t *insn = vmm_ram(vm, gpa, INSN_SIZE);

		if (vm->site_gpa[i] != gpa || !insn)
			continue;
		insn[0] = 0xeb;		/* jmp rel8 */
		insn[1] = (uint8_t)rel;
		vm->site_insn[i] = insn_word(insn);
	}
}

bool vmm_plain_sites_hold(struct vmm *vm)
{
	for (unsigned i = 0; i < vm->nr_sites; i++) {
		const uint8_t *insn = vmm_ram(vm, vm->site_gpa[i], INSN_SIZE);

		if (!insn || insn_word(insn) != vm->site_insn[i])
			return false;
	}
	return true;
}

int vmm_plain_hypercall_page(struct vmm_vcpu *v, uint64_t msr_value)
{
	struct vmm *vm = v->vmm;
	struct xa_gfn gfn = { msr_value >> XEN_PAGE_SHIFT };
	uint8_t *page = vmm_ram(vm, gfn.v << XEN_PAGE_SHIFT, XEN_PAGE_SIZE);
	unsigned slot;

	/* The low bits select one of CPUID leaf 2's pages, of which there is one. */
	if (!page || msr_value & (XEN_PAGE_SIZE - 1))
		return -EINVAL;
	for (slot = 0; slot < vm->nr_hcall_pages; slot++) {
		if (vm->hcall_page_gfn[slot] == gfn.v)
			break;
	}
	if (slot == VMM_MAX_HCALL_PAGES)
		slot = 0;	/* forget the oldest: a guest that moves its page leaves it behind */
	xa_hypercall_page(page, hypercall_insn, sizeof(hypercall_insn));
	DOM_STORE(&vm->hcall_page_gfn[slot], gfn.v);
	if (slot == vm->nr_hcall_pages)
		DOM_STORE_RELEASE(&vm->nr_hcall_pages, slot + 1);
	return 0;
}

/* Does @rip, an address of the kind that @sites has, belong to one of them? */
static bool at_site(const struct vmm *vm, const uint64_t *sites, uint64_t rip)
{
	unsigned n = DOM_LOAD_ACQUIRE(&vm->nr_sites);

	for (unsigned i = 0; i < n; i++) {
		uint64_t site = DOM_LOAD(&sites[i]);

		if (rip == site || rip == site + sizeof(hypercall_insn))
			return true;
	}
	return false;
}

bool vmm_plain_known_site(struct vmm_vcpu *v, uint64_t rip)
{
	struct vmm *vm = v->vmm;
	unsigned pages = DOM_LOAD_ACQUIRE(&vm->nr_hcall_pages);
	struct xa_gpa gpa;

	if (at_site(vm, vm->site_va, rip))
		return true;
	/* Not at its linked address: look at where it really is. */
	if (xa_guest_translate(v->xa, (struct xa_gva){ rip }, &gpa))
		return false;
	if (at_site(vm, vm->site_gpa, gpa.v))
		return true;
	for (unsigned i = 0; i < pages; i++) {
		if (DOM_LOAD(&vm->hcall_page_gfn[i]) == gpa.v >> XEN_PAGE_SHIFT)
			return true;
	}
	return false;
}
