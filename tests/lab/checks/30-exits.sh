# SPDX-License-Identifier: MIT
#
# How often a quiet boot with one vCPU leaves the kernel for the VMM, and an idle guest: the budget
# is 160 and 10 with KVM's Xen support, 500 and no promise without.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

exits() {	# the sum that --stats prints
	awk '$1 == "userspace-exits" {print $2}' "$errors"
}

# An emulated host that is busy lets timers come late, which costs exits: three tries there.
tries=1
[ "$DOMICILE_HOST" = here ] || tries=3

# count BUDGET WORDS ACCEL: boot; $status and $booted, the number of exits, are of the last try.
count() {
	local n
	for ((n = 1; n <= tries; n++)); do
		boot 6.1-cloud 1 256 "$2" --accel "$3"
		status=$?
		booted=$(exits)
		if [ "$status" != 0 ] || [ "${booted:-$1}" -le "$1" ]; then break; fi
		lab_say "try $n of counting exits: $booted, more than $1"
	done
}

for accel in $accels; do
	budget=500
	[ "$accel" != xen ] || budget=160
	name=exits/$accel/boot
	count "$budget" dom.test=poweroff "$accel"
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
