#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seed inputs of the xenstore fuzz targets next to itself."""
import os
import random
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
CONTROL, DIRECTORY, READ, GET_PERMS, WATCH, UNWATCH, START, END, INTRODUCE, RELEASE = range(10)
WRITE, MKDIR, RM, SET_PERMS = 11, 12, 13, 14


def msg(op, payload=b"", tx=0):
    return struct.pack("<IIII", op, 1, tx, len(payload)) + payload


SCRIPTS = {
    "basic": [msg(WRITE, b"/a/b\0v"), msg(READ, b"/a/b\0"), msg(DIRECTORY, b"/a\0"),
              msg(GET_PERMS, b"/a\0"), msg(SET_PERMS, b"/a\0n0\0r1\0"), msg(RM, b"/a\0")],
    "relative": [msg(WRITE, b"data/x\0v"), msg(WATCH, b"data\0t\0"), msg(WRITE, b"data/y\0w"),
                 msg(UNWATCH, b"data\0t\0"), msg(RM, b"data\0"), msg(21, b"\0")],
    "txn": [msg(START, b"\0"), msg(WRITE, b"data/t\0v", 1), msg(RM, b"data\0", 1),
            msg(MKDIR, b"data/u\0", 1), msg(END, b"T\0", 1), msg(START, b"\0"),
            msg(DIRECTORY, b"/local/domain/1\0", 2), msg(END, b"F\0", 2)],
    "conflict": [msg(START, b"\0"), msg(WRITE, b"/k\0v", 1), msg(WRITE, b"/k\0w"),
                 msg(END, b"T\0", 1)],
    "domains": [msg(INTRODUCE, b"5\x001\x002\0"), msg(17, b"5\0"), msg(19, b"5\x005\0"),
                msg(WATCH, b"@releaseDomain\0t\x001\0"), msg(SET_PERMS, b"@releaseDomain/5\0n0\0r5\0"),
                msg(RELEASE, b"5\0"), msg(18, b"5\0"), msg(10, b"5\0")],
    "control": [msg(CONTROL, b"quota\0"), msg(CONTROL, b"quota\0set\0nodes\x005\0"),
                msg(CONTROL, b"quota\x000\0"), msg(CONTROL, b"help\0"), msg(CONTROL, b"check\0"),
                msg(23, b"\0"), msg(24, b"6\x003\0"), msg(25, b"nodes\0"), msg(26, b"1\0nodes\x007\0")],
    "part": [msg(WRITE, b"/d/%d\0" % i) for i in range(40)] + [msg(22, b"/d\0003\0")],
    "bad": [msg(READ, b"no nul"), msg(99), msg(READ, b"//\0"), msg(WRITE, b""), msg(END, b"X\0", 9),
            struct.pack("<IIII", 2, 1, 0, 5000)],
    "deep": [msg(WRITE, b"/a" * 1000 + b"\0v"), msg(RM, b"/a\0")],
}


def chunks(script, bits, unit, r):
    raw, out = b"".join(script), b""
    while raw:
        n = r.randrange(0, 256 >> bits)
        size = n * unit + 1
        out += bytes([n << bits | (r.randrange(2) if r.random() < .1 else 0)]) + raw[:size]
        raw = raw[size:]
    return out


def rec(kind, domid=0, num=0, a=b"", b=b""):
    size = (24 + len(a) + len(b) + 7) & ~7
    head = struct.pack("<IHHiIII", size, kind, domid, num, len(a), len(b), 0)
    return (head + a + b).ljust(size, b"\0")


DOM = struct.pack("<QIIIHBB9II", 7, 1, 1024, 7, 2, 1, 1, *[0] * 9, 0)
STATES = {
    "nodes": rec(1, num=1, a=b"/", b=b"\0\0\0\0") + rec(1, num=2, a=b"/a", b=b"\0\0\0\0\1\0\1\0v"),
    "journal": rec(2, num=-1, a=b"/a/b", b=b"v") + rec(3, num=5, a=b"/c/d") + rec(4, a=b"/a") +
               rec(5, a=b"/c", b=b"\5\0\1\0"),
    "domains": rec(6, 5, a=DOM) + rec(8, 5, -1, b"data", b"tok") + rec(2, num=5, a=b"/x") +
               rec(9, 5, 0, b"/local/domain/5/data", b"tok") + rec(10, 5) + rec(7, 5) +
               rec(11, num=0, a=b"\5\0\0\0", b=b"\0\0\0\0"),
    "live": b"DOMXSLU1" + rec(32, num=3) + rec(33, 0, 5, bytes(8), bytes(16)) +
            rec(34, a=b"half a request") + rec(35, a=b"a reply") + rec(36, 0, 2, b"/a", b"t") +
            rec(37, a=b"\4\0\0\0"),
    "cut": rec(2, num=-1, a=b"/a/b", b=b"v")[:-9],
}


def put(target, name, data):
    os.makedirs(f"{HERE}/{target}", exist_ok=True)
    with open(f"{HERE}/{target}/{name}", "wb") as f:
        f.write(data)


r = random.Random(1)
for name, script in SCRIPTS.items():
    put("xs_socket", name, chunks(script, 1, 4, r))
    put("xs_guest", name, chunks(script, 2, 8, r))
for name, data in STATES.items():
    put("xs_state", name, data)
