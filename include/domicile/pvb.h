// SPDX-License-Identifier: MIT
/*
 * The back ends: what serves a guest's para-virtual devices. They run on the loop's thread of the
 * domain's own process; all functions here belong to that thread unless they say otherwise.
 *
 * Freeing a back end cancels what it waits for. Its memory goes when the last op has completed, at
 * the latest in ev_loop_free(); guest memory and the descriptors it was given must last that long.
 */
#ifndef DOMICILE_PVB_H
#define DOMICILE_PVB_H

#include <stdbool.h>
#include <stdint.h>

#include "domicile/ev.h"
#include "domicile/xa_guest.h"

/*
 * The ring page and the event channel of a device that exists from the start: the primary console
 * and the store. The VMM makes the port with xa_evtchn_alloc_backend() on @eventfd, which it makes
 * with eventfd(0, EFD_CLOEXEC): in blocking mode, see ev_event(). It stays the VMM's.
 */
struct pvb_ring {
	struct xa_gfn gfn;
	evtchn_port_t port;
	int eventfd;
};

struct pvb_console;

/** struct pvb_console_stats - what went through a console since it was made */
struct pvb_console_stats {
	uint64_t out_bytes;		/* from the guest */
	uint64_t in_bytes;		/* to the guest */
	uint64_t dropped_bytes;		/* of output, that some sink never got; counted per sink */
	uint64_t kicks;			/* wake-ups by the guest */
	uint64_t notifies;		/* interrupts raised in the guest */
};

/**
 * struct pvb_console_config - what pvb_console_new() is told; pointers are only used during the
 * call
 *
 * Output goes to every sink that is configured. One buffer of @window bytes serves all of them:
 * each sink has its own place in it. A pty that nobody has open loses the oldest output when the
 * buffer is full, so that who opens it later sees the last @window bytes nobody has read yet; so
 * does a socket without a peer. All other sinks make the guest wait when they are slow, at most
 * @patience_ms without any progress; from then on until they move again they lose the oldest output
 * too.
 */
struct pvb_console_config {
	struct ev_loop *loop;
	struct xa_domain *domain;
	domid_t domid;			/* for messages */
	struct pvb_ring ring;
	const struct dom_log *log;	/* may be NULL; must outlive the console */

	uint32_t window;		/* bytes, power of two 4096 .. 1 MiB; 0: 32 KiB */
	uint32_t patience_ms;		/* 0: 5000 */

	bool pty;			/* make a pseudo terminal, see pvb_console_pty() */
	const char *pty_link;		/* symbolic link to make to it; NULL: none. Removed by free */

	const char *listen_path;	/* socket to make, for one peer at a time; NULL: none */

	const char *log_path;		/* file to append to; NULL: none */
	uint64_t log_max;		/* bytes, then its contents move to PATH.1; 0: 1 MiB */

	bool stdio;			/* use @in_fd and @out_fd; both stay the caller's */
	int in_fd;			/* input; a terminal is put into raw mode; -1: none */
	int out_fd;			/* output; -1: none */
	bool no_escape;			/* ^] on a terminal is input like any other */
	void (*quit)(void *arg);	/* ^] was typed; from the loop; may be NULL */
	void *quit_arg;
};

/**
 * pvb_console_new - serve a PV console ring
 *
 * Opens files and terminals, so before confinement. Serving starts with the loop.
 * Returns 0; -EINVAL (window, no memory behind the ring); the error of what could not be opened,
 * named in @err; -ENOMEM.
 */
int pvb_console_new(const struct pvb_console_config *cfg, struct pvb_console **ret,
		    struct dom_err *err);

/**
 * pvb_console_free - take in what the guest wrote, give sinks what they take at once, restore the
 * terminal, end
 *
 * NULL is accepted.
 */
void pvb_console_free(struct pvb_console *c);

/**
 * pvb_console_reset - the guest starts over (reboot) with a ring page that was cleared
 *
 * Also ends the state "broken" of a ring whose indices were impossible. Returns 0; -EINVAL when
 * no memory is behind the ring: the console is silent then.
 */
int pvb_console_reset(struct pvb_console *c, const struct pvb_ring *ring);

/**
 * pvb_console_print - output that does not come through the ring (console_io hypercall)
 *
 * At most 4096 bytes wait at a time, more are dropped. Any thread.
 */
void pvb_console_print(struct pvb_console *c, const char *data, size_t len);

/** pvb_console_pty - name of the pseudo terminal, "/dev/pts/3"; NULL without one */
const char *pvb_console_pty(const struct pvb_console *c);

/** pvb_console_flushed - has every sink got all output that was taken from the ring? */
bool pvb_console_flushed(const struct pvb_console *c);

/**
 * pvb_console_drain - take what is in the ring though nobody kicked, for a guest that has ended
 *
 * Return: whether every sink has got all of it, and a terminal's reader has read it, which nothing in
 * the loop tells; if not, call again after a turn of the loop.
 */
bool pvb_console_drain(struct pvb_console *c);

void pvb_console_stats(const struct pvb_console *c, struct pvb_console_stats *ret);

struct pvb_xsring;

/**
 * struct pvb_xsring_config - what pvb_xsring_new() is told
 *
 * @introduce is called on the loop's thread each time a connection to the store daemon with the
 * guest's identity is needed: at the start, after the daemon went away, and when the guest asks for
 * a fresh connection. It returns 0 and a descriptor as xsc_introduce_guest() does, which the bridge
 * owns then; on failure it is asked again after 20 ms, doubling up to 1 s. It should not wait.
 */
struct pvb_xsring_config {
	struct ev_loop *loop;
	struct xa_domain *domain;
	domid_t domid;			/* for messages */
	struct pvb_ring ring;
	const struct dom_log *log;	/* may be NULL; must outlive the bridge */
	int (*introduce)(void *arg, int *ret_fd);
	void *arg;
	uint32_t features_off;		/* XENSTORE_SERVER_FEATURE_* not to be offered */
};

/** struct pvb_xsring_stats - what went over a store ring since it was made */
struct pvb_xsring_stats {
	uint64_t req_bytes;		/* from the guest */
	uint64_t rsp_bytes;		/* to the guest */
	uint64_t kicks;			/* wake-ups by the guest */
	uint64_t notifies;		/* interrupts raised in the guest */
	uint64_t daemon_restarts;	/* times the connection was lost and made again */
	uint64_t reconnects;		/* times the guest asked for a fresh connection */
	uint64_t errors;		/* times the guest broke the protocol */
};

/**
 * pvb_xsring_new - bridge the guest's xenstore ring to the daemon
 *
 * Returns 0; -EINVAL when no memory is behind the ring; the error of the first @introduce, so that
 * a missing daemon is noticed at start; -ENOMEM.
 */
int pvb_xsring_new(const struct pvb_xsring_config *cfg, struct pvb_xsring **ret,
		   struct dom_err *err);

/**
 * pvb_xsring_free - end; closes the descriptor, by which the daemon learns that the domain is dead
 */
void pvb_xsring_free(struct pvb_xsring *x);

/**
 * pvb_xsring_reset - the guest starts over (reboot) with a ring page that was cleared
 *
 * The domain gets a fresh connection, without watches and transactions. Returns 0; -EINVAL when no
 * memory is behind the ring.
 */
int pvb_xsring_reset(struct pvb_xsring *x, const struct pvb_ring *ring);

void pvb_xsring_stats(const struct pvb_xsring *x, struct pvb_xsring_stats *ret);

/*
 * Devices that come and go: block devices, network interfaces, consoles but the first. A toolstack
 * describes each under /local/domain/0/backend/<kind>/<domid>/<devid>; the guest's driver and ours
 * find each other through the "state" nodes of their two ends.
 */

/* Queues of a network interface, at most. */
#define PVB_NET_QUEUES 8u

struct pvb;
struct xsc;

/** struct pvb_config - what pvb_new() is told */
struct pvb_config {
	struct ev_loop *loop;
	struct xa_domain *domain;
	domid_t domid;
	const struct dom_log *log;	/* may be NULL; must outlive the back ends */

	/*
	 * A connection to the store for the back ends alone: they take all its events. Theirs from
	 * now on, also on failure.
	 */
	struct xsc *xs;

	/*
	 * Open an image or device, or connect to the socket of a server. @flags is O_RDONLY or O_RDWR, perhaps with O_DIRECT. A confined
	 * process cannot open files and looks @path up among those it was handed. Returns a
	 * descriptor, which is the back end's then, or a negative errno. NULL:
	 * dom_open_any().
	 */
	int (*open)(void *arg, const char *path, int flags);

	/*
	 * The server of the image of disk @id is dead: ask whoever started it for another one, which
	 * is then named in the store once more. Called again and again until there is one. Returns
	 * whether there is somebody to ask. NULL: nobody.
	 */
	bool (*ask_server)(void *arg, unsigned id);

	/*
	 * Queue @queue, 0 .. PVB_NET_QUEUES - 1, of the host's side of network interface @ifname: a
	 * non-blocking descriptor, which is the back end's then, or a negative errno; queues are
	 * asked for until there is none. Either a queue of a tap (IFF_NO_PI, IFF_VNET_HDR) or, for
	 * queue 0 only, a stream socket over which frames go with their length before them. @passt is
	 * node "passt" of a device that is to have such a network: see dom_passt_start(); NULL: a tap.
	 * No function: pvb_tap_open().
	 */
	int (*open_net)(void *arg, const char *ifname, const char *passt, unsigned queue);

	/* After pvb_free(): guest memory and files are used no more. From the loop; may be NULL. */
	void (*gone)(void *arg);
	void *arg;
};

#define PVB_DEV_COUNTERS 24u

/** struct pvb_dev_info - one device as shown to people */
struct pvb_dev_info {
	const char *kind;		/* "vbd", "vif", "console" */
	unsigned id;			/* 51712 for xvda, 0 for the first interface */
	unsigned state;			/* XenbusState* of our end */
	const char *tty;		/* of a console with a terminal: its name; else NULL */
	struct {
		const char *name;
		uint64_t value;
	} counters[PVB_DEV_COUNTERS];	/* the kind's own; a name of NULL ends them */
};

/**
 * pvb_tap_open - one more queue of the tap @name, which is made if it is not there
 *
 * Returns a non-blocking descriptor, or -errno: -EPERM for who may not, -EBUSY for who has it.
 */
int pvb_tap_open(const char *name);

/**
 * pvb_new - serve all devices of a domain, now and later
 *
 * Devices that are in the store already are set up before it returns, so that what can go wrong
 * with their configuration is known at start: the first such failure is returned, named in @err.
 * Devices that appear later report theirs in their "error" node and the log.
 */
int pvb_new(const struct pvb_config *cfg, struct pvb **ret, struct dom_err *err);

/** pvb_free - disconnect all devices and end; NULL is accepted */
void pvb_free(struct pvb *p);

/**
 * pvb_reset - the guest starts over (reboot): disconnect all devices and wait for its new drivers
 *
 * Both ends' states in the store become those of a device that was just described.
 */
void pvb_reset(struct pvb *p);

/**
 * pvb_drain - pass on what a guest that has ended left in its devices, which nothing but consoles needs
 *
 * Return: whether all of it is out; if not, call again after a turn of the loop.
 */
bool pvb_drain(struct pvb *p);

/** pvb_each - call @fn for each device */
void pvb_each(struct pvb *p, void (*fn)(void *arg, const struct pvb_dev_info *info), void *arg);

#endif
