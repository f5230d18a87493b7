#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same random requests to our daemon and to Xen's own; replies and events must be the same.

differential.py [STEPS [SEED...]]

Two tools and two guests take turns. Where 4.17 and 4.20 differ (payloads without NUL, unknown special
nodes, UNWATCH of a bad path, paths of more than 3072 bytes from tools) ours does as 4.20; such requests are not made. Not compared: the generation in DIRECTORY_PART, and what a
transaction sees and how it ends when somebody changed the store after its start: ours sees the
store of its start and merges, Xen's sees what is there at first access. Both start over then.
Nor are permissions named for domains that were not introduced: behind the shim they all exist."""
import random
import sys

import oracle
import xsd

NAMES = ["a", "b", "c", "long-name_1", "@x"]
TOPS = ["/t", "/local/domain/1", "/local/domain/2", "/t/shared", "rel", "/", ""]
BAD = ["/t/", "//", "/t//a", "/t/a b", "", "/t/\x80", "."]
TOKENS = ["tok", "1", "a/b"]
PERMS = ["n0", "r0", "b0", "n1", "r1", "w1", "b1", "n2", "r2", "b2", "x1", "n", "r1x", "w0"]


class Pair:
    """One speaker, connected to both daemons."""

    def __init__(self, name, ours, theirs):
        self.name, self.ours, self.theirs = name, ours, theirs
        self.tx = []
        self.disturbed = set()

    def both(self, op, payload, tx=0):
        return [c.req(op, payload, tx) for c in (self.ours, self.theirs)]

    def drain(self):
        return [c.drain() for c in (self.ours, self.theirs)]


def path(r):
    if r.random() < .04:
        return r.choice(BAD)
    p = r.choice(TOPS)
    for _ in range(r.randrange(3)):
        p = (p.rstrip("/") + "/" if p else "") + r.choice(NAMES if p else NAMES[:4])
    return p


def perms(r):
    return "".join(r.choice(PERMS[:10] if r.random() < .95 else PERMS) + "\0"
                   for _ in range(r.randrange(1, 4)))


def request(r):
    """(operation, payload); weights by repetition."""
    p = path(r)
    value = r.choice(["", "v", "x" * 20, "y" * 300, "z" * 2100]) if r.random() < .3 else "v"
    return r.choice([
        ("READ", p + "\0"), ("READ", p + "\0"), ("DIRECTORY", p + "\0"),
        ("WRITE", p + "\0" + value), ("WRITE", p + "\0" + value), ("WRITE", p + "\0" + value),
        ("MKDIR", p + "\0"), ("RM", p + "\0"), ("GET_PERMS", p + "\0"),
        ("SET_PERMS", p + "\0" + perms(r)), ("WATCH", p + "\0" + r.choice(TOKENS) + "\0"),
        ("UNWATCH", (p if p not in BAD else "/t") + "\0" + r.choice(TOKENS) + "\0"),
        ("DIRECTORY_PART", p + "\0" + r.choice(["0", "1", "5", "x", "-1", "99999"]) + "\0"),
        ("GET_DOMAIN_PATH", r.choice(["0", "1", "77", "x", "-3"]) + "\0"),
        ("IS_DOMAIN_INTRODUCED", r.choice(["0", "1", "77", "x"]) + "\0"),
        ("TRANSACTION_START", "\0"), ("TRANSACTION_END", "T\0"), ("TRANSACTION_END", "F\0"),
        ("TRANSACTION_END", "T\0"), ("TRANSACTION_END", "X\0"),
        ("SET_PERMS", p + "\0"), ("WATCH", p + "\0"), (99, "x\0"), (20, "x\0"), ("ERROR", "x\0"),
        ("RESET_WATCHES", "\0") if r.random() < .1 else ("READ", p + "\0"),
        ("RELEASE", "77\0"), ("RESUME", "1\0"), ("SET_TARGET", "1\x0077\0"),
    ])


def mask(op, reply):
    name, data = reply
    if name == "DIRECTORY_PART":
        return name, data.split(b"\0", 1)[1]
    return name, data


class Run:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.ours = xsd.Daemon("-M")
        self.theirs = oracle.Xenstored()
        self.merged = 0
        self.log = []
        a, b = self.ours.client(), self.theirs.client()
        self.pairs = [Pair("tool1", a, b), Pair("tool2", self.ours.client(), self.theirs.client())]
        for domid in (1, 2):
            self.pairs.append(Pair(f"guest{domid}", a.introduce(domid),
                                   self.theirs.introduce(b, domid)))
        self.reset()

    def reset(self):
        """Bring both stores to the same state."""
        for p in self.pairs:
            for tx in p.tx:
                p.both("TRANSACTION_END", "F\0", tx)
            p.tx = []
            p.disturbed = set()
        tool = self.pairs[0]
        for op, payload in [("WRITE", "/\0"), ("SET_PERMS", "/\0n0\0"), ("RM", "/t\0"), ("RM", "/local\0"), ("WRITE", "/t/a\0v"),
                            ("WRITE", "/t/shared/a\0v"), ("SET_PERMS", "/t/shared\0b0\0"),
                            ("SET_PERMS", "/t\0r0\0b1\0")] + [
                x for d in "12" for x in [
                    ("WRITE", f"/local/domain/{d}/name\0g"),
                    ("SET_PERMS", f"/local/domain/{d}\0n{d}\0r0\0"),
                    ("WRITE", f"/local/domain/{d}/data/k\0v")]]:
            tool.both(op, payload)
        names = [c.req("DIRECTORY", "/\0")[1].split(b"\0")[:-1] for c in (tool.ours, tool.theirs)]
        for name in set(names[0] + names[1]) - {b"tool", b"local", b"t"}:
            tool.both("RM", b"/" + name + b"\0")
        for p in self.pairs:
            p.drain()

    def compare_events(self, what):
        for p in self.pairs:
            ours, theirs = p.drain()
            if ours != theirs:
                self.fail(f"after {what}: events of {p.name}\n  ours   {ours}\n  theirs {theirs}")

    def fail(self, text):
        print("\n".join(self.log[-25:]))
        sys.exit(f"DIFFERENT {text}")

    def step(self):
        p = self.r.choice(self.pairs)
        op, payload = request(self.r)
        tx = self.r.choice(p.tx) if p.tx and (self.r.random() < .5 or op == "TRANSACTION_END") else 0
        if self.r.random() < .01:
            tx = 4711
        if op == "TRANSACTION_START" and len(p.tx) >= 3:
            return
        self.log.append(f"{p.name} {op} {payload[:80]!r} tx {tx}")
        ours, theirs = (mask(op, x) for x in p.both(op, payload, tx))
        self.log.append(f"    -> {theirs[0]} {theirs[1][:60]!r}")
        if op == "TRANSACTION_START" and ours == theirs and ours[0] == op:
            p.tx.append(int(ours[1].rstrip(b"\0")))
        if op == "TRANSACTION_END" and payload in ("T\0", "F\0") and tx in p.tx:
            p.tx.remove(tx)
        if op == "RESET_WATCHES":
            p.tx = []
        if op in ("WRITE", "MKDIR", "RM", "SET_PERMS") and not tx or op == "TRANSACTION_END":
            for other in self.pairs:
                other.disturbed |= {x for x in other.tx if (other, x) != (p, tx)}
        if ours != theirs:
            if tx in p.disturbed:
                self.merged += 1
                self.reset()
                return
            self.fail(f"{self.log[-2]}\n  ours   {ours}\n  theirs {theirs}")
        if tx in p.disturbed and op == "TRANSACTION_END":
            for q in self.pairs:
                q.drain()
            self.reset()
        else:
            self.compare_events(self.log[-2])


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    for seed in sys.argv[2:] or range(1, 6):
        one(steps, int(seed))


def one(steps, seed):
    run = Run(seed)
    for _ in range(steps):
        run.step()
    run.theirs.stop()
    for p in run.pairs:
        p.ours.close()
    run.ours.stop()
    print(f"{steps} steps alike, seed {seed}; {run.merged} transactions differed after interference")


if __name__ == "__main__":
    main()
