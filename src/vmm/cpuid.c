// SPDX-License-Identifier: MIT
/*
 * What CPUID tells the guest: what KVM can offer, changed by a table of rules, plus the Xen leaves.
 * KVM's own signature is left out: a guest must find Xen and nothing else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm.h"

#define XEN_CPUID_BASE 0x40000000u
#define XEN_CPUID_LEAVES 6u
#define MAX_ENTRIES 256u

enum reg { EAX, EBX, ECX, EDX };
enum rule_kind { SET, CLEAR, ZERO_LEAF };

/*
 * Bits that are added to or taken from what KVM supports. ANY matches every sub-leaf.
 */
#define ANY 0xffffffffu
static const struct {
	uint32_t leaf, subleaf;
	enum reg reg;
	enum rule_kind kind;
	uint32_t mask;
	const char *why;
} rules[] = {
	{ 0x1,        ANY, ECX, SET,   1u << 31, "hypervisor present" },
	{ 0x1,        ANY, ECX, SET,   1u << 21, "x2APIC: emulated by KVM's LAPIC" },
	{ 0x1,        ANY, ECX, SET,   1u << 24, "TSC-deadline timer: emulated by KVM's LAPIC" },
	{ 0x1,        ANY, ECX, CLEAR, 1u << 5,  "VMX: no nested guests" },
	{ 0x80000001, ANY, ECX, CLEAR, 1u << 2,  "SVM: no nested guests" },
	{ 0x80000001, ANY, ECX, CLEAR, 1u << 23, "AMD core performance counters: no virtual PMU" },
	{ 0x8000000a, ANY, EAX, ZERO_LEAF, 0,    "SVM details: no nested guests" },
	{ 0xa,        ANY, EAX, ZERO_LEAF, 0,    "Intel performance counters: no virtual PMU" },
};

static uint32_t *entry_reg(struct kvm_cpuid_entry2 *e, enum reg reg)
{
	uint32_t *const regs[] = { &e->eax, &e->ebx, &e->ecx, &e->edx };

	return regs[reg];
}

static void apply_rules(struct kvm_cpuid_entry2 *e)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(rules); i++) {
		if (rules[i].leaf != e->function ||
		    (rules[i].subleaf != ANY && rules[i].subleaf != e->index))
			continue;
		switch (rules[i].kind) {
		case SET:
			*entry_reg(e, rules[i].reg) |= rules[i].mask;
			break;
		case CLEAR:
			*entry_reg(e, rules[i].reg) &= ~rules[i].mask;
			break;
		case ZERO_LEAF:
			e->eax = e->ebx = e->ecx = e->edx = 0;
			break;
		}
	}
}

/* The flat topology the MADT tells: one socket, one thread per core, APIC id = vCPU id. */
static void set_topology(struct kvm_cpuid_entry2 *e, unsigned vcpu, unsigned nr)
{
	switch (e->function) {
	case 0x1:
		e->ebx = (e->ebx & 0xffff) | vcpu << 24 | (nr & 0xff) << 16;
		if (nr > 1)
			e->edx |= 1u << 28;
		break;
	case 0xb:
	case 0x1f:
		e->eax = e->ebx = 0;
		e->ecx = e->index & 0xff;
		e->edx = vcpu;
		if (e->index < 2) {
			/* Level 0: threads of a core (1); level 1: cores of the package (all). */
			e->eax = e->index ? 8 : 0;
			e->ebx = e->index ? nr : 1;
			e->ecx |= (e->index + 1) << 8;
		}
		break;
	case 0x80000008:
		e->ecx = (e->ecx & ~0xffffu) | 0x7000 | (nr - 1);
		break;
	case 0x8000001e:
		e->eax = vcpu;
		e->ebx = vcpu;
		e->ecx = 0;
		break;
	}
}

int vmm_cpuid_init(struct vmm *vm, struct dom_err *err)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + MAX_ENTRIES * sizeof(c->entries[0]));
	unsigned kept = 0;
	int r;

	if (!c)
		return dom_err_set(err, -ENOMEM, "no memory for the CPUID table");
	c->nent = MAX_ENTRIES - XEN_CPUID_LEAVES;
	r = vmm_ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, c);
	if (r) {
		free(c);
		return dom_err_set(err, r, "/dev/kvm: cannot read its CPUID table: %s", strerror(-r));
	}
	for (unsigned i = 0; i < c->nent; i++) {
		if (c->entries[i].function >> 16 == XEN_CPUID_BASE >> 16)
			continue;
		apply_rules(&c->entries[i]);
		c->entries[kept++] = c->entries[i];
	}
	c->nent = kept;
	vm->cpuid = c;
	return 0;
}

/* Xen's leaves at the end of the table; their contents are xenabi's. */
static void add_xen_leaves(struct vmm_vcpu *v, struct kvm_cpuid2 *c)
{
	for (uint32_t i = 0; i < XEN_CPUID_LEAVES; i++) {
		uint32_t sub = 0, regs[4];

		/* Leaf 3 has three sub-leaves, the others one. */
		do {
			struct kvm_cpuid_entry2 e = { .function = XEN_CPUID_BASE + i, .index = sub };

			if (c->nent == MAX_ENTRIES ||
			    !xa_cpuid(v->xa, i, sub, v->vmm->tsc_khz, regs))
				break;
			e.flags = i == 3 ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
			e.eax = regs[0];
			e.ebx = regs[1];
			e.ecx = regs[2];
			e.edx = regs[3];
			c->entries[c->nent++] = e;
		} while (i == 3 && ++sub < 3);
	}
}

int vmm_cpuid_set(struct vmm_vcpu *v, struct dom_err *err)
{
	size_t size = sizeof(struct kvm_cpuid2) + MAX_ENTRIES * sizeof(struct kvm_cpuid_entry2);
	struct kvm_cpuid2 *c = malloc(size);
	int r;

	if (!c)
		return dom_err_set(err, -ENOMEM, "no memory for the CPUID table");
	memcpy(c, v->vmm->cpuid, size);
	for (unsigned i = 0; i < c->nent; i++)
		set_topology(&c->entries[i], v->id, v->vmm->cfg.vcpus);
	r = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);
	v->vmm->tsc_khz = r > 0 ? (uint32_t)r : 0;
	add_xen_leaves(v, c);
	r = vmm_ioctl(v->fd, KVM_SET_CPUID2, c);
	free(c);
	return r ? dom_err_set(err, r, "vcpu %u: cannot set CPUID: %s", v->id, strerror(-r)) : 0;
}
