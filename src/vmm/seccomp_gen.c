// SPDX-License-Identifier: MIT
/*
 * Build-time program: compiles the rows of seccomp.def with libseccomp and writes the resulting BPF
 * programs as C, one per thread kind and mode. So the VMM has neither the library nor its work at
 * start, and what is in force can be read in the build tree.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "domicile/base/cc.h"
#include "kvm_abi.h"

enum kind { IO, VCPU, WORKER, KINDS };

#define ANY 0, { 0 }
#define EQ(n, value) 1, { n, SCMP_CMP_MASKED_EQ, 0xffffffffu, (uint32_t)(value) }
#define CLEAR(n, mask) 1, { n, SCMP_CMP_MASKED_EQ, mask, 0 }
#define ROW(kind, call, test, reason) { kind, #call, #test, test },

static const struct {
	enum kind kind;
	const char *call, *test_text;
	unsigned tests;
	struct scmp_arg_cmp test;
} rows[] = {
#include "seccomp.def"
};

static const char *const names[KINDS] = { [IO] = "IO", [VCPU] = "VCPU", [WORKER] = "WORKER" };
static const char *const kinds[KINDS] = { [IO] = "io", [VCPU] = "vcpu", [WORKER] = "worker" };

static const struct {
	const char *name;
	uint32_t action;
} modes[] = {
	{ "log", SCMP_ACT_LOG },
	{ "kill", SCMP_ACT_KILL_PROCESS },
};

static void die(const char *what, int r)
{
	fprintf(stderr, "seccomp_gen: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void add_rows(scmp_filter_ctx ctx, enum kind kind)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		int nr = seccomp_syscall_resolve_name(rows[i].call), r;

		if (rows[i].kind != kind)
			continue;
		if (nr == __NR_SCMP_ERROR)
			die(rows[i].call, -ENOENT);
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, rows[i].tests, &rows[i].test);
		if (r)
			die(rows[i].call, r);
	}
	/* Nearly every call of a busy vCPU is KVM_RUN: look for it first. */
	seccomp_syscall_priority(ctx, SCMP_SYS(ioctl), 255);
}

/* For people and for tests: "row KIND NUMBER ..." or "row KIND ioctl REQUEST ...". */
static void print_rows(FILE *out)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		bool ioctl_ = !strcmp(rows[i].call, "ioctl");
		unsigned long long number = ioctl_ ? rows[i].test.datum_b :
			(unsigned long long)seccomp_syscall_resolve_name(rows[i].call);

		fprintf(out, "/* row %s %s%llu %s %s */\n", names[rows[i].kind],
			ioctl_ ? "ioctl " : "", number, rows[i].call, rows[i].test_text);
	}
}

static void print_program(FILE *out, int fd, const char *kind, const char *mode)
{
	struct sock_filter insn;
	unsigned n = 0;

	lseek(fd, 0, SEEK_SET);
	fprintf(out, "static const struct sock_filter %s_%s[] = {\n", kind, mode);
	while (read(fd, &insn, sizeof(insn)) == (ssize_t)sizeof(insn)) {
		fprintf(out, "\t{ 0x%02x, %u, %u, 0x%08x },\n", insn.code, insn.jt, insn.jf, insn.k);
		n++;
	}
	fprintf(out, "};	/* %u instructions */\n\n", n);
}

static void compile(FILE *out, enum kind kind, size_t mode)
{
	scmp_filter_ctx ctx = seccomp_init(modes[mode].action);
	int fd = memfd_create("bpf", MFD_CLOEXEC), r;

	if (!ctx || fd < 0)
		die("start", -ENOMEM);
	add_rows(ctx, kind);
	r = seccomp_export_bpf(ctx, fd);
	if (r)
		die(kinds[kind], r);
	print_program(out, fd, kinds[kind], modes[mode].name);
	seccomp_release(ctx);
	close(fd);
}

int main(int argc, char **argv)
{
	FILE *out = argc == 2 ? fopen(argv[1], "w") : NULL;

	if (!out)
		die("usage: seccomp_gen FILE", -EINVAL);
	fprintf(out, "/* Made from seccomp.def by seccomp_gen. */\n#include <linux/filter.h>\n\n#include \"vmm.h\"\n\n");
	for (int kind = 0; kind < KINDS; kind++) {
		for (size_t mode = 0; mode < DOM_ARRAY_LEN(modes); mode++)
			compile(out, (enum kind)kind, mode);
	}
	print_rows(out);
	fprintf(out, "const struct vmm_filter vmm_filters[][2] = {\n");
	for (int kind = 0; kind < KINDS; kind++)
		fprintf(out, "\t{ { %s_log, sizeof(%s_log) / sizeof(%s_log[0]) },\n"
			"\t  { %s_kill, sizeof(%s_kill) / sizeof(%s_kill[0]) } },\n", kinds[kind],
			kinds[kind], kinds[kind], kinds[kind], kinds[kind], kinds[kind]);
	fprintf(out, "};\n");
	return fclose(out) ? 1 : 0;
}
