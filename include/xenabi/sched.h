// SPDX-License-Identifier: MIT
/*
 * Scheduling operations and shutdown reasons.
 *   ABI: xen/include/public/sched.h
 */
#ifndef XENABI_SCHED_H
#define XENABI_SCHED_H

#include "xenabi/base.h"

#define SCHEDOP_yield 0
#define SCHEDOP_block 1
#define SCHEDOP_shutdown 2
#define SCHEDOP_poll 3
#define SCHEDOP_remote_shutdown 4
#define SCHEDOP_shutdown_code 5
#define SCHEDOP_watchdog 6
#define SCHEDOP_pin_override 7

struct sched_shutdown {
	uint32_t reason;	/* SHUTDOWN_* */
};
struct sched_poll_64 {
	uint64_t ports;		/* address of evtchn_port_t[] */
	uint32_t nr_ports;
	uint32_t _pad;
	uint64_t timeout;	/* guest system time in ns; 0: none */
};
struct sched_poll_32 {
	uint32_t ports;
	uint32_t nr_ports;
	uint64_t timeout;
};
struct sched_remote_shutdown {
	domid_t domain_id;
	uint32_t reason;
};
struct sched_watchdog {
	uint32_t id;		/* 0: a new one */
	uint32_t timeout;	/* seconds; 0: stop */
};
struct sched_pin_override {
	int32_t pcpu;
};
XA_CHECK_SIZE(struct sched_poll_64, 24);
XA_CHECK_SIZE(struct sched_poll_32, 16);
XA_CHECK_SIZE(struct sched_remote_shutdown, 8);
XA_CHECK_SIZE(struct sched_watchdog, 8);

#define SHUTDOWN_poweroff 0
#define SHUTDOWN_reboot 1
#define SHUTDOWN_suspend 2
#define SHUTDOWN_crash 3
#define SHUTDOWN_watchdog 4
#define SHUTDOWN_soft_reset 5
#define SHUTDOWN_MAX 5

#endif
