#!/bin/bash
# SPDX-License-Identifier: MIT
# The tables of xl and its manual pages name the same things, both ways: keys of xl.cfg with their fate,
# keys of xl.conf, parts of disk and vif specifications, and the options of each command.
set -u
failures=0
cd "$SRCDIR" || exit 1

same() {
	if diff <(sort -u <<<"$2") <(sort -u <<<"$3") >/tmp/manual.$$; then
		echo "ok $1"
	else
		echo "not ok $1 (< table, > page)"
		cat /tmp/manual.$$
		failures=$((failures + 1))
	fi
	rm -f /tmp/manual.$$
}

# rows FILE LETTERS: names in the first column of the rows whose second column is one of LETTERS.
rows() {
	sed -nE "s/^\t\{ \"([^\"]+)\",[ ]+[$2][ ,].*/\1/p" "$1"
}
# items PAGE SECTION: names of the items of a section.
items() {
	awk -v want="$2" '/^\.Sh / { on = substr($0, 5) == want } on && /^\.It Ic / {
		n = split(substr($0, 8), w, /[ ,]+/)
		for (i = 1; i <= n && w[i] != "Ns"; i++) if (w[i] != "") print w[i]
	}' "$1"
}

same "xl.cfg(5): keys that work" "$(rows src/cli/cfg_keys.c W)" "$(items man/xl.cfg.5 KEYS)"
same "xl.cfg(5): keys without effect" "$(rows src/cli/cfg_keys.c N)" \
	"$(items man/xl.cfg.5 'KEYS WITHOUT EFFECT')"
same "xl.cfg(5): refused keys" "$(rows src/cli/cfg_keys.c R)" "$(items man/xl.cfg.5 'REFUSED KEYS')"
same "xl.conf(5): keys" "$(grep -v XL_CONF_IGNORED src/cli/conf.c | sed -nE 's/^\t\{ "([^"]+)",.*/\1/p')" \
	"$(items man/xl.conf.5 KEYS)"
same "xl.conf(5): keys without effect" \
	"$(grep XL_CONF_IGNORED src/cli/conf.c | sed -nE 's/^\t\{ "([^"]+)",.*/\1/p')" \
	"$(items man/xl.conf.5 'KEYS WITHOUT EFFECT')"
same "xl-disk-configuration(5): keys" "$(sed -nE 's/^\t\{ "([a-z-]+)", +set_.*/\1/p' src/cli/spec_disk.c)" \
	"$(items man/xl-disk-configuration.5 KEYS)"
same "xl-disk-configuration(5): words" "$(sed -nE 's/^\t\{ "([a-z-]+)",.*FLAG_.*/\1/p' src/cli/spec_disk.c)" \
	"$(items man/xl-disk-configuration.5 WORDS)"
same "xl-disk-configuration(5): remote targets" "$(sed -nE 's/^\t\{ "([a-z+]+:[/]*)",.*/\1/p' src/cli/nbd.c)" \
	"$(awk '/^\.Sh / { on = /REMOTE TARGETS/ } on && /^\.It /' man/xl-disk-configuration.5 |
		grep -oE '[a-z+]+:(//)?' | grep -vx 'socket=')"
same "xl-network-configuration(5): keys" "$(sed -nE 's/^\t\{ "([a-z]+)", .*set_.*/\1/p' src/cli/spec_vif.c)" \
	"$(items man/xl-network-configuration.5 KEYS)"
same "xl-network-configuration(5): words" "$(printf 'trusted\nuntrusted')" \
	"$(items man/xl-network-configuration.5 WORDS)"

same "xl(1): commands" "$("$BINDIR/src/cli/xl" help | sed -nE 's/^ ([a-z][a-z0-9-]+) .*/\1/p')" \
	"$(sed -nE 's/^\.Ss ([a-z][a-z0-9-]*).*/\1/p' man/xl.1)"
for c in $("$BINDIR/src/cli/xl" help | sed -nE 's/^ ([a-z][a-z0-9-]+) .*/\1/p'); do
	section=$(awk -v c="$c" '/^\.S[sh] / { on = $2 == c } on' man/xl.1)
	table=$("$BINDIR/src/cli/xl" "$c" -h | sed -nE 's/^-([a-zA-Z])[ ,].*/\1/p')
	page=$(grep -oE 'Fl [a-zA-Z]+' <<<"$section" | sed 's/Fl //' | grep -o . | sort -u)
	same "xl(1): options of $c" "$table" "$page"
done
[ $failures = 0 ]
