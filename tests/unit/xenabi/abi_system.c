// SPDX-License-Identifier: MIT
/*
 * Prints the items of abi_items.def as Xen's own headers have them.
 */
#define __XEN_TOOLS__
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <xen/xen.h>
#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/xen-mca.h>
#include <xen/callback.h>
#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/hvm/params.h>
#include <xen/io/console.h>
#include <xen/io/netif.h>
#include <xen/io/xs_wire.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/arch-x86/hvm/start_info.h>

#define NUM(name) printf("%s %llu\n", #name, (unsigned long long)(name));
#define SIZE(ours, xens) printf("sizeof %s %zu\n", #xens, sizeof(struct xens));
#define OFF(ours, xens, member) printf("%s.%s %zu\n", #xens, #member, offsetof(struct xens, member));
#define VALUE(label, ours, xens) printf("%s %llu\n", label, (unsigned long long)(xens));
#define SIZE32(ours, xens)
#define OFF32(ours, xens, member)
#define VALUE32(label, ours, xens)

int main(void)
{
#include "abi_items.def"
	return 0;
}
