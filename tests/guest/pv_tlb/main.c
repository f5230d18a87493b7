// SPDX-License-Identifier: MIT
/*
 * Fact: when a vCPU has flushed a translation on all, none uses it any more.
 * Source: xen/include/public/xen.h (MMUEXT_INVLPG_ALL, MMUEXT_TLB_FLUSH_MULTI, UVMF_ALL)
 * Expect: one vCPU lets an address mean one page after the other, flushes by each kind of call in turn, and
 *   then tells the round; three others read the round, then the address: what they find is never of an
 *   earlier round. At first they do nothing else, and by the shim's own count each of them has flushed once
 *   per round when the call returns: not every emulator keeps translations long enough to show that one
 *   was old. Then they leave for the VMM now and then or wait there, where nobody waits for them.
 * run: vcpus=4
 */
#include "domicile/shim.h"
#include "kernpv/pv.h"
#include "xenabi/sched.h"
#include "xenabi/version.h"

#define READERS 3u
#define FRAMES 8u
#define ROUNDS 250u
#define COUNTED_ROUNDS 50u
#define SHORT_NS 20000u

static struct vcpu_guest_context_64 context[READERS];
static uint8_t stacks[READERS][8192] PAGE_ALIGNED;
static volatile uint64_t frames[FRAMES][512] PAGE_ALIGNED;
static volatile uint64_t window[512] PAGE_ALIGNED, gdt[512] PAGE_ALIGNED;
static volatile uint64_t epoch, stale_epoch, stale_value;
static volatile unsigned looks[READERS], stopped;
static volatile bool stop, may_leave;

/* Go where flushes are not waited for. */
static void leave_guest(unsigned n)
{
	char extra[16];
	const struct sched_poll_64 poll = { .nr_ports = 0, .timeout = SHORT_NS };

	if (n % 2)
		xen_version(XENVER_extraversion, extra);
	else
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, (uint64_t)&poll, 0, 0);
}

static void reader(uint64_t id)
{
	while (!stop) {
		uint64_t e = epoch, value = window[0];

		if (value < e) {
			stale_epoch = e;
			stale_value = value;
			break;
		}
		if (++looks[id] % 64 == id && may_leave)
			leave_guest(looks[id] / 64);
	}
	__atomic_fetch_add(&stopped, 1, __ATOMIC_SEQ_CST);
	for (;;)
		hypercall(__HYPERVISOR_vcpu_op, VCPUOP_down, id + 1, 0, 0);
}

static void reader0(void) { reader(0); }
static void reader1(void) { reader(1); }
static void reader2(void) { reader(2); }
static void (*const readers[READERS])(void) = { reader0, reader1, reader2 };

static void start(unsigned i)
{
	pv_describe_vcpu(&context[i], readers[i], stacks[i] + sizeof(stacks[i]), gdt);
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, i + 1, (uint64_t)&context[i], 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, i + 1, 0, 0), 0);
}

static void flush(unsigned cmd)
{
	static const uint64_t all = 0xf;
	struct mmuext_op_64 op = { .cmd = cmd, .arg1 = (uint64_t)window, .arg2 = (uint64_t)&all };

	CHECK_EQ(hypercall(__HYPERVISOR_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF), 0);
}

static void turn(uint64_t e)
{
	static const unsigned kinds[] = {
		MMUEXT_INVLPG_ALL, MMUEXT_TLB_FLUSH_ALL, MMUEXT_INVLPG_MULTI, MMUEXT_TLB_FLUSH_MULTI,
	};
	uint64_t pte = (uint64_t)frames[e % FRAMES] | PTE_KERNEL;
	unsigned kind = e % (ARRAY_LEN(kinds) + 1);

	frames[e % FRAMES][0] = e;
	if (kind == ARRAY_LEN(kinds)) {
		CHECK_EQ(pv_map((uint64_t)window, pte, UVMF_INVLPG | UVMF_ALL), 0);
	} else {
		CHECK_EQ(pv_map((uint64_t)window, pte, 0), 0);
		flush(kinds[kind]);
	}
	epoch = e;
}

static uint64_t flushes(unsigned reader)
{
	const volatile struct shim_state *s = (const volatile struct shim_state *)
		(SHIM_VCPUS_VA + (reader + 1) * SHIM_VCPU_SIZE + SHIM_STATE);

	return s->flushes;
}

/* With readers that are all there. */
static void counted_turn(uint64_t e)
{
	uint64_t before[READERS];

	for (unsigned i = 0; i < READERS; i++)
		before[i] = flushes(i);
	turn(e);
	for (unsigned i = 0; i < READERS; i++)
		CHECK_EQ(flushes(i), before[i] + 1);
}

void test_main(void)
{
	turn(1);
	for (unsigned i = 0; i < READERS; i++)
		start(i);
	for (unsigned i = 0; i < READERS; i++) {
		while (looks[i] < 10)
			cpu_relax();
	}
	for (uint64_t e = 2; e < COUNTED_ROUNDS && !stale_epoch; e++)
		counted_turn(e);
	may_leave = true;
	for (uint64_t e = COUNTED_ROUNDS; e < ROUNDS && !stale_epoch; e++)
		turn(e);
	stop = true;
	while (stopped < READERS)
		cpu_relax();
	if (stale_epoch)
		fail("round %lu saw the page of round %lu", stale_epoch, stale_value);
}
