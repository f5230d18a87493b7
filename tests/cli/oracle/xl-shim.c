// SPDX-License-Identifier: MIT
/*
 * Lets Xen's own xl run where there is no Xen, for what it does without one: `xl create -n`. Loaded with
 * LD_PRELOAD, it stands in for the libraries that reach the hypervisor. Every hypercall fails with
 * ENOSYS but those that xl needs to get that far: the version (4.20), and a host of two processors.
 *   ABI: xen/include/public/{version,sysctl}.h
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>

#include <xen/sysctl.h>
#include <xen/version.h>

void *xencall_open(void *logger, unsigned flags);
int xencall_close(void *handle);
void *xenforeignmemory_open(void *logger, unsigned flags);
int xenforeignmemory_close(void *handle);
void *xendevicemodel_open(void *logger, unsigned flags);
int xendevicemodel_close(void *handle);
void *xencall_alloc_buffer(void *handle, size_t size);
void xencall_free_buffer(void *handle, void *p);
void *xencall_alloc_buffer_pages(void *handle, size_t pages);
void xencall_free_buffer_pages(void *handle, void *p, size_t pages);
int xencall0(void *handle, unsigned op);
int xencall1(void *handle, unsigned op, uint64_t a);
int xencall2(void *handle, unsigned op, uint64_t a, uint64_t b);
long xencall2L(void *handle, unsigned op, uint64_t a, uint64_t b);
int xencall3(void *handle, unsigned op, uint64_t a, uint64_t b, uint64_t c);
int xencall4(void *handle, unsigned op, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
int xencall5(void *handle, unsigned op, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);

static const char token;

#define HANDLE(name)                                                                               \
	void *name##_open(void *logger, unsigned flags)                                            \
	{                                                                                          \
		(void)logger;                                                                      \
		(void)flags;                                                                       \
		return (void *)(uintptr_t)&token;                                                  \
	}                                                                                          \
	int name##_close(void *handle)                                                             \
	{                                                                                          \
		return handle ? 0 : -1;                                                            \
	}
HANDLE(xencall)
HANDLE(xenforeignmemory)
HANDLE(xendevicemodel)

void *xencall_alloc_buffer_pages(void *handle, size_t pages)
{
	return handle ? aligned_alloc(4096, pages * 4096) : NULL;
}

void *xencall_alloc_buffer(void *handle, size_t size)
{
	return xencall_alloc_buffer_pages(handle, (size + 4095) / 4096);
}

void xencall_free_buffer(void *handle, void *p)
{
	(void)handle;
	free(p);
}

void xencall_free_buffer_pages(void *handle, void *p, size_t pages)
{
	(void)pages;
	xencall_free_buffer(handle, p);
}

static int sysctl(struct xen_sysctl *s)
{
	if (s->cmd == XEN_SYSCTL_physinfo) {
		s->u.physinfo = (struct xen_sysctl_physinfo){
			.threads_per_core = 1, .cores_per_socket = 2, .nr_cpus = 2, .max_cpu_id = 1,
			.nr_nodes = 1, .total_pages = 1 << 20, .free_pages = 1 << 20, .cpu_khz = 2000000,
			.capabilities = XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_hap,
		};
		return 0;
	}
	if (s->cmd == XEN_SYSCTL_getdomaininfolist) {
		s->u.getdomaininfolist.num_domains = 0;
		return 0;
	}
	errno = ENOSYS;
	return -1;
}

static int call(unsigned op, uint64_t a, uint64_t b)
{
	if (op == __HYPERVISOR_sysctl)
		return sysctl((struct xen_sysctl *)(uintptr_t)a);
	if (op == __HYPERVISOR_xen_version && a == XENVER_version)
		return 4 << 16 | 20;
	if (op == __HYPERVISOR_xen_version && a == XENVER_pagesize)
		return 4096;
	if (op == __HYPERVISOR_xen_version && a == XENVER_extraversion) {
		strcpy((char *)(uintptr_t)b, ".0");
		return 0;
	}
	errno = ENOSYS;
	return -1;
}

int xencall0(void *handle, unsigned op)
{
	return handle ? call(op, 0, 0) : -1;
}

int xencall1(void *handle, unsigned op, uint64_t a)
{
	return handle ? call(op, a, 0) : -1;
}

int xencall2(void *handle, unsigned op, uint64_t a, uint64_t b)
{
	return handle ? call(op, a, b) : -1;
}

long xencall2L(void *handle, unsigned op, uint64_t a, uint64_t b)
{
	return xencall2(handle, op, a, b);
}

int xencall3(void *handle, unsigned op, uint64_t a, uint64_t b, uint64_t c)
{
	(void)c;
	return xencall2(handle, op, a, b);
}

int xencall4(void *handle, unsigned op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	(void)d;
	return xencall3(handle, op, a, b, c);
}

int xencall5(void *handle, unsigned op, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	(void)e;
	return xencall4(handle, op, a, b, c, d);
}
