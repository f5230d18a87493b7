// SPDX-License-Identifier: MIT
/*
 * Signals that end the guest: blocked in all threads and read by the loop, so that the end is the
 * same orderly one as that of `destroy`. They are blocked from the first to the last moment: one that
 * comes while the machine is built ends it as soon as it is, and a second one does not cut the orderly
 * end short. Programs that we start get a normal mask.
 *
 * SIGQUIT ends nothing: it asks what the guest does, for those who see one stand still. It is heard even
 * if it was ignored at the start, as shells do for what they run in the background: while it is blocked
 * it is not lost.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "vmm.h"

static const int deadly[] = { SIGTERM, SIGINT, SIGHUP };

/* Of the deadly ones those that whoever started us did not tell us to ignore (nohup). */
static void make_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGQUIT);
	for (size_t i = 0; i < DOM_ARRAY_LEN(deadly); i++) {
		struct sigaction sa;

		if (!sigaction(deadly[i], NULL, &sa) && sa.sa_handler != SIG_IGN)
			sigaddset(set, deadly[i]);
	}
}

static void on_signal(struct ev_op *op, int result)
{
	struct vmm *vm = DOM_CONTAINER_OF(op, struct vmm, signal_op);
	struct signalfd_siginfo info;

	if (result <= 0 ||
	    read(vm->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGQUIT) {
		vmm_debug_all(vm);
		return;
	}
	dom_log(&vm->log, DOM_LOG_INFO, "signal %u: the domain is destroyed",
		info.ssi_signo);
	vmm_destroy(vm);
}

void vmm_signals_block(void)
{
	sigset_t set;

	make_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* The descriptor is closed with the loop that watches it. */
int vmm_signals_up(struct vmm *vm, struct dom_err *err)
{
	sigset_t set;

	make_set(&set);
	vm->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (vm->signal_fd < 0)
		return dom_err_set(err, -errno, "signalfd: %s", strerror(errno));
	ev_op_init(&vm->signal_op, vm->loop, on_signal, NULL);
	ev_poll_multi(&vm->signal_op, vm->signal_fd, POLLIN);
	return 0;
}
