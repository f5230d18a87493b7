# SPDX-License-Identifier: MIT
#
# How often a quiet boot with one vCPU leaves the kernel for the VMM, and an idle guest: the budget
# is 160 and 10 with KVM's Xen support, 500 and no promise without.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

exits() {	# the sum that --stats prints
	awk '$1 == "userspace-exits" {print $2}' "$errors"
}

# On an emulated host that is busy, timers come late, and more of them cost an exit: there the rest of
# a plain boot's exits is judged, and that timers come without. A counted host is never busy.
without_timers() {
	awk '$2 == "vcpu_op.set_singleshot_timer" {booted -= $3}
		$1 == "timers-without-exit" && $2 < 100 {booted += 1000}
		END {print booted}' booted="$booted" "$errors"
}

for accel in $accels; do
	budget=500
	[ "$accel" != xen ] || budget=160
	name=exits/$accel/boot
	boot 6.1-cloud 1 256 dom.test=poweroff --accel "$accel"
	status=$?
	booted=$(exits)
	if [ "$accel" = plain ] && [ "$DOMICILE_HOST" != here ] && [ "$DOMICILE_HOST" != counted ]; then
		budget=200
		booted=$(without_timers)
	fi
	if [ "$status" != 0 ] || [ -z "$booted" ]; then
		not_ok "$name" "$(tell "$status")"
		continue
	elif [ "$booted" -gt "$budget" ]; then
		not_ok "$name" "$booted exits, more than $budget"
	else
		ok "$name"
	fi
	[ "$accel" = xen ] || continue

	name=exits/$accel/idle
	boot 6.1-cloud 1 256 dom.test=poweroff\ dom.idle=5 --accel "$accel"
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
