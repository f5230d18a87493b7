// SPDX-License-Identifier: MIT
/*
 * Guest memory, in one of two modes. Shared: a memfd, so that pages can be given to other processes.
 * Private: anonymous memory, which the host backs with huge pages by default and may merge with that
 * of other guests (neither is true of a memfd on a stock host: shmem_enabled is "never", and KSM
 * passes shared mappings by).
 *
 * RAM is mapped once, contiguous in our address space and 2 MiB aligned: KVM backs a slot with huge
 * pages only if guest and host addresses agree modulo 2 MiB (an unaligned mapping cost six times
 * the KVM exits and doubled boot time). The special pages (console and store rings) have a mapping
 * of their own at the end of the file.
 *
 * Linux maps its grant frames at an unused guest address outside RAM. There a window of 1 MiB gets
 * memory when the guest first asks for one of its pages; its address never changes afterwards.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"
#include "domicile/base/once.h"
#include "vmm.h"

#define HUGE_SIZE (2ull << 20)
#define SPECIAL_SIZE (VMM_SPECIAL_PAGES * (uint64_t)XEN_PAGE_SIZE)

static uint64_t special_offset(const struct vmm_mem *m)
{
	return dom_align_up(m->size, HUGE_SIZE);
}

static uint64_t window_offset(const struct vmm_mem *m, unsigned index)
{
	return special_offset(m) + HUGE_SIZE + index * VMM_WINDOW_SIZE;
}

/* Map @size bytes of guest memory, at @at if that is given. */
static uint8_t *map_memory(const struct vmm_mem *m, void *at, uint64_t size, uint64_t offset)
{
	int flags = m->memfd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
	void *p = mmap(at, size, PROT_READ | PROT_WRITE, flags | (at ? MAP_FIXED : 0), m->memfd,
		       m->memfd < 0 ? 0 : (off_t)offset);

	return p == MAP_FAILED ? NULL : p;
}

static uint8_t *map_aligned(const struct vmm_mem *m, uint64_t size, uint64_t offset)
{
	uint8_t *area = mmap(NULL, size + HUGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *start;

	if (area == MAP_FAILED)
		return NULL;
	start = (uint8_t *)dom_align_up((uintptr_t)area, HUGE_SIZE);
	if (start > area)
		munmap(area, (size_t)(start - area));
	if (start + size < area + size + HUGE_SIZE)
		munmap(start + size, (size_t)(area + HUGE_SIZE - start));
	return map_memory(m, start, size, offset);
}

static int add_slot(struct vmm *vm, uint64_t gpa, uint64_t size, void *host)
{
	struct kvm_userspace_memory_region region = {
		.slot = vm->mem.next_slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};
	int r = vmm_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);

	if (!r)
		vm->mem.next_slot++;
	return r;
}

static int make_memfd(struct vmm_mem *m)
{
	m->memfd = memfd_create("domicile-ram", MFD_CLOEXEC);
	if (m->memfd < 0)
		return -errno;
	return ftruncate(m->memfd, (off_t)(special_offset(m) + HUGE_SIZE)) < 0 ? -errno : 0;
}

/* Does the host back a memfd with huge pages when asked to? The word in brackets is its setting. */
static bool shared_is_huge(void)
{
	char text[128] = "";
	int fd DOM_CLEANUP_FD = dom_open("/sys/kernel/mm/transparent_hugepage/shmem_enabled",
					 O_RDONLY, 0);

	if (fd < 0 || dom_read_all(fd, text, sizeof(text) - 1) <= 0)
		return false;
	return !strstr(text, "[never]") && !strstr(text, "[deny]");
}

static int map_ram(struct vmm *vm)
{
	struct vmm_mem *m = &vm->mem;
	bool shared = vm->cfg.ram == VMM_RAM_SHARED ||
		      (vm->cfg.ram == VMM_RAM_AUTO && shared_is_huge());
	int r = shared ? make_memfd(m) : 0;

	if (r)
		return r;
	m->ram = map_aligned(m, m->size, 0);
	if (!m->ram)
		return -ENOMEM;
	madvise(m->ram, m->size, MADV_HUGEPAGE);
	/* A core file of the VMM must not contain the guest. */
	madvise(m->ram, m->size, MADV_DONTDUMP);
	m->special = map_memory(m, NULL, SPECIAL_SIZE, special_offset(m));
	if (!m->special)
		return -ENOMEM;
	r = add_slot(vm, 0, m->low, m->ram);
	if (!r && m->size > m->low)
		r = add_slot(vm, VMM_HIGH_START, m->size - m->low, m->ram + m->low);
	if (!r)
		r = add_slot(vm, VMM_SPECIAL_GFN << XEN_PAGE_SHIFT, SPECIAL_SIZE, m->special);
	return r;
}

int vmm_mem_init(struct vmm *vm, struct dom_err *err)
{
	struct vmm_mem *m = &vm->mem;
	int r;

	*m = (struct vmm_mem){ .memfd = -1, .size = vm->cfg.memory_mib << 20 };
	m->low = DOM_MIN(m->size, VMM_HOLE_START);
	pthread_mutex_init(&m->lock, NULL);
	r = map_ram(vm);
	if (r)
		return dom_err_set(err, r, "%llu MiB of guest memory: %s; lower --memory",
				   (unsigned long long)vm->cfg.memory_mib, strerror(-r));
	return 0;
}

void vmm_mem_fini(struct vmm *vm)
{
	struct vmm_mem *m = &vm->mem;

	if (m->ram)
		munmap(m->ram, m->size);
	if (m->special)
		munmap(m->special, SPECIAL_SIZE);
	for (unsigned i = 0; i < m->nr_windows; i++)
		munmap(m->windows[i].host, VMM_WINDOW_SIZE);
	if (m->extra)
		munmap(m->extra, m->extra_size);
	dom_close_fd(&m->memfd);
	pthread_mutex_destroy(&m->lock);
	*m = (struct vmm_mem){ .memfd = -1 };
}

int vmm_mem_add(struct vmm *vm, uint64_t gpa, uint64_t size, uint8_t **ret_host)
{
	/* Not the file's: nobody is ever given these pages. */
	const struct vmm_mem anonymous = { .memfd = -1 };
	struct vmm_mem *m = &vm->mem;

	m->extra = map_aligned(&anonymous, size, 0);
	m->extra_size = size;
	if (!m->extra)
		return -ENOMEM;
	madvise(m->extra, size, MADV_DONTDUMP);
	*ret_host = m->extra;
	return add_slot(vm, gpa, size, m->extra);
}

void *vmm_ram(const struct vmm *vm, uint64_t gpa, uint64_t len)
{
	const struct vmm_mem *m = &vm->mem;

	if (dom_in_range(gpa, len, m->low))
		return m->ram + gpa;
	if (gpa >= VMM_HIGH_START && dom_in_range(gpa - VMM_HIGH_START, len, m->size - m->low))
		return m->ram + m->low + (gpa - VMM_HIGH_START);
	return NULL;
}

static struct vmm_window *find_window(struct vmm_mem *m, uint64_t gpa)
{
	unsigned n = DOM_LOAD_ACQUIRE(&m->nr_windows);

	for (unsigned i = 0; i < n; i++) {
		if (gpa - m->windows[i].gpa < VMM_WINDOW_SIZE)
			return &m->windows[i];
	}
	return NULL;
}

void *vmm_page(struct vmm *vm, struct xa_gfn gfn)
{
	struct vmm_window *w;
	uint64_t gpa;
	void *p;

	if (gfn.v >> (52 - XEN_PAGE_SHIFT))
		return NULL;
	gpa = gfn.v << XEN_PAGE_SHIFT;
	p = vmm_ram(vm, gpa, XEN_PAGE_SIZE);
	if (p)
		return p;
	if (gfn.v - VMM_SPECIAL_GFN < VMM_SPECIAL_PAGES)
		return vm->mem.special + ((gfn.v - VMM_SPECIAL_GFN) << XEN_PAGE_SHIFT);
	w = find_window(&vm->mem, gpa);
	return w ? w->host + (gpa - w->gpa) : NULL;
}

/* Addresses that never get memory: LAPIC, IO-APIC, firmware and what KVM keeps for itself. */
static bool populatable(const struct vmm *vm, uint64_t gpa)
{
	unsigned bits = 46;	/* what every supported processor's nested paging can address */
	uint64_t grants = VMM_PV_GRANT_GFN << XEN_PAGE_SHIFT;

	if (gpa >> bits || gpa < vm->mem.low)
		return false;
	if (vm->cfg.pv)
		return gpa - grants < (uint64_t)XA_GRANT_PLACES(vm->cfg.max_grant_frames) << XEN_PAGE_SHIFT;
	return gpa < 0xfe000000ull || gpa >= VMM_HIGH_START;
}

static int add_window(struct vmm *vm, uint64_t gpa)
{
	struct vmm_mem *m = &vm->mem;
	struct vmm_window *w = &m->windows[m->nr_windows];
	uint64_t offset = window_offset(m, m->nr_windows);
	int r;

	if (m->nr_windows == VMM_MAX_WINDOWS)
		return -ENOMEM;
	if (m->memfd >= 0 && ftruncate(m->memfd, (off_t)(offset + VMM_WINDOW_SIZE)) < 0)
		return -errno;
	w->gpa = gpa;
	w->host = map_memory(m, NULL, VMM_WINDOW_SIZE, offset);
	if (!w->host)
		return -ENOMEM;
	/* A handful of its pages are used: small pages, or each window costs a huge page. */
	madvise(w->host, VMM_WINDOW_SIZE, MADV_NOHUGEPAGE);
	r = add_slot(vm, gpa, VMM_WINDOW_SIZE, w->host);
	if (r) {
		munmap(w->host, VMM_WINDOW_SIZE);
		return r;
	}
	DOM_STORE_RELEASE(&m->nr_windows, m->nr_windows + 1);
	return 0;
}

int vmm_populate(struct vmm *vm, struct xa_gfn gfn)
{
	uint64_t gpa = gfn.v << XEN_PAGE_SHIFT;
	int r = 0;

	if (gfn.v >> (52 - XEN_PAGE_SHIFT))
		return -EINVAL;
	/* A page of RAM that was released reads as zero already. */
	if (vmm_page(vm, gfn))
		return 0;
	if (!populatable(vm, gpa))
		return -EINVAL;
	pthread_mutex_lock(&vm->mem.lock);
	if (!find_window(&vm->mem, gpa))
		r = add_window(vm, gpa & ~(VMM_WINDOW_SIZE - 1));
	pthread_mutex_unlock(&vm->mem.lock);
	return r;
}

int vmm_release(struct vmm *vm, struct xa_gfn gfn, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		void *p = vmm_page(vm, (struct xa_gfn){ gfn.v + i });

		if (!p)
			return -EINVAL;
		if (madvise(p, XEN_PAGE_SIZE, vm->mem.memfd < 0 ? MADV_DONTNEED : MADV_REMOVE) < 0)
			return -errno;
	}
	return 0;
}

uint64_t vmm_memory_kib(const struct vmm *vm)
{
	return vm->cfg.memory_mib * 1024;
}
