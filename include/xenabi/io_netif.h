// SPDX-License-Identifier: MIT
/*
 * The network device protocol: a transmit ring (guest to host), a receive ring (host to guest) per
 * queue, and one control ring per device. All layouts are the same for 32- and 64-bit guests.
 *
 * A frame is a chain of ring entries. The first describes the first fragment; extra infos follow it
 * at once, then the other fragments. On the transmit ring the first entry's size is that of the
 * whole frame, on the receive ring each response has the size of its own fragment. A receive
 * response, extra infos included, must use the ring slot of the request that it consumes.
 *   ABI: xen/include/public/io/netif.h
 */
#ifndef XENABI_IO_NETIF_H
#define XENABI_IO_NETIF_H

#include "xenabi/base.h"

/* Fragments that every back end must take in one transmitted frame. */
#define XEN_NETIF_NR_SLOTS_MIN 18u
/* Room before each received fragment that a front end may ask for, in bytes. */
#define XEN_NETIF_MAX_XDP_HEADROOM 0x7fffu

/* Flags of a transmit request. */
#define NETTXF_csum_blank 1u		/* the transport checksum holds that of the pseudo header only */
#define NETTXF_data_validated 2u	/* the checksum need not be looked at */
#define NETTXF_more_data 4u		/* another fragment follows */
#define NETTXF_extra_info 8u		/* extra infos follow */

/* Flags of a receive response. */
#define NETRXF_data_validated 1u
#define NETRXF_csum_blank 2u
#define NETRXF_more_data 4u
#define NETRXF_extra_info 8u

/* Status of a response; of a received fragment also its size in bytes. */
#define NETIF_RSP_DROPPED (-2)
#define NETIF_RSP_ERROR (-1)
#define NETIF_RSP_OKAY 0
#define NETIF_RSP_NULL 1		/* answers an extra info */

struct netif_tx_request {
	grant_ref_t gref;
	uint16_t offset;		/* in the granted page */
	uint16_t flags;			/* NETTXF_* */
	uint16_t id;
	uint16_t size;
};
XA_CHECK_SIZE(struct netif_tx_request, 12);

struct netif_tx_response {
	uint16_t id;
	int16_t status;
};
XA_CHECK_SIZE(struct netif_tx_response, 4);

struct netif_rx_request {
	uint16_t id;
	uint16_t pad;
	grant_ref_t gref;
};
XA_CHECK_SIZE(struct netif_rx_request, 8);

struct netif_rx_response {
	uint16_t id;
	uint16_t offset;		/* of the data in the granted page */
	uint16_t flags;			/* NETRXF_* */
	int16_t status;			/* bytes, or NETIF_RSP_* < 0 */
};
XA_CHECK_SIZE(struct netif_rx_response, 8);

#define XEN_NETIF_EXTRA_TYPE_GSO 1u
#define XEN_NETIF_EXTRA_TYPE_MCAST_ADD 2u
#define XEN_NETIF_EXTRA_TYPE_MCAST_DEL 3u
#define XEN_NETIF_EXTRA_TYPE_HASH 4u
#define XEN_NETIF_EXTRA_TYPE_XDP 5u	/* since Xen 4.15 */

#define XEN_NETIF_EXTRA_FLAG_MORE 1u	/* another extra info follows */

#define XEN_NETIF_GSO_TYPE_NONE 0u
#define XEN_NETIF_GSO_TYPE_TCPV4 1u
#define XEN_NETIF_GSO_TYPE_TCPV6 2u

struct netif_extra_info {
	uint8_t type, flags;
	union {
		struct {
			uint16_t size;		/* payload bytes of each segment */
			uint8_t type;		/* XEN_NETIF_GSO_TYPE_* */
			uint8_t pad;
			uint16_t features;
		} gso;
		struct {
			uint8_t addr[6];
		} mcast;
		struct {
			uint8_t type;		/* bit number of XEN_NETIF_CTRL_HASH_TYPE_* */
			uint8_t algorithm;
			uint8_t value[4];	/* least significant byte first */
		} hash;
		struct {
			uint16_t headroom;	/* bytes before the data of each fragment */
			uint16_t pad[2];
		} xdp;
	} u;
};
XA_CHECK_SIZE(struct netif_extra_info, 8);

/* The control ring. */
#define XEN_NETIF_CTRL_TYPE_INVALID 0u
#define XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS 1u
#define XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS 2u
#define XEN_NETIF_CTRL_TYPE_SET_HASH_KEY 3u
#define XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE 4u
#define XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE 5u
#define XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING 6u
#define XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM 7u

#define XEN_NETIF_CTRL_STATUS_SUCCESS 0u
#define XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED 1u
#define XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER 2u
#define XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW 3u

#define XEN_NETIF_CTRL_HASH_ALGORITHM_NONE 0u
#define XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ 1u

/* What a hash is made of: addresses, and ports for TCP. */
#define XEN_NETIF_CTRL_HASH_TYPE_IPV4 1u
#define XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP 2u
#define XEN_NETIF_CTRL_HASH_TYPE_IPV6 4u
#define XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP 8u

struct xen_netif_ctrl_request {
	uint16_t id;
	uint16_t type;			/* XEN_NETIF_CTRL_TYPE_* */
	uint32_t data[3];
};
XA_CHECK_SIZE(struct xen_netif_ctrl_request, 16);

struct xen_netif_ctrl_response {
	uint16_t id;
	uint16_t type;
	uint32_t status;		/* XEN_NETIF_CTRL_STATUS_* */
	uint32_t data;
};
XA_CHECK_SIZE(struct xen_netif_ctrl_response, 12);

#endif
