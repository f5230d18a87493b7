// SPDX-License-Identifier: MIT
/*
 * A domain for tests of back ends: some pages, ports that count their notifications and may wake a
 * thread, grants. Stands in for src/xenabi, with the same functions.
 *
 * Include it once per program. Guest memory is raced for on purpose (the guest is another thread),
 * by copies that dom_copy_once() makes; the thread sanitizer is told so.
 */
#ifndef FAKE_GUEST_H
#define FAKE_GUEST_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "domicile/base/once.h"
#include "domicile/xa_guest.h"

#define FAKE_PORTS 16
#define FAKE_GRANTS 4096

struct fake_grant {
	uint64_t gfn;
	bool valid, readonly;
	unsigned uses, writes;		/* mappings in use; of those for writing */
};

struct xa_domain {
	uint8_t *ram;
	uint64_t pages;
	int port_fd[FAKE_PORTS];	/* eventfd of the front end, written by notify; -1: none */
	bool bound[FAKE_PORTS];
	int backend_fd[FAKE_PORTS];	/* eventfd of the back end, as it was bound */
	uint64_t notifies[FAKE_PORTS];	/* atomic */
	struct fake_grant grants[FAKE_GRANTS];
	unsigned fail_grant;		/* the n-th mapping from now fails; 0: none */
};

const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	/* The last four are file I/O on guest pages, which a guest may direct at its own ring. */
	return "race:dom_copy_once\nrace:fake_guest_scribble\n"
	       "race:do_read\nrace:do_readv\nrace:do_write\nrace:do_writev\n";
}

static inline struct xa_domain *fake_domain_new(uint64_t pages)
{
	struct xa_domain *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	d->ram = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (d->ram == MAP_FAILED)
		abort();
	d->pages = pages;
	for (unsigned i = 0; i < FAKE_PORTS; i++)
		d->port_fd[i] = -1;
	return d;
}

static inline void fake_domain_free(struct xa_domain *d)
{
	munmap(d->ram, d->pages * 4096);
	free(d);
}

static inline uint32_t *fake_u32(struct xa_domain *d, uint64_t gfn, unsigned offset)
{
	return (uint32_t *)(void *)(d->ram + gfn * 4096 + offset);
}

void *xa_guest_page(struct xa_domain *d, struct xa_gfn gfn)
{
	return gfn.v < d->pages ? d->ram + gfn.v * 4096 : NULL;
}

int xa_evtchn_notify(struct xa_domain *d, evtchn_port_t port)
{
	uint64_t one = 1;

	if (port >= FAKE_PORTS)
		return -EINVAL;
	__atomic_fetch_add(&d->notifies[port], 1, __ATOMIC_SEQ_CST);
	if (d->port_fd[port] >= 0 && write(d->port_fd[port], &one, 8) < 0)
		return -errno;
	return 0;
}

int xa_evtchn_bind_backend(struct xa_domain *d, evtchn_port_t port, int eventfd)
{
	if (port >= FAKE_PORTS || d->bound[port])
		return -EINVAL;
	d->bound[port] = true;
	d->backend_fd[port] = eventfd;
	return 0;
}

void xa_evtchn_close_backend(struct xa_domain *d, evtchn_port_t port)
{
	if (port < FAKE_PORTS)
		d->bound[port] = false;
}

int xa_grant_map(struct xa_domain *d, grant_ref_t ref, bool write_access, void **ret_page)
{
	struct fake_grant *g = ref < FAKE_GRANTS ? &d->grants[ref] : NULL;

	if (d->fail_grant && --d->fail_grant == 0)
		return -EINVAL;
	if (!g || !g->valid)
		return -EINVAL;
	if (write_access && g->readonly)
		return -EACCES;
	if (g->gfn >= d->pages)
		return -EFAULT;
	g->uses++;
	g->writes += write_access;
	*ret_page = d->ram + g->gfn * 4096;
	return 0;
}

void xa_grant_unmap(struct xa_domain *d, grant_ref_t ref, bool write_access)
{
	struct fake_grant *g = &d->grants[ref];

	if (!g->uses || (write_access && !g->writes))
		abort();
	g->uses--;
	g->writes -= write_access;
}

int xa_grants_map(struct xa_domain *d, const grant_ref_t *refs, unsigned n, bool write_access,
		  void **ret_pages)
{
	int first = 0;

	for (unsigned i = 0; i < n; i++) {
		int err = xa_grant_map(d, refs[i], write_access, &ret_pages[i]);

		if (err)
			ret_pages[i] = NULL;
		first = first ? first : err;
	}
	return first;
}

void xa_grants_unmap(struct xa_domain *d, const grant_ref_t *refs, unsigned n, bool write_access)
{
	for (unsigned i = 0; i < n; i++)
		xa_grant_unmap(d, refs[i], write_access);
}

static inline unsigned fake_grants_in_use(const struct xa_domain *d)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_GRANTS; i++)
		n += d->grants[i].uses;
	return n;
}

static inline uint64_t fake_notifies(struct xa_domain *d, unsigned port)
{
	return __atomic_load_n(&d->notifies[port], __ATOMIC_SEQ_CST);
}

/* Write @v to guest memory as a hostile guest does: at any moment, unordered. */
static __attribute__((noinline)) DOM_UNUSED void fake_guest_scribble(uint8_t *p, uint8_t v)
{
	*(volatile uint8_t *)p = v;
}

#endif
