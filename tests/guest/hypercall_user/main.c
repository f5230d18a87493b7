// SPDX-License-Identifier: MIT
/*
 * Fact: user code makes no hypercalls, whatever I/O permissions it has, and neither does any
 *   instruction that merely looks like what a VMM puts into a kernel.
 * Source: hvm_hypercall() in xen/arch/x86/hvm/hypercall.c: CPL 3 gets -EPERM
 * Expect: from CPL 3, by the hypercall page and by a site, with and without I/O permission, an
 *   event is not sent: -EPERM, a fault, or no effect at all. `out` to port 0xe4, which the VMM uses
 *   for rewritten hypercalls, does nothing: from CPL 3 with IOPL or bitmap, nor from CPL 0.
 * run:
 */
#include "kern/event.h"

#define PORT_HYPERCALL 0xe4

static const void *volatile user_entry;
static struct evtchn_send user_arg;
static volatile long user_result;

static void user_send(void)
{
	const unsigned long arg[6] = { EVTCHNOP_send, (unsigned long)&user_arg };

	user_result = hypercall_at(user_entry, __HYPERVISOR_event_channel_op, arg);
	user_leave();
}

/* The instruction itself, with the registers of a hypercall. */
static unsigned long out_hypercall(void)
{
	unsigned long ax = __HYPERVISOR_event_channel_op;

#ifdef __x86_64__
	__asm__ volatile("outl %%eax, %1" : "+a"(ax)
			 : "i"(PORT_HYPERCALL), "D"(EVTCHNOP_send), "S"(&user_arg) : "memory");
#else
	__asm__ volatile("outl %%eax, %1" : "+a"(ax)
			 : "i"(PORT_HYPERCALL), "b"(EVTCHNOP_send), "c"(&user_arg) : "memory");
#endif
	return ax;
}

static void user_out(void)
{
	user_result = (long)out_hypercall();
	user_leave();
}

static void check_call(const void *entry, unsigned iopl, bool bitmap, const char *what)
{
	unsigned vector;

	user_entry = entry;
	user_result = 0;
	vector = run_user(user_send, iopl, bitmap);
	if (event_pending(user_arg.port))
		fail("user code sent an event by the %s (iopl %u, bitmap %d)", what, iopl, bitmap);
	if (vector == VECTOR_LEAVE_USER && user_result != -EPERM &&
	    user_result != __HYPERVISOR_event_channel_op)
		fail("user code got %ld from the %s (iopl %u, bitmap %d)", user_result, what, iopl,
		     bitmap);
	if (vector != VECTOR_LEAVE_USER && vector != VECTOR_GP && vector != VECTOR_UD)
		fail("user code at the %s ended with trap %u", what, vector);
}

/* With permission the instruction may still fault: not every KVM grants I/O to user code. */
static void check_out(unsigned iopl, bool bitmap)
{
	unsigned vector;

	user_result = 0;
	vector = run_user(user_out, iopl, bitmap);
	if (vector != VECTOR_GP && vector != VECTOR_UD) {
		CHECK_EQ(vector, VECTOR_LEAVE_USER);
		CHECK(iopl || bitmap);
		CHECK_EQ(user_result, __HYPERVISOR_event_channel_op);
	}
	CHECK(!event_pending(user_arg.port));
}

void test_main(void)
{
	const void *stub = hypercall_page + __HYPERVISOR_event_channel_op * XA_HYPERCALL_STUB;
	const void *site = pick_site(site_ret_amd, site_ret_intel);

	shared_info_map();
	user_arg.port = bind_ipi(0);
	event_mask(user_arg.port);
	user_allow_port(PORT_HYPERCALL);

	check_out(0, false);
	check_out(3, false);
	check_out(0, true);
	CHECK_EQ(out_hypercall(), __HYPERVISOR_event_channel_op);
	CHECK(!event_pending(user_arg.port));

	check_call(stub, 0, false, "hypercall page");
	check_call(stub, 3, false, "hypercall page");
	check_call(stub, 0, true, "hypercall page");
	check_call(site, 0, false, "site");
	check_call(site, 3, false, "site");
	check_call(site, 0, true, "site");

	/* The same from the kernel does send. */
	CHECK_EQ(send(user_arg.port), 0);
	CHECK(event_pending(user_arg.port));
}
