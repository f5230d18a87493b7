#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs of Xen, unmodified, against our daemon: Debian's xenstore-* clients (the same transcripts
as ours), test-xenstore and xenstore-control, the Python bindings of its xen-utils, and libxenstore
itself through ctypes.

stock.py clients|library|programs|bindings"""
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
        xsd.skip("libxenstore is not installed (package libxenstore4)")
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


def bindings(d):
    """What xen.lowlevel.xs offers, once each."""
    beside = oracle.find("test-xenstore")
    if not beside:
        xsd.skip("no xen-utils here (run tests/lab/prepare xen, or set XEN_BIN)")
    sys.path.insert(0, os.path.join(os.path.dirname(beside), "../lib/python"))
    try:
        from xen.lowlevel import xs as module
    except ImportError as e:
        xsd.skip(f"the bindings are not for this Python: {e}")
    os.environ.update(XENSTORED_PATH=d.socket)
    x = module.xs()
    tx = x.transaction_start()
    x.mkdir(tx, "/py")
    x.write(tx, "/py/k", "value")
    assert x.read(tx, "/py/k") == b"value", x.read(tx, "/py/k")
    assert x.transaction_end(tx, False)
    assert x.ls("", "/py") == ["k"], x.ls("", "/py")
    assert x.read("", "/py/none") is None
    x.set_permissions("", "/py/k", [{"dom": 0, "read": False, "write": False},
                                    {"dom": 5, "read": True, "write": False}])
    assert x.get_permissions("", "/py/k")[1] == {"dom": 5, "read": 1, "write": 0}
    x.watch("/py", "token")
    assert x.read_watch() == ("/py", "token")
    x.write("", "/py/k", "again")
    assert x.read_watch() == ("/py/k", "token")
    x.unwatch("/py", "token")
    x.introduce_domain(5, 1, 1)
    x.introduce_domain(6, 1, 1)
    x.set_target(6, 5)
    assert x.get_domain_path(5) == "/local/domain/5"
    x.release_domain(6)
    x.release_domain(5)
    try:
        x.release_domain(5)
        raise AssertionError("released twice")
    except module.Error as e:
        assert e.args[0] == 2, e            # ENOENT
    x.rm("", "/py")
    assert x.ls("", "/py") is None
    x.close()


def programs(d):
    env = dict(os.environ, XENSTORED_PATH=d.socket)
    for name, args in (("test-xenstore", ["-i", "50"]), ("xenstore-control", ["check"])):
        binary = oracle.find(name)
        if not binary:
            xsd.skip(f"no {name} here (run tests/lab/prepare xen, or set XEN_BIN)")
        subprocess.run([binary, *args], env=env, check=True, timeout=xsd.WAIT,
                       stdout=subprocess.DEVNULL)


def clients(d):
    if not shutil.which("xenstore-read"):
        xsd.skip("package xenstore-utils is not installed")
    tools = os.path.dirname(shutil.which("xenstore-read"))
    control = oracle.find("xenstore-control")
    bindir = d.dir + "/stock"
    os.mkdir(bindir)
    for mode in "read write list ls rm chmod exists watch".split():
        os.symlink(f"{tools}/xenstore-{mode}", f"{bindir}/xenstore-{mode}")
    os.symlink(control or f"{xsd.TOOLS}/xenstore-control", bindir + "/xenstore-control")
    os.symlink(tools + "/xenstore", bindir + "/xenstore")
    # Debian 12's clients are 4.17's, which differ in some texts from 4.20's transcripts.
    here = os.path.dirname(os.path.abspath(__file__))
    subprocess.run([sys.executable, here + "/golden.py", bindir, "--texts-of-4.17"], check=True,
                   timeout=2 * xsd.WAIT)


PARTS = {"clients": clients, "library": libxenstore, "programs": programs, "bindings": bindings}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        with xsd.Daemon() as daemon:
            PARTS[part](daemon)
        print(part + ": ok")
