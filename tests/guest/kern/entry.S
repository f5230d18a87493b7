// SPDX-License-Identifier: MIT
/*
 * Ways in and out of the kernel: interrupt stubs, the hypercall instructions, user mode.
 */
#include "kern/asm.h"

#ifdef __x86_64__

#define IRET iretq
#else

#define IRET iret
#endif

	.text
/* 256 stubs, 16 bytes each: they leave number and error code above the interrupt frame. */
	.balign 16
	.global trap_stubs
trap_stubs:
	.set vec, 0
	.rept 256
	.balign 16
	.if !(vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21 || vec == 29 || vec == 30)
	push $0
	.endif
	push $vec
	jmp trap_common
	.set vec, vec + 1
	.endr

trap_common:
	cld
#ifdef __x86_64__
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
	mov %rsp, %rdi
	call kern_trap
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
#else
	pusha
	push %esp
	call kern_trap
	add $4, %esp
	popa
	add $8, %esp
#endif
	IRET

/*
 * long hypercall_at(const void *entry, unsigned long nr, const unsigned long arg[6])
 * Call @entry, a stub of the hypercall page or one of the sites below, with number and arguments
 * in the ABI's registers.
 */
	.global hypercall_at
hypercall_at:
#ifdef __x86_64__
	push %rbx
	mov %rdi, %rbx
	mov %rsi, %rax
	mov %rdx, %r11
	mov (%r11), %rdi
	mov 8(%r11), %rsi
	mov 16(%r11), %rdx
	mov 24(%r11), %r10
	mov 32(%r11), %r8
	mov 40(%r11), %r9
	call *%rbx
	pop %rbx
#else
	push %ebp
	push %edi
	push %esi
	push %ebx
	mov 28(%esp), %ebp
	mov 24(%esp), %eax
	push 20(%esp)
	mov (%ebp), %ebx
	mov 4(%ebp), %ecx
	mov 8(%ebp), %edx
	mov 12(%ebp), %esi
	mov 16(%ebp), %edi
	mov 20(%ebp), %ebp
	call *(%esp)
	add $4, %esp
	pop %ebx
	pop %esi
	pop %edi
	pop %ebp
#endif
	ret

/*
 * Hypercall instructions in the shapes that Linux kernels have, which is what a VMM on a host
 * without KVM_XEN looks for: a pair of both vendors' instructions, each at a multiple of 16 or
 * behind an endbr64 that is, followed by a return or by a jump to a common place.
 */
	.balign 16
	.global site_ret_amd, site_ret_intel, site_jmp_amd, site_jmp_intel
	.global site_endbr_amd, site_endbr_intel
site_ret_amd:
	vmmcall
	ret
	.balign 16
site_ret_intel:
	vmcall
	ret
	.balign 16
	.skip 64, 0xcc			/* pairs must not mix */
site_jmp_amd:
	vmmcall
	.byte 0xe9
	.long site_return - . - 4
	.balign 16
site_jmp_intel:
	vmcall
	.byte 0xe9
	.long site_return - . - 4
	.balign 16
	.skip 64, 0xcc
site_endbr_amd:
	.byte 0xf3, 0x0f, 0x1e, 0xfa
	vmmcall
	.byte 0xe9
	.long site_return - . - 4
	.balign 16
	.skip 16, 0xcc
site_endbr_intel:
	.byte 0xf3, 0x0f, 0x1e, 0xfa
	vmcall
	.byte 0xe9
	.long site_return - . - 4
	.balign 16
site_return:
	ret

/*
 * void enter_user(unsigned long ip, unsigned long sp, unsigned long flags)
 * Run user code until it traps; trap.c then comes back through leave_user().
 */
	.global enter_user, leave_user
enter_user:
#ifdef __x86_64__
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, user_return_sp
	push $SEL_USER_DATA
	push %rsi
	push %rdx
	push $SEL_USER_CODE
	push %rdi
#else
	mov 4(%esp), %eax
	mov 8(%esp), %ecx
	mov 12(%esp), %edx
	push %ebx
	push %ebp
	push %esi
	push %edi
	mov %esp, user_return_sp
	mov $SEL_USER_DATA, %ebx
	mov %ebx, %ds
	mov %ebx, %es
	push %ebx
	push %ecx
	push %edx
	push $SEL_USER_CODE
	push %eax
#endif
	IRET
leave_user:
#ifdef __x86_64__
	mov user_return_sp, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
#else
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov user_return_sp, %esp
	pop %edi
	pop %esi
	pop %ebp
	pop %ebx
#endif
	ret

	.bss
	.balign 8
user_return_sp:
	.skip 8

	.section .note.GNU-stack, "", @progbits
