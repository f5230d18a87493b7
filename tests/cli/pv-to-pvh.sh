#!/bin/bash
# SPDX-License-Identifier: MIT
# pv_to_pvh of xl.conf: which domains become PVH ones. The fake VMM finds the kinds that a kernel can be
# written in it.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
start_store

echo pv pvh >"$dir/both"
echo pv >"$dir/only-pv"

# kind CONF TYPE KERNEL: what such a domain is made as; without a word, there is no xl.conf.
kind() {
	rm -f "$dir/etc/xl.conf"
	[ -z "$1" ] || echo "pv_to_pvh = \"$1\"" >"$dir/etc/xl.conf"
	printf '%s\n' 'name = "k"' "type = \"$2\"" 'memory = 16' "kernel = \"$dir/$3\"" >"$dir/k.cfg"
	xl create -q -n "$dir/k.cfg" 2>"$dir/err" |
		sed -nE 's/^ *"type(\.?[pvh]*)": ("([a-z]+)"|\{.*),?$/\1\3/p' | xargs
}

same without_the_key_it_is_as_told "pv .pv" "$(kind '' pv both)"
same never_leaves_it_as_it_is "pv .pv" "$(kind never pv both)"
same auto_takes_pvh_where_the_kernel_can "pvh .pvh" "$(kind auto pv both)"
same auto_leaves_a_kernel_without_the_entry "pv .pv" "$(kind auto pv only-pv)"
same auto_leaves_a_kernel_that_is_not_there "pv .pv" "$(kind auto pv missing)"
same always_does_not_ask "pvh .pvh" "$(kind always pv only-pv)"
same pvh_stays_pvh "pvh .pvh" "$(kind auto pvh only-pv)"
kind sometimes pv both >/dev/null
check another_word_is_told \
	grep -q 'xl.conf: pv_to_pvh = "sometimes": expected never, auto or always' "$dir/err"

# The domain is what the dry run said, in the store, too.
kind auto pv both >/dev/null
check it_is_made xl create -q "$dir/k.cfg"
same the_list_tells_its_type pvh "$(xl list -l k | sed -nE 's/^ *"type": "([a-z]+)",?$/\1/p' | head -n 1)"
check destroy xl destroy k
exit $((failures > 0))
