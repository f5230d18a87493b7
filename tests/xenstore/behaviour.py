#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the daemon promises, one function per promise; those named after an advisory class of
xenstored (T-XS-n of the facts) carry its number.

behaviour.py [NAME...]   runs all, or those whose name contains one of the words"""
import contextlib
import os
import pwd
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback

import xsd

TESTS = []
WAIT = xsd.WAIT


def test(*args):
    def add(f):
        TESTS.append((f, args))
        return f
    return add


def eq(got, want):
    assert got == want, f"got {got!r}, expected {want!r}"


def events_of(c):
    return [tuple(e.decode().split("\0")[:2]) for e in c.drain()]


def guest(d, domid=1):
    """A tool, and a guest with a home of its own."""
    tool = d.client()
    tool.ok("WRITE", f"/local/domain/{domid}\0")
    tool.ok("SET_PERMS", f"/local/domain/{domid}\0n{domid}\0r0\0")
    return tool, tool.introduce(domid)


def accounts_agree(d, tool):
    """The daemon recounts its nodes; a difference is an error line in its log."""
    tool.ok("CONTROL", "check\0")
    with open(d.log.name) as f:
        text = f.read()
    assert "check:" not in text, text


@contextlib.contextmanager
def program_for(d):
    """A copy of the daemon's program where whatever user it has can execute it."""
    path = tempfile.gettempdir() + "/" + os.path.basename(d.dir) + "-program"
    shutil.copy(xsd.DAEMON, path)
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        os.unlink(path)


# --- protocol ---

@test()
def answers_what_xen_answers(d):
    """The transcript of the facts, with Xen 4.20's daemon and a guest on its ring."""
    tool, g = guest(d)
    tool.ok("WRITE", "/local/domain/1/name\0g1")
    tool.ok("WRITE", "/local/domain/1/data\0")
    tool.ok("SET_PERMS", "/local/domain/1\0n0\0")
    tool.ok("SET_PERMS", "/local/domain/1/name\0n0\0r1\0")
    tool.ok("SET_PERMS", "/local/domain/1/data\0n1\0")
    for op, payload, reply in [
            ("READ", "name\0", b"g1"), ("READ", "/local/domain/1/name\0", b"g1"),
            ("READ", "name", "EINVAL"), ("READ", "nope\0", "EACCES"),
            ("WRITE", "data/x\0hello", b"OK\0"), ("WRITE", "data\0" + "x" * 2100, "ENOSPC"),
            ("WRITE", "name\0z", "EACCES"), ("WRITE", "/local/domain/0/x\0z", "EACCES"),
            ("DIRECTORY", "data\0", b"x\0"), ("DIRECTORY", "/\0", "EACCES"),
            ("GET_PERMS", "data/x\0", b"n1\0"), ("GET_PERMS", "name\0", b"n0\0r1\0"),
            ("SET_PERMS", "data/x\0n1\0r0\0", b"OK\0"), ("SET_PERMS", "data/x\0n0\0", "EPERM"),
            ("MKDIR", "data/m\0", b"OK\0"), ("MKDIR", "data/m\0", b"OK\0"),
            ("RM", "data/nope\0", b"OK\0"), ("RM", "data/m\0", b"OK\0"),
            ("RM", "nope/nope\0", "EACCES"), ("GET_DOMAIN_PATH", "99\0", b"/local/domain/99\0"),
            ("GET_DOMAIN_PATH", "x\0", b"/local/domain/0\0"),
            ("IS_DOMAIN_INTRODUCED", "1\0", "EACCES"), ("INTRODUCE", "2\x001\x007\0", "EACCES"),
            ("RELEASE", "1\0", "EACCES"), ("CONTROL", "help\0", "EACCES"),
            ("UNWATCH", "data\0nope\0", "ENOENT"), ("WATCH", "a b\0tok\0", "EINVAL"),
            ("TRANSACTION_END", "T\0", "ENOENT"), (99, "x\0", "ENOSYS"), ("READ", "", "EINVAL"),
            ("READ", "//\0", "EINVAL"), ("READ", "data/\0", "EINVAL"), ("RESUME", "1\0", "EACCES"),
            ("SET_TARGET", "1\x002\0", "EACCES"), ("RESET_WATCHES", "\0", b"OK\0")]:
        got = g.ok(op, payload) if isinstance(reply, bytes) else g.err(op, payload)
        assert got == reply, f"{op} {payload!r}: {got!r}, expected {reply!r}"
    eq(g.err("READ", "name\0", 12345), "ENOENT")
    eq(tool.ok("RELEASE", "1\0"), b"OK\0")
    eq(tool.err("RELEASE", "1\0"), "ENOENT")
    eq(tool.err("RESUME", "1\0"), "ENOENT")


@test()
def watch_reply_comes_before_the_first_event(d):
    c = d.client()
    c.send(c.pack("WATCH", "/a\0t\0"))
    eq(c.msg()[0], "WATCH")
    eq(c.msg(), ("WATCH_EVENT", 0, 0, b"/a\0t\0"))
    eq(c.err("WATCH", "/a\0t\0"), "EEXIST")


@test()
def relative_watch_reports_relative_paths(d):
    tool, g = guest(d)
    g.ok("WATCH", "data\0t\0")
    g.drain()
    tool.ok("WRITE", "/local/domain/1/data/x\0v")
    eq(events_of(g), [("data/x", "t")])


@test()
def watch_depth_limits_what_is_reported(d):
    c = d.client()
    c.ok("WATCH", "/a\0t\x001\0")
    c.drain()
    c.ok("WRITE", "/a/b/c\0v")
    c.ok("WRITE", "/a/b\0v")
    c.ok("WRITE", "/a\0v")
    eq(events_of(c), [("/a/b", "t"), ("/a", "t")])


@test()
def special_watch_with_depth_names_the_domain(d):
    tool, w = d.client(), d.client()
    w.ok("WATCH", "@releaseDomain\0all\0")
    w.ok("WATCH", "@releaseDomain\0each\x001\0")
    w.ok("WATCH", "@releaseDomain/7\0seven\0")
    eq(w.err("WATCH", "@releaseDomain\0x\x002\0"), "EINVAL")
    guests = [tool.introduce(domid) for domid in (6, 7)]
    w.drain()
    tool.ok("RELEASE", "6\0")
    eq(sorted(events_of(w)), [("@releaseDomain", "all"), ("@releaseDomain/6", "each")])
    tool.ok("RELEASE", "7\0")
    eq(sorted(events_of(w)), [("@releaseDomain", "all"), ("@releaseDomain/7", "each"),
                              ("@releaseDomain/7", "seven")])
    guests.clear()


@test()
def unprivileged_special_watch_needs_permission(d):
    tool, g = guest(d)
    g.ok("WATCH", "@releaseDomain\0t\0")
    g.drain()
    _a = tool.introduce(5)
    tool.ok("RELEASE", "5\0")
    eq(events_of(g), [])
    tool.ok("SET_PERMS", "@releaseDomain\0n0\0r1\0")
    eq(events_of(g), [("@releaseDomain", "t")])     # of the change itself
    _b = tool.introduce(5)
    tool.ok("RELEASE", "5\0")
    eq(events_of(g), [("@releaseDomain", "t")])


@test()
def features_and_quotas_over_the_wire(d):
    c = d.client()
    eq(c.ok("GET_FEATURE", "\0"), b"15\0")
    eq(c.ok("SET_FEATURE", "9\x003\0"), b"OK\0")
    g = c.introduce(9)
    eq(g.ok("GET_FEATURE", "9\0"), b"3\0")
    eq(g.err("GET_FEATURE", "0\0"), "EACCES")
    eq(g.err("SET_FEATURE", "9\x000\0"), "EACCES")
    eq(c.err("SET_FEATURE", "9\x000\0"), "EBUSY")
    eq(c.ok("GET_QUOTA", "nodes\0"), b"1000\0")
    eq(c.ok("SET_QUOTA", "9\0nodes\x003\0"), b"OK\0")
    eq(g.ok("GET_QUOTA", "9\0nodes\0"), b"3\0")
    eq(c.ok("GET_QUOTA", "nodes\0"), b"1000\0")
    assert b"transaction-nodes" in c.ok("GET_QUOTA", "\0")
    eq(c.err("GET_QUOTA", "frob\0"), "EINVAL")


@test()
def permissions_may_name_any_domain(d):
    tool, g = guest(d)
    other = tool.introduce(2)
    tool.ok("WRITE", "/x\0v")
    tool.ok("SET_PERMS", "/x\0n0\0n2\0r32757\0")
    eq(g.ok("READ", "/x\0"), b"v")
    eq(other.err("READ", "/x\0"), "EACCES")     # the first entry that fits counts
    eq(g.err("WRITE", "/x\0w"), "EACCES")
    eq(g.ok("GET_PERMS", "/x\0"), b"n0\0n2\0r32757\0")
    eq(tool.err("SET_PERMS", "/x\0n32757\0"), "ENOENT")
    tool.ok("RELEASE", "2\0")
    tool.ok("SET_FEATURE", "2\x007\0")           # not for this one
    tool.ok("WRITE", "/local/domain/2\0")
    tool.ok("SET_PERMS", "/local/domain/2\0n2\0b1\0")
    other = tool.introduce(2)
    other.ok("WRITE", "y\0v")
    other.ok("SET_PERMS", "y\0n2\0r32757\0")
    eq(g.err("READ", "/local/domain/2/y\0"), "EACCES")


@test()
def a_guest_gives_nothing_to_domains_that_do_not_exist(d):
    tool, g = guest(d)
    g.ok("WRITE", "x\0v")
    eq(g.err("SET_PERMS", "x\0n9\0"), "ENOENT")
    _nine = tool.introduce(9)
    eq(g.err("SET_PERMS", "x\0n9\0"), "EPERM")


@test()
def a_descriptor_is_seen_after_many_requests_without(d):
    tool = d.client()
    for _ in range(600):
        tool.ok("READ", "/tool\0")
    ours, theirs = socket.socketpair()
    fd = tool.pack("INTRODUCE", "1\x001\x001\0fd\0")
    # What follows the first is read although no descriptor was looked for.
    socket.send_fds(tool.s, [fd], [theirs.fileno()])
    tool.send(tool.pack("READ", "/tool\0"))
    eq(tool.reply()[3], b"EAGAIN\0")
    eq(tool.reply()[0], "READ")
    socket.send_fds(tool.s, [fd], [theirs.fileno()])
    eq(tool.reply()[3], b"FD\0")
    eq(tool.err("INTRODUCE", "2\x001\x001\0fd\0"), "EINVAL")
    guest = xsd.Client(ours)
    eq(guest.ok("GET_DOMAIN_PATH", "1\0"), b"/local/domain/1\0")
    theirs.close()


@test()
def concurrent_creations_below_one_node_merge(d):
    a, b = d.client(), d.client()
    ta, tb = a.tx(), b.tx()
    a.ok("WRITE", "/local/domain/1/name\0a", ta)
    b.ok("WRITE", "/local/domain/2/name\0b", tb)
    a.ok("TRANSACTION_END", "T\0", ta)
    # /local did not exist when b began, and b's outcome depended on that.
    eq(b.err("TRANSACTION_END", "T\0", tb), "EAGAIN")
    ta, tb = a.tx(), b.tx()
    a.ok("WRITE", "/local/domain/3/name\0a", ta)
    b.ok("WRITE", "/local/domain/4/name\0b", tb)
    a.ok("TRANSACTION_END", "T\0", ta)
    b.ok("TRANSACTION_END", "T\0", tb)
    eq(a.ok("DIRECTORY", "/local/domain\0"), b"1\x003\x004\0")
    ta, tb = a.tx(), b.tx()
    a.ok("WRITE", "/local/domain/5\0a", ta)
    b.ok("DIRECTORY", "/local/domain\0", tb)
    b.ok("WRITE", "/x\0", tb)
    a.ok("TRANSACTION_END", "T\0", ta)
    eq(b.err("TRANSACTION_END", "T\0", tb), "EAGAIN")
    eq(b.err("READ", "/x\0"), "ENOENT")


@test()
def transaction_events_come_after_commit(d):
    c, w = d.client(), d.client()
    w.ok("WATCH", "/a\0t\0")
    w.drain()
    tx = c.tx()
    c.ok("WRITE", "/a/1\0v", tx)
    c.ok("WRITE", "/a/2\0v", tx)
    c.ok("WRITE", "/a/1\0w", tx)
    eq(events_of(w), [])
    c.ok("TRANSACTION_END", "T\0", tx)
    eq(events_of(w), [("/a/1", "t"), ("/a/2", "t")])


@test()
def children_are_listed_in_creation_order(d):
    c = d.client()
    names = [f"n{i * 7919 % 1000}" for i in range(300)]
    for n in names:
        c.ok("WRITE", f"/d/{n}\0")
    for n in names[::3]:
        c.ok("RM", f"/d/{n}\0")
        c.ok("WRITE", f"/d/{n}\0")
    want = [n for i, n in enumerate(names) if i % 3] + names[::3]
    eq(c.ok("DIRECTORY", "/d\0").decode().split("\0")[:-1], want)


@test()
def pipelined_and_split_requests_are_all_answered(d):
    c = d.client()
    r = random.Random(1)
    raw = b"".join(c.pack("WRITE", f"/p/{i}\0" + "v" * r.randrange(200), rid=i)
                   for i in range(500))
    while raw:
        n = r.randrange(1, 3000)
        c.send(raw[:n])
        raw = raw[n:]
    for i in range(500):
        eq(c.msg()[:2], ("WRITE", i))


@test()
def set_target_lets_a_device_model_act_for_its_guest(d):
    tool, g = guest(d, 1)
    dm = tool.introduce(2)
    eq(dm.err("WRITE", "/local/domain/1/x\0v"), "EACCES")
    tool.ok("SET_TARGET", "2\x001\0")
    dm.ok("WRITE", "/local/domain/1/x\0v")
    tool.ok("RELEASE", "1\0")
    tool.ok("WRITE", "/local/domain/1/x\0v")
    tool.ok("SET_PERMS", "/local/domain/1/x\0n1\0")
    eq(dm.err("WRITE", "/local/domain/1/x\0v"), "EACCES")


# --- advisory classes ---

@test()
def t_xs_1_oversized_and_partial_messages(d):
    for size in (4097, 0x7fffffff, 0xffffffff):
        c = d.client()
        c.send(struct.pack("<IIII", 2, 1, 0, size))
        try:
            c.msg()
            raise AssertionError("answered")
        except (EOFError, ConnectionResetError):
            pass
    tool, g = guest(d)
    g.send(struct.pack("<IIII", 2, 1, 0, 4097))
    try:
        g.msg()
        raise AssertionError("answered")
    except EOFError:
        pass
    eq(tool.ok("IS_DOMAIN_INTRODUCED", "1\0"), b"T\0")
    g = tool.introduce(1)               # the guest reconnects
    g.ok("DIRECTORY", "/local/domain/1\0")
    c = d.client()
    c.send(struct.pack("<III", 2, 1, 0))
    c.close()
    tool.ok("READ", "/tool\0")


@test()
def t_xs_2_long_list_is_e2big_and_comes_in_parts(d):
    c = d.client()
    names = [f"node-number-{i}" for i in range(10000)]
    for i in range(0, len(names), 100):
        c.send(b"".join(c.pack("WRITE", f"/big/{n}\0") for n in names[i:i + 100]))
        for _ in range(100):
            eq(c.msg()[0], "WRITE")
    eq(c.err("DIRECTORY", "/big\0"), "E2BIG")
    got, gen = b"", None
    while not got.endswith(b"\0\0"):
        data = c.ok("DIRECTORY_PART", f"/big\0{len(got)}\0")
        g, part = data.split(b"\0", 1)
        assert gen in (None, g)
        gen, got = g, got + part
    eq(got[:-1].decode().split("\0")[:-1], names)


@test()
def t_xs_3_no_events_about_unreadable_nodes(d):
    tool, g = guest(d)
    tool.ok("WRITE", "/secret/x\0v")
    g.ok("WATCH", "/\0t\0")
    g.ok("WATCH", "/secret/x\0u\0")
    g.drain()
    tool.ok("WRITE", "/secret/x\0w")
    tx = tool.tx()
    tool.ok("WRITE", "/secret/x\0z", tx)
    tool.ok("TRANSACTION_END", "T\0", tx)
    tool.ok("RM", "/secret\0")
    eq(events_of(g), [])


@test()
def t_xs_4_reset_leaves_no_watch_behind(d):
    tool, g = guest(d)
    g.ok("WATCH", "/local/domain/1\0t\0")
    g.ok("RESET_WATCHES", "\0")
    g.drain()
    tool.ok("WRITE", "/local/domain/1/a\0v")
    eq(events_of(g), [])
    g.ok("WATCH", "/local/domain/1\0t\0")
    g = tool.introduce(1)
    tool.ok("WRITE", "/local/domain/1/a\0w")
    eq(events_of(g), [])


@test()
def t_xs_5_root_has_permissions(d):
    _, g = guest(d)
    eq(g.err("DIRECTORY", "/\0"), "EACCES")
    eq(g.err("WRITE", "/x\0v"), "EACCES")
    eq(g.err("RM", "/\0"), "EACCES")
    eq(g.err("SET_PERMS", "/\0n1\0"), "EACCES")


@test()
def t_xs_6_new_domain_does_not_inherit_permissions(d):
    tool, g = guest(d)
    tool.ok("WRITE", "/shared\0secret")
    tool.ok("SET_PERMS", "/shared\0n0\0r1\0")
    eq(g.ok("READ", "/shared\0"), b"secret")
    tool.ok("RELEASE", "1\0")
    g = tool.introduce(1)
    eq(g.err("READ", "/shared\0"), "EACCES")
    d.kill()
    d.start()
    tool = d.client()
    g = tool.introduce(1)
    eq(g.err("READ", "/shared\0"), "EACCES")


@test()
def t_xs_7_owner_cannot_give_nodes_away(d):
    tool, g = guest(d)
    _other = tool.introduce(2)
    g.ok("WRITE", "x\0v")
    eq(g.err("SET_PERMS", "x\0n2\0"), "EPERM")


def while_stopped(d, sends):
    """Let requests of several clients wait for the daemon, in this order."""
    d.proc.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, d.proc.pid, os.WSTOPPED | os.WNOWAIT)
    for c, raw in sends:
        c.send(raw)
    d.proc.send_signal(signal.SIGCONT)


@test()
def t_xs_8_everybody_gets_a_turn(d):
    """A tool's request is answered in turn with those of guests that send without pause."""
    tool = d.client()
    guests = []
    for i in range(1, 11):
        tool.ok("WRITE", f"/local/domain/{i}\0")
        tool.ok("SET_PERMS", f"/local/domain/{i}\0n{i}\0")
        g = tool.introduce(i)
        for k in range(100):
            g.ok("WATCH", f"/local/domain/{i}\0t{k}\0")
        g.drain()
        guests.append(g)
    tool.ok("WATCH", "/local/domain\0t\0")
    tool.drain()
    while_stopped(d, [(g, b"".join(g.pack("WRITE", "x\0v", rid=n) for n in range(60))) for g in guests] +
                  [(tool, tool.pack("READ", "/tool\0"))])
    eq(tool.reply()[0], "READ")
    # Of 600 writes with 100 events each, as many were made before it as make a turn for each.
    assert len(tool.events) <= 20, len(tool.events)
    for g in guests:
        while g.reply()[1] != 59:
            pass
    tool.ok("READ", "/tool\0")


def crowd(d, n, path):
    """A node that n guests watch 128 times each, and the guests."""
    tool = d.client()
    tool.ok("WRITE", path + "\0")
    tool.ok("SET_PERMS", path + "\0b0\0")
    guests = []
    for i in range(1, n + 1):
        g = tool.introduce(i)
        g.send(b"".join(g.pack("WATCH", f"{path}\0t{k}\0") for k in range(128)))
        for _ in range(128):
            eq(g.reply()[0], "WATCH")
        g.drain()
        guests.append(g)
    return tool, guests


@test()
def a_write_that_many_watch_lets_others_in(d):
    """60 guests with 128 watches each: told bit by bit, in order, and all before the reply."""
    _, guests = crowd(d, 60, "/crowd")
    last = d.client()                   # is told after all the others
    last.ok("WATCH", "/crowd\0last\0")
    last.drain()
    g = guests[0]
    while_stopped(d, [(g, g.pack("WRITE", "/crowd\0" "1", rid=1) + g.pack("WRITE", "/crowd/below\0", rid=2)),
                      (last, last.pack("READ", "/tool\0"))])
    eq(last.msg()[0], "READ")           # not the event
    eq(last.msg()[3], b"/crowd\0last\0")
    own = [g.msg() for _ in range(2 * 129)]
    eq([m[3].split(b"\0")[:2] for m in own if m[0] == "WATCH_EVENT"],
       [[p, b"t%d" % k] for p in (b"/crowd", b"/crowd/below") for k in range(128)])
    eq([(i, m[1]) for i, m in enumerate(own) if m[0] == "WRITE"], [(128, 1), (257, 2)])
    for g in guests[1:]:
        for _ in range(2 * 128):        # they have sent nothing that a reply could be to
            eq(g.msg()[0], "WATCH_EVENT")
        eq(g.drain(), [])
    eq(events_of(last), [("/crowd/below", "last")])


@test()
def a_watch_learns_of_nothing_before_it(d):
    """Whoever watches while others are still told is told once, and the dead are told nothing."""
    tool, guests = crowd(d, 60, "/crowd")
    late = d.client()
    while_stopped(d, [(guests[0], guests[0].pack("WRITE", "/crowd\0" "1")),
                      (tool, tool.pack("RELEASE", "30\0")),
                      (late, late.pack("WATCH", "/crowd\0late\0"))])
    eq(late.msg()[0], "WATCH")
    eq(late.msg()[3], b"/crowd\0late\0")
    eq(tool.reply()[0], "RELEASE")
    eq(guests[0].reply()[0], "WRITE")
    eq(len(guests[59].drain()), 128)
    eq(late.drain(), [])


@test()
def what_many_watch_is_told_though_its_client_has_gone(d):
    tool, guests = crowd(d, 60, "/crowd")
    gone = d.client()
    while_stopped(d, [(gone, gone.pack("WRITE", "/crowd/x\0") + gone.pack("RM", "/crowd/x\0"))])
    gone.close()
    for g in guests:
        for _ in range(128):
            eq(g.msg()[3].split(b"\0")[0], b"/crowd/x")
    tool.ok("WRITE", "/crowd/y\0")
    tool.ok("RM", "/crowd\0")
    for g in guests:
        told = [e.split(b"\0")[0] for e in g.drain()]
        eq(told[-256:], [b"/crowd/y"] * 128 + [b"/crowd"] * 128)
    accounts_agree(d, tool)


@test()
def t_xs_9_disconnect_in_every_state(d):
    tool = d.client()
    for how in range(40):
        tool.ok("WRITE", "/local/domain/1\0")
        tool.ok("SET_PERMS", "/local/domain/1\0n1\0")
        g = tool.introduce(1)
        if how & 1:
            g.ok("WATCH", "x\0t\0")
        if how & 2:
            tx = g.tx()
            g.ok("WRITE", "x\0v", tx)
        if how & 4:
            g.send(g.pack("WRITE", "y\0v")[:-3])
        if how & 8:
            g.send(g.pack("READ", "x\0") * 50)
        if how & 16:
            tool.ok("RELEASE", "1\0")
        g.close()
        while tool.ok("IS_DOMAIN_INTRODUCED", "1\0") == b"T\0":
            pass
    accounts_agree(d, tool)


@test()
def t_xs_10_path_lengths(d):
    tool, g = guest(d)
    home = "/local/domain/1/"
    g.ok("WATCH", home + "x" * 2000 + "\0v\0")
    eq(g.err("WRITE", home + "y" * 2049 + "\0v"), "EINVAL")
    long = "/" + "z" * 4000
    tool.ok("WRITE", long + "\0v")
    tool.ok("WATCH", "/\0" + "t" * 200 + "\0")
    tool.drain()
    tool.ok("WRITE", long + "\0w")      # the event would not fit a message: not sent
    eq(tool.drain(), [])


@test()
def t_xs_11_a_guest_that_reads_nothing_costs_little(d):
    tool, g = guest(d)
    tool.ok("WRITE", "/local/domain/1/w\0")
    for i in range(100):
        g.ok("WATCH", f"/local/domain/1\0t{i}\0")
    g.drain()
    before = memory(d)
    g.s.setblocking(False)
    sent = 0
    try:
        while sent < 50_000_000:
            sent += g.s.send(g.pack("DIRECTORY", "/local/domain/1\0") * 200)
    except BlockingIOError:
        pass
    for i in range(3000):
        tool.ok("WRITE", f"/local/domain/1/w\0{i}")
    for i in range(300):
        tool.ok("WRITE", f"/local/domain/1/w/{i}\0")
    assert memory(d) - before < 20000, f"{memory(d) - before} KiB more"
    assert sent < 2_000_000, f"{sent} bytes of requests were taken in"


def sanitized(d):
    """Is the daemon built with one of the sanitizers that it goes unconfined for?"""
    with open(f"/proc/{d.proc.pid}/maps") as f:
        return re.search(r"/lib[at]san\.", f.read()) is not None


def memory(d):
    """Resident KiB; always 0 for a daemon with sanitizers, which keep what is freed."""
    if sanitized(d):
        return 0
    with open(f"/proc/{d.proc.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


@test()
def t_xs_12_quotas_hold_and_accounts_stay_right(d):
    tool, g = guest(d)
    tool.ok("CONTROL", "quota\0set\0nodes\x0050\0")
    r = random.Random(2)
    full = 0
    for i in range(3000):
        name = f"n{r.randrange(80)}/{r.randrange(3)}"
        tx = g.tx() if r.random() < .3 else 0
        for _ in range(r.randrange(1, 5)):
            op, payload = r.choice([("WRITE", name + "\0v"), ("RM", name.split("/")[0] + "\0"),
                                    ("MKDIR", name + "/x\0"), ("WRITE", name + "\0vv")])
            got = g.req(op, payload, tx)
            full += got == ("ERROR", b"ENOSPC\0")
        if tx:
            full += g.req("TRANSACTION_END", "T\0" if r.random() < .8 else "F\0", tx) == \
                ("ERROR", b"ENOSPC\0")
        if i % 500 == 0:
            accounts_agree(d, tool)
    assert full, "the quota was never met"
    accounts_agree(d, tool)
    text = tool.ok("CONTROL", "quota\x001\0").decode()
    assert int(text.split("nodes            :")[1].split()[0]) <= 51, text
    for i in range(5):
        eq(g.req("SET_PERMS", f"n{i}\0" + "".join(f"r{j}\0" for j in range(6)))[0], "ERROR")
    tx = [g.tx() for _ in range(10)]
    eq(g.err("TRANSACTION_START", "\0"), "ENOSPC")
    for i in range(200):
        name, data = g.req("WATCH", f"w{i}\0t\0")
        if name == "ERROR":
            break
    eq((i, data), (128, b"E2BIG\0"))


@test()
def t_xs_13_deep_trees_need_no_stack(d):
    c = d.client()
    path = "/a" * 1500
    c.ok("WRITE", path + "\0v")
    eq(c.ok("READ", path + "\0"), b"v")
    tx = c.tx()
    c.ok("RM", "/a\0", tx)
    c.ok("TRANSACTION_END", "T\0", tx)
    eq(c.err("READ", path + "\0"), "ENOENT")
    c.ok("WRITE", path + "\0v")
    c.ok("RM", "/a\0")
    accounts_agree(d, c)


@test()
def t_xs_14_death_removes_nodes_everywhere(d):
    tool, g = guest(d)
    g.ok("WRITE", "a/b\0v")
    tool.ok("WRITE", "/other/x/y\0v")
    tool.ok("SET_PERMS", "/other/x\0n1\0")
    w = d.client()
    w.ok("WATCH", "@releaseDomain\0t\0")
    w.drain()
    g.close()                           # the VMM is gone
    eq(w.msg()[3], b"@releaseDomain\0t\0")
    eq(tool.err("READ", "/local/domain/1\0"), "ENOENT")
    eq(tool.ok("DIRECTORY", "/other\0"), b"")
    eq(tool.ok("IS_DOMAIN_INTRODUCED", "1\0"), b"F\0")
    accounts_agree(d, tool)


@test()
def t_xs_15_rewriting_a_watched_node_costs_nothing(d):
    tool, g = guest(d)
    w = d.client()
    w.ok("WATCH", "/local/domain/1/state\0backend\0")
    w.drain()
    before = memory(d)
    for i in range(400):
        g.send(b"".join(g.pack("WRITE", "state\0%d" % (i % 7)) for _ in range(100)))
        for _ in range(100):
            eq(g.msg()[0], "WRITE")
    assert memory(d) - before < 2000, f"{memory(d) - before} KiB more"
    w.s.setblocking(True)
    n = len(w.drain())
    assert 0 < n < 20000, n
    g.ok("WRITE", "state\0last")
    eq(events_of(w), [("/local/domain/1/state", "backend")])


@test()
def a_commit_with_many_events_lets_others_in(d):
    """1000 nodes times 100 watches: told bit by bit, in order, and all before the reply."""
    tool, g = guest(d)
    w = d.client()
    for quota in ("nodes", "node-size", "memory"):
        tool.ok("CONTROL", f"quota\0set\0{quota}\x00100000000\0")
    for i in range(100):
        g.ok("WATCH", f"d\0t{i}\0")
    g.drain()
    tx = g.tx()
    for at in range(0, 1000, 50):
        g.send(b"".join(g.pack("WRITE", f"d/n{i}\0", tx) for i in range(at, at + 50)))
        for _ in range(50):
            eq(g.msg()[0], "WRITE")
    # Who is told and asks meanwhile sees both in one stream: turn by turn answers, and then more events.
    w.ok("WATCH", "/local/domain/1/d\0w\0")
    w.drain()
    asked = 640
    while_stopped(d, [
        (g, g.pack("TRANSACTION_END", "T\0", tx, rid=99) + g.pack("WRITE", "d/after\0", rid=100)),
        (w, w.pack("READ", "/tool\0") * asked)])
    seen = [w.msg()[0] for _ in range(asked + 1000)]
    turns = sum(a == "READ" and b == "WATCH_EVENT" for a, b in zip(seen, seen[1:]))
    assert turns >= 4, f"told at once, or in {turns} turns"
    told = {}
    while True:
        name, rid, _, data = g.msg()
        if name == "TRANSACTION_END":
            break
        path, token = data.decode().split("\0")[:2]
        told.setdefault(token, []).append(path)
    eq(len(told), 100)
    for paths in told.values():
        eq(paths, [f"d/n{i}" for i in range(1000)])
    eq(g.reply()[:2], ("WRITE", 100))
    eq(len(g.drain()), 100)
    accounts_agree(d, tool)


@test()
def a_commit_is_told_though_its_client_has_gone(d):
    w, c = d.client(), d.client()
    for i in range(200):
        w.ok("WATCH", f"/d\0t{i}\0")
    w.drain()
    tx = c.tx()
    for i in range(300):
        c.ok("WRITE", f"/d/n{i}\0", tx)
    c.send(c.pack("TRANSACTION_END", "T\0", tx))
    c.close()
    told = [w.msg()[3].decode().split("\0")[0] for _ in range(200 * 300)]
    eq(told, [f"/d/n{i}" for i in range(300) for _ in range(200)])


@test()
def a_writer_cannot_keep_others_from_committing(d):
    """A guest rewrites a node without pause that a tool's transactions read."""
    tool, g = guest(d)
    g.ok("WRITE", "state\x000")
    stop = []

    def write():
        n = 0
        while not stop:
            g.send(b"".join(g.pack("WRITE", "state\0%d" % (n + i)) for i in range(20)))
            for _ in range(20):
                g.msg()
            n += 20

    writer = threading.Thread(target=write)
    writer.start()
    tries = []
    for i in range(5):
        for n in range(1, 1000):
            tx = tool.tx()
            tool.ok("READ", "/local/domain/1/state\0", tx)
            for k in range(30):
                tool.ok("WRITE", f"/backend/{k}\0{i}", tx)
            if tool.req("TRANSACTION_END", "T\0", tx) == ("TRANSACTION_END", b"OK\0"):
                break
        tries.append(n)
    stop.append(True)
    writer.join()
    assert max(tries) < 60, tries


@test()
def a_transaction_is_charged_to_its_domain(d):
    _, g = guest(d)
    tx = g.tx()
    g.ok("WRITE", "x\0v", tx)
    for n in range(5000):
        name, data = g.req("WRITE", "x\0" + "v" * (1000 + n % 500), tx)
        if name == "ERROR":
            break
    eq(data, b"ENOMEM\0")
    g.ok("TRANSACTION_END", "F\0", tx)
    for _ in range(50):                 # and it gets back what it had
        tx = g.tx()
        for n in range(20):
            g.ok("WRITE", "x\0" + "v" * 1500, tx)
        g.ok("TRANSACTION_END", "T\0", tx)


@test()
def old_versions_are_not_kept_for_ever(d):
    """Transactions that never end hold on to what others replace, up to a limit for all."""
    tool, g = guest(d)
    paths = [f"/big/{i}" for i in range(2500)]

    def rewrite(letter):
        for at in range(0, len(paths), 100):
            tool.send(b"".join(tool.pack("WRITE", p + "\0" + letter * 4000)
                               for p in paths[at:at + 100]))
            for _ in range(100):
                eq(tool.reply()[0], "WRITE")

    rewrite("a")
    first = memory(d)
    txs = []
    for i in range(10):                 # 10 MB each
        txs.append(g.tx())
        g.ok("WRITE", "x\0v", txs[-1])
        rewrite("bcdefghijk"[i])
    assert memory(d) - first < 60000, f"{memory(d) - first} KiB more"
    eq(g.err("TRANSACTION_END", "T\0", txs[0]), "EAGAIN")
    g.ok("WRITE", "y\0v", txs[-1])
    g.ok("TRANSACTION_END", "T\0", txs[-1])
    accounts_agree(d, tool)


# --- nothing lost ---

@test()
def kill_loses_nothing_committed(d):
    r = random.Random(3)
    model = {}
    for _ in range(12):
        c = d.client()
        for _ in range(r.randrange(1, 150)):
            path = "/k/" + "/".join(r.choice("abcdefgh") for _ in range(r.randrange(1, 4)))
            value = "v" * r.randrange(60)
            if r.random() < .25:
                c.req("RM", path + "\0")
                model = {p: v for p, v in model.items() if p != path and not p.startswith(path + "/")}
            else:
                c.ok("WRITE", path + "\0" + value)
                for i in range(4, len(path)):
                    if path[i] == "/":
                        model.setdefault(path[:i], "")
                model[path] = value
        tx = c.tx()
        c.ok("WRITE", "/k/uncommitted\0v", tx)
        d.kill()
        d.start()
        c = d.client()
        for p, v in model.items():
            eq((p, c.ok("READ", p + "\0").decode()), (p, v))
        eq(c.err("READ", "/k/uncommitted\0"), "ENOENT")
        accounts_agree(d, c)


@test()
def kill_in_the_middle_of_anything(d):
    """Killed while requests are in flight and files change places: what was answered is there, and
    of a transaction all or nothing."""
    r = random.Random(4)
    n = 0
    for _ in range(15):
        c = d.client()
        first, answered = n, -1
        stop_at = r.randrange(50, 3000)

        def one(i):
            value = f"{i}\0".encode() + b"x" * 600
            tx = c.tx()
            for name in ("a", "b"):
                c.send(c.pack("WRITE", f"/pair/{name}\0".encode() + value, tx, rid=i))
            c.send(c.pack("TRANSACTION_END", "T\0", tx, rid=i))
            c.send(c.pack("WRITE", f"/k/{i % 50}\0{i}", rid=i))
            return [c.reply() for _ in range(4)]

        killer = threading.Timer(r.random() * .25, d.kill)
        killer.start()
        try:
            while n - first < stop_at or killer.is_alive():
                replies = one(n)
                eq([x[0] for x in replies], ["WRITE", "WRITE", "TRANSACTION_END", "WRITE"])
                answered = n
                n += 1
        except (EOFError, ConnectionResetError, BrokenPipeError):
            pass
        killer.join()
        n += 1                          # the one that was being made
        d.proc.wait()
        d.start()
        c = d.client()
        if answered >= 0:
            a, b = (c.ok("READ", f"/pair/{x}\0") for x in "ab")
            eq(a, b)
            assert int(a.split(b"\0")[0]) in (answered, answered + 1), (a[:9], answered)
            assert int(c.ok("READ", f"/k/{answered % 50}\0")) in (answered, answered + 50)
        accounts_agree(d, c)


@test()
def journal_is_replaced_while_it_grows(d):
    c = d.client()
    for i in range(60):
        c.send(b"".join(c.pack("WRITE", f"/j/{k}\0" + str(i) + "x" * 400) for k in range(100)))
        for _ in range(100):
            eq(c.msg()[0], "WRITE")
    size = sum(os.stat(f"{d.dir}/state.{i}").st_size for i in (0, 1))
    assert size < 8 << 20, size
    d.kill()
    d.start()
    c = d.client()
    for k in range(100):
        eq(c.ok("READ", f"/j/{k}\0")[:2], b"59")


@test()
def guest_goes_on_after_a_restart(d):
    tool, g = guest(d)
    g.ok("WATCH", "data\0t\0")
    tx = g.tx()
    g.ok("WRITE", "data\0v", tx)
    g.ok("WRITE", "other\0v")
    d.kill()
    d.start()
    tool = d.client()
    eq(tool.ok("IS_DOMAIN_INTRODUCED", "1\0"), b"T\0")
    g = tool.introduce(1)
    eq(events_of(g), [("data", "t")])
    g.ok("WRITE", "data\0w", tx)        # goes on as if nothing had happened
    eq(g.err("TRANSACTION_END", "T\0", tx), "EAGAIN")
    eq(g.err("READ", "data\0"), "ENOENT")
    assert g.tx() > tx
    g.ok("WRITE", "data\0x")
    eq(events_of(g), [("data", "t")])
    eq(g.ok("READ", "other\0"), b"v")


@test()
def live_update_drops_nothing(d):
    tool, g = guest(d)
    w = d.client()
    w.ok("WATCH", "/a\0t\0")
    w.drain()
    g.ok("WATCH", "data\0t\0")
    g.drain()
    half = g.pack("WRITE", "data\0half")
    g.send(half[:20])
    tx = tool.tx()
    tool.ok("WRITE", "/a\0in-tx", tx)
    eq(tool.ok("CONTROL", "live-update\0-f\0/nonexistent\0"), b"File not accessible.\0")
    for _ in range(3):
        with program_for(d) as program: # a new file each time
            eq(tool.ok("CONTROL", f"live-update\0-f\0{program}\0"), b"OK\0")
            eq(tool.ok("CONTROL", "live-update\0-s\0-t\x0060\0"), b"OK\0")
            eq(os.readlink(f"/proc/{d.proc.pid}/exe"), program)
    eq(tool.err("TRANSACTION_END", "T\0", tx), "EAGAIN")
    g.send(half[20:])
    eq(g.reply()[0], "WRITE")
    eq([e.split(b"\0")[0] for e in g.events], [b"data"])
    tool.ok("WRITE", "/a\0v")
    eq(events_of(w), [("/a", "t")])
    accounts_agree(d, tool)


@test()
def failed_live_update_is_reported_and_harmless(d):
    c = d.client()
    with program_for(d) as bad:
        with open(bad, "w") as f:
            f.write("not a program")
        eq(c.ok("CONTROL", f"live-update\0-f\0{bad}\0"), b"OK\0")
        assert c.ok("CONTROL", "live-update\0-s\0") != b"OK\0"
    c.ok("WRITE", "/a\0v")


@test("-M")
def memory_only_keeps_nothing(d):
    c = d.client()
    c.ok("WRITE", "/a\0v")
    d.kill()
    d.start()
    eq(d.client().err("READ", "/a\0"), "ENOENT")


@test()
def descriptors_run_out_cleanly(d):
    d.kill()
    d.wrapper = ["bash", "-c", 'ulimit -n 40; exec "$@"', "-"]
    d.start()
    conns = [d.client() for _ in range(25)]
    more = [socket.socket(socket.AF_UNIX) for _ in range(30)]
    for s in more:
        s.settimeout(WAIT)
        s.connect(d.socket)
    conns[0].ok("WRITE", "/a\0v")
    for s in more:
        s.close()
    for c in conns[1:]:
        c.close()
    d.client().ok("READ", "/a\0")


@test()
def socket_activation_and_readiness(d):
    """LISTEN_FDS and NOTIFY_SOCKET as systemd sets them."""
    path = d.dir + "/activated"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(d.dir + "/notify")
    notify.settimeout(WAIT)
    script = ('exec 3<&%d; LISTEN_FDS=1 LISTEN_PID=$$ NOTIFY_SOCKET=%s/notify exec %s -N -M'
              % (listener.fileno(), d.dir, xsd.DAEMON))
    p = subprocess.Popen(["bash", "-c", script], pass_fds=[listener.fileno()], env=d.env,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         preexec_fn=xsd.die_with_parent)
    try:
        assert b"READY=1" in notify.recv(200)
        xsd.Client(path).ok("WRITE", "/a\0v")
    finally:
        p.terminate()
        eq(p.wait(WAIT), 0)


def status(d):
    with open(f"/proc/{d.proc.pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def check_confined(d):
    s = status(d)
    for name in ("CapEff", "CapPrm", "CapInh"):
        eq((name, int(s[name], 16)), (name, 0))
    eq(s["NoNewPrivs"], "1")
    eq(s["Seccomp"], "0" if sanitized(d) else "2")
    if os.geteuid():
        return
    for ns in ("net", "ipc", "mnt"):
        assert os.readlink(f"/proc/{d.proc.pid}/ns/{ns}") != os.readlink(f"/proc/self/ns/{ns}"), ns


@test()
def the_daemon_is_confined(d):
    c = d.client()
    c.ok("READ", "/tool\0")             # it listens before it is confined, but does not answer
    check_confined(d)
    with program_for(d) as program:
        eq(c.ok("CONTROL", f"live-update\0-f\0{program}\0"), b"OK\0")
        eq(c.ok("CONTROL", "live-update\0-s\0"), b"OK\0")
        check_confined(d)               # it stays so


def lives_on_as_that_user(d, no_uids):
    """Its state stays writable over a live update and a restart, and it does not become anybody else."""
    def is_confined():
        check_confined(d)
        if os.geteuid() == 0:
            for who in ("Uid", "Gid"):
                ids = set(status(d)[who].split("\t"))
                assert len(ids) == 1 and not ids & no_uids, (who, ids)
            eq(status(d)["Groups"].strip(), "")

    c = d.client()
    c.ok("WRITE", "/a\0v")
    is_confined()
    for i in range(3):
        with program_for(d) as program:
            eq(c.ok("CONTROL", f"live-update\0-f\0{program}\0"), b"OK\0")
            eq(c.ok("CONTROL", "live-update\0-s\0"), b"OK\0")
        is_confined()
        # More than once round the state files.
        for n in range(80):
            c.send(b"".join(c.pack("WRITE", f"/b/{k}\0{i}" + "x" * 2000) for k in range(16)))
            for _ in range(16):
                eq(c.reply()[0], "WRITE")
    other = subprocess.run([xsd.DAEMON, "-N"], env=d.env, capture_output=True, text=True, timeout=WAIT)
    assert other.returncode and "another xenstored" in other.stderr, other.stderr
    for _ in range(2):
        d.kill()
        d.start()
        c = d.client()
        eq(c.ok("READ", "/a\0"), b"v")
        eq(c.ok("READ", "/b/15\0")[:1], b"2")
        is_confined()
        c.ok("WRITE", "/c\0v")


@test()
def the_daemon_has_its_own_user(d):
    """Without being told: that of sysusers.d, or a number that nobody has."""
    lives_on_as_that_user(d, {"0", "65534"})
    if os.geteuid() == 0:
        uid = int(status(d)["Uid"].split("\t")[0])
        try:
            eq(pwd.getpwuid(uid).pw_name, "domicile-xenstored")
        except KeyError:
            eq(uid, 64240)


@test(*(["--user", "nobody"] if os.geteuid() == 0 else []))
def the_daemon_may_have_another_user(d):
    lives_on_as_that_user(d, {"0"})


@test()
def a_user_that_does_not_exist_is_refused(d):
    if os.geteuid() == 0:
        env = dict(d.env, XENSTORED_PATH=d.dir + "/other", XENSTORED_RUNDIR=d.dir)
        p = subprocess.run([xsd.DAEMON, "-N", "-M", "--user", "no-such-user"], env=env,
                           capture_output=True, text=True, timeout=WAIT)
        eq(p.returncode, 1)
        assert "no-such-user" in p.stderr, p.stderr


# A filter that allows everything, and then the program that follows.
UNDER_A_FILTER = """
import ctypes, os, struct, sys
code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
class Prog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
prog = Prog(1, ctypes.cast(code, ctypes.c_void_p))
prctl = ctypes.CDLL(None).prctl
prctl(38, 1, 0, 0, 0)
prctl(22, 2, ctypes.byref(prog))
os.execv(sys.argv[1], sys.argv[1:])
"""


@test()
def a_filter_of_the_service_manager_is_not_taken_for_ours(d):
    if status(d)["Seccomp"] == "0":
        return                          # sanitized: it has none
    d.kill()
    d.wrapper = [sys.executable, "-c", UNDER_A_FILTER]
    d.start()
    c = d.client()
    c.ok("READ", "/tool\0")
    check_confined(d)
    eq(status(d).get("Seccomp_filters", "2"), "2")


def main():
    failed = 0
    chosen = [(f, a) for f, a in TESTS
              if len(sys.argv) < 2 or any(w in f.__name__ for w in sys.argv[1:])]
    for f, args in chosen:
        try:
            with xsd.Daemon(*args) as d:
                f(d)
        except Exception:
            failed += 1
            print("FAIL", f.__name__)
            traceback.print_exc(file=sys.stdout)
    print(f"{len(chosen) - failed} of {len(chosen)} promises kept")
    return failed != 0 or not chosen


if __name__ == "__main__":
    sys.exit(main())
