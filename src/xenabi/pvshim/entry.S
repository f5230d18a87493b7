// SPDX-License-Identifier: MIT
/*
 * The ways into the shim and out of it.
 *
 * An exception or interrupt of the guest brings the processor to the stack in the vCPU's TSS; the
 * frame is completed to a struct shim_regs there and handed to C. SYSCALL changes neither stack nor
 * GS, and the guest's GS cannot be had: the vCPU's own copy of a stub, which has the vCPU's data at a
 * fixed distance, saves the stack pointer and takes the vCPU's stack. The stack, in turn, lies in the
 * vCPU's block, by which C finds the vCPU.
 *
 * All returns are by IRETQ. If that faults, the frame was impossible: the fixup makes a struct
 * shim_regs of what the guest would have had and lets C call the guest's failsafe handler.
 */
/* Facts of shim.h, whose C checks them. */
#define VCPU_STUBS 0x4000
#define VCPU_SCRATCH 0
#define VCPU_STACK 8
#define VCPU_ENTRY 16

	.section .header, "ax"
	.ascii "dompvsh1"		/* SHIM_MAGIC */
	.long shim_entry_offset		/* by shim.ld */
	.long shim_end_offset

	.text
	.globl shim_entry
/* RDI: vCPU number; stack and page table are the VMM's choice. */
shim_entry:
	cld
	call shim_start

	.macro PUSH_GPRS
	push %rdi
	push %rsi
	push %rdx
	push %rcx
	push %rax
	push %r8
	push %r9
	push %r10
	push %r11
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	mov %rsp, %rdi
	.endm

	.globl shim_common, shim_syscall_common, shim_resume
shim_common:
	PUSH_GPRS
	call shim_trap
	jmp restore

shim_syscall_common:
	PUSH_GPRS
	call shim_syscall
	jmp restore

shim_resume:
	mov %rdi, %rsp
restore:
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rax
	pop %rcx
	pop %rdx
	pop %rsi
	pop %rdi
	add $16, %rsp
do_iret:
	iretq

iret_fixup:
	pushq $0
	pushq $0
	PUSH_GPRS
	call shim_iret_failed
	jmp restore

	.pushsection .ex_table, "a"
	.quad do_iret, iret_fixup
	.popsection

/* One stub of 16 bytes per vector; some exceptions bring an error code. */
	.globl shim_idt_stubs
	.balign 16
shim_idt_stubs:
	vector = 0
	.rept 256
	.balign 16
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
	pushq $0
	.endif
	pushq $vector
	jmp shim_common
	vector = vector + 1
	.endr

/* What each vCPU has a copy of, at VCPU_STUBS of its block. */
	.set here_scratch, shim_stubs - VCPU_STUBS + VCPU_SCRATCH
	.set here_stack, shim_stubs - VCPU_STUBS + VCPU_STACK
	.set here_entry, shim_stubs - VCPU_STUBS + VCPU_ENTRY
	.macro SYSCALL_STUB vector
	mov %rsp, here_scratch(%rip)
	mov here_stack(%rip), %rsp
	pushq $0			/* ss: by C */
	pushq here_scratch(%rip)
	push %r11
	pushq $0			/* cs: by C */
	push %rcx
	pushq $0
	pushq $\vector
	jmp *here_entry(%rip)
	.endm
	.globl shim_stubs, shim_stubs_end
	.balign 64
shim_stubs:
	SYSCALL_STUB 0x100
	.balign 64
	SYSCALL_STUB 0x101		/* from 32-bit code */
	.balign 64
shim_stubs_end:

/* Copies that may fault: RDI to, RSI from, RDX bytes. Return what was not copied. */
	.globl shim_copy
shim_copy:
	mov %rdx, %rcx
	shr $3, %rcx
	and $7, %edx
1:	rep movsq
	mov %edx, %ecx
2:	rep movsb
	mov %rcx, %rax
	ret
3:	lea (%rdx, %rcx, 8), %rax
	ret
4:	mov %rcx, %rax
	ret
	.pushsection .ex_table, "a"
	.quad 1b, 3b
	.quad 2b, 4b
	.popsection

	.globl memcpy, memset
memcpy:
	mov %rdi, %rax
	mov %rdx, %rcx
	rep movsb
	ret
memset:
	mov %rdi, %r8
	mov %esi, %eax
	mov %rdx, %rcx
	rep stosb
	mov %r8, %rax
	ret
	.section .note.GNU-stack, "", @progbits
