#!/bin/bash
# SPDX-License-Identifier: MIT
# xl info beside the outputs of a real Xen 4.20 in tests/golden/xl/info: the same keys in the same order and
# columns; what does not depend on the host, byte for byte; and figures as this host's own programs
# tell them.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
golden=$SRCDIR/tests/golden/xl/info

captured() { sed '1,/^===== stdout$/d; /^===== stderr$/,$d' "$golden/$1.txt" | grep -v '^$'; }
# Keys with their columns; rows of the tables of -n by what they look like, however many there are.
shape() {
	sed -E 's/^([a-z][a-z_ ]* +):.*/\1:/; s/[0-9]+/N/g; s/ +N/ N/g' | uniq
}
keys() { sed -n 's/^\([a-z_]*\) *:.*/\1/p'; }
field() { xl info "$1"; }
xl info >"$dir/info" || not_ok info
xl info -n >"$dir/info-n" || not_ok info_n
same keys_and_columns_are_reals "$(captured info | shape)" "$(shape <"$dir/info")"
same topology_is_laid_out_as_reals "$(captured info-n | shape)" "$(shape <"$dir/info-n")"
same numa_is_n "$(keys <"$dir/info-n")" "$(xl info --numa | keys)"
same x_changes_nothing "$(keys <"$dir/info")" "$(xl info -x | keys)"

# The same on every host. Domicile has its own version and maker.
constant='^(virt_caps|sharing_|outstanding|free_cpus|xen_major|xen_caps|xen_scheduler|xen_pagesize|platform|xend)'
same constants_are_reals "$(captured info | grep -E "$constant")" "$(grep -E "$constant" "$dir/info")"
for key in $(keys <"$dir/info"); do
	same "field_$key" "$(sed -n "s/^$key *: //p" <(xl info | grep -v '^free_memory'))" \
		"$(field "$key" | grep -v "^$([ "$key" = free_memory ] || echo none)")"
done
same version_is_made_of_its_parts "$(field xen_major).$(field xen_minor)$(field xen_extra)" "$(field xen_version)"
check maker_is_told grep -q '^Domicile [0-9]' <(field cc_compiler)

# What other programs of this host say.
kib() { sed -n "s/^$1: *\([0-9]*\) kB/\1/p" /proc/meminfo; }
same host "$(uname -n)" "$(field host)"
same release "$(uname -r)" "$(field release)"
same version "$(uname -v)" "$(field version)"
same machine "$(uname -m)" "$(field machine)"
same nr_cpus "$(getconf _NPROCESSORS_ONLN)" "$(field nr_cpus)"
same max_cpu_id $(($(getconf _NPROCESSORS_CONF) - 1)) "$(field max_cpu_id)"
nodes=(/sys/devices/system/node/node[0-9]*)
[ -e "${nodes[0]}" ] || nodes=(one)
same nr_nodes "${#nodes[@]}" "$(field nr_nodes)"
same total_memory $(($(kib MemTotal) / 1024)) "$(field total_memory)"
# It changes while we look.
is_available() {
	local free off
	free=$(field free_memory)
	off=$((free - $(kib MemAvailable) / 1024))
	[ "${off#-}" -le 64 ]
}
check free_memory_is_what_is_available until_true 300 is_available
check cpu_mhz_is_one grep -qE '^[0-9]+\.[0-9]{3}$' <(field cpu_mhz)
check hw_caps_are_eight_words grep -qE '^([0-9a-f]{8}:){7}[0-9a-f]{8}$' <(field hw_caps)
same processors_are_listed "$(field nr_cpus)" "$(sed -n '/^cpu:/,/^device/p' "$dir/info-n" | grep -cE '^ +[0-9]+: ')"
same nodes_are_listed "$(field nr_nodes)" "$(sed -n '/^node:/,/^xen/p' "$dir/info-n" | grep -cE '^ +[0-9]+: ')"
[ $failures = 0 ]
