#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs of Xen, unmodified, against our daemon: Debian's xenstore-* clients (the same transcripts
as ours), its test-xenstore and xenstore-control, and libxenstore itself through ctypes."""
import ctypes
import ctypes.util
import os
import shutil
import subprocess
import sys

import oracle
import xsd


def libxenstore(d):
    name = ctypes.util.find_library("xenstore")
    if not name:
        print("libxenstore: not installed")
        return
    os.environ.update(XENSTORED_PATH=d.socket)
    lib = ctypes.CDLL(name)
    lib.xs_open.restype = lib.xs_read.restype = lib.xs_read_watch.restype = ctypes.c_void_p
    h = ctypes.c_void_p(lib.xs_open(0))
    n = ctypes.c_uint()
    none = ctypes.c_uint32(0)
    assert lib.xs_write(h, none, b"/lib/k", b"value", 5)
    value = lib.xs_read(h, none, b"/lib/k", ctypes.byref(n))
    assert ctypes.string_at(value, n.value) == b"value"
    assert lib.xs_watch(h, b"/lib", b"token")
    vec = ctypes.cast(lib.xs_read_watch(h, ctypes.byref(n)), ctypes.POINTER(ctypes.c_char_p))
    assert (vec[0], vec[1]) == (b"/lib", b"token")
    tx = lib.xs_transaction_start(h)
    assert lib.xs_mkdir(h, ctypes.c_uint32(tx), b"/lib/dir")
    assert lib.xs_transaction_end(h, ctypes.c_uint32(tx), False)
    assert lib.xs_introduce_domain(h, 3, ctypes.c_ulong(1), 1)
    assert lib.xs_is_domain_introduced(h, 3)
    assert lib.xs_release_domain(h, 3)
    assert not lib.xs_is_domain_introduced(h, 3)
    lib.xs_close(h)
    print("libxenstore: ok")


def main():
    if not shutil.which("xenstore-read"):
        xsd.skip("package xenstore-utils is not installed")
    here = os.path.dirname(os.path.abspath(__file__))
    tools = os.path.dirname(shutil.which("xenstore-read"))
    with xsd.Daemon() as d:
        libxenstore(d)
        env = dict(os.environ, XENSTORED_PATH=d.socket)
        for name in ("test-xenstore", "xenstore-control"):
            binary = oracle.find(name)
            if not binary:
                print(name + ": not installed")
                continue
            args = ["-i", "50"] if name == "test-xenstore" else ["check"]
            subprocess.run([binary, *args], env=env, check=True, timeout=60,
                           stdout=subprocess.DEVNULL)
            print(name + ": ok")
    control = oracle.find("xenstore-control")
    with xsd.Daemon() as d:
        bindir = d.dir + "/stock"
        os.mkdir(bindir)
        for mode in "read write list ls rm chmod exists watch".split():
            os.symlink(f"{tools}/xenstore-{mode}", f"{bindir}/xenstore-{mode}")
        os.symlink(control or f"{xsd.TOOLS}/xenstore-control", bindir + "/xenstore-control")
        os.symlink(tools + "/xenstore", bindir + "/xenstore")
        # Debian 12's clients are 4.17's, which differ in some texts from 4.20's transcripts.
        r = subprocess.run([sys.executable, here + "/golden.py", bindir, "--texts-of-4.17"],
                           timeout=100)
    return r.returncode


if __name__ == "__main__":
    sys.exit(main())
