// SPDX-License-Identifier: MIT
/*
 * The 32-bit layouts of abi_items.def as Xen's own headers have them. Compiled to 32-bit code that
 * is never run (there may be no 32-bit C library here); the section with the values is extracted.
 */
#define __XEN_TOOLS__
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/io/netif.h>
#include <xen/io/xs_wire.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define NUM(name)
#define SIZE(ours, xens)
#define OFF(ours, xens, member)
#define VALUE(label, ours, xens)
#define SIZE32(ours, xens) sizeof(struct xens),
#define OFF32(ours, xens, member) offsetof(struct xens, member),
#define VALUE32(label, ours, xens) (xens),

extern const uint64_t abi_values[];
__attribute__((section(".abi"))) const uint64_t abi_values[] = {
#include "abi_items.def"
};
