// SPDX-License-Identifier: MIT
/*
 * The ways into the shim and out of it.
 *
 * An exception or interrupt of the guest brings the processor to the stack in the vCPU's TSS; the
 * frame is completed to a struct shim_regs on the vCPU's main stack and handed to C. The stack lies
 * in the vCPU's block, by which C finds the vCPU.
 *
 * SYSCALL changes neither stack nor GS, and the guest's GS cannot be had. So each vCPU has its own
 * copy of the code behind it (shim_stubs), with the vCPU's data at a fixed distance. That code does
 * the two things that a guest does most without C: a system call becomes a call of the guest's kernel,
 * and the iret hypercall becomes the return to user mode. What is unusual (an event to be told of, an
 * odd frame, a stack that is not there) is left to C, before anything was changed; a fault of these
 * paths leads there, too.
 *
 * All returns are by IRETQ: SYSRET reaches user mode only, and Linux and others want selectors in CS
 * and SS there that are not those of SYSRET. If IRETQ faults, the frame was impossible: the fixup makes
 * a struct shim_regs of what the guest would have had and lets C call the guest's failsafe handler.
 *
 * Speculation is led astray by what user mode left in the processor's predictors. No branch here is indirect
 * but those of retpolines (tests/lint/shim), so that leaves RET: the return stack buffer is
 * overwritten at entries from user mode, and behind that each RET has its CALL, so that the buffer
 * does not run dry. Where a processor guesses otherwise, predictions are forgotten.
 *
 * Some code is only for processors that need it: DUTY gives the reason, and shim_patch() takes out
 * what is not wanted. With two page tables (SHIM_DUTY_ROOTS) user mode sees of the shim what stands in
 * the section .user, and the first page, the stubs and the reserved GDT page of vCPUs' blocks. All that
 * runs, and all that is on a stack, while the user's page table is loaded, is there: entries begin
 * on the small entry stack, and go to the main one when the kernel's page table is loaded.
 */
/* Facts of shim.h, whose C checks them. */
#define VCPU_SIZE 0x10000
#define VCPU_RSP 0x00
#define VCPU_RAX 0x08
#define VCPU_KERNEL_ROOT 0x10
#define VCPU_USER_CR3 0x18
#define VCPU_VERW 0x20
#define VCPU_KERNEL_MODE 0x22
#define VCPU_ENTRY_STACK 0x800
#define VCPU_INFO 0x1000
#define VCPU_KERNEL_SP 0x1008
#define VCPU_SYSCALL_RIP 0x1010
#define VCPU_IOPL 0x1020
#define VCPU_PF_RIP 0x1108
#define VCPU_UNUSUAL 0x20d8
#define VCPU_STUBS 0x4000
#define UNUSUAL_NMI 1
#define UNUSUAL_SYSCALL 2
#define UNUSUAL_PF 4
#define VCPU_INFO_MASK 1
#define VCPU_INFO_CR2 16
#define HOLE_BITS 0x1ffff0	/* of an address in the hypervisor's hole, from bit 43 on */
#define VEC_PF 14

#define DUTY_ROOTS 1
#define DUTY_LFENCE 2
#define DUTY_RSB 4
#define DUTY_VERW 8
#define DUTY_ENTRY_IBPB 32
#define MSR_PRED_CMD 0x49
#define PRED_CMD_IBPB 1

#define RING3_CS64 0xe033
#define RING3_DS64 0xe02b
#define KERNEL_CS 0xe039
#define KERNEL_SS 0xe041
#define RFLAGS_IF 0x200
#define RFLAGS_NOT_GUESTS 0x27000	/* IOPL, NT, VM */
#define RFLAGS_NOT_KERNELS 0x34100	/* TF, NT, RF, VM */
#define VGCF_IN_SYSCALL 0x100
#define HYPERVISOR_IRET 23

/* Code that stays only with this duty. */
	.macro DUTY_BEGIN
667:
	.endm
	.macro DUTY_END duty
668:
	.pushsection .duties, "a"
	.quad 667b
	.long 668b - 667b, \duty
	.popsection
	.endm

	.macro MAY_FAULT to, insn:vararg
669:	\insn
	.pushsection .ex_table, "a"
	.quad 669b, \to
	.popsection
	.endm

/* Fill the return stack buffer with harmless addresses, so that no RET goes where user code said. */
	.macro STUFF_RSB
	DUTY_BEGIN
	.rept 32
	call 661f
	int3
661:
	.endr
	lea 32 * 8(%rsp), %rsp
	lfence
	DUTY_END DUTY_RSB
	.endm

/*
 * Forget what user mode taught the branch predictor: for processors that mispredict a RET whatever the
 * return stack buffer holds. A processor without the command, on which the duty was forced, faults.
 */
	.macro FORGET_PREDICTIONS
	push %rcx
	push %rdx
	mov $MSR_PRED_CMD, %ecx
	mov $PRED_CMD_IBPB, %eax
	xor %edx, %edx
	MAY_FAULT 665f, wrmsr
665:	pop %rdx
	pop %rcx
	.endm

	.macro NO_SPECULATION
	DUTY_BEGIN
	lfence
	DUTY_END DUTY_LFENCE
	.endm

	.section .header, "ax"
	.ascii "dompvsh2"		/* SHIM_MAGIC */
	.long shim_entry_offset		/* by shim.ld */
	.long shim_end_offset
	.long shim_user_offset
	.long shim_user_end_offset

	.text
	.globl shim_entry
/* RDI: vCPU number; stack and page table are the VMM's choice. */
shim_entry:
	cld
	call shim_start

	/* Those that a called function may change; rax to r9 as C wants a hypercall. */
	.macro PUSH_CALLER_SAVED
	push %r9
	push %r8
	push %r10
	push %rdx
	push %rsi
	push %rdi
	push %r11
	push %rax
	push %rcx
	.endm

	.macro POP_CALLER_SAVED_BUT_R9
	pop %rcx
	pop %rax
	pop %r11
	pop %rdi
	pop %rsi
	pop %rdx
	pop %r10
	pop %r8
	.endm

	/* A whole struct shim_regs, of which C and core files know. */
	.macro PUSH_GPRS
	PUSH_CALLER_SAVED
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	mov %rsp, %rdi
	.endm

	.macro POP_CALLEE_SAVED
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	.endm

	.globl shim_syscall_common, shim_resume
/* On the main stack, with the kernel's page table. C returns whether user mode is next. */
main_trap:
	DUTY_BEGIN
	testb $2, 24(%rsp)		/* cs: level 3 */
	jz 1f
	push %rax
	FORGET_PREDICTIONS
	pop %rax
1:
	DUTY_END DUTY_ENTRY_IBPB
	STUFF_RSB
	NO_SPECULATION
	cmpl $VEC_PF, (%rsp)
	je page_fault
trap_to_c:
	PUSH_GPRS
	call shim_trap
restore:
	test %al, %al
	jnz user_exit
kernel_exit:
	POP_CALLEE_SAVED
kernel_exit_caller_saved:
	POP_CALLER_SAVED_BUT_R9
exit_on_main_stack:
	pop %r9
	add $16, %rsp
do_iret:
	iretq

/*
 * A page fault, if it is a user's: a frame on the kernel's stack, as by shim_bounce_error(). The vCPU
 * is at a fixed distance of the stack pointer.
 */
#define F(offset) (offset) - (VCPU_SIZE - 9 * 8)(%rsp)
page_fault:
	push %rax
	push %rcx
	mov 40(%rsp), %al		/* cs */
	or $~3, %al
	inc %al
	jnz 1f
	cmpb $0, F(VCPU_KERNEL_MODE)
	jne 1f
	testb $UNUSUAL_NMI | UNUSUAL_PF, F(VCPU_UNUSUAL)
	jnz 1f
	mov %cr2, %rax
	mov %rax, %rcx
	shr $43, %rcx
	cmp $HOLE_BITS, %ecx		/* perhaps a descriptor table's */
	je 1f
	mov F(VCPU_INFO), %rcx
	cmpw $0, (%rcx)			/* an event, or events are masked */
	jne 1f
	mov %rax, VCPU_INFO_CR2(%rcx)
	mov F(VCPU_KERNEL_SP), %rax
	MAY_FAULT 1f, mov %r11, -56(%rax)
	mov 64(%rsp), %rcx		/* ss */
	MAY_FAULT 1f, mov %rcx, -8(%rax)
	mov (%rsp), %rcx
	MAY_FAULT 1f, mov %rcx, -64(%rax)
	mov 24(%rsp), %rcx		/* error code */
	MAY_FAULT 1f, mov %rcx, -48(%rax)
	mov 32(%rsp), %rcx		/* rip */
	MAY_FAULT 1f, mov %rcx, -40(%rax)
	mov 40(%rsp), %rcx		/* cs */
	MAY_FAULT 1f, mov %rcx, -32(%rax)
	mov 48(%rsp), %rcx		/* rflags */
	or F(VCPU_IOPL), %rcx
	MAY_FAULT 1f, mov %rcx, -24(%rax)
	mov 56(%rsp), %rcx		/* rsp */
	MAY_FAULT 1f, mov %rcx, -16(%rax)
	mov F(VCPU_INFO), %rcx
	movb $1, VCPU_INFO_MASK(%rcx)
	sub $64, %rax
	mov %rax, 56(%rsp)
	movq $KERNEL_SS, 64(%rsp)
	movq $KERNEL_CS, 40(%rsp)
	andl $~RFLAGS_NOT_KERNELS, 48(%rsp)
	mov F(VCPU_PF_RIP), %rax
	mov %rax, 32(%rsp)
	movb $1, F(VCPU_KERNEL_MODE)
	pop %rcx
	pop %rax
	add $16, %rsp
	swapgs
	iretq
1:	pop %rcx
	pop %rax
	jmp trap_to_c

/* What C does not change need not be restored. */
shim_syscall_common:
	PUSH_GPRS
	call shim_syscall
	test %al, %al
	jnz user_exit
	add $6 * 8, %rsp
	jmp kernel_exit_caller_saved

shim_resume:
	mov %rdi, %rsp
	jmp kernel_exit

/* An impossible frame, on top of the main stack and of the entry stack. */
entry_iret_fixup:
	push %rdi
	mov %rsp, %rdi
	and $-VCPU_SIZE, %rsp
	add $VCPU_SIZE, %rsp
	pushq 40(%rdi)
	pushq 32(%rdi)
	pushq 24(%rdi)
	pushq 16(%rdi)
	pushq 8(%rdi)
	mov (%rdi), %rdi
iret_fixup:
	pushq $0
	pushq $0
	PUSH_GPRS
	call shim_iret_failed
	jmp restore

	.pushsection .ex_table, "a"
	.quad do_iret, iret_fixup
	.quad user_iret, entry_iret_fixup
	.popsection

/* --- what user mode may see --- */
	.section .user, "ax"
	.balign 16
/* From the exception's own stack to the main one; below the frame are error code and vector. */
	.macro TO_MAIN_STACK
	push %rdi
	mov %rsp, %rdi
	and $-VCPU_SIZE, %rsp
	DUTY_BEGIN
	cmpb $0, VCPU_KERNEL_MODE(%rsp)
	jne 666f
	mov VCPU_KERNEL_ROOT(%rsp), %rsp
	mov %rsp, %cr3
	mov %rdi, %rsp
	and $-VCPU_SIZE, %rsp
666:
	DUTY_END DUTY_ROOTS
	add $VCPU_SIZE, %rsp
	pushq 56(%rdi)
	pushq 48(%rdi)
	pushq 40(%rdi)
	pushq 32(%rdi)
	pushq 24(%rdi)
	pushq 16(%rdi)
	pushq 8(%rdi)
	mov (%rdi), %rdi
	.endm

shim_common:
	DUTY_BEGIN
	jmp 1f
	DUTY_END DUTY_ROOTS
	jmp main_trap
1:	testb $3, 24(%rsp)
	jz 2f
	TO_MAIN_STACK
	jmp main_trap
	/* Our own fault, or an interrupt of our halt: perhaps still with the user's page table. */
2:	push %rdi
	mov %rsp, %rdi
	and $-VCPU_SIZE, %rsp
	mov VCPU_KERNEL_ROOT(%rsp), %rsp
	mov %rsp, %cr3
	mov %rdi, %rsp
	pop %rdi
	jmp main_trap

/* #DB has a stack of its own, since SYSCALL may bring it to us with the guest's. */
shim_debug:
	testb $3, 8(%rsp)
	jz 1f
	pushq $0
	pushq $1
	TO_MAIN_STACK
	jmp main_trap
	/* A breakpoint on what we touched, or held up by MOV SS: nobody's. */
1:	andl $~0x100, 16(%rsp)
	iretq

/* NMIs are the host's, and none is sent to us: those of the guest are an interrupt. */
shim_nmi:
	iretq

/* The end; all that matters is that it can be told. */
shim_double_fault:
	pushq $8
	TO_MAIN_STACK
	jmp main_trap
shim_machine_check:
	pushq $0
	pushq $18
	TO_MAIN_STACK
	jmp main_trap

/* Registers are on the main stack. */
user_exit:
	POP_CALLEE_SAVED
	POP_CALLER_SAVED_BUT_R9
	DUTY_BEGIN
	jmp 1f
	DUTY_END DUTY_ROOTS
	/* The frame ends at the top of the block. */
	DUTY_BEGIN
	verw VCPU_VERW - VCPU_SIZE + 64(%rsp)
	DUTY_END DUTY_VERW
	jmp exit_on_main_stack
1:	mov %rsp, %r9
	and $-VCPU_SIZE, %rsp
	lea VCPU_ENTRY_STACK(%rsp), %rsp
	pushq 56(%r9)
	pushq 48(%r9)
	pushq 40(%r9)
	pushq 32(%r9)
	pushq 24(%r9)
	pushq (%r9)
	mov VCPU_USER_CR3 - VCPU_ENTRY_STACK + 48(%rsp), %r9
	mov %r9, %cr3
	pop %r9
	DUTY_BEGIN
	verw VCPU_VERW - VCPU_ENTRY_STACK + 40(%rsp)
	DUTY_END DUTY_VERW
user_iret:
	iretq

/* One stub of 16 bytes per vector; some exceptions bring an error code. */
	.globl shim_idt_stubs, shim_debug, shim_nmi, shim_double_fault, shim_machine_check
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

/* --- what each vCPU has a copy of, at VCPU_STUBS of its block --- */
	.text
#define V(offset) shim_stubs - VCPU_STUBS + (offset)(%rip)
	/* To C: with what SYSCALL left, and with the kernel's page table. */
	.macro STUB_TO_C vector
	lea V(VCPU_SIZE), %rsp
	pushq $0			/* ss: by C */
	pushq V(VCPU_RSP)
	push %r11
	pushq $0			/* cs: by C */
	push %rcx
	pushq $0
	pushq $\vector
	.byte 0xe9			/* jmp, whose distance is another in the copy */
901:	.long shim_syscall_common - 901b - 4
	.pushsection .stub_jumps, "a"
	.long 901b - shim_stubs
	.popsection
	.endm

	.macro STUB_FROM_USER
	mov %rax, V(VCPU_RAX)
	DUTY_BEGIN
	mov V(VCPU_KERNEL_ROOT), %rax
	mov %rax, %cr3
	DUTY_END DUTY_ROOTS
	lea V(VCPU_SIZE), %rsp
	DUTY_BEGIN
	FORGET_PREDICTIONS
	DUTY_END DUTY_ENTRY_IBPB
	STUFF_RSB
	NO_SPECULATION
	.endm

	.globl shim_stubs, shim_stub32, shim_stubs_end
	.balign 64
shim_stubs:
	mov %rsp, V(VCPU_RSP)
	cmpb $0, V(VCPU_KERNEL_MODE)
	jne from_kernel

	/* A system call: a frame on the kernel's stack, as by shim_bounce(). */
	STUB_FROM_USER
	testb $UNUSUAL_NMI | UNUSUAL_SYSCALL, V(VCPU_UNUSUAL)
	jnz slow_syscall
	mov V(VCPU_INFO), %rax
	cmpw $0, (%rax)			/* an event, or events are masked */
	jne slow_syscall
	mov V(VCPU_KERNEL_SP), %rax
	MAY_FAULT slow_syscall, movq $RING3_DS64, -8(%rax)
	MAY_FAULT slow_syscall, mov %rcx, -56(%rax)
	MAY_FAULT slow_syscall, mov %r11, -48(%rax)
	MAY_FAULT slow_syscall, mov %rcx, -40(%rax)
	MAY_FAULT slow_syscall, movq $RING3_CS64, -32(%rax)
	mov V(VCPU_RSP), %rcx
	MAY_FAULT slow_syscall, mov %rcx, -16(%rax)
	or V(VCPU_IOPL), %r11
	MAY_FAULT slow_syscall, mov %r11, -24(%rax)
	mov V(VCPU_INFO), %rcx
	movb $1, VCPU_INFO_MASK(%rcx)
	sub $56, %rax
	pushq $KERNEL_SS
	push %rax
	pushq $RFLAGS_IF
	pushq $KERNEL_CS
	pushq V(VCPU_SYSCALL_RIP)
	movb $1, V(VCPU_KERNEL_MODE)
	mov V(VCPU_RAX), %rax
	swapgs
	iretq
slow_syscall:
	mov V(VCPU_RAX), %rax
hypercall:
	STUB_TO_C 0x100

from_kernel:
	NO_SPECULATION
	cmp $HYPERVISOR_IRET, %rax
	jne hypercall
	/* Back to user mode, as by shim_iret(). The frame brings RAX, RCX and R11. */
	mov %rsp, %rax
	lea V(VCPU_ENTRY_STACK), %rsp
	MAY_FAULT slow_iret, movzwl 40(%rax), %r11d	/* cs */
	MAY_FAULT slow_iret, testl $VGCF_IN_SYSCALL, 24(%rax)
	jnz slow_iret
	lea 1(%r11), %ecx
	test $3, %cl
	jnz slow_iret
	MAY_FAULT slow_iret, movzwl 64(%rax), %ecx	/* ss */
	or $3, %ecx
	push %rcx
	MAY_FAULT slow_iret, pushq 56(%rax)		/* rsp */
	MAY_FAULT slow_iret, mov 48(%rax), %rcx		/* rflags */
	test $RFLAGS_IF, %ecx
	jz slow_iret
	and $~RFLAGS_NOT_GUESTS, %ecx
	push %rcx
	push %r11
	MAY_FAULT slow_iret, pushq 32(%rax)		/* rip */
	mov V(VCPU_INFO), %rcx
	testb $UNUSUAL_NMI, V(VCPU_UNUSUAL)
	jnz slow_iret
	cmpb $0, (%rcx)			/* an event */
	jne slow_iret
	MAY_FAULT slow_iret, mov 8(%rax), %r11
	movb $0, VCPU_INFO_MASK(%rcx)
	MAY_FAULT slow_iret, mov 16(%rax), %rcx
	MAY_FAULT slow_iret, mov (%rax), %rax
	movb $0, V(VCPU_KERNEL_MODE)
	DUTY_BEGIN
	push %rax
	mov V(VCPU_USER_CR3), %rax
	mov %rax, %cr3
	pop %rax
	DUTY_END DUTY_ROOTS
	DUTY_BEGIN
	verw V(VCPU_VERW)
	DUTY_END DUTY_VERW
	swapgs
	MAY_FAULT entry_iret_fixup, iretq
slow_iret:
	mov $HYPERVISOR_IRET, %eax
	jmp hypercall

	.balign 64
shim_stub32:				/* SYSCALL in 32-bit code */
	mov %rsp, V(VCPU_RSP)
	cmpb $0, V(VCPU_KERNEL_MODE)
	jne 1f
	STUB_FROM_USER
	mov V(VCPU_RAX), %rax
1:	NO_SPECULATION
	STUB_TO_C 0x101
	.balign 64
shim_stubs_end:

/* Wait for an interrupt. One that comes before the halt itself ends it, too: see own() in trap.c. */
	.globl hw_halt, shim_halting
hw_halt:
	sti
shim_halting:
	hlt
	cli
	ret

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
