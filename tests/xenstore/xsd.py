# SPDX-License-Identifier: MIT
"""What the xenstore tests share: a daemon in a directory of its own, and raw wire clients."""
import atexit
import ctypes
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

BINDIR = os.environ.get("BINDIR", "build")
DAEMON = os.path.join(BINDIR, "src/xenstore/domicile-xenstored")
TOOLS = os.path.join(BINDIR, "src/xenstore")

OPS = dict(CONTROL=0, DIRECTORY=1, READ=2, GET_PERMS=3, WATCH=4, UNWATCH=5, TRANSACTION_START=6,
           TRANSACTION_END=7, INTRODUCE=8, RELEASE=9, GET_DOMAIN_PATH=10, WRITE=11, MKDIR=12,
           RM=13, SET_PERMS=14, WATCH_EVENT=15, ERROR=16, IS_DOMAIN_INTRODUCED=17, RESUME=18,
           SET_TARGET=19, RESET_WATCHES=21, DIRECTORY_PART=22, GET_FEATURE=23, SET_FEATURE=24,
           GET_QUOTA=25, SET_QUOTA=26)
NAMES = {number: name for name, number in OPS.items()}


# Seconds: for what takes milliseconds, on a machine that is busy with other things.
WAIT = 120


def die_with_parent():
    """Of programs that keep their user; a change of it, as ours makes, is no parent's business."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)      # PR_SET_PDEATHSIG


def skip(why):
    print("SKIP:", why)
    sys.exit(77)


class Daemon:
    """Our daemon, on a socket in a fresh directory; kill() and start() keep the directory."""

    def __init__(self, *args, wrapper=()):
        self.dir = tempfile.mkdtemp(prefix="xsd-")
        self.socket = os.path.join(self.dir, "socket")
        self.args = list(args)
        self.wrapper = list(wrapper)
        self.env = dict(os.environ, XENSTORED_RUNDIR=self.dir, XENSTORED_PATH=self.socket)
        self.start()

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.log = open(os.path.join(self.dir, "log"), "a+")
        self.proc = subprocess.Popen(self.wrapper + [DAEMON, "-N"] + self.args, env=self.env,
                                     stdout=self.log, stderr=self.log,
                                     preexec_fn=die_with_parent)
        atexit.register(self.proc.kill)
        end = time.time() + WAIT
        while True:
            try:
                Client(self.socket).close()
                return
            except OSError:
                if self.proc.poll() is not None or time.time() > end:
                    self.log.seek(0)
                    sys.exit("daemon does not start: " + self.log.read())
                time.sleep(.005)

    def kill(self):
        self.proc.send_signal(signal.SIGKILL)
        self.proc.wait()

    def stop(self):
        self.proc.send_signal(signal.SIGTERM)
        code = self.proc.wait(WAIT)
        self.log.seek(0)
        text = self.log.read()
        shutil.rmtree(self.dir)
        assert code == 0, f"daemon ended with {code}: {text}"
        return text

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.proc.kill()

    def client(self):
        return Client(self.socket)


class Client:
    """Raw wire protocol over a connected stream socket."""

    def __init__(self, target):
        self.buf = b""
        self.events = []
        if isinstance(target, socket.socket):
            self.s = target
        else:
            self.s = socket.socket(socket.AF_UNIX)
            self.s.settimeout(WAIT)
            for _ in range(100 * WAIT): # Xen's daemon has a backlog of one
                try:
                    self.s.connect(target)
                    break
                except BlockingIOError:
                    time.sleep(.01)

    def close(self):
        self.s.close()

    def send(self, raw):
        self.s.sendall(raw)

    def msg(self):
        """Next message: (name, req_id, tx_id, payload)."""
        while True:
            if len(self.buf) >= 16:
                op, rid, tx, size = struct.unpack_from("<IIII", self.buf)
                if len(self.buf) >= 16 + size:
                    payload = self.buf[16:16 + size]
                    self.buf = self.buf[16 + size:]
                    return NAMES.get(op, op), rid, tx, payload
            data = self.s.recv(65536)
            if not data:
                raise EOFError
            self.buf += data

    def reply(self):
        """Next message that is not an event; events are kept."""
        while True:
            m = self.msg()
            if m[0] != "WATCH_EVENT":
                return m
            self.events.append(m[3])

    @staticmethod
    def pack(op, payload=b"", tx=0, rid=1):
        if isinstance(payload, str):
            payload = payload.encode()
        return struct.pack("<IIII", OPS.get(op, op), rid, tx, len(payload)) + payload

    def req(self, op, payload=b"", tx=0, rid=1):
        """Send and wait for the reply: (name, payload)."""
        self.send(self.pack(op, payload, tx, rid))
        name, _, _, data = self.reply()
        return name, data

    def ok(self, op, payload=b"", tx=0):
        name, data = self.req(op, payload, tx)
        assert name == op, f"{op} {payload!r}: {name} {data!r}"
        return data

    def err(self, op, payload=b"", tx=0):
        name, data = self.req(op, payload, tx)
        assert name == "ERROR", f"{op} {payload!r}: expected an error, got {name} {data!r}"
        return data.rstrip(b"\0").decode()

    def drain(self):
        """Make sure all events so far are in self.events, and return and clear them."""
        self.ok("GET_DOMAIN_PATH", b"0\0")
        events, self.events = self.events, []
        return events

    def tx(self):
        return int(self.ok("TRANSACTION_START", b"\0").rstrip(b"\0"))

    def introduce(self, domid):
        """Introduce a domain; returns the Client that speaks as it."""
        ours, theirs = socket.socketpair()
        payload = b"%d\x001\x001\0fd\0" % domid
        for _ in range(2):              # the daemon may have stopped looking for descriptors
            socket.send_fds(self.s, [self.pack("INTRODUCE", payload)], [theirs.fileno()])
            name, _, _, data = self.reply()
            if (name, data) != ("ERROR", b"EAGAIN\0"):
                break
        theirs.close()
        assert (name, data) == ("INTRODUCE", b"FD\0"), (name, data)
        ours.settimeout(WAIT)
        return Client(ours)
