// SPDX-License-Identifier: MIT
/*
 * Compares our ABI headers with Xen's. This program knows ours; the first argument is a program
 * that prints Xen's, the second a file with the values of the 32-bit layouts. Without arguments
 * there are no Xen headers here, and the test is skipped.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "xenabi/callback.h"
#include "xenabi/cpuid.h"
#include "xenabi/dumpcore.h"
#include "xenabi/elfnote.h"
#include "xenabi/event_channel.h"
#include "xenabi/grant_table.h"
#include "xenabi/hvm.h"
#include "xenabi/hypercall.h"
#include "xenabi/io_console.h"
#include "xenabi/io_netif.h"
#include "xenabi/io_ring.h"
#include "xenabi/io_xs.h"
#include "xenabi/memory.h"
#include "xenabi/physdev.h"
#include "xenabi/pvh.h"
#include "xenabi/sched.h"
#include "xenabi/shared_info.h"
#include "xenabi/vcpu.h"
#include "xenabi/version.h"

struct item {
	const char *label;
	unsigned long long value;
	int is_32;
};

#define NUM(name) { #name, (unsigned long long)(name), 0 },
#define SIZE(ours, xens) { "sizeof " #xens, sizeof(struct ours), 0 },
#define OFF(ours, xens, member) { #xens "." #member, offsetof(struct ours, member), 0 },
#define VALUE(label, ours, xens) { label, ours, 0 },
#define SIZE32(ours, xens) { "sizeof " #xens, sizeof(struct ours), 1 },
#define OFF32(ours, xens, member) { #xens "." #member, offsetof(struct ours, member), 1 },
#define VALUE32(label, ours, xens) { label, ours, 1 },
static const struct item items[] = {
#include "abi_items.def"
};

/* Next value of the other side: a line "label value" of text, or a number of 8 bytes. */
static int next(FILE *f, int is_32, const char *label, unsigned long long *ret)
{
	char line[256], *space;

	if (is_32)
		return fread(ret, 8, 1, f) == 1;
	if (!fgets(line, sizeof(line), f))
		return 0;
	space = strrchr(line, ' ');
	if (!space || sscanf(space, "%llu", ret) != 1)
		return 0;
	*space = 0;
	return !strcmp(line, label);
}

static int compare(FILE *f, int is_32)
{
	unsigned compared = 0, wrong = 0;

	for (size_t i = 0; f && i < sizeof(items) / sizeof(items[0]); i++) {
		unsigned long long theirs = 0;

		if (items[i].is_32 != is_32)
			continue;
		if (!next(f, is_32, items[i].label, &theirs)) {
			printf("the other side has something else at %s\n", items[i].label);
			wrong++;
			break;
		}
		compared++;
		if (theirs != items[i].value) {
			printf("%s: ours %llu, Xen's %llu\n", items[i].label, items[i].value,
			       theirs);
			wrong++;
		}
	}
	printf("%u items of the %d-bit ABI compared, %u differ\n", compared, is_32 ? 32 : 64, wrong);
	return wrong || !compared;
}

int main(int argc, char **argv)
{
	int wrong = 0;
	FILE *f;

	if (argc < 2) {
		printf("no Xen headers installed (libxen-dev)\n");
		return 77;
	}
	f = popen(argv[1], "r");
	wrong |= compare(f, 0);
	if (f)
		pclose(f);
	if (argc < 3) {
		printf("the compiler makes no 32-bit code: 32-bit layouts not compared\n");
		return wrong;
	}
	f = fopen(argv[2], "rb");
	wrong |= compare(f, 1);
	if (f)
		fclose(f);
	return wrong;
}
