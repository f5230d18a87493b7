// SPDX-License-Identifier: MIT
/*
 * kvm-probe linux|tiny|xen|hold: what is this machine's /dev/kvm good for? Exit status 0: good. 1:
 * not, with the reason in one line on stdout.
 *
 * It answers by trying. A small guest goes through what every kernel does early on - long mode,
 * paging, MSRs, extended state, a hypercall, an interrupt gate - and through a loop of ordinary
 * instructions, against a deadline. Virtual CPUs that are interpreted, or that lack part of the
 * instruction set, fail it; hardware passes in milliseconds and an emulated AMD SVM, as in the
 * nested lab, in less than a second.
 *
 *   linux  Linux guests
 *   tiny   a guest of a few instructions: enough for the micro-kernels of tests/guest
 *   xen    Linux guests, and KVM's own support of Xen guests (CONFIG_KVM_XEN)
 *   hold   keep a virtual machine open for ever: with the first and the last one, Linux rewrites
 *          code of its scheduler, and an emulated host with several CPUs crashes now and then when
 *          one of them executes what another is rewriting ("Oops: int3" in __schedule)
 */
#include <asm/processor-flags.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define DEADLINE_S 3
#define RAM_SIZE 0x200000ul
#define PML4_AT 0x1000u
#define PDPT_AT 0x2000u
#define PD_AT 0x3000u
#define GDT_AT 0x4000u
#define CODE_AT 0x10000u
#define STACK_AT 0x20000u
#define PORT_DONE 0xf4

#ifndef KVM_CAP_XEN_HVM
#define KVM_CAP_XEN_HVM 38
#endif

/* The guest programs. Both end by writing to PORT_DONE; anything else is a failure. */
extern const uint8_t tiny_start[], tiny_end[], full_start[], full_end[];
__asm__(".pushsection .rodata\n"
	"tiny_start:\n"
	"	mov $5, %eax\n"
	"1:	dec %eax\n"
	"	jnz 1b\n"
	"	out %al, $0xf4\n"
	"tiny_end:\n"
	"full_start:\n"
	"	mov %cr4, %rax\n"
	"	or $0x40600, %rax\n"		/* OSFXSR, OSXMMEXCPT, OSXSAVE */
	"	mov %rax, %cr4\n"
	"	xor %ecx, %ecx\n"
	"	xgetbv\n"
	"	or $3, %eax\n"			/* x87 and SSE state */
	"	xsetbv\n"
	"	mov $3, %eax\n"
	"	xor %edx, %edx\n"
	"	lea 0x30000, %rdi\n"
	"	xsave (%rdi)\n"
	"	xrstor (%rdi)\n"
	"	movaps %xmm0, %xmm1\n"
	"	mov $0xc0000101, %ecx\n"	/* the GS base, and swapgs */
	"	xor %eax, %eax\n"
	"	wrmsr\n"
	"	swapgs\n"
	"	mov %cr3, %rax\n"
	"	mov %rax, %cr3\n"
	"	invlpg (%rdi)\n"
	"	lea 2f(%rip), %rax\n"		/* vector 3 of an interrupt table at 0x31000 */
	"	mov $0x31000, %edi\n"
	"	mov %ax, 48(%rdi)\n"
	"	movw $8, 50(%rdi)\n"
	"	movw $0x8e00, 52(%rdi)\n"
	"	shr $16, %rax\n"
	"	mov %ax, 54(%rdi)\n"
	"	movw $63, 0x400(%rdi)\n"
	"	mov %rdi, 0x402(%rdi)\n"
	"	lidt 0x400(%rdi)\n"
	"	int3\n"
	"	mov $50, %esi\n"
	"1:	mov $1, %eax\n"
	"	cpuid\n"
	"	dec %esi\n"
	"	jnz 1b\n"
	"	mov $0x7fffffff, %eax\n"	/* no such hypercall: KVM answers with an error */
	"	vmmcall\n"
	"	mov $3000000, %ecx\n"
	"1:	imul %rcx, %rdx\n"
	"	xor %rdx, (%rdi)\n"
	"	dec %ecx\n"
	"	jnz 1b\n"
	"	out %al, $0xf4\n"
	"2:	iretq\n"
	"full_end:\n"
	".popsection\n");

static void cannot(const char *what)
{
	printf("%s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
	exit(1);
}

static void too_slow(int sig)
{
	(void)sig;
}

static struct kvm_segment segment(uint8_t type, uint16_t selector)
{
	return (struct kvm_segment){ .limit = 0xffffffff, .selector = selector, .type = type,
		.present = 1, .s = 1, .g = 1, .l = type == 11, .db = type != 11 };
}

/* Long mode with the first 2 MiB mapped where they are. */
static void enter_long_mode(int vcpu, uint8_t *ram)
{
	static const uint64_t gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	struct kvm_sregs s;

	*(uint64_t *)(ram + PML4_AT) = PDPT_AT | 3;
	*(uint64_t *)(ram + PDPT_AT) = PD_AT | 3;
	*(uint64_t *)(ram + PD_AT) = 0x83;
	memcpy(ram + GDT_AT, gdt, sizeof(gdt));
	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		cannot("KVM_GET_SREGS");
	s.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP | X86_CR0_NE | X86_CR0_ET | X86_CR0_MP;
	s.cr3 = PML4_AT;
	s.cr4 = X86_CR4_PAE;
	s.efer = 0x500;		/* LME, LMA */
	s.cs = segment(11, 8);
	s.ds = s.es = s.fs = s.gs = s.ss = segment(3, 16);
	s.gdt.base = GDT_AT;
	s.gdt.limit = sizeof(gdt) - 1;
	if (ioctl(vcpu, KVM_SET_SREGS, &s))
		cannot("KVM_SET_SREGS");
}

/* The CPUID of the host, so that extended state is there to be switched on. */
static void set_cpuid(int kvm, int vcpu)
{
	unsigned max = 256;
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + max * sizeof(c->entries[0]));

	if (!c)
		cannot("calloc");
	c->nent = max;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, c) || ioctl(vcpu, KVM_SET_CPUID2, c))
		cannot("CPUID");
	free(c);
}

static void run(int vcpu, struct kvm_run *run)
{
	struct sigaction on_alarm = { .sa_handler = too_slow };
	struct itimerval deadline = { .it_value.tv_sec = DEADLINE_S };

	sigaction(SIGALRM, &on_alarm, NULL);
	setitimer(ITIMER_REAL, &deadline, NULL);
	if (ioctl(vcpu, KVM_RUN, 0)) {
		if (errno != EINTR)
			cannot("/dev/kvm cannot run a guest");
		errno = 0;
		cannot("/dev/kvm interprets guests: too slow to boot a kernel");
	}
	if (run->exit_reason == KVM_EXIT_IO && run->io.port == PORT_DONE)
		return;
	printf("/dev/kvm lacks what kernels need: a test guest stopped with exit reason %u\n",
		run->exit_reason);
	exit(1);
}

int main(int argc, char **argv)
{
	bool tiny = argc == 2 && !strcmp(argv[1], "tiny");
	bool xen = argc == 2 && !strcmp(argv[1], "xen");
	bool hold = argc == 2 && !strcmp(argv[1], "hold");
	struct kvm_regs regs = { .rflags = 2, .rip = CODE_AT, .rsp = STACK_AT };
	struct kvm_userspace_memory_region slot = { .memory_size = RAM_SIZE };
	int kvm, vm, vcpu, size, caps;
	struct kvm_run *state;
	uint8_t *ram;

	if (argc != 2 || (!tiny && !xen && !hold && strcmp(argv[1], "linux"))) {
		puts("usage: kvm-probe linux|tiny|xen|hold");
		return 2;
	}
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		cannot("/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		cannot("KVM_CREATE_VM");
	while (hold)
		pause();
	caps = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM);
	if (xen && !(caps & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL)) {
		puts("/dev/kvm has no support for Xen guests");
		return 1;
	}
	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	slot.userspace_addr = (uintptr_t)ram;
	if (ram == MAP_FAILED || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot))
		cannot("guest memory");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vcpu < 0 || size < 0)
		cannot("KVM_CREATE_VCPU");
	state = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (state == MAP_FAILED)
		cannot("KVM_RUN area");
	set_cpuid(kvm, vcpu);
	enter_long_mode(vcpu, ram);
	if (tiny)
		memcpy(ram + CODE_AT, tiny_start, (size_t)(tiny_end - tiny_start));
	else
		memcpy(ram + CODE_AT, full_start, (size_t)(full_end - full_start));
	if (ioctl(vcpu, KVM_SET_REGS, &regs))
		cannot("KVM_SET_REGS");
	run(vcpu, state);
	return 0;
}
