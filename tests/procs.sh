# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# procs VARIABLE=VALUE REGEX: the processes with that in their environment whose command line matches the
# extended regular expression, a line each: "ID COMMAND LINE". For those that are no children of ours: the
# daemons, monitors and VMMs that a test has brought about. Sourced.
procs() (
	exec 2>/dev/null	# processes end while we look
	grep -lszxF -- "$1" /proc/[0-9]*/environ | cut -d/ -f3 | while read -r p; do
		words=$(tr '\0' ' ' <"/proc/$p/cmdline")
		[[ ! $words =~ $2 ]] || echo "$p $words"
	done
)
