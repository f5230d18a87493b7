// SPDX-License-Identifier: MIT
/*
 * Page mappings for tests, and the functions that compilers call by themselves.
 */
#include "kern/kern.h"

static uint64_t test_table[512] PAGE_ALIGNED;

#ifdef __x86_64__
bool paging = true;

void paging_init(void)
{
}
#else
bool paging;

void paging_init(void)
{
	static uint64_t top[MAX_APS + 1][4] __attribute__((aligned(32)));
	uint64_t *own = top[this_vcpu()];
	unsigned long r;

	if (arg_has("kvm_pvm"))
		return;
	/*
	 * Each vCPU has these four entries for itself, written anew: QEMU's emulated processor sets
	 * their accessed bit, which must be zero when they are loaded (seen with 7.2).
	 */
	for (unsigned long i = 0; i < 4; i++)
		own[i] = ((unsigned long)page_dirs + i * PAGE_SIZE) | PTE_P;
	paging = true;
	__asm__ volatile("mov %%cr4, %0\n\t"
			 "or %1, %0\n\t"
			 "mov %0, %%cr4\n\t"
			 "mov %2, %%cr3\n\t"
			 "mov %%cr0, %0\n\t"
			 "or %3, %0\n\t"
			 "mov %0, %%cr0"
			 : "=&r"(r) : "i"(CR4_PAE), "r"(own), "i"(CR0_PG | CR0_WP) : "memory");
}
#endif

void map_page(unsigned long va, uint64_t pa, unsigned flags)
{
	/* The four page directories lie one behind the other: entry n is for 2 MiB number n. */
	page_dirs[va >> 21] = (unsigned long)test_table | PTE_P | PTE_W | PTE_U;
	test_table[va >> 12 & 511] = pa | flags;
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

void *memset(void *p, int c, size_t n)
{
	void *at = p;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(c) : "memory");
	return p;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++) {
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a - *b;
}
