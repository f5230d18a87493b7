#!/bin/bash
# SPDX-License-Identifier: MIT
# bash completion offers what the tables have: every command, every option of each, names of domains.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$SRCDIR/src/cli/xl.bash-completion"
start_store
xl create -q "$(config alpha)" && xl create -q "$(config beta)"

# offered WORD...: what completion offers for the last word, sorted, on one line.
offered() {
	COMP_WORDS=("$BINDIR/src/cli/xl" "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_xl
	printf '%s\n' "${COMPREPLY[@]}" | sort -u | paste -sd' '
}
commands=$(xl help | sed -nE 's/^ ([a-z][a-z0-9-]+) .*/\1/p' | sort)
same all_commands "$(paste -sd' ' <<<"$commands")" "$(offered '')"
same commands_by_prefix "pause" "$(offered pau)"
same help_takes_commands "$(paste -sd' ' <<<"$commands")" "$(offered help '')"
for command in $commands; do
	want=$(xl "$command" -h | sed -nE 's/^(-[a-zA-Z])?(, )?(--[a-z][a-z_-]*)?.*/\1 \3/p' | tr ' ' '\n' | grep . | sort -u | paste -sd' ')
	same "options_of_$command" "$want" "$(offered "$command" -)"
done
same names_of_domains "Domain-0 alpha beta" "$(offered destroy '')"
same names_by_prefix "alpha" "$(offered console al)"
same files_to_create "$dir/alpha.cfg $dir/beta.cfg" "$(offered create "$dir/" | xargs -n 1 | grep cfg$ | xargs)"
for command in config-update dump-core; do
	same "files_after_the_domain_of_$command" "$dir/alpha.cfg $dir/beta.cfg" \
		"$(offered $command alpha "$dir/" | xargs -n 1 | grep cfg$ | xargs)"
	same "names_for_$command" "alpha" "$(offered $command al)"
done
xl destroy alpha
xl destroy beta
[ $failures = 0 ]
