// SPDX-License-Identifier: MIT
/*
 * The block device protocol: operations, and the three layouts of a request on the ring.
 *
 * A request has 112 bytes where the guest is 64-bit and 108 where it is 32-bit: the 64-bit fields
 * are aligned to 8 and to 4 bytes respectively. "Native" means the layout of the back end's own
 * architecture; here that is the 64-bit one. All fields are addressed by the offsets below.
 *   ABI: xen/include/public/io/blkif.h; layouts as Linux, drivers/block/xen-blkback/common.h
 */
#ifndef XENABI_IO_BLKIF_H
#define XENABI_IO_BLKIF_H

#include "xenabi/base.h"

#define BLKIF_OP_READ 0u
#define BLKIF_OP_WRITE 1u
#define BLKIF_OP_WRITE_BARRIER 2u	/* all before, this, all after; a flush at either end */
#define BLKIF_OP_FLUSH_DISKCACHE 3u
#define BLKIF_OP_DISCARD 5u
#define BLKIF_OP_INDIRECT 6u		/* segments are in granted pages of their own */

#define BLKIF_RSP_OKAY 0
#define BLKIF_RSP_ERROR (-1)
#define BLKIF_RSP_EOPNOTSUPP (-2)

#define BLKIF_MAX_SEGMENTS_PER_REQUEST 11u
#define BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST 8u
#define BLKIF_SEGMENTS_PER_INDIRECT_PAGE 512u

#define BLKIF_DISCARD_SECURE 1u	/* flag of a discard request */

/* Sector numbers and segment bounds count 512 bytes, whatever the sector size of the device. */
#define BLKIF_SECTOR_SHIFT 9

/* The "info" node. */
#define VDISK_CDROM 1u
#define VDISK_REMOVABLE 2u
#define VDISK_READONLY 4u

/* One segment: sectors first_sect .. last_sect of a granted page. */
struct blkif_request_segment {
	grant_ref_t gref;
	uint8_t first_sect, last_sect;	/* 0 .. 7, first <= last */
	uint16_t pad;
};
XA_CHECK_SIZE(struct blkif_request_segment, 8);

struct blkif_response {
	uint64_t id;
	uint8_t operation;
	uint8_t pad;
	int16_t status;			/* BLKIF_RSP_* */
	uint32_t pad2;			/* absent where the guest is 32-bit */
};
XA_CHECK_SIZE(struct blkif_response, 16);

#define BLKIF_RSP_SIZE_64 16u
#define BLKIF_RSP_SIZE_32 12u
#define BLKIF_REQ_SIZE_64 112u
#define BLKIF_REQ_SIZE_32 108u

#endif
