#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Output and exit code of the tools against transcripts of Xen 4.20, in the order recorded.

golden.py [DIR [--texts-of-4.17]]   DIR holds the programs to test; default: ours.
With --texts-of-4.17 an option that 4.20 no longer mentions may stand in usage texts."""
import os
import re
import subprocess
import sys

import xsd

GOLDEN = os.path.join(os.environ.get("SRCDIR", "."), "tests/golden/xenstore")

# The transcripts build on each other; this is the order in which they were recorded.
ORDER = """
control-quota-max control-quota control-quota-soft
write read write-multi read-multi read-p read-s write-empty read-dir
write-badpath write-badpath2 write-double-slash write-trailing-slash write-odd
write-binary read-binary read-binary-R write-R write-esc read-esc
write-long write-toolong write-3000 read-missing read-missing-second read-noargs
exists exists-no exists-mixed exists-noargs list list-p list-empty list-missing
ls ls-p ls-two ls-missing ls-f ls-f-p
chmod control-quota-1 chmod-bad chmod-bad2 chmod-missing chmod-noargs write-rel write-longpath write-longpath2
chmod-r list-root rm rm-missing rm-missing-parent rm-root rm-t chmod-many
ls-special
watch-n1 watch-n3 watch-two watch-special watch-special2 watch-bad watch-noargs
xenstore-multicall
control-check control-help control-frob control-log-on control-log-off control-print-hello
control-memreport control-live-update control-live-update--s
control-quota-set-nodes-2000 control-quota-set-nosuch-1
""".split()


def parse(name):
    text = open(os.path.join(GOLDEN, name + ".txt"), "rb").read()
    m = re.match(rb"# command: (.*?)\n# exit: (\d+)\n(?:#.*\n)*===== stdout\n(.*)===== stderr\n(.*)",
                 text, re.S)
    return m[1].decode(), int(m[2]), m[3], m[4]


def main():
    tools = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else xsd.TOOLS)
    failed = 0
    with xsd.Daemon() as d:
        bindir = os.path.join(d.dir, "bin")
        os.mkdir(bindir)
        for mode in "read write list ls rm chmod exists watch control".split():
            os.symlink(os.path.join(tools, "xenstore-" + mode), f"{bindir}/xenstore-{mode}")
        multi = os.path.join(tools, "domicile-xenstore")
        os.symlink(multi if os.path.exists(multi) else os.path.join(tools, "xenstore"),
                   bindir + "/xenstore")
        env = dict(d.env, PATH=bindir + ":" + os.environ["PATH"])
        for name in ORDER + ["nodaemon", "nodaemon-ls"]:
            if name.startswith("nodaemon"):
                env["XENSTORED_PATH"] = d.dir + "/none"
            command, code, out, err = parse(name)
            r = subprocess.run(["bash", "-c", command], env=env, capture_output=True, timeout=xsd.WAIT)
            if "--texts-of-4.17" in sys.argv:
                r.stderr = r.stderr.replace(b"[-s] ", b"")
            if (r.returncode, r.stdout, r.stderr) != (code, out, err):
                failed += 1
                print(f"FAIL {name}: {command}\n  expected {code} {out!r} {err!r}\n"
                      f"  got      {r.returncode} {r.stdout!r} {r.stderr!r}"[:1500])
    print(f"{len(ORDER) + 2 - failed} of {len(ORDER) + 2} transcripts reproduced")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
