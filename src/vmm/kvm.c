// SPDX-License-Identifier: MIT
/*
 * /dev/kvm, the virtual machine and its capabilities.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "domicile/base/fd.h"
#include "vmm.h"

/* Capabilities that every supported host has; all are older than Linux 5.10. */
static const struct {
	unsigned cap;
	const char *name;
} required_caps[] = {
	{ KVM_CAP_IRQCHIP, "in-kernel LAPIC" },
	{ KVM_CAP_SPLIT_IRQCHIP, "split irqchip" },
	{ KVM_CAP_USER_MEMORY, "user memory" },
	{ KVM_CAP_IMMEDIATE_EXIT, "immediate exit" },
	{ KVM_CAP_SIGNAL_MSI, "MSI injection" },
	{ KVM_CAP_SYNC_REGS, "register synchronisation" },
	{ KVM_CAP_X86_USER_SPACE_MSR, "MSR exits" },
	{ KVM_CAP_X86_MSR_FILTER, "MSR filter" },
	{ KVM_CAP_ADJUST_CLOCK, "clock" },
};

int vmm_ioctl(int fd, unsigned long request, void *arg)
{
	int r;

	do {
		r = ioctl(fd, request, arg);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int vmm_kvm_cap(const struct vmm *vm, unsigned cap)
{
	int r = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, (unsigned long)cap);

	return r < 0 ? 0 : r;
}

int vmm_enable_cap(const struct vmm *vm, unsigned cap, uint64_t arg0)
{
	struct kvm_enable_cap ec = { .cap = cap, .args = { arg0 } };

	return vmm_ioctl(vm->vm_fd, KVM_ENABLE_CAP, &ec);
}

uint64_t vmm_now(const struct vmm *vm)
{
	struct kvm_clock_data data = { 0 };

	vmm_ioctl(vm->vm_fd, KVM_GET_CLOCK, &data);
	return data.clock;
}

static int open_device(struct vmm *vm, struct dom_err *err)
{
	vm->kvm_fd = dom_open("/dev/kvm", O_RDWR, 0);
	switch (-vm->kvm_fd) {
	case ENOENT:
		return dom_err_set(err, vm->kvm_fd, "/dev/kvm: not there; load kvm_intel or kvm_amd, "
				   "and enable virtualization in the firmware or the outer hypervisor");
	case EACCES:
	case EPERM:
		return dom_err_set(err, vm->kvm_fd, "/dev/kvm: permission denied; add the user to "
				   "the group kvm (usermod -aG kvm USER) and log in again");
	default:
		if (vm->kvm_fd < 0)
			return dom_err_set(err, vm->kvm_fd, "/dev/kvm: %s; is KVM usable on this host?",
					   strerror(-vm->kvm_fd));
	}
	return 0;
}

static int check_caps(struct vmm *vm, struct dom_err *err)
{
	int version = ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0);

	if (version != KVM_API_VERSION)
		return dom_err_set(err, -ENOTTY, "/dev/kvm: not the KVM interface (version %d)",
				   version);
	for (size_t i = 0; i < DOM_ARRAY_LEN(required_caps); i++) {
		if (!vmm_kvm_cap(vm, required_caps[i].cap))
			return dom_err_set(err, -ENOSYS, "/dev/kvm: the host lacks %s; "
					   "Linux 5.10 or newer is needed", required_caps[i].name);
	}
	if ((unsigned)vmm_kvm_cap(vm, KVM_CAP_MAX_VCPUS) < vm->cfg.vcpus)
		return dom_err_set(err, -E2BIG, "%u vcpus: this host allows %d; lower --vcpus",
				   vm->cfg.vcpus, vmm_kvm_cap(vm, KVM_CAP_MAX_VCPUS));
	return 0;
}

static int create_vm(struct vmm *vm, struct dom_err *err)
{
	/* Intel without unrestricted guests needs these three pages; below the special pages. */
	uint64_t identity = 0xfeffc000ull - 0x10000;
	int r = vmm_ioctl(vm->kvm_fd, KVM_CREATE_VM, NULL);

	if (r < 0) {
		const char *why = r == -EBUSY ? "another hypervisor holds the processor's "
			"virtualization; stop it" : strerror(-r);
		return dom_err_set(err, r, "/dev/kvm: cannot create a virtual machine: %s", why);
	}
	vm->vm_fd = r;
	r = vmm_ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	if (!r)
		r = ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, (unsigned long)identity + 0x1000) ? -errno : 0;
	if (!r)
		r = vmm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 0);
	if (r < 0)
		return dom_err_set(err, r, "/dev/kvm: cannot set up the interrupt controller: %s",
				   strerror(-r));
	return 0;
}

int vmm_kvm_open(struct vmm *vm, struct dom_err *err)
{
	int r = open_device(vm, err);

	if (!r)
		r = check_caps(vm, err);
	if (!r)
		r = create_vm(vm, err);
	if (!r) {
		r = vmm_ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);
		if (r < 0)
			return dom_err_set(err, r, "/dev/kvm: %s", strerror(-r));
		vm->run_size = (size_t)r;
		r = 0;
	}
	return r;
}

void vmm_kvm_close(struct vmm *vm)
{
	dom_close_fd(&vm->vm_fd);
	dom_close_fd(&vm->kvm_fd);
}
