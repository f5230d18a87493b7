// SPDX-License-Identifier: MIT
/*
 * What the VMM does for PV guests: it puts the shim (src/xenabi/pvshim) into memory of its own
 * beside the guest's RAM, with the page tables that make it appear in the hypervisor's hole, starts
 * vCPUs in it, and answers its calls.
 *
 * The guest's kernel can write to that memory. So it is never read here once it is set up: a call
 * brings its arguments in registers, and is as little trusted as a hypercall of a PVH guest.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "boot/boot.h"
#include "domicile/base/fd.h"
#include "domicile/base/num.h"
#include "domicile/shim.h"
#include "domicile/xa_guest.h"
#include "xenabi/hvm.h"
#include "xenabi/pv.h"
#include "vmm.h"

#define MAX_MEMORY_MIB (128ull << 10)
#define GIB (1ull << 30)
#define PTE_P 0x1ull
#define PTE_RW 0x2ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_PS 0x80ull
#define PTE_NX (1ull << 63)
#define BRANCH (PTE_P | PTE_RW | PTE_A)
#define DATA (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_PS | PTE_NX)
#define CODE (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_PS)
#define VULNERABILITIES "/sys/devices/system/cpu/vulnerabilities"
#define SMALL (PTE_P | PTE_RW | PTE_A | PTE_D)
#define READ_ONLY (PTE_P | PTE_A | PTE_PS | PTE_NX)

extern const uint8_t vmm_shim_image[], vmm_shim_image_end[];

int vmm_pv_check(const struct vmm *vm, struct dom_err *err)
{
	if (vm->cfg.accel == VMM_ACCEL_XEN)
		return dom_err_set(err, -EINVAL, "--accel xen: PV guests need no Xen support of the "
				   "host's KVM; leave the option out");
	if (vm->cfg.memory_mib > MAX_MEMORY_MIB)
		return dom_err_set(err, -EOPNOTSUPP, "%llu MiB of memory: PV guests can have up to %llu; "
				   "lower it, or use type pvh", (unsigned long long)vm->cfg.memory_mib,
				   MAX_MEMORY_MIB);
	if (vm->cfg.vcpus > SHIM_MAX_VCPUS)
		return dom_err_set(err, -EOPNOTSUPP, "%u vcpus: PV guests can have up to %u; lower the "
				   "number, or use type pvh", vm->cfg.vcpus, SHIM_MAX_VCPUS);
	return 0;
}

/*
 * Machine frames are guest-physical pages, among which RAM has a hole below 4 GiB. The guest's own
 * numbers (pfns) have none, so those behind the hole differ.
 */
static uint64_t low_frames(const struct vmm *vm)
{
	return vm->mem.low >> XEN_PAGE_SHIFT;
}

static uint64_t end_frame(const struct vmm *vm)
{
	uint64_t high = vm->mem.size - vm->mem.low;

	return (high ? VMM_HIGH_START + high : vm->mem.low) >> XEN_PAGE_SHIFT;
}

static uint64_t marks_size(const struct vmm *vm)
{
	return dom_align_up(end_frame(vm), SHIM_BLOCK);
}

static uint64_t m2p_size(const struct vmm *vm)
{
	return dom_align_up(end_frame(vm) * sizeof(uint64_t), SHIM_BLOCK);
}

static uint64_t m2p_offset(const struct vmm *vm)
{
	return SHIM_MARKS_OFFSET + marks_size(vm);
}

static uint64_t *table(const struct vmm *vm, unsigned n)
{
	return (uint64_t *)(void *)(vm->pv.area + SHIM_TABLES + n * XEN_PAGE_SIZE);
}

static uint64_t branch(const struct vmm *vm, unsigned n)
{
	return (vm->pv.gpa + SHIM_TABLES + n * XEN_PAGE_SIZE) | BRANCH;
}

/*
 * What the second page table of a process has of the shim: the pages that the image's header names,
 * some of each vCPU's block, and the windows, whose descriptors the processor reads in any mode.
 */
static void build_user_tables(struct vmm *vm, const struct shim_header *header)
{
	static const unsigned pages[] = SHIM_VCPU_USER_PAGES;
	uint64_t image = vm->pv.gpa, vcpus = vm->pv.gpa + SHIM_BLOCK;

	table(vm, SHIM_L3_USER)[0] = branch(vm, SHIM_L2_USER);
	table(vm, SHIM_L2_USER)[0] = branch(vm, SHIM_L1_USER_IMAGE);
	table(vm, SHIM_L2_USER)[1] = branch(vm, SHIM_L1_USER_VCPUS);
	table(vm, SHIM_L2_USER)[2] = branch(vm, SHIM_L1_WINDOWS);
	table(vm, SHIM_L2_USER)[3] = branch(vm, SHIM_L1_WINDOWS + 1);
	for (uint64_t at = header->user; at < header->user_end; at += XEN_PAGE_SIZE)
		table(vm, SHIM_L1_USER_IMAGE)[at >> XEN_PAGE_SHIFT] = (image + at) | SMALL;
	for (unsigned i = 0; i < vm->cfg.vcpus * DOM_ARRAY_LEN(pages); i++) {
		uint64_t at = i / DOM_ARRAY_LEN(pages) * SHIM_VCPU_SIZE +
			      pages[i % DOM_ARRAY_LEN(pages)] * XEN_PAGE_SIZE;

		table(vm, SHIM_L1_USER_VCPUS)[at >> XEN_PAGE_SHIFT] = (vcpus + at) | SMALL;
	}
}

static void build_tables(struct vmm *vm)
{
	uint64_t m2p = vm->pv.gpa + m2p_offset(vm), marks = vm->pv.gpa + SHIM_MARKS_OFFSET;
	uint64_t direct = dom_align_up(DOM_MAX(end_frame(vm) << XEN_PAGE_SHIFT, VMM_HIGH_START), GIB);

	table(vm, SHIM_L4)[SHIM_M2P_SLOT] = branch(vm, SHIM_L3_M2P);
	table(vm, SHIM_L4)[SHIM_SLOT] = branch(vm, SHIM_L3_SHIM);
	table(vm, SHIM_L4)[SHIM_DIRECT_SLOT] = branch(vm, SHIM_L3_DIRECT);
	table(vm, SHIM_L3_M2P)[0] = branch(vm, SHIM_L2_M2P);
	for (uint64_t i = 0; i < m2p_size(vm) / SHIM_BLOCK; i++)
		table(vm, SHIM_L2_M2P)[i] = (m2p + i * SHIM_BLOCK) | READ_ONLY;
	for (uint64_t i = 0; i < m2p_size(vm) / SHIM_BLOCK; i++)
		table(vm, SHIM_L2_SHIM)[SHIM_M2P_BLOCK + i] = (m2p + i * SHIM_BLOCK) | DATA;
	table(vm, SHIM_L3_SHIM)[0] = branch(vm, SHIM_L2_SHIM);
	table(vm, SHIM_L2_SHIM)[0] = vm->pv.gpa | CODE;
	table(vm, SHIM_L2_SHIM)[1] = (vm->pv.gpa + SHIM_BLOCK) | CODE;	/* stubs, too */
	table(vm, SHIM_L2_SHIM)[2] = branch(vm, SHIM_L1_WINDOWS);
	table(vm, SHIM_L2_SHIM)[3] = branch(vm, SHIM_L1_WINDOWS + 1);
	for (uint64_t i = 0; i < marks_size(vm) / SHIM_BLOCK; i++)
		table(vm, SHIM_L2_SHIM)[4 + i] = (marks + i * SHIM_BLOCK) | DATA;
	for (uint64_t i = 0; i < direct / SHIM_BLOCK; i++)
		table(vm, SHIM_L2_DIRECT)[i] = (i * SHIM_BLOCK) | DATA;
	for (unsigned i = 0; i < direct / GIB; i++)
		table(vm, SHIM_L3_DIRECT)[i] = branch(vm, SHIM_L2_DIRECT + i);
}

static void build_m2p(const struct vmm *vm)
{
	uint64_t *m2p = (uint64_t *)(void *)(vm->pv.area + m2p_offset(vm)), pfn = 0;
	const uint64_t high = VMM_HIGH_START >> XEN_PAGE_SHIFT;

	for (uint64_t i = 0; i < m2p_size(vm) / sizeof(*m2p); i++) {
		bool ram = i < low_frames(vm) || (i >= high && i < end_frame(vm));

		m2p[i] = ram ? pfn++ : UINT64_MAX;
	}
}

/* What the shim does for the processor: as the host says, or as we were told. */
static uint32_t duties_of(const struct vmm *vm)
{
	static const uint32_t speculation[] = { [VMM_SPECULATION_OFF] = 0,
						[VMM_SPECULATION_ON] = SHIM_DUTIES };
	uint32_t duties = vmm_pv_duties(VULNERABILITIES);
	uint32_t roots = duties & SHIM_DUTY_ROOTS;

	if (vm->cfg.pv_speculation != VMM_SPECULATION_AUTO)
		duties = speculation[vm->cfg.pv_speculation];
	if (vm->cfg.pv_roots != VMM_ROOTS_AUTO)
		roots = vm->cfg.pv_roots == VMM_ROOTS_TWO ? SHIM_DUTY_ROOTS : 0;
	return (duties & ~(uint32_t)SHIM_DUTY_ROOTS) | roots;
}

int vmm_pv_load(struct vmm *vm, const struct boot_pv *boot, struct dom_err *err)
{
	size_t len = (uintptr_t)vmm_shim_image_end - (uintptr_t)vmm_shim_image;
	struct vmm_pv *pv = &vm->pv;
	const struct shim_header *header = (const void *)vmm_shim_image;
	struct shim_info *info;
	int r;

	pv->gpa = DOM_MAX(VMM_HIGH_START, dom_align_up(end_frame(vm) << XEN_PAGE_SHIFT, SHIM_BLOCK));
	pv->size = m2p_offset(vm) + m2p_size(vm);
	pv->entry = header->entry;
	r = vmm_mem_add(vm, pv->gpa, pv->size, &pv->area);
	if (r)
		return dom_err_set(err, r, "memory for the PV shim: %s", strerror(-r));
	memcpy(pv->area, vmm_shim_image, len);
	build_tables(vm);
	build_user_tables(vm, header);
	build_m2p(vm);
	info = (struct shim_info *)(void *)(pv->area + SHIM_INFO);
	*info = (struct shim_info){
		.area_gpa = pv->gpa,
		.low_frames = low_frames(vm),
		.high_frame = VMM_HIGH_START >> XEN_PAGE_SHIFT,
		.end_frame = end_frame(vm),
		.shared_info = VMM_PV_SHARED_GFN << XEN_PAGE_SHIFT,
		.nr_vcpus = vm->cfg.vcpus,
		.xen_version = VMM_XEN_MAJOR << 16 | VMM_XEN_MINOR,
		.duties = duties_of(vm),
		.rip = boot->rip,
		.rsp = boot->rsp,
		.rsi = boot->rsi,
		.root = boot->root,
	};
	pv->start_info = boot->start_info;
	vm->store_gfn = boot->store;
	vm->console_gfn = boot->console;
	return 0;
}

/* What is known only when the domain and its rings exist. */
int vmm_pv_start(struct vmm *vm, struct dom_err *err)
{
	struct start_info_64 *s;
	int r;

	if (!vm->cfg.pv)
		return 0;
	r = xa_shared_info_place(vm->dom, (struct xa_gfn){ VMM_PV_SHARED_GFN });
	if (r)
		return dom_err_set(err, r, "cannot place shared_info: %s", strerror(-r));
	/* Timers need no call where the shim can leave them to be found; see tick.c. */
	for (unsigned i = 0; i < vm->cfg.vcpus; i++)
		vm->vcpus[i].tick.mail = (uint64_t *)(void *)(vm->pv.area + SHIM_BLOCK +
							      i * SHIM_VCPU_SIZE + SHIM_VCPU_MAIL);
	s = vmm_ram(vm, vm->pv.start_info, sizeof(*s));
	s->store_evtchn = (uint32_t)xa_hvm_param_get(vm->dom, HVM_PARAM_STORE_EVTCHN);
	s->console_evtchn = (uint32_t)xa_hvm_param_get(vm->dom, HVM_PARAM_CONSOLE_EVTCHN);
	/* A kernel without a store ring must not look for one. */
	if (!s->store_evtchn)
		s->store_mfn = 0;
	return 0;
}

/* CR0: paging, write protection, alignment checks as users like. EFER: SYSCALL, long mode, NX. */
#define SHIM_CR0 0x80050033u
#define SHIM_CR4 0x20u
#define SHIM_EFER 0xd01u
#define APIC_BASE_X2APIC 0xc00u

int vmm_pv_regs(struct vmm_vcpu *v)
{
	const struct vmm_pv *pv = &v->vmm->pv;
	const struct kvm_segment none = { .unusable = 1 };
	struct kvm_regs regs = {
		.rip = SHIM_VA + pv->entry,
		.rsp = SHIM_VCPUS_VA + (uint64_t)v->id * SHIM_VCPU_SIZE + SHIM_START_STACK,
		.rdi = v->id,
		.rflags = 0x2,
	};
	struct kvm_sregs s;
	int r = vmm_ioctl(v->fd, KVM_GET_SREGS, &s);

	if (r)
		return r;
	s.cs = (struct kvm_segment){ .limit = 0xffffffff, .selector = 0xe008, .type = 0xb,
				     .present = 1, .s = 1, .l = 1, .g = 1 };
	s.ss = (struct kvm_segment){ .limit = 0xffffffff, .selector = 0xe010, .type = 0x3,
				     .present = 1, .s = 1, .db = 1, .g = 1 };
	s.tr = (struct kvm_segment){ .limit = 0x67, .selector = 0xe048, .type = 0xb, .present = 1 };
	s.ds = s.es = s.fs = s.gs = s.ldt = none;
	s.gdt.limit = s.idt.limit = 0;
	s.cr0 = SHIM_CR0;
	s.cr3 = pv->gpa + SHIM_TABLES + SHIM_L4 * XEN_PAGE_SIZE;
	s.cr4 = SHIM_CR4;
	s.efer = SHIM_EFER;
	s.apic_base |= APIC_BASE_X2APIC;
	r = vmm_ioctl(v->fd, KVM_SET_SREGS, &s);
	return r ? r : vmm_ioctl(v->fd, KVM_SET_REGS, &regs);
}

static const char *const crashes[SHIM_NR_CRASHES] = {
#define CRASH_TEXT(name, text) [SHIM_CRASH_##name] = text,
	SHIM_CRASHES(CRASH_TEXT)
#undef CRASH_TEXT
};

/* The shim gave up. Whatever it says of the reason, the guest has ended. */
static void crash(struct vmm_vcpu *v, const uint64_t arg[6])
{
	vmm_report_crash(v);
	dom_log(&v->vmm->log, DOM_LOG_ERROR,
		"vcpu %u: the PV guest crashed at rip %#llx: %s: %#llx, %#llx", v->id,
		(unsigned long long)arg[1],
		arg[0] < SHIM_NR_CRASHES ? crashes[arg[0]] : "an unknown reason",
		(unsigned long long)arg[2], (unsigned long long)arg[3]);
	vmm_finish(v->vmm, VMM_CRASHED);
}

bool vmm_pv_call(struct vmm_vcpu *v)
{
	struct kvm_regs *r = &v->run->s.regs.regs;
	struct xa_call call = {
		.abi = XA_ABI_PV64,
		.nr = r->rax,
		.arg = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 },
	};

	/* At other levels the port does not exist. */
	if (!v->vmm->cfg.pv || v->run->s.regs.sregs.ss.dpl)
		return false;
	if (call.nr == SHIM_CALL_CRASH) {
		crash(v, call.arg);
		return true;
	}
	v->exits_hypercall++;
	r->rax = (uint64_t)xa_hypercall(v->xa, &call);
	v->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	return true;
}
