// SPDX-License-Identifier: MIT
/*
 * Xen on a KVM without CONFIG_KVM_XEN.
 *
 * Hypercalls. Modern Linux executes vmmcall or vmcall itself, and this KVM answers those without
 * asking us. So the instruction (3 bytes) of the two sites in a loaded kernel is rewritten to
 * `out %eax, $port; nop`; boot/sites.c finds them. Guests that use the hypercall page of the ABI
 * write its address to an MSR, which comes to us by a filter; the page is filled with stubs that do
 * the same `out`. The port counts as a hypercall only at CPL 0 and from one of those places: user
 * code with I/O permission may execute `out` too. plain_sites.c keeps the places.
 *
 * A kernel with room for it gets jumps to a stub there instead, see tick.c.
 *
 * A boot loader inside the guest (GRUB), or kexec, brings a kernel that we have not seen. Every 64-bit
 * kernel turns system calls on (EFER.SCE) early in its life, after it was unpacked and moved to its
 * place, and before its first hypercall: that write comes to us by the filter. If it does not come
 * from the kernel whose sites are known, the sites are searched again from where it came. It costs
 * one exit per processor that starts.
 *
 * Time. Xen's vcpu_time_info and wall clock have the layout of KVM's own paravirtual clock, so the
 * VMM points that clock at vcpu_info.time and shared_info.wc on the guest's behalf. INIT turns it off,
 * which the first one of a vCPU tells us by an exit, and those to a vCPU that runs do not. But what
 * comes next is a write of EFER again: the clock is turned on with each. (Not so 32-bit kernels
 * without NX; their vCPUs keep the record that was written last.)
 *
 * Events. A guest with a vector per vCPU expects an interrupt that it acknowledges: an MSI. A guest
 * that registered one callback vector for the domain expects no interrupt controller at all and
 * never acknowledges: the vector is placed in the LAPIC's request register and taken out of its
 * in-service register right before the vCPU enters the guest.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "domicile/base/once.h"
#include "domicile/xa_guest.h"
#include "domicile/shim.h"
#include "boot/boot.h"
#include "vmm.h"

/* The kernel's paravirtual clock. Facts of arch/x86/include/uapi/asm/kvm_para.h */
#define MSR_KVM_WALL_CLOCK_NEW 0x4b564d00u
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01u
#define KVM_SYSTEM_TIME_ENABLE 1u

/* Places inside the guest's structures. ABI: xen/include/public/xen.h, arch-x86/xen.h */
#define VCPU_INFO_TIME 32u
#define SHARED_INFO_WC_64 0xc00u	/* wc_version, wc_sec, wc_nsec, wc_sec_hi */
#define SHARED_INFO_WC_32 0x900u	/* the same without wc_sec_hi, which is elsewhere: */
#define SHARED_INFO_WC_SEC_HI_64 0xc0cu
#define SHARED_INFO_WC_SEC_HI_32 0x924u

#define LAPIC_ISR 0x100u
#define LAPIC_IRR 0x200u
#define MSI_BASE 0xfee00000u

#define MSR_EFER 0xc0000080u
#define EFER_SCE 1u		/* SYSCALL enabled */
/* A kernel starts at such a boundary, and its code ends within this distance of it. */
#define KERNEL_ALIGN (2ull << 20)
#define KERNEL_CODE (64ull << 20)

static int plain_vm_init(struct vmm *vm, struct dom_err *err)
{
	(void)err;
	pthread_mutex_init(&vm->sites_lock, NULL);
	vm->nr_sites = vm->nr_hcall_pages = 0;
	return 0;
}

static int plain_vcpu_init(struct vmm_vcpu *v, struct dom_err *err)
{
	return vmm_timer_init(v, err);
}

static void set_sites(struct vmm *vm, const struct boot_site *sites, unsigned count)
{
	DOM_STORE(&vm->nr_sites, 0);
	vmm_tick_forget(vm);
	for (unsigned i = 0; i < count; i++)
		vmm_plain_add_site(vm, sites[i].gpa, sites[i].gva);
}

void vmm_plain_set_kernel(struct vmm *vm, const struct boot_kernel *k)
{
	vm->kernel_start = k->start;
	vm->kernel_end = k->end;
	vm->kernel_entry = 0;
	set_sites(vm, k->site, k->sites);
	if (!vmm_tick_plant(vm, k))
		dom_log(&vm->log, DOM_LOG_DEBUG, "%s: no room for timers without exits", k->name);
}

/* Are the instructions that we placed still there, in a kernel that @gpa belongs to? */
static bool in_known_kernel(struct vmm *vm, uint64_t gpa)
{
	if (gpa < vm->kernel_start || gpa >= vm->kernel_end || !vm->nr_sites ||
	    (vm->kernel_entry && vm->kernel_entry != gpa))
		return false;
	return vmm_plain_sites_hold(vm);
}

/*
 * Search the kernel that runs at @rip, which is at @gpa. What else is found beyond its end is the
 * guest's memory, too, and nothing but what looks like a pair of sites is changed there.
 */
static void find_kernel(struct vmm *vm, uint64_t rip, uint64_t gpa)
{
	uint64_t start = gpa & ~(KERNEL_ALIGN - 1);
	uint64_t end = gpa < vm->mem.low ? vm->mem.low : VMM_HIGH_START + vm->mem.size - vm->mem.low;
	uint64_t len = DOM_MIN(end - start, KERNEL_CODE);
	struct boot_site sites[VMM_MAX_SITES];
	const uint8_t *code = vmm_ram(vm, start, len);
	unsigned n;

	if (!code)
		return;
	n = boot_find_sites(code, len, start, start + (rip - gpa), sites, VMM_MAX_SITES);
	dom_log_guest(&vm->log, &vm->guest_log, DOM_LOG_INFO,
		      "another kernel at %#llx (%#llx): %u hypercall sites",
		      (unsigned long long)start, (unsigned long long)(start + (rip - gpa)), n);
	vm->kernel_start = start;
	vm->kernel_end = start + len;
	vm->kernel_entry = gpa;
	set_sites(vm, sites, n);
}

bool vmm_plain_hypercall(struct vmm_vcpu *v)
{
	struct kvm_regs *r = &v->run->s.regs.regs;
	struct kvm_sregs *s = &v->run->s.regs.sregs;
	bool long_mode = s->cs.l;
	struct xa_call call = {
		.abi = long_mode ? XA_ABI_PVH64 : XA_ABI_PVH32,
		.cpl = s->ss.dpl,
		.nr = long_mode ? r->rax : (uint32_t)r->rax,
	};
	const uint64_t args64[] = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 };
	const uint64_t args32[] = { r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp };

	if (v->vmm->accel != &vmm_accel_plain || call.cpl || !vmm_plain_known_site(v, r->rip))
		return false;
	v->exits_hypercall++;
	memcpy(call.arg, long_mode ? args64 : args32, sizeof(call.arg));
	r->rax = (uint64_t)xa_hypercall(v->xa, &call);
	if (!long_mode)
		r->rax = (uint32_t)r->rax;
	v->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	return true;
}

void vmm_signal_msi(struct vmm_vcpu *v, uint8_t vector)
{
	struct kvm_msi msi = {
		.address_lo = MSI_BASE | v->id << 12,
		.data = vector,
	};

	/*
	 * KVM drops an interrupt for a LAPIC that the guest has not enabled yet, where Xen keeps it.
	 * The upcall would then stay pending for ever, so it is tried again.
	 */
	if (vmm_ioctl(v->vmm->vm_fd, KVM_SIGNAL_MSI, &msi) <= 0)
		DOM_STORE_RELEASE(&v->unsent, vector);
}

void vmm_retry_msi(struct vmm_vcpu *v)
{
	uint8_t vector = __atomic_exchange_n(&v->unsent, 0, __ATOMIC_ACQ_REL);

	if (vector && xa_upcall_pending(v->xa))
		vmm_signal_msi(v, vector);
}

static void plain_upcall(struct vmm_vcpu *v, struct xa_upcall how)
{
	if (how.kind == XA_UPCALL_VCPU_VECTOR) {
		vmm_signal_msi(v, how.vector);
	} else if (how.kind == XA_UPCALL_PV) {
		vmm_signal_msi(v, SHIM_VECTOR_EVENT);
	} else if (how.kind == XA_UPCALL_DOMAIN_VECTOR) {
		DOM_STORE_RELEASE(&v->inject, how.vector);
		vmm_vcpu_kick(v);
	}
}

static int plain_upcall_set(struct vmm_vcpu *v, struct xa_upcall how)
{
	(void)v;
	(void)how;
	return 0;
}

/* LAPIC bitmaps are 8 registers of 32 bits, 16 bytes apart. */
static uint32_t *lapic_bits(struct kvm_lapic_state *s, unsigned base, uint8_t vector)
{
	return (uint32_t *)(void *)(s->regs + base + vector / 32 * 16);
}

static int set_msr(struct vmm_vcpu *v, uint32_t index, uint64_t value)
{
	/* struct kvm_msrs ends in an array without a length, here of one entry. */
	uint64_t buf[(sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)) / 8] = { 0 };
	struct kvm_msrs *m = (struct kvm_msrs *)buf;
	int r;

	m->nmsrs = 1;
	m->entries[0] = (struct kvm_msr_entry){ .index = index, .data = value };
	r = vmm_ioctl(v->fd, KVM_SET_MSRS, m);
	return r == 1 ? 0 : r < 0 ? r : -EINVAL;
}

int vmm_plain_efer(struct vmm_vcpu *v, uint64_t value)
{
	struct vmm *vm = v->vmm;
	uint64_t rip = v->run->s.regs.regs.rip;
	struct xa_gpa gpa;

	if (value & EFER_SCE && v->run->s.regs.sregs.cs.l &&
	    !xa_guest_translate(v->xa, (struct xa_gva){ rip }, &gpa)) {
		pthread_mutex_lock(&vm->sites_lock);
		if (!in_known_kernel(vm, gpa.v))
			find_kernel(vm, rip, gpa.v);
		vm->kernel_entry = gpa.v;
		pthread_mutex_unlock(&vm->sites_lock);
	}
	v->was_reset = true;
	return set_msr(v, MSR_EFER, value);
}

static void plain_before_run(struct vmm_vcpu *v)
{
	uint8_t vector = DOM_LOAD(&v->inject);
	struct kvm_lapic_state s;

	/* INIT turns KVM's clock off, and the guest may have registered its vcpu_info before. */
	if (DOM_UNLIKELY(v->was_reset)) {
		v->was_reset = false;
		if (v->clock_msr)
			set_msr(v, MSR_KVM_SYSTEM_TIME_NEW, v->clock_msr);
	}
	if (DOM_UNLIKELY(DOM_LOAD(&v->unsent)))
		vmm_retry_msi(v);
	if (DOM_LIKELY(!vector) || vmm_ioctl(v->fd, KVM_GET_LAPIC, &s))
		return;
	DOM_STORE(&v->inject, 0);
	*lapic_bits(&s, LAPIC_ISR, vector) &= ~(1u << vector % 32);
	*lapic_bits(&s, LAPIC_IRR, vector) |= 1u << vector % 32;
	vmm_ioctl(v->fd, KVM_SET_LAPIC, &s);
}

static int set_system_time(struct vmm_vcpu *v, void *arg)
{
	struct xa_gpa *gpa = arg;

	v->clock_msr = (gpa->v + VCPU_INFO_TIME) | KVM_SYSTEM_TIME_ENABLE;
	return set_msr(v, MSR_KVM_SYSTEM_TIME_NEW, v->clock_msr);
}

static int set_wall_clock(struct vmm_vcpu *v, void *arg)
{
	struct xa_gpa *gpa = arg;

	return set_msr(v, MSR_KVM_WALL_CLOCK_NEW, gpa->v);
}

static int plain_vcpu_info(struct vmm_vcpu *v, struct xa_gpa gpa)
{
	vmm_tick_vcpu_info(v, gpa);
	return vmm_vcpu_call(v, set_system_time, &gpa);
}

static int plain_shared_info(struct vmm *vm, struct xa_gfn gfn)
{
	bool is_32 = xa_shared_is_32bit(vm->dom);
	struct xa_gpa gpa = { (gfn.v << XEN_PAGE_SHIFT) +
			      (is_32 ? SHARED_INFO_WC_32 : SHARED_INFO_WC_64) };
	struct vmm_vcpu *v = vmm_vcpu_self() ? vmm_vcpu_self() : &vm->vcpus[0];
	uint32_t *sec_hi = (uint32_t *)((char *)vmm_page(vm, gfn) +
			(is_32 ? SHARED_INFO_WC_SEC_HI_32 : SHARED_INFO_WC_SEC_HI_64));
	struct timespec now;

	/* KVM writes 32 bits of seconds; the rest is ours and changes in 2106. */
	clock_gettime(CLOCK_REALTIME, &now);
	DOM_STORE(sec_hi, (uint32_t)((uint64_t)now.tv_sec >> 32));
	return vmm_vcpu_call(v, set_wall_clock, &gpa);
}

static int plain_time_area(struct vmm_vcpu *v, struct xa_gpa gpa)
{
	(void)v;
	(void)gpa;
	return -ENOSYS;		/* KVM keeps one clock per vCPU */
}

static int plain_runstate_area(struct vmm_vcpu *v, struct xa_gpa gpa, const struct xa_times *times)
{
	(void)v;
	(void)gpa;
	(void)times;
	return 0;
}

static void plain_port_route(struct vmm *vm, evtchn_port_t port, const struct xa_port_route *route)
{
	(void)vm;
	(void)port;
	(void)route;
}

static void plain_timer_port(struct vmm_vcpu *v, evtchn_port_t port)
{
	(void)v;
	(void)port;
}

static int plain_runstate_flag(struct vmm *vm, bool on)
{
	(void)vm;
	(void)on;
	return 0;	/* xenabi writes the areas and knows */
}

/* What PVH and PV guests have in common here. */
#define PLAIN_ROWS                                                                                 \
	.vm_init = plain_vm_init,                                                                  \
	.vcpu_init = plain_vcpu_init,                                                              \
	.before_run = plain_before_run,                                                            \
	.upcall = plain_upcall,                                                                    \
	.upcall_set = plain_upcall_set,                                                            \
	.set_timer = vmm_tick_set,                                                                 \
	.timer_fired = vmm_tick_fired,                                                             \
	.shared_info = plain_shared_info,                                                          \
	.time_area = plain_time_area,                                                              \
	.runstate_area = plain_runstate_area,                                                      \
	.port_route = plain_port_route,                                                            \
	.timer_port = plain_timer_port,                                                            \
	.runstate_flag = plain_runstate_flag

const struct vmm_accel vmm_accel_plain = {
	.name = "plain",
	.vcpu_info = plain_vcpu_info,
	PLAIN_ROWS,
};

/* What ticks keep in vcpu_info beside the time has its proper meaning for PV guests: see vmm_pv_start(). */
static int pv_vcpu_info(struct vmm_vcpu *v, struct xa_gpa gpa)
{
	return vmm_vcpu_call(v, set_system_time, &gpa);
}

/*
 * PV guests, on any host: time as above, an interrupt to the shim for events. Hypercalls come from
 * the shim, see pv.c.
 */
const struct vmm_accel vmm_accel_pv = {
	.name = "pv",
	.vcpu_info = pv_vcpu_info,
	PLAIN_ROWS,
};
