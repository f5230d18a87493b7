// SPDX-License-Identifier: MIT
/*
 * A PV test kernel's entry point, and the ways in and out of it. VIRT_BASE is 0, so addresses are
 * guest-physical ones too, as far as the builder mapped memory.
 *   ABI: xen/include/public/elfnote.h, arch-x86/xen-x86_64.h
 */
#include "xenabi/elfnote.h"

	.macro NOTE type, desc:vararg
	.balign 4
	.long 4, 2f - 1f, \type
	.asciz "Xen"
1:	\desc
2:
	.endm

	.section .note.Xen, "a", @note
	NOTE XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
	NOTE XEN_ELFNOTE_GUEST_OS, .asciz "test"
	NOTE XEN_ELFNOTE_LOADER, .asciz "generic"
	NOTE XEN_ELFNOTE_VIRT_BASE, .quad 0
	NOTE XEN_ELFNOTE_ENTRY, .quad start32
	NOTE XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page
	NOTE XEN_ELFNOTE_MOD_START_PFN, .quad 1
	.balign 4

	.section .text
	.globl start32		/* the name that kern.ld expects of an entry point */
start32:
	cld
	mov %rsp, boot_rsp
	mov %rsi, boot_rsi
	mov $stack_end, %rsp
	call pv_main
1:	ud2
	jmp 1b

/* long hypercall_at(const void *entry, unsigned long nr, const unsigned long arg[6]) */
	.globl hypercall_at
hypercall_at:
	mov %rdi, %r11
	mov %rsi, %rax
	mov %rdx, %rcx
	mov (%rcx), %rdi
	mov 8(%rcx), %rsi
	mov 16(%rcx), %rdx
	mov 24(%rcx), %r10
	mov 32(%rcx), %r8
	mov 40(%rcx), %r9
	call *%r11
	ret

/* Stubs of 32 bytes: 256 vectors, then event, failsafe and system call. */
	.globl trap_stubs
	.balign 32
trap_stubs:
	vector = 0
	.rept 259
	.balign 32
	pop %rcx
	pop %r11
	.if vector == 257
	add $32, %rsp			/* ds, es, fs, gs */
	.endif
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17)
	push $0
	.endif
	push $vector
	jmp trap_common
	vector = vector + 1
	.endr

trap_common:
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	mov %rsp, %rdi
	mov %rsp, %rbp
	and $-16, %rsp
	call pv_trap
	mov %rbp, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	push $0
	push %rcx
	push %r11
	push %rax
	mov $23, %eax			/* iret */
	syscall
	ud2

/* void enter(const struct iret_context_64 *to): to user mode; comes back by leave() */
	.globl enter, leave
enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, kernel_rsp
	mov %rdi, %rsp
	mov $23, %eax
	syscall
	ud2

leave:
	mov kernel_rsp, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* Where a secondary vCPU starts: RDI is its function. */
	.globl secondary
secondary:
	cld
	call *%rdi
1:	ud2
	jmp 1b

	.bss
	.balign 16
	.globl boot_rsp, boot_rsi
boot_rsp:	.quad 0
boot_rsi:	.quad 0
kernel_rsp:	.quad 0
	.balign 4096
	.globl stack_end, trap_stack_end, user_stack_end
	.skip 16384
stack_end:
	.skip 16384
trap_stack_end:
	.skip 4096
user_stack_end:
	.section .note.GNU-stack, "", @progbits
