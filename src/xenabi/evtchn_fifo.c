// SPDX-License-Identifier: MIT
/*
 * The FIFO format of pending events.
 *   ABI: xen/include/public/event_channel.h; Xen's design document "Event Channel FIFO"
 *
 * Each port has one event word in an array of pages that the guest provides:
 *
 *   bit 31 PENDING   the event happened           set by us, cleared by the guest
 *   bit 30 MASKED    do not queue it              the guest's
 *   bit 29 LINKED    the port is in a queue       set by us, cleared by the guest
 *   bit 28 BUSY      we are changing LINK         set and cleared by us
 *   bits 0-16 LINK   next port in the queue       ours while LINKED
 *
 * There is one queue per vCPU and priority. Its head is in the vCPU's control block, where the
 * guest takes ports off; its tail is ours. Queue 7 of a vCPU with ports 5 and 9 in it:
 *
 *   control.head[7] = 5     word[5] = PENDING|LINKED|9     word[9] = PENDING|LINKED|0     tail = 9
 *
 * To append port 12 we set LINKED in word[12], then 12 as the LINK of word[9], but only if that is
 * still LINKED: if the guest took port 9 off meanwhile, the queue has run empty and 12 becomes
 * its head. In that case, and only then, the queue may have to be marked ready.
 *
 * The guest owns all that memory and may write anything at any time. It can lose its own events
 * that way. What protects us: nothing read from a word is used as an index, only the tail that we
 * keep ourselves; and the loop that fights with the guest for a word has a bound.
 */
#include "xenabi/event_channel.h"

#include "priv.h"

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED (1u << EVTCHN_FIFO_MASKED)
#define LINKED (1u << EVTCHN_FIFO_LINKED)
#define BUSY (1u << EVTCHN_FIFO_BUSY)

/* Attempts to change a word that the guest changes too, before and after BUSY asks it to stop. */
#define LINK_TRIES 4
#define LINK_TRIES_BUSY 1024

/* Words of the control block. */
enum { CTL_READY = 0, CTL_HEAD = 2 };

static unsigned limit_fifo(const struct xa_domain *d)
{
	(void)d;
	return EVTCHN_FIFO_NR_CHANNELS;
}

/* The word of @port, NULL while the guest has not extended its array so far. */
static uint32_t *event_word(const struct xa_domain *d, evtchn_port_t port)
{
	if (port / XA_FIFO_WORDS >= d->fifo_pages)
		return NULL;
	return d->fifo_array[port / XA_FIFO_WORDS] + port % XA_FIFO_WORDS;
}

static uint32_t word_set(uint32_t *word, uint32_t bits)
{
	return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}

static uint32_t word_clear(uint32_t *word, uint32_t bits)
{
	return __atomic_fetch_and(word, ~bits, __ATOMIC_SEQ_CST);
}

static uint32_t word_get(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

enum link_result { LINK_DONE, LINK_NOT_LINKED, LINK_RACED };

/* Try @tries times to make @next follow the port of @word, as long as that port is in its queue. */
static enum link_result try_link(uint32_t *word, evtchn_port_t next, unsigned tries)
{
	uint32_t old = word_get(word);

	while (tries--) {
		if (!(old & LINKED))
			return LINK_NOT_LINKED;
		if (__atomic_compare_exchange_n(word, &old,
						(old & ~(BUSY | EVTCHN_FIFO_LINK_MASK)) | next,
						false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return LINK_DONE;
	}
	return LINK_RACED;
}

/* Make @next follow the tail's @word. False: the tail left its queue, which is empty now. */
static bool set_link(uint32_t *word, evtchn_port_t next)
{
	enum link_result r = try_link(word, next, LINK_TRIES);

	if (r == LINK_RACED) {
		/* A guest that follows the protocol leaves a BUSY word alone. */
		word_set(word, BUSY);
		r = try_link(word, next, LINK_TRIES_BUSY);
		if (r != LINK_DONE)
			word_clear(word, BUSY);
	}
	return r == LINK_DONE;
}

/* Append @port, whose LINKED bit was just set, to the queue of its vCPU and priority. */
static void enqueue(struct xa_domain *d, evtchn_port_t port, struct xa_port *p)
{
	struct xa_fifo_vcpu *old = &d->vcpus[p->linked_vcpu].fifo;
	struct xa_vcpu *v = &d->vcpus[p->vcpu];
	evtchn_port_t *tail = &v->fifo.tail[p->priority];
	uint32_t *tail_word = NULL;

	/*
	 * If @port was the last of its former queue, nothing may be appended after it there: it
	 * is about to be in another one, or at another place of the same one.
	 */
	if (old->tail[p->linked_prio] == port)
		old->tail[p->linked_prio] = 0;
	p->linked_vcpu = p->vcpu;
	p->linked_prio = p->priority;

	if (*tail)
		tail_word = event_word(d, *tail);
	*tail = port;
	if (tail_word && set_link(tail_word, port))
		return;
	DOM_STORE_RELEASE(&v->fifo.control[CTL_HEAD + p->priority], port);
	if (!(word_set(&v->fifo.control[CTL_READY], 1u << p->priority) & 1u << p->priority))
		xa_mark_pending(v);
}

static void set_pending_fifo(struct xa_domain *d, evtchn_port_t port, struct xa_port *p)
{
	uint32_t *word = event_word(d, port);
	uint32_t old;

	if (!word) {
		p->held = true;
		return;
	}
	old = word_set(word, PENDING);
	/* Without a control block the vCPU has no queues: the event stays pending. */
	if (!(old & (MASKED | LINKED)) && d->vcpus[p->vcpu].fifo.control &&
	    !(word_set(word, LINKED) & LINKED))
		enqueue(d, port, p);
	if (!(old & PENDING))
		xa_port_wake_pollers(d, port);
}

static void clear_pending_fifo(struct xa_domain *d, evtchn_port_t port, struct xa_port *p)
{
	uint32_t *word = event_word(d, port);

	p->held = false;
	/* If it is in a queue, it stays there until the guest comes by. */
	if (word)
		word_clear(word, PENDING);
}

static void unmask_fifo(struct xa_domain *d, evtchn_port_t port, struct xa_port *p)
{
	uint32_t *word = event_word(d, port);

	if (word && (word_clear(word, MASKED) & PENDING))
		set_pending_fifo(d, port, p);
}

static bool is_pending_fifo(struct xa_domain *d, evtchn_port_t port, const struct xa_port *p)
{
	const uint32_t *word = event_word(d, port);

	return word ? !!(word_get(word) & PENDING) : p->held;
}

static bool is_masked_fifo(struct xa_domain *d, evtchn_port_t port)
{
	const uint32_t *word = event_word(d, port);

	return word && (word_get(word) & MASKED);
}

static bool is_busy_fifo(struct xa_domain *d, evtchn_port_t port)
{
	const uint32_t *word = event_word(d, port);

	return word && (word_get(word) & LINKED);
}

static int set_priority_fifo(struct xa_domain *d, struct xa_port *p, uint32_t priority)
{
	(void)d;
	if (priority > EVTCHN_FIFO_PRIORITY_MIN)
		return -EINVAL;
	/* Effective with the next event. */
	p->priority = (uint8_t)priority;
	return 0;
}

const struct xa_evtchn_abi xa_evtchn_fifo = {
	.limit = limit_fifo,
	.set_pending = set_pending_fifo,
	.clear_pending = clear_pending_fifo,
	.unmask = unmask_fifo,
	.is_pending = is_pending_fifo,
	.is_masked = is_masked_fifo,
	.is_busy = is_busy_fifo,
	.set_priority = set_priority_fifo,
};

/* Leave the 2-level format: what is pending there is held until the guest has an array. */
static void switch_to_fifo(struct xa_domain *d)
{
	for (evtchn_port_t port = 1; port < d->max_ports; port++) {
		struct xa_port *p = xa_port_get(d, port);

		if (!p) {
			port |= XA_PORTS_PER_BUCKET - 1;
			continue;
		}
		p->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
		p->held = xa_evtchn_2l.is_pending(d, port, p);
	}
	d->abi = &xa_evtchn_fifo;
	xa_evtchn_limit_changed(d);
	xa_routes_changed(d);
}

int xa_fifo_init_control(struct xa_domain *d, unsigned vcpu, uint64_t gfn, uint32_t offset)
{
	struct xa_fifo_vcpu *f = &d->vcpus[vcpu].fifo;
	uint8_t *page;

	if (f->control)
		return -EINVAL;
	page = xa_page_of(d, gfn);
	if (!page)
		return -EINVAL;
	if (d->abi != &xa_evtchn_fifo)
		switch_to_fifo(d);
	*f = (struct xa_fifo_vcpu){ .control = (uint32_t *)(page + offset) };
	return 0;
}

int xa_fifo_expand(struct xa_domain *d, uint64_t gfn)
{
	evtchn_port_t first = d->fifo_pages * XA_FIFO_WORDS;
	uint32_t *page;

	if (d->abi != &xa_evtchn_fifo)
		return -EOPNOTSUPP;
	if (d->fifo_pages == XA_FIFO_PAGES)
		return -ENOSPC;
	page = xa_page_of(d, gfn);
	if (!page)
		return -EINVAL;
	d->fifo_array[d->fifo_pages++] = page;
	for (evtchn_port_t port = first; port < first + XA_FIFO_WORDS; port++) {
		struct xa_port *p = xa_port_get(d, port);

		if (p && p->held) {
			p->held = false;
			set_pending_fifo(d, port, p);
		}
	}
	return 0;
}

void xa_fifo_fini(struct xa_domain *d)
{
	for (unsigned i = 0; i < d->cfg.max_vcpus; i++)
		d->vcpus[i].fifo = (struct xa_fifo_vcpu){ 0 };
	d->fifo_pages = 0;
	d->abi = &xa_evtchn_2l;
	xa_evtchn_limit_changed(d);
}
