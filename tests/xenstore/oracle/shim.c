// SPDX-License-Identifier: MIT
/*
 * Lets Xen's own xenstored and oxenstored (4.17 to 4.20) run on a host without Xen, as something
 * to compare with: preloaded, it takes the place of the hypervisor libraries they call.
 *
 * Everything lives in the directory $XS_ORACLE:
 *   ring-N   domain N's ring page, made when first mapped
 *   dead-N   domain N is dying
 *   up       FIFO of uint32: ports for the daemon; domain N's port is 1000 + N, 1 is the VIRQ
 *   down     FIFO of uint32: ports that the daemon has notified
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#define PORT_BASE 1000

static int up = -1, down = -1;
static int handle;	/* its address stands for every library handle */

static const char *file(char *buf, size_t size, const char *name, int domid)
{
	const char *dir = getenv("XS_ORACLE");

	if (domid < 0)
		snprintf(buf, size, "%s/%s", dir ? dir : "/tmp", name);
	else
		snprintf(buf, size, "%s/%s-%d", dir ? dir : "/tmp", name, domid);
	return buf;
}

static int raw_open(const char *path, int flags, int mode)
{
	return openat(AT_FDCWD, path, flags, mode);
}

static int page_file(int domid)
{
	char path[256];
	int fd = raw_open(file(path, sizeof(path), "ring", domid), O_RDWR | O_CREAT, 0600);

	if (fd >= 0 && ftruncate(fd, 4096)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int dead(int domid)
{
	char path[256];

	return access(file(path, sizeof(path), "dead", domid), F_OK) == 0;
}

/* --- domains: all exist, until they are dead --- */

xc_interface *xc_interface_open(xentoollog_logger *a, xentoollog_logger *b, unsigned int flags)
{
	(void)a; (void)b; (void)flags;
	return (void *)&handle;
}

int xc_interface_close(xc_interface *x)
{
	(void)x;
	return 0;
}

int xc_domain_getinfo(xc_interface *x, uint32_t domid, unsigned int max, xc_dominfo_t *info)
{
	(void)x;
	if (!max)
		return 0;
	memset(info, 0, sizeof(*info));
	info->domid = domid;
	info->running = 1;
	info->dying = (unsigned)dead((int)domid);
	return 1;
}

/* Since Xen 4.18; the structure's first fields have stayed the same. */
int xc_domain_getinfo_single(xc_interface *x, uint32_t domid, xc_domaininfo_t *info);
int xc_domain_getinfo_single(xc_interface *x, uint32_t domid, xc_domaininfo_t *info)
{
	(void)x;
	memset(info, 0, sizeof(*info));
	info->domain = (domid_t)domid;
	info->flags = XEN_DOMINF_running | (dead((int)domid) ? XEN_DOMINF_dying : 0);
	info->nr_online_vcpus = 1;
	return 0;
}

/* --- events --- */

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *l, unsigned int flags)
{
	char path[256];

	(void)l; (void)flags;
	mkfifo(file(path, sizeof(path), "up", -1), 0600);
	up = raw_open(path, O_RDWR | O_NONBLOCK, 0);
	mkfifo(file(path, sizeof(path), "down", -1), 0600);
	down = raw_open(path, O_RDWR | O_NONBLOCK, 0);
	return up < 0 || down < 0 ? NULL : (void *)&handle;
}

xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *l, int fd, unsigned int flags)
{
	(void)fd;
	return xenevtchn_open(l, flags);
}

int xenevtchn_close(xenevtchn_handle *x) { (void)x; return 0; }
int xenevtchn_fd(xenevtchn_handle *x) { (void)x; return up; }
int xenevtchn_unbind(xenevtchn_handle *x, evtchn_port_t p) { (void)x; (void)p; return 0; }
int xenevtchn_unmask(xenevtchn_handle *x, evtchn_port_t p) { (void)x; (void)p; return 0; }

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *x, unsigned int virq)
{
	(void)x; (void)virq;
	return 1;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *x, uint32_t domid,
						     evtchn_port_t port)
{
	(void)x; (void)port;
	return (xenevtchn_port_or_error_t)(PORT_BASE + domid);
}

int xenevtchn_notify(xenevtchn_handle *x, evtchn_port_t port)
{
	uint32_t v = port;

	(void)x;
	return write(down, &v, sizeof(v)) == sizeof(v) || errno == EAGAIN ? 0 : -1;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *x)
{
	uint32_t v;

	(void)x;
	return read(up, &v, sizeof(v)) == sizeof(v) ? (xenevtchn_port_or_error_t)v : -1;
}

/* --- grants: reserved entry 1 is the ring --- */

xengnttab_handle *xengnttab_open(struct xentoollog_logger *l, unsigned int flags)
{
	(void)l; (void)flags;
	return (void *)&handle;
}

int xengnttab_close(xengnttab_handle *x) { (void)x; return 0; }

int xengnttab_set_max_grants(xengnttab_handle *x, uint32_t n)
{
	(void)x; (void)n;
	return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *x, uint32_t domid, uint32_t ref, int prot)
{
	int fd = page_file((int)domid);
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, prot, MAP_SHARED, fd, 0);

	(void)x; (void)ref;
	if (fd >= 0)
		close(fd);
	return p == MAP_FAILED ? NULL : p;
}

int xengnttab_unmap(xengnttab_handle *x, void *p, uint32_t n)
{
	(void)x;
	return munmap(p, n * 4096ul);
}

/* --- files of the dom0 kernel --- */

static int port_file(void)
{
	char path[256];
	int fd = raw_open(file(path, sizeof(path), "port", -1), O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd >= 0 && (write(fd, "1000", 4) != 4 || lseek(fd, 0, SEEK_SET)))
		return -1;
	return fd;
}

static int redirect(const char *path, int flags, int mode)
{
	if (!strcmp(path, "/proc/xen/xsd_kva") || !strcmp(path, "/dev/xen/xsd_kva"))
		return page_file(0);
	if (!strcmp(path, "/proc/xen/xsd_port") || !strcmp(path, "/dev/xen/xsd_port"))
		return port_file();
	return raw_open(path, flags, mode);
}

#define MODE_OF(flags, mode)                                                                       \
	do {                                                                                       \
		if ((flags) & O_CREAT) {                                                           \
			va_list ap;                                                                \
			va_start(ap, flags);                                                       \
			mode = va_arg(ap, int);                                                    \
			va_end(ap);                                                                \
		}                                                                                  \
	} while (0)

int open(const char *path, int flags, ...)
{
	int mode = 0;

	MODE_OF(flags, mode);
	return redirect(path, flags, mode);
}

int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
	int mode = 0;

	MODE_OF(flags, mode);
	return redirect(path, flags, mode);
}

/* oxenstored insists on raising its file limit. */
int setrlimit(int what, const void *limit);
int setrlimit(int what, const void *limit)
{
	(void)what; (void)limit;
	return 0;
}
