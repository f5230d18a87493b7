// SPDX-License-Identifier: MIT
/*
 * A guest that does anything: hypercalls with any number and arguments, memory changed between
 * them (page tables, argument structs, shared pages, FIFO event words), and back ends that come and
 * go. The input is a program of steps:
 *
 *   step % 8   operands
 *   0-2        hypercall: abi/vcpu byte, number byte, operation byte, two argument bytes
 *   3          write: page byte, offset byte * 16, up to 32 bytes from the input
 *   4          overwrite an event word or a word of a control block
 *   5          something the host does
 *   6          paging registers
 *   7          hypercall with arguments taken as 64-bit numbers from the input
 *
 * The guest is PVH; in fuzz_pv_hypercall.c, which includes this, it is PV, and the hypercalls are what
 * comes from its shim, or from whatever the guest has put in the shim's place.
 */
#include "fake_xa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t left;
};

static uint8_t byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static uint64_t number(struct input *in)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v = v << 8 | byte(in);
	return v;
}

/* Interesting values for an argument: small ones, addresses, ends of memory, nonsense. */
static uint64_t argument(uint8_t b)
{
	static const uint64_t odd[] = {
		UINT64_MAX, INT64_MAX, 1ull << 63, UINT32_MAX, 1ull << 32, 1ull << 52, FAKE_BAD,
		0xffff800000000000ull, FAKE_RAM_PAGES * 4096ull - 1, FAKE_RAM_PAGES * 4096ull,
		FAKE_HOLE_GFN, FAKE_SHARED_GFN, FAKE_GRANT_GFN, 4095, DOMID_SELF, 0x200000000000052ull,
	};

	if (b < 64)
		return b;
	if (b < 192)
		return FAKE_ARG + (b - 64u) * 64;
	return odd[b % DOM_ARRAY_LEN(odd)];
}

#ifdef FUZZ_PV
static enum xa_abi abi(uint8_t b)
{
	(void)b;
	return XA_ABI_PV64;
}

static void tweak(struct xa_config *cfg)
{
	cfg->pv = cfg->grant_v2 = true;
	cfg->special_gfn.v = 0;
	cfg->grant_gfn.v = FAKE_HOLE_GFN;
}

static struct fake *new_domain(void)
{
	struct fake *f = fake_new_cfg(tweak);

	xa_shared_info_place(f->d, (struct xa_gfn){ FAKE_SHARED_GFN });
	return f;
}
#else
static enum xa_abi abi(uint8_t b)
{
	return b & 1 ? XA_ABI_PVH32 : XA_ABI_PVH64;
}

static void tweak(struct xa_config *cfg)
{
	cfg->grant_v2 = true;
}

static struct fake *new_domain(void)
{
	return fake_new_cfg(tweak);
}
#endif

static void step_hypercall(struct fake *f, struct input *in)
{
	uint8_t who = byte(in), nr = byte(in), op = byte(in), a = byte(in), b = byte(in);

	f->abi = abi(who);
	fake_call(f, who / 2 % FAKE_VCPUS, nr % 60, op % 40, argument(a), argument(b));
}

static void step_raw_hypercall(struct fake *f, struct input *in)
{
	struct xa_call call = { .abi = abi(byte(in)), .cpl = byte(in) & 1 };

	call.nr = byte(in);
	for (unsigned i = 0; i < 4; i++)
		call.arg[i] = number(in);
	xa_hypercall(xa_domain_vcpu(f->d, byte(in) % FAKE_VCPUS), &call);
}

static void step_write(struct fake *f, struct input *in)
{
	uint64_t at = (16 + byte(in) % 96u) * 4096ull + byte(in) * 16u;
	unsigned len = 1 + byte(in) % 32;

	while (len-- && at < FAKE_RAM_PAGES * 4096ull)
		*(uint8_t *)fake_at(f, at++) = byte(in);
}

static void step_corrupt(struct fake *f, struct input *in)
{
	uint64_t page = byte(in) & 1 ? FAKE_CONTROL_GFN : FAKE_ARRAY_GFN;
	uint32_t *word = fake_at(f, page * 4096);

	word[byte(in)] = (uint32_t)number(in);
}

static void step_host(struct fake *f, struct input *in, int fd)
{
	uint8_t what = byte(in), port = byte(in), v = byte(in);
	struct xa_vcpu *vcpu = xa_domain_vcpu(f->d, v % FAKE_VCPUS);
	void *page;

	switch (what % 12) {
	case 0: xa_evtchn_bind_backend(f->d, port, fd); break;
	case 1: xa_evtchn_close_backend(f->d, port); break;
	case 2: xa_evtchn_notify(f->d, port); break;
	case 3: xa_grant_map(f->d, port * 3u, v & 1, &page); break;
	case 4: xa_grant_unmap(f->d, port * 3u, v & 1); break;
	case 5: f->now += port * 100000ull; xa_timer_fired(vcpu); break;
	case 6: xa_raise_virq(vcpu, port % 32); break;
	case 7: xa_runstate_update(vcpu, port % 4, v); break;
	case 8: f->now += 1000000000; xa_watchdog_fired(f->d); break;
	case 9: xa_upcall_pending(vcpu); break;
	case 10: f->ret_populate = port & 1 ? -ENOMEM : 0; f->ret_release = port & 2 ? -EIO : 0; break;
	case 11:
		if (v == 0x55)
			xa_domain_reset(f->d);
	}
}

static void step_paging(struct fake *f, struct input *in)
{
	uint8_t b = byte(in);

	f->paging.cr0 = (b & 1 ? 0x80000000u : 0) | (b & 2 ? 0x10000 : 0);
	f->paging.cr4 = (b & 4 ? 0x20 : 0) | (b & 8 ? 0x10 : 0) | (b & 16 ? 0x1000 : 0);
	f->paging.efer = b & 32 ? 0x400 : 0;
	f->paging.cr3 = (16u + byte(in) % 96) * 4096ull + (b & 64 ? 0x60 : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct fake *f = new_domain();
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	evtchn_port_t port;

	xa_evtchn_alloc_backend(f->d, fd, &port);
	for (unsigned steps = 0; in.left && steps < 512; steps++) {
		switch (byte(&in) % 8) {
		case 0: case 1: case 2: step_hypercall(f, &in); break;
		case 3: step_write(f, &in); break;
		case 4: step_corrupt(f, &in); break;
		case 5: step_host(f, &in, fd); break;
		case 6: step_paging(f, &in); break;
		case 7: step_raw_hypercall(f, &in); break;
		}
	}
	close(fd);
	fake_free(f);
	return 0;
}
