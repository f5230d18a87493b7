// SPDX-License-Identifier: MIT
/*
 * States of the two ends of a para-virtual device, as decimal numbers in their "state" nodes.
 *   ABI: xen/include/public/io/xenbus.h
 */
#ifndef XENABI_IO_XENBUS_H
#define XENABI_IO_XENBUS_H

enum xenbus_state {
	XenbusStateUnknown = 0,		/* no node, or one that makes no sense */
	XenbusStateInitialising = 1,
	XenbusStateInitWait = 2,	/* back end: waiting for the front end's parameters */
	XenbusStateInitialised = 3,	/* front end: parameters are written */
	XenbusStateConnected = 4,
	XenbusStateClosing = 5,
	XenbusStateClosed = 6,
	XenbusStateReconfiguring = 7,
	XenbusStateReconfigured = 8,
	XenbusStates,
};

#endif
