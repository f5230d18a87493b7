/* SPDX-License-Identifier: MIT */
/*
 * A test kernel's end of the xenstore ring.
 */
#ifndef KERN_XENSTORE_H
#define KERN_XENSTORE_H

#include "kern/event.h"
#include "xenabi/io_xs.h"

/** Payload of the last answer or event, with a NUL behind it. */
extern char xs_payload[XENSTORE_PAYLOAD_MAX + 1];

/** Find the ring. Maps shared_info, and masks the port: waits are spent polling. */
void xs_init(void);
/** From now on halt the processor until an upcall comes: long waits cost the host nothing. */
void xs_sleep(void);

/**
 * Send a request of @type with the strings @a and, unless NULL, @b, the last one as @b_nul says with
 * its NUL, and wait for the answer, whose type is returned. Events that come before it are counted.
 */
uint32_t xs_request(uint32_t type, const char *a, const char *b, bool b_nul);

/** Value of @path in xs_payload; returns the answer's type. */
uint32_t xs_read(const char *path);
/** These fail the test unless the store does them. */
void xs_write(const char *path, const char *value);
void xs_watch(const char *path, const char *token);

/** Wait until a watch fires that was not taken yet, and take it. */
void xs_wait_event(void);

#endif
