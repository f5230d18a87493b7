// SPDX-License-Identifier: MIT
/*
 * Spreading frames over queues as the guest wants it: it sets the algorithm, what goes into the
 * hash, a key and a table of queues through the control ring.
 */
#include <netinet/in.h>
#include <string.h>

#include "domicile/base/num.h"
#include "domicile/base/once.h"
#include "net/net.h"

#define HASH_TYPES                                                                                 \
	(XEN_NETIF_CTRL_HASH_TYPE_IPV4 | XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP |                       \
	 XEN_NETIF_CTRL_HASH_TYPE_IPV6 | XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP)

/*
 * For each bit of the data that is set, the 32 bits of the key that begin at the same place are
 * added. Bits beyond the key are 0.
 */
uint32_t net_toeplitz(const uint8_t key[NET_MAX_HASH_KEY], const uint8_t *data, size_t len)
{
	uint32_t window = 0, value = 0;

	for (unsigned i = 0; i < 4; i++)
		window = window << 8 | key[i];
	for (size_t i = 0; i < len; i++) {
		uint8_t next = i + 4 < NET_MAX_HASH_KEY ? key[i + 4] : 0;

		for (unsigned bit = 0; bit < 8; bit++) {
			if (data[i] << bit & 0x80)
				value ^= window;
			window = window << 1 | (next >> (7 - bit) & 1u);
		}
	}
	return value;
}

bool net_hash_frame(const struct net_hash *hash, const uint8_t *frame, size_t len,
		    uint32_t *ret_value, uint8_t *ret_type)
{
	struct net_headers h = net_parse(frame, len);
	unsigned addrs = h.version == 4 ? 8 : 32, type = h.version == 4 ? 0 : 2;
	uint8_t data[36];
	bool ports = h.payload && h.proto == IPPROTO_TCP && !h.fragment;

	if (!h.version)
		return false;
	ports = ports && hash->flags & 1u << (type + 1);
	if (!ports && !(hash->flags & 1u << type))
		return false;
	memcpy(data, frame + h.l3 + (h.version == 4 ? 12 : 8), addrs);
	if (ports)
		memcpy(data + addrs, frame + h.l4, 4);
	*ret_value = net_toeplitz(hash->key, data, addrs + (ports ? 4 : 0));
	*ret_type = (uint8_t)(type + ports);
	return true;
}

unsigned net_hash_queue(const struct net_hash *hash, uint32_t value, unsigned queues)
{
	unsigned q = hash->map_size ? hash->map[value % hash->map_size] : value % queues;

	return q < queues ? q : 0;
}

/* Messages. */

struct ctx {
	struct net_hash *hash;
	struct xa_domain *d;
	unsigned queues;
	const uint32_t *data;
	uint32_t *ret;
};

static uint32_t get_flags(struct ctx *c)
{
	if (c->hash->algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
	*c->ret = HASH_TYPES;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t set_flags(struct ctx *c)
{
	if (c->hash->algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE || c->data[0] & ~HASH_TYPES)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	c->hash->flags = c->data[0];
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t set_algorithm(struct ctx *c)
{
	if (c->data[0] > XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	c->hash->algorithm = c->data[0];
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

/* Copy @len bytes from the start of a granted page. */
static bool copy_granted(struct ctx *c, grant_ref_t ref, void *buf, size_t len)
{
	void *page;

	if (xa_grant_map(c->d, ref, false, &page) < 0)
		return false;
	dom_copy_once(buf, page, len);
	xa_grant_unmap(c->d, ref, false);
	return true;
}

static uint32_t set_key(struct ctx *c)
{
	uint8_t key[NET_MAX_HASH_KEY] = { 0 };

	if (c->data[1] > sizeof(key))
		return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
	if (c->data[1] && !copy_granted(c, c->data[0], key, c->data[1]))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	memcpy(c->hash->key, key, sizeof(key));
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t get_map_size(struct ctx *c)
{
	*c->ret = NET_MAX_HASH_MAP;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t set_map_size(struct ctx *c)
{
	if (c->data[0] > NET_MAX_HASH_MAP)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	c->hash->map_size = c->data[0];
	memset(c->hash->map, 0, sizeof(c->hash->map));
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

/* Part of the table: data[1] entries from entry data[2] on. All of it is good, or none is taken. */
static uint32_t set_map(struct ctx *c)
{
	uint32_t entries[NET_MAX_HASH_MAP], n = c->data[1], at = c->data[2];

	if (n > NET_MAX_HASH_MAP)
		return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
	if (!dom_in_range(at, n, c->hash->map_size) ||
	    !copy_granted(c, c->data[0], entries, n * sizeof(entries[0])))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	for (uint32_t i = 0; i < n; i++)
		if (entries[i] >= c->queues)
			return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	for (uint32_t i = 0; i < n; i++)
		c->hash->map[at + i] = (uint8_t)entries[i];
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t (*const messages[])(struct ctx *c) = {
	[XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS]		= get_flags,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS]		= set_flags,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_KEY]		= set_key,
	[XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE]	= get_map_size,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE]	= set_map_size,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING]		= set_map,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM]	= set_algorithm,
};

uint32_t net_hash_control(struct net_hash *hash, struct xa_domain *d, unsigned queues,
			  const struct xen_netif_ctrl_request *req, uint32_t *ret_data)
{
	struct ctx c = { hash, d, queues, req->data, ret_data };

	*ret_data = 0;
	if (req->type >= DOM_ARRAY_LEN(messages) || !messages[req->type])
		return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
	return messages[req->type](&c);
}
