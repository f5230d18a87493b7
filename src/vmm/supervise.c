// SPDX-License-Identifier: MIT
/*
 * Reboot without xl. A confined process can open nothing, so it cannot build a second machine: each
 * life of the guest has a process of its own, and this one, which has nothing to do with the guest,
 * waits, passes on the signals that are meant for it, and starts the next life when the guest rebooted.
 * Beside xl it is not needed: xl's monitor does the same, and more.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm.h"

static void make_set(sigset_t *set)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCHLD };

	sigemptyset(set);
	for (size_t i = 0; i < DOM_ARRAY_LEN(signals); i++)
		sigaddset(set, signals[i]);
}

/* Until the child has ended; a signal for us is a signal for it. Returns its wait status. */
static int await(pid_t child, const sigset_t *set, bool *told)
{
	int status;

	for (;;) {
		int sig = sigwaitinfo(set, NULL);

		if (sig > 0 && sig != SIGCHLD) {
			*told |= sig != SIGQUIT;
			kill(child, sig);
		}
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
	}
}

/* The guest's life, in a process that ends when we do. */
static int live(struct vmm *vm, int (*life)(struct vmm *vm), pid_t parent)
{
	vm->supervised = true;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return getppid() == parent ? life(vm) : VMM_DESTROYED;
}

int vmm_supervise(struct vmm *vm, int (*life)(struct vmm *vm))
{
	const pid_t me = getpid();
	bool told = false;
	sigset_t set;
	int status;

	make_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	do {
		pid_t child = fork();

		if (!child)
			_exit(live(vm, life, me));
		if (child < 0) {
			dom_log(&vm->log, DOM_LOG_ERROR, "fork: %s", strerror(errno));
			return VMM_FAILED;
		}
		status = await(child, &set, &told);
		vm->start_ns = ev_now();
	} while (WIFEXITED(status) && WEXITSTATUS(status) == VMM_REBOOT && !told);
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == VMM_REBOOT ? VMM_DESTROYED : WEXITSTATUS(status);
	dom_log(&vm->log, DOM_LOG_ERROR, "the guest's process was killed by signal %d (%s)%s",
		WTERMSIG(status), strsignal(WTERMSIG(status)), WTERMSIG(status) == SIGSYS ?
		": it made a system call that its filter forbids" : "");
	return VMM_CRASHED;
}
