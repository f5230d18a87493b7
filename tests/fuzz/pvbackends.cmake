# SPDX-License-Identifier: MIT
dom_fuzz(console pvbackends)
dom_fuzz(xsring pvbackends)
dom_fuzz(blkif pvbackends)
dom_fuzz(netif pvbackends)
dom_fuzz(nbd pvbackends)
