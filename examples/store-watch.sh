#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints one line for each domain that comes or goes, from xenstore. Works with the tools of
# Domicile and with Xen's alike.
xenstore-watch @introduceDomain @releaseDomain | while read -r what; do
	printf '%s: domains are now %s\n' "$what" "$(xenstore-list /local/domain | sort -n | tr '\n' ' ')"
done
