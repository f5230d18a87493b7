# SPDX-License-Identifier: MIT
#
# What cannot be started is refused in one line that names the culprit, with exit status 1, or 2 for
# wrong usage.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

good=$kernels/6.1-cloud/vmlinuz
ramdisk=$kernels/6.1-cloud/guest.cpio.gz
head -c 100000 "$good" >"$work/truncated"
{ head -c 4000000 "$good"; head -c 1000000 /dev/zero; tail -c +5000001 "$good"; } >"$work/corrupt"
truncate -s 1G "$work/huge"
: >"$work/empty"

# refuses STATUS NAME CULPRIT OPTION...: CULPRIT must occur in the message.
refuses() {
	local want=$1 name=refuse/$2 culprit=$3 status
	shift 3
	timeout -k 5 60 "$domicile" --console none "$@" </dev/null >"$console" 2>"$errors"
	status=$?
	if [ $status != "$want" ]; then
		not_ok "$name" "exit status $status: $(tail -n 1 "$errors")"
	elif [ "$(wc -l <"$errors")" != 1 ] || ! grep -qF -- "$culprit" "$errors"; then
		not_ok "$name" "said: $(head -c 300 "$errors" | tr '\n' '|')"
	else
		ok "$name"
	fi
}

refuses 1 missing-kernel "$work/nothing" --kernel "$work/nothing" --memory 256
refuses 1 empty-kernel "$work/empty" --kernel "$work/empty" --memory 256
refuses 1 truncated-kernel "$work/truncated" --kernel "$work/truncated" --memory 256
refuses 1 corrupt-kernel "$work/corrupt" --kernel "$work/corrupt" --memory 256
refuses 1 no-pvh-note /bin/busybox --kernel /bin/busybox --memory 256
refuses 1 missing-ramdisk "$work/nothing" --kernel "$good" --ramdisk "$work/nothing" --memory 256
refuses 1 ramdisk-too-big "$work/huge" --kernel "$good" --ramdisk "$work/huge" --memory 256
refuses 1 too-little-memory memory --kernel "$good" --ramdisk "$ramdisk" --memory 32
refuses 2 bad-number 12x --kernel "$good" --memory 12x
refuses 2 unknown-option --no-such-option --no-such-option

# Without a usable /dev/kvm.
if mount -o bind /dev/null /dev/kvm 2>/dev/null; then
	refuses 1 unusable-kvm /dev/kvm --kernel "$good" --memory 256
	umount /dev/kvm
else
	skip refuse/unusable-kvm "cannot hide /dev/kvm"
fi
