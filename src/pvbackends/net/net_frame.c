// SPDX-License-Identifier: MIT
/*
 * What is inside a frame: headers and checksums. The protocol of the rings says only that a
 * checksum is missing, not where; the host wants to know where. Frames here are private copies.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "domicile/base/cur.h"
#include "net/net.h"

enum {
	ETHERTYPE_IP4 = 0x0800,
	ETHERTYPE_IP6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
};

#define VLAN_TAGS 2u		/* at most */
#define EXTENSIONS 8u		/* of IPv6, at most */

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* IPv4 at h->l3. */
static void parse_v4(struct net_headers *h, const uint8_t *f, size_t len)
{
	unsigned ihl;

	if (len < h->l3 + 20u || f[h->l3] >> 4 != 4)
		return;
	ihl = (f[h->l3] & 15u) * 4u;
	if (ihl < 20)
		return;
	h->version = 4;
	h->proto = f[h->l3 + 9];
	h->fragment = be16(f + h->l3 + 6) & 0x3fff;	/* more to come, or not the first */
	if (len >= h->l3 + ihl)
		h->l4 = (uint16_t)(h->l3 + ihl);
}

static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS ||
	       proto == IPPROTO_FRAGMENT;
}

/* IPv6 at h->l3, over its extension headers. */
static void parse_v6(struct net_headers *h, const uint8_t *f, size_t len)
{
	size_t at = h->l3 + 40u;
	uint8_t proto;

	if (len < at || f[h->l3] >> 4 != 6)
		return;
	h->version = 6;
	proto = f[h->l3 + 6];
	for (unsigned i = 0; is_extension(proto); i++) {
		if (i == EXTENSIONS || len < at + 8)
			return;
		if (proto == IPPROTO_FRAGMENT) {
			h->fragment |= (be16(f + at + 2) & 0xfff9) != 0;
			proto = f[at];
			at += 8;
		} else {
			proto = f[at];
			at += 8u + f[at + 1] * 8u;
		}
	}
	h->proto = proto;
	if (at <= len)
		h->l4 = (uint16_t)at;
}

static void find_payload(struct net_headers *h, const uint8_t *f, size_t len)
{
	unsigned doff;

	if (!h->l4)
		return;
	if (h->proto == IPPROTO_UDP && len >= h->l4 + 8u)
		h->payload = (uint16_t)(h->l4 + 8);
	if (h->proto != IPPROTO_TCP || len < h->l4 + 20u)
		return;
	doff = (f[h->l4 + 12] >> 4) * 4u;
	if (doff >= 20)
		h->payload = (uint16_t)(h->l4 + doff);
}

struct net_headers net_parse(const uint8_t *frame, size_t len)
{
	struct net_headers h = { 0 };
	size_t at = 12;
	uint16_t type = 0;

	len = DOM_MIN(len, (size_t)NET_HEADER_MAX);
	for (unsigned i = 0; i <= VLAN_TAGS && len >= at + 2; i++) {
		type = be16(frame + at);
		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
			break;
		at += 4;
	}
	h.l3 = (uint16_t)(at + 2);
	if (type == ETHERTYPE_IP4)
		parse_v4(&h, frame, len);
	else if (type == ETHERTYPE_IP6)
		parse_v6(&h, frame, len);
	find_payload(&h, frame, len);
	return h;
}

unsigned net_csum_offset(const struct net_headers *h)
{
	if (!h->payload || h->fragment)
		return 0;
	return h->proto == IPPROTO_TCP ? 16 : 6;
}

uint32_t net_csum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t wide = sum;

	/* Sums of 32-bit words are congruent to those of 16-bit words, and folded at the end. */
	for (; len >= 4; p += 4, len -= 4) {
		uint32_t word;

		memcpy(&word, p, 4);
		wide += word;
	}
	if (len) {
		uint32_t word = 0;

		memcpy(&word, p, len);
		wide += word;
	}
	while (wide >> 32)
		wide = (wide & UINT32_MAX) + (wide >> 32);
	return (uint32_t)wide;
}

uint16_t net_csum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint32_t net_csum_pseudo(const struct net_headers *h, const uint8_t *frame, size_t total)
{
	uint32_t len = htonl((uint32_t)(total - h->l4)), proto = htonl(h->proto);
	uint32_t sum = 0;

	if (h->version == 4)
		sum = net_csum_add(0, frame + h->l3 + 12, 8);
	else
		sum = net_csum_add(0, frame + h->l3 + 8, 32);
	sum = net_csum_add(sum, &len, 4);
	return net_csum_add(sum, &proto, 4);
}

int net_csum_fill(uint8_t *frame, size_t len, size_t start, size_t offset)
{
	uint16_t sum;

	if (start > len || offset + 2 > len - start)
		return -EINVAL;
	sum = (uint16_t)~net_csum_fold(net_csum_add(0, frame + start, len - start));
	/* 0 would mean "none" to UDP; the two are the same number to the others. */
	if (sum == 0)
		sum = 0xffff;
	memcpy(frame + start + offset, &sum, 2);
	return 0;
}

/* Cutting. */

enum { TCP_SEQ = 4, TCP_FLAGS = 13, TCP_CSUM = 16, FLAG_FIN = 0x01, FLAG_PSH = 0x08, FLAG_CWR = 0x80 };

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

bool net_cut_start(struct net_cut *c, const uint8_t *frame, size_t len, unsigned mss)
{
	struct net_headers h = net_parse(frame, len);

	c->mss = 0;
	if (mss < NET_MSS_MIN || h.proto != IPPROTO_TCP || !net_csum_offset(&h) || h.payload > NET_HEADER_MAX ||
	    h.payload >= len)
		return false;
	memcpy(c->header, frame, h.payload);
	c->h = h;
	c->mss = mss;
	c->count = 0;
	c->at = h.payload;
	return true;
}

/* Lengths, and what counts segments. */
static void cut_ip(const struct net_cut *c, uint8_t *ip, size_t len)
{
	uint16_t sum;

	if (c->h.version == 6) {
		put16(ip + 4, len - 40);
		return;
	}
	put16(ip + 2, len);
	put16(ip + 4, be16(ip + 4) + c->count);
	put16(ip + 10, 0);
	sum = (uint16_t)~net_csum_fold(net_csum_add(0, ip, (ip[0] & 15u) * 4u));
	memcpy(ip + 10, &sum, 2);
}

uint8_t *net_cut_next(const struct net_cut *c, uint8_t *frame, size_t len, size_t *ret_len)
{
	size_t part = DOM_MIN(len - c->at, (size_t)c->mss), all = c->h.payload + part;
	uint8_t *seg = frame + c->at - c->h.payload, *tcp = seg + c->h.l4;
	uint32_t seq;
	uint16_t sum;

	memcpy(seg, c->header, c->h.payload);
	cut_ip(c, seg + c->h.l3, all - c->h.l3);
	seq = be32(tcp + TCP_SEQ) + (uint32_t)(c->at - c->h.payload);
	put16(tcp + TCP_SEQ, seq >> 16);
	put16(tcp + TCP_SEQ + 2, seq);
	if (c->at + part < len)
		tcp[TCP_FLAGS] &= (uint8_t)~(FLAG_FIN | FLAG_PSH);
	if (c->count)
		tcp[TCP_FLAGS] &= (uint8_t)~FLAG_CWR;
	sum = net_csum_fold(net_csum_pseudo(&c->h, seg, all));
	memcpy(tcp + TCP_CSUM, &sum, 2);
	(void)net_csum_fill(seg, all, c->h.l4, TCP_CSUM);
	*ret_len = all;
	return seg;
}

void net_cut_done(struct net_cut *c, size_t len)
{
	c->at += DOM_MIN(len - c->at, (size_t)c->mss);
	c->count++;
	if (c->at >= len)
		c->mss = 0;
}
