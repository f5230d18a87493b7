// SPDX-License-Identifier: MIT
/*
 * The Xen that Domicile says it is: to guests by xen_version (src/xenabi), to people and scripts by
 * `xl info` (src/cli). One place, so that both hear the same.
 */
#ifndef DOM_BASE_XENVER_H
#define DOM_BASE_XENVER_H

/* The release whose behaviour guests see. */
#define DOM_XEN_MAJOR 4
#define DOM_XEN_MINOR 17
#define DOM_XEN_EXTRA ".0"

/* Kinds of guests, as Xen on x86 with hardware support lists them. */
#define DOM_XEN_CAPS "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 "

/* Who compiled it, and with what; a date would make builds differ. */
#define DOM_XEN_COMPILER "Domicile " DOM_VERSION
#define DOM_XEN_COMPILE_BY "domicile"

#endif
