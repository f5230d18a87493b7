// SPDX-License-Identifier: MIT
/*
 * Tells of bridges that come into being on the host.
 */
#ifndef XL_NETWATCH_H
#define XL_NETWATCH_H

/** xl_netwatch_open - a descriptor that becomes readable with every new bridge; -1 where it cannot be */
int xl_netwatch_open(void);

/** xl_netwatch_drain - take what was told; the descriptor is not readable until the next one */
void xl_netwatch_drain(int fd);

#endif
