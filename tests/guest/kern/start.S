// SPDX-License-Identifier: MIT
/*
 * From the PVH entry point to C. The first vCPU comes in at start32 as the ABI says: 32-bit
 * protected mode, flat segments, paging off, start_info in EBX. Further vCPUs come in through
 * ap_trampoline (start-up IPI) or straight at enter_flat (VCPUOP_initialise) and join the same path.
 *
 * The first 4 GiB are mapped one to one with 2 MiB pages that user code may use too, by the page
 * directories that PAE and long mode share. Built with -m32 the kernel stays in 32-bit mode, and
 * mem.c turns paging on where the host can do that.
 *   ABI: docs/misc/pvh.pandoc, xen/include/public/elfnote.h
 */
#include "kern/asm.h"
#include "xenabi/elfnote.h"

	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
	.asciz "Xen"
	.long start32

	.section .text
	.code32
	.global start32, enter_flat
start32:
	cld
	mov %ebx, start_info_gpa
	mov $page_dirs, %edi
	mov $0x87, %eax			/* present, writable, user, 2 MiB */
1:	mov %eax, (%edi)
	add $0x200000, %eax
	add $8, %edi
	cmp $page_dirs_end, %edi
	jb 1b
	movl $page_dirs + 7, pdpt
	movl $page_dirs + 0x1007, pdpt + 8
	movl $page_dirs + 0x2007, pdpt + 16
	movl $page_dirs + 0x3007, pdpt + 24
	movl $pdpt + 7, pml4

/* 32-bit protected mode with flat segments. boot_stack and boot_entry say where to go. */
enter_flat:
	lgdt gdtr
	ljmp $SEL_CODE32, $1f
1:	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %eax, %fs
	mov %eax, %gs
#ifdef __x86_64__
	mov %cr4, %eax
	or $CR4_PAE, %eax
	mov %eax, %cr4
	mov $pml4, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr
	mov %cr0, %eax
	or $CR0_PG | CR0_WP | CR0_PE, %eax
	mov %eax, %cr0
	ljmp $SEL_CODE, $enter_kernel

	.code64
/* Long mode with unknown selectors, as VCPUOP_initialise leaves it. */
	.global enter_long
enter_long:
	lgdt gdtr
	mov $boot_scratch_top, %esp
	push $SEL_CODE
	push $enter_kernel
	lretq
enter_kernel:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov boot_stack, %rsp
	xor %ebp, %ebp
	call *boot_entry
#else
	mov boot_stack, %esp
	xor %ebp, %ebp
	call *boot_entry
#endif
1:	cli
	hlt
	jmp 1b

/* Copied to AP_TRAMPOLINE, where a start-up IPI begins in real mode. */
	.code16
	.global ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	xor %ax, %ax
	mov %ax, %ds
	lgdtl AP_TRAMPOLINE + ap_gdtr - ap_trampoline
	mov %cr0, %eax
	or $CR0_PE, %al
	mov %eax, %cr0
	mov $SEL_DATA, %ax		/* real mode left it a limit of 64 KiB */
	mov %ax, %ds
	ljmpl $SEL_CODE32, $enter_flat
	.balign 4
ap_gdtr:
	.word gdt_end - gdt - 1
	.long gdt
ap_trampoline_end:

	.data
	.balign 16
	.global gdt, gdtr, boot_stack, boot_entry
gdt:	.quad 0
	.quad 0x00cf9b000000ffff	/* SEL_CODE32 */
	.quad 0x00cf93000000ffff	/* SEL_DATA */
	.quad 0x00af9b000000ffff	/* SEL_CODE64 */
	.quad 0x00cff3000000ffff	/* SEL_USER_DATA */
#ifdef __x86_64__
	.quad 0x00affb000000ffff	/* SEL_USER_CODE */
#else
	.quad 0x00cffb000000ffff
#endif
	.quad 0, 0			/* SEL_TSS, filled in by trap.c */
gdt_end:
gdtr:	.word gdt_end - gdt - 1
	.long gdt, 0
boot_stack:
	.dc.a boot_stack_top
boot_entry:
	.dc.a kern_main

	.bss
	.balign 4096
	.global page_dirs, pml4, start_info_gpa
pml4:	.skip 4096
page_dirs:
	.skip 4 * 4096
page_dirs_end:
pdpt:	.skip 4096
	.skip 16384
boot_stack_top:
	.skip 256
boot_scratch_top:
start_info_gpa:
	.skip 8

	.section .note.GNU-stack, "", @progbits
