/* SPDX-License-Identifier: MIT */
/*
 * What a guest's hypercall sites jump to on plain hosts, see tick.c: copied into the padding of the
 * guest's own code, run by the guest's kernel. A call that sets the single-shot timer of a vCPU to a
 * time at which the VMM will look anyway leaves the time in that vCPU's mailbox and does without an
 * exit; everything else makes the call as before.
 *
 * In: a hypercall by the 64-bit convention, rax = number, rdi, rsi, rdx = arguments. rdi, rsi and
 * rdx are the callee's (Linux's hypercall wrappers give up their argument registers), flags too.
 *   ABI: xen/include/public/vcpu.h (struct vcpu_set_singleshot_timer), arch-x86/xen-x86_64.h
 */
#define HYPERVISOR_VCPU_OP	24
#define SET_SINGLESHOT_TIMER	8
#define STOP_SINGLESHOT_TIMER	9
#define MAX_VCPUS		128	/* VMM_MAX_VCPUS; tick_plant.c checks it */

	.section .rodata
	.balign	16
	.globl	vmm_tick_stub, vmm_tick_stub_call, vmm_tick_stub_leave, vmm_tick_stub_table
	.globl	vmm_tick_stub_end
vmm_tick_stub:
	cmpl	$HYPERVISOR_VCPU_OP, %eax
	jne	.Lcall
	cmpq	$MAX_VCPUS, %rsi
	jae	.Lcall
	pushq	%rdi
	leaq	vmm_tick_stub_table(%rip), %rdi
	movq	(%rdi, %rsi, 8), %rdi		# the vCPU's mailbox: deadline, horizon
	testq	%rdi, %rdi
	jz	.Lrestore
	cmpl	$STOP_SINGLESHOT_TIMER, (%rsp)
	je	.Lempty
	cmpl	$SET_SINGLESHOT_TIMER, (%rsp)
	jne	.Lrestore
	cmpl	$0, 8(%rdx)			# flags
	jne	.Lempty
	movq	(%rdx), %rax			# timeout_abs_ns
	xchgq	%rax, (%rdi)			# before the horizon is read, for every processor
	movq	8(%rdi), %rax
	decq	%rax				# no horizon, 0, becomes the end of time
	cmpq	(%rdx), %rax
	jae	.Lempty
	popq	%rdi
	xorl	%eax, %eax
	jmp	.Lleave
.Lempty:
	movq	$0, (%rdi)
	movl	$HYPERVISOR_VCPU_OP, %eax
.Lrestore:
	popq	%rdi
.Lcall:
vmm_tick_stub_call:
	.byte	0, 0, 0				# the instruction that exits
.Lleave:
	.byte	0xe9				# jmp to what followed the site
vmm_tick_stub_leave:
	.long	0
	.balign	8
vmm_tick_stub_table:
	.fill	MAX_VCPUS, 8, 0
vmm_tick_stub_end:

	.section .note.GNU-stack, "", @progbits
