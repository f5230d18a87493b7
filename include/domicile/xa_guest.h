// SPDX-License-Identifier: MIT
/*
 * What back ends need of a domain: its memory, its event channels and its grants. Back ends run in
 * the domain's own process; a granted page is a pointer into guest RAM, whose contents the guest
 * may change at any moment (see base/once.h).
 */
#ifndef DOMICILE_XA_GUEST_H
#define DOMICILE_XA_GUEST_H

#include "domicile/xa.h"

/**
 * xa_guest_page - host address of guest page @gfn, NULL when no memory is behind it
 *
 * Valid for the life of the domain. Any thread.
 */
void *xa_guest_page(struct xa_domain *d, struct xa_gfn gfn);

/**
 * xa_guest_read / xa_guest_write - copy between guest-physical memory and @buf
 *
 * Returns 0, or -EFAULT when some byte has no memory behind it (nothing is promised about the
 * others then). Each guest byte is read once. Any thread.
 */
int xa_guest_read(struct xa_domain *d, struct xa_gpa gpa, void *buf, size_t len);
int xa_guest_write(struct xa_domain *d, struct xa_gpa gpa, const void *buf, size_t len);

/**
 * xa_guest_translate - guest-physical address behind @gva in @v's present address space
 *
 * A walk of the guest's page tables without any access check. Returns 0, or -EFAULT when nothing
 * is mapped there. On the vCPU's thread.
 */
int xa_guest_translate(struct xa_vcpu *v, struct xa_gva gva, struct xa_gpa *ret_gpa);

/**
 * xa_evtchn_alloc_backend - a new guest port bound to a back end, made before the guest starts
 * @eventfd:  written when the guest sends, under the event lock; stays the caller's
 *
 * For the console and store rings, whose ports the guest learns from HVM parameters.
 * Returns 0 and the port, -ENOSPC. Takes the event lock. Any thread.
 */
int xa_evtchn_alloc_backend(struct xa_domain *d, int eventfd, evtchn_port_t *ret_port);

/**
 * xa_evtchn_bind_backend - bind a back end to a port that the guest allocated for it
 *
 * The guest made @port with EVTCHNOP_alloc_unbound for domain 0 and told its number through the
 * store. @eventfd is non-blocking, and is written at once: what the guest sent before is unknown.
 * Returns 0; -EINVAL if @port is not such a port. Takes the event lock. Any thread.
 */
int xa_evtchn_bind_backend(struct xa_domain *d, evtchn_port_t port, int eventfd);

/**
 * xa_evtchn_close_backend - the back end lets go of @port; the guest's end becomes unbound
 *
 * No write to the eventfd happens after the return. Takes the event lock. Any thread.
 */
void xa_evtchn_close_backend(struct xa_domain *d, evtchn_port_t port);

/**
 * xa_evtchn_notify - make the guest end of a back-end port pending
 *
 * Returns 0; -EINVAL if @port is not bound to a back end. Takes the event lock. Any thread.
 */
int xa_evtchn_notify(struct xa_domain *d, evtchn_port_t port);

/** xa_hvm_param_get / set - HVM_PARAM_* of the domain, from the host's side; unchecked index is 0 */
uint64_t xa_hvm_param_get(struct xa_domain *d, unsigned index);
void xa_hvm_param_set(struct xa_domain *d, unsigned index, uint64_t value);

/**
 * xa_grant_map - use a page that the guest granted to domain 0
 * @ref:       reference, chosen by the guest
 * @write:     whether the page will be written
 * @ret_page:  host address of the page
 *
 * Sets the entry's in-use flags as a mapping domain does, so that the guest can see that it may not
 * revoke the grant yet. Returns 0; -EINVAL for a bad reference or one granted to somebody else,
 * -EACCES for a write to a read-only grant, -EFAULT if no memory is behind it. Any thread.
 */
int xa_grant_map(struct xa_domain *d, grant_ref_t ref, bool write, void **ret_page);

/** xa_grant_unmap - end one use begun by xa_grant_map() with the same @ref and @write */
void xa_grant_unmap(struct xa_domain *d, grant_ref_t ref, bool write);

/**
 * xa_grants_map - xa_grant_map() for @n references at once, for the price of one lock
 * @ret_pages: host addresses, NULL for those that cannot be used; the others are in use
 *
 * Returns 0, or the error of the first that cannot be used. Any thread.
 */
int xa_grants_map(struct xa_domain *d, const grant_ref_t *refs, unsigned n, bool write,
		  void **ret_pages);

/** xa_grants_unmap - xa_grant_unmap() for @n references at once */
void xa_grants_unmap(struct xa_domain *d, const grant_ref_t *refs, unsigned n, bool write);

#endif
