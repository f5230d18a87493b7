# SPDX-License-Identifier: MIT
#
# How often a quiet boot with one vCPU leaves the kernel for the VMM, and an idle guest: the budget
# is 160 and 10 with KVM's Xen support, 500 and no promise without.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

exits() {	# the sum that --stats prints
	awk '$1 == "userspace-exits" {print $2}' "$errors"
}

for accel in $accels; do
	budget=500
	[ "$accel" != xen ] || budget=160
	name=exits/$accel/boot
	# Timer ticks are exits on the plain kind, and a busy emulator needs more of them for the same
	# boot: the least of three counts is nearest to what a boot takes.
	for try in 1 2 3; do
		boot 6.1-cloud 1 256 dom.test=poweroff --accel "$accel" --stats
		status=$?
		booted=$(exits)
		[ $status = 0 ] && [ "${booted:-0}" -gt $budget ] && [ $try -lt 3 ] || break
		lab_say "$name: $booted exits in try $try"
	done
	if [ $status != 0 ] || [ -z "$booted" ]; then
		not_ok "$name" "$(tell $status)"
		continue
	elif [ "$booted" -gt $budget ]; then
		not_ok "$name" "$booted exits, more than $budget"
	else
		ok "$name"
	fi
	[ "$accel" = xen ] || continue

	name=exits/$accel/idle
	boot 6.1-cloud 1 256 dom.test=poweroff\ dom.idle=5 --accel "$accel" --stats
	status=$?
	idle=$(($(exits) - booted))
	if [ $status != 0 ]; then
		not_ok "$name" "$(tell $status)"
	elif [ $idle -gt 10 ]; then
		not_ok "$name" "$idle exits in five seconds, more than 10"
	else
		ok "$name"
	fi
done
