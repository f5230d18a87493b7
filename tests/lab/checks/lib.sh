# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# For the scripts beside it. Each is run by `run` and prints one verdict per fact.
set -u
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=tests/lab/lib.sh
. "$repo/tests/lab/lib.sh"
# shellcheck source=tests/procs.sh
. "$repo/tests/procs.sh"
domicile=$repo/build/src/vmm/domicile
kernels=$lab_cache/kernels

# The variants of the Xen ABI that this host can run, for --accel; DOMICILE_ACCELS narrows them down.
accels=plain
! lab_local_kvm xen >/dev/null || accels="xen plain"
accels=${DOMICILE_ACCELS:-$accels}

# In a short run on emulated hosts, where a guest takes ten seconds to boot, what both hosts would show alike
# is shown by one of them: ./check -a, or real hardware, has all of it.
whole() { [ "$DOMICILE_HOST" = here ] || [ -n "${DOMICILE_WHOLE:-}" ]; }
# shown_by HOST: is it for this host to show it?
shown_by() { whole || [ "$DOMICILE_HOST" = "$1" ]; }
# The variants for what no other host shows; the plain one is Debian 12's.
own_accels=$accels
whole || own_accels=${accels%% *}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
console=$work/console errors=$work/errors

# Verdicts. NAME may not contain spaces, so that the reason after it can.
ok() { echo "ok $DOMICILE_HOST/$1"; }
not_ok() { echo "not ok $DOMICILE_HOST/$*"; }
skip() { echo "skip $DOMICILE_HOST/$*"; }

# verdict NAME WHY COMMAND...: the command must succeed; else the reason is WHY and what details() of the
# check says. NAME is one of $group.
group=''
verdict() {
	local name=$group/$1 why=$2
	shift 2
	if "$@"; then ok "$name"; else not_ok "$name" "$why; $(details)"; fi
}
is() { [ "$1" = "$2" ]; }

# store_pids: of the store daemons at $XENSTORED_PATH, which xl starts.
store_pids() { procs "XENSTORED_PATH=$XENSTORED_PATH" domicile-xenstored | cut -d' ' -f1; }

# until_true COMMAND...: wait for the command to succeed, until the time limit.
until_true() {
	local end=$((SECONDS + limit))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

# line TEXT: wait until the guest has said it; its console goes to $console by `xl console`.
line() {
	local i
	for ((i = 0; i < limit * 4; i++)); do
		! tr -d '\r' <"$console" 2>/dev/null | grep -q "^$1" || return 0
		sleep 0.25
	done
	echo "the guest did not say '$1'" >&2
	tail -n 20 "$console" "$errors" "$work"/log/* "$work"/run/*/vmm.log >&2
	return 1
}

# have_kernel NAME TEST: is the kernel there? If not, TEST is skipped.
have_kernel() {
	[ -e "$kernels/$1/guest.cpio.gz" ] || { skip "$2" "kernel $1 is not in the archive"; return 1; }
}

# broken STATUS: did the emulator below the host break the guest of boot()? Guests with several vCPUs sometimes
# crash under QEMU TCG, whichever VMM runs them: 1 boot of 5 with QEMU 7.2, which returns from nested
# exits with a pointer for EFLAGS, fewer with QEMU 10. Bits 22 and up of EFLAGS, which no processor
# sets, prove it; a triple fault is suspected of it. 1 boot of some hundreds stands still, without a
# known reason: one in the first try is excused. On real hardware none of this is.
broken() {
	local flags
	[ "$DOMICILE_HOST" != here ] || return 1
	flags=$(grep -ao 'EFLAGS: [0-9a-f]*' "$console" | tail -n 1)
	case $1 in
	65)  return 0 ;;
	67)  [ "$vcpus" -gt 1 ] && grep -q '^exit triple-fault' "$errors" && return 0 ;;&
	124) [ "$try" = 1 ] ;;
	*)   [ -n "$flags" ] && ((16#${flags#EFLAGS: } >> 22)) ;;
	esac
}

# boot KERNEL VCPUS MIB WORDS [OPTION...]: run a guest to its end; its console goes to $console, the
# VMM's messages to $errors. Returns the VMM's status, or 124 after the time limit ($limit); the VMM has
# told by then what its guest was doing. A guest that the emulator broke instead of ending with status
# $want is run again, at most twice, and each time is told.

# with_script INITRAMFS: one more with $script as /script behind it; its path.
with_script() {
	local extra=$work/extra
	mkdir -p "$extra"
	printf '%s\n' "$script" >"$extra/script"
	{ cat "$1"; (cd "$extra" && echo script | cpio -o -H newc -R 0:0 --quiet | gzip -1n); } >"$work/initrd"
	echo "$work/initrd"
}

# With $script, the text of a shell script, the guest of `dom.test=script` runs that.
limit=120 want=0 script=''
boot() {
	local kernel=$kernels/$1 vcpus=$2 mib=$3 words=$4 try status restart=(--on-reboot destroy)
	local initrd=$kernel/guest.cpio.gz
	shift 4
	[ -z "$script" ] || initrd=$(with_script "$initrd")
	[[ $words != *dom.test=reboot* ]] || restart=()
	for try in 1 2 3; do
		timeout -k 5 $((limit + 3)) timeout -s QUIT "$limit" "$domicile" --kernel "$kernel/vmlinuz" \
			--ramdisk "$initrd" --cmdline "console=hvc0 quiet panic=-1 $words" \
			--memory "$mib" --vcpus "$vcpus" --console stdio --stats "${restart[@]}" "$@" \
			</dev/null >"$console" 2>"$errors"
		status=$?
		if [ $status = "$want" ] || ! broken $status; then break; fi
		lab_say "try $try of a guest with $vcpus vcpus: broken by the emulator: $(tell $status)"
	done
	return $status
}

# tell STATUS: why a guest did not do what it should, on one line; the details go to stderr.
tell() {
	{
		echo "--- status $1; the VMM said:"
		tail -n 200 "$errors"
		echo "--- the guest said:"
		tail -n 30 "$console" | tr -d '\r'
	} >&2
	case $1 in
	124 | 137) echo "no end within $limit s" ;;
	*)         echo "exit status $1: $(tail -n 1 "$errors")" ;;
	esac
}

# greeting: the line that every guest prints, without its carriage return.
greeting() {
	tr -d '\r' <"$console" | grep -m 1 '^Domicile guest: Linux '
}
