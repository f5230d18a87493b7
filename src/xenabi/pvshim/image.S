// SPDX-License-Identifier: MIT
/* The shim's image, as the VMM carries it. */
	.section .rodata.pvshim, "a", @progbits
	.globl vmm_shim_image, vmm_shim_image_end
	.balign 16
vmm_shim_image:
	.incbin SHIM_IMAGE
vmm_shim_image_end:
	.section .note.GNU-stack, "", @progbits
