/* SPDX-License-Identifier: MIT */
/*
 * What assembly and C of the test kernels agree on.
 */
#ifndef KERN_ASM_H
#define KERN_ASM_H

#define SEL_CODE32 0x08
#define SEL_DATA 0x10
#define SEL_CODE64 0x18
#define SEL_USER_DATA 0x23
#define SEL_USER_CODE 0x2b
#define SEL_TSS 0x30

#define CR0_PE 0x1
#define CR0_WP 0x10000
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define EFER_LMA 0x400

#ifdef __x86_64__
#define SEL_CODE SEL_CODE64
#else
#define SEL_CODE SEL_CODE32
#endif

#define AP_TRAMPOLINE 0x8000	/* a page of low RAM that nobody uses */
#define VECTOR_LEAVE_USER 0x80	/* int $0x80 ends user code */

#endif
