# SPDX-License-Identifier: MIT
#
# How guests end: by restart, by crash, by order; and what the VMM tells its caller then
# (the exit statuses of domicile(8)).
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

greetings() { tr -d '\r' <"$console" | grep -c '^Domicile guest: Linux '; }

for accel in $own_accels; do
	for vcpus in 1 2; do
		name=reboot/$accel/${vcpus}vcpu
		# Such a guest restarts for ever: see it come up twice, then have the VMM end it.
		boot 6.1-cloud $vcpus 256 dom.test=reboot --accel "$accel" &
		vmm=$!
		for ((i = 0; i < limit * 2; i++)); do
			[ "$(greetings)" -lt 2 ] || break
			kill -0 $vmm 2>/dev/null || break
			sleep 0.5
		done
		pkill -TERM -P "$(pgrep -P $vmm timeout)"
		wait $vmm
		status=$?
		if [ $status = 80 ] && [ "$(greetings)" -ge 2 ]; then
			ok "$name"
		else
			not_ok "$name" "$(tell $status)"
		fi
	done

	name=reboot-destroy/$accel
	want=65 boot 6.1-cloud 1 256 dom.test=reboot --accel "$accel" --on-reboot destroy
	status=$?
	if [ $status = 65 ] && [ "$(greetings)" = 1 ]; then ok "$name"; else not_ok "$name" "$(tell $status)"; fi

	name=panic/$accel
	want=67 boot 6.1-cloud 1 256 dom.test=panic --accel "$accel"
	status=$?
	if [ $status = 67 ]; then ok "$name"; else not_ok "$name" "$(tell $status)"; fi
done
