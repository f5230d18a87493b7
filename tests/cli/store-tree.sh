#!/bin/bash
# SPDX-License-Identifier: MIT
# The store tree that xl writes for the two captured domains, pvh1 and pv1, is that of real Xen
# (tests/golden/xl/store-tree.txt, xenstore-ls -f -p): nodes, values, permissions and their order below
# each domain, as far as the toolstack writes them. What is left out of the capture: what back ends,
# front ends and the guest's kernel wrote later, values they changed, and the vif, which needs root.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
golden=$SRCDIR/tests/golden/xl
start_store
truncate -s 1M "$dir/pvh1.img" "$dir/pv1.img"
for n in pvh1 pv1; do
	sed -e "s#/root/#$dir/#; s#/share/vmlinuz-6.1#$dir/kernel#; s#/share/ir-6.1.gz#$dir/ramdisk#" \
		-e '/^vif/d; /^memory/s/160/16/; /^maxmem/s/192/20/' "$golden/config/$n.cfg" >"$dir/$n.cfg"
	xl create -q "$dir/$n.cfg" || not_ok "create $n"
done

toolstack_only() {
	grep -E '^/(local/domain/(0/backend/|[12])|vm/|libxl/)' |
		grep -vE '/(feature-(max|flush|discard|barrier|persistent)[a-z-]*|multi-queue[a-z-]*|max-ring-page-order|node|physical-[a-z-]*|discard-(granularity|alignment|secure)|sectors|info|sector-size|ring-ref|event-channel|protocol|queue-[01].*|hotplug-status) = ' |
		grep -vE '/vif(/| =)' |
		sed -E -e 's/(start_time|tty) = "[^"]*"/\1/' -e 's#(/state = )"[14]"#\1#'
}
paths() {
	sed -e "s#$dir/kernel#/share/vmlinuz-6.1#; s#$dir/ramdisk#/share/ir-6.1.gz#; s#$dir/#/root/#" \
		-e 's/"16384"/"163840"/; s/"20480"/"196608"/'
}
# Each domain's part by itself: which domain comes first in /vm is chance.
sed '/^=====/d; /^#/d' "$golden/store-tree.txt" | toolstack_only >"$dir/want"
xenstore-ls -f -p / | paths | toolstack_only >"$dir/got"
for part in /local/domain/1 /local/domain/2 /local/domain/0/backend/vbd/1 /local/domain/0/backend/vbd/2 \
	/local/domain/0/backend/console/1 /libxl/1 /libxl/2 /vm/11111111-2222-3333-4444-555555555502 \
	/vm/11111111-2222-3333-4444-555555555501; do
	grep "^${part}[/ ]" "$dir/want" >"$dir/want.part"
	grep "^${part}[/ ]" "$dir/got" >"$dir/got.part"
	if diff "$dir/want.part" "$dir/got.part" >"$dir/diff"; then
		ok "tree $part"
	else
		not_ok "tree $part"
		cat "$dir/diff"
	fi
done
[ $failures = 0 ]
