# SPDX-License-Identifier: MIT
#
# How Debian guests end under xl: what on_* says happens, and every example boots and powers off.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"
shown_by bookworm || { skip xl-ends "the other host shows it; ./check -a"; exit 0; }
# shellcheck source=tests/lab/checks/lib-xl.sh
. "$(dirname "$0")/lib-xl.sh"
group=xl-ends

# A guest that crashes for good, on_crash = "destroy", is in 60-xl.
xl create -q "$(config crash dom.test=panic 'on_crash = "coredump-destroy"')" 2>>"$errors"
verdict on_crash-coredump-destroy "still there" until_true gone crash
is_core() { [ "$(head -c 4 "$1" | tr -d '\177')" = ELF ] && [ "$(stat -c %s "$1")" -gt $((192 << 20)) ]; }
verdict core-of-a-panic "no core, or too small" is_core "$DOMICILE_DUMPDIR/crash"
# The kernel's own words are in its memory.
verdict core-has-the-log "no trace of the panic" grep -aq 'Kernel panic - not syncing' "$DOMICILE_DUMPDIR/crash"
rm -f "$DOMICILE_DUMPDIR/crash"
xl create -q "$(config kept dom.test=panic 'on_crash = "preserve"')" 2>>"$errors"
crashed() { [ "$(state kept)" = ---sc- ]; }
verdict on_crash-preserve "state is $(state kept)" until_true crashed
xl destroy kept
xl create -q "$(config again dom.test=panic 'on_crash = "restart"')" 2>>"$errors"
old=$(xl domid again)
verdict on_crash-restart "no new domain" until_true anew again
xl destroy again
xl create -q "$(config both dom.test=panic 'on_crash = "rename-restart"')" 2>>"$errors"
old=$(xl domid both)
verdict on_crash-rename-restart "no successor" until_true anew both
xl destroy both
verdict on_crash-rename-restart-keeps "the old one is not kept as crashed" \
	is ---sc- "$(xl list "$old" | awk 'NR == 2 { print $(NF - 1) }')"
xl destroy "$old"
xl create -q "$(config once dom.test=reboot 'on_reboot = "destroy"')" 2>>"$errors"
verdict on_reboot-destroy "still there" until_true gone once
xl create -q "$(config off dom.test=poweroff 'on_poweroff = "preserve"')" 2>>"$errors"
down() { [ "$(state off)" = ---s-- ]; }
verdict on_poweroff-preserve "state is $(state off)" until_true down
xl destroy off

# Every example, on its console from the first line to the last. All bring kernel, initramfs and disk; the
# bridge that one expects is made here, and passt, which it needs, may be missing.
truncate -s 16M "$work/disk.img"
bridge=
modprobe bridge 2>/dev/null
! ip link add xenbr0 type bridge 2>/dev/null || bridge=yes
# passt does not start on a host without a way out.
modprobe dummy 2>/dev/null
[ -z "$bridge" ] || { ip link add out0 type dummy && ip addr add 198.51.100.1/24 dev out0 &&
	ip link set out0 up && ip route add default via 198.51.100.2; } 2>>"$errors"
for example in "$repo"/examples/*.cfg; do
	name=$(basename "$example" .cfg)
	words=()
	if grep -q '^vif' "$example" && { [ -z "$bridge" ] || ! command -v passt >/dev/null; }; then
		skip "xl/examples/$name" "no bridge can be made here, or passt is not installed"
		continue
	fi
	! grep -q '^disk' "$example" || words=("cmdline=\"console=hvc0 quiet panic=-1\"" "disk=[ \"$work/disk.img,raw,xvda,w\" ]")
	xl create -c "$example" "kernel=\"$kernels/$kernel/vmlinuz\"" \
		"ramdisk=\"$kernels/$kernel/guest.cpio.gz\"" "${words[@]}" <"$work/in" >"$console" 2>"$errors"
	verdict "examples/$name" "exit status $?" said 'Domicile guest: powering off'
	verdict "examples/$name-ends" "still there" until_true gone "$name"
done

ends_clean
