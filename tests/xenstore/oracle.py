# SPDX-License-Identifier: MIT
"""Xen's own daemons, run without Xen behind oracle/shim.c, and the ring of a guest of theirs.

They are looked for in $XEN_BIN, then where Debian's xen-utils installs them, then where
`tests/lab/prepare xen` unpacks it."""
import glob
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
import time

import xsd

SHIM = os.environ.get("XS_SHIM", os.path.join(xsd.BINDIR, "tests/xenstore/liboracle-shim.so"))


def directories():
    """Where programs of Xen may be."""
    cache = [os.environ.get("DOMICILE_LAB"), "/var/cache/domicile-lab",
             os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")),
                          "domicile-lab")]
    dirs = [os.environ["XEN_BIN"]] if os.environ.get("XEN_BIN") else []
    for root in ["/"] + [c + "/xen" for c in cache if c]:
        dirs += sorted(glob.glob(os.path.join(root, "usr/lib/xen-4.*/bin")), reverse=True)
    return dirs


def find(name):
    for d in directories():
        path = os.path.join(d, name)
        if os.access(path, os.X_OK):
            return path
    return None


class Xenstored:
    """The real C daemon."""

    def __init__(self, *args, cpu=None):
        binary = find("xenstored")
        if not binary:
            xsd.skip("no xenstored of Xen here (run tests/lab/prepare xen, or set XEN_BIN)")
        if not os.path.exists(SHIM):
            xsd.skip("the preload shim was not built (package libxen-dev)")
        self.dir = tempfile.mkdtemp(prefix="xs-oracle-")
        self.socket = self.dir + "/socket"
        env = dict(os.environ, XS_ORACLE=self.dir, LD_PRELOAD=os.path.abspath(SHIM),
                   XENSTORED_RUNDIR=self.dir, XENSTORED_PATH=self.socket)
        pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
        self.proc = subprocess.Popen(pin + [binary, "-N", *args], env=env,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     preexec_fn=xsd.die_with_parent)
        wait_for(self.socket, self.proc)

    def client(self):
        return xsd.Client(self.socket)

    def introduce(self, client, domid):
        ring = Ring(self.dir, domid)
        client.ok("INTRODUCE", b"%d\x001\x001\0" % domid)
        return ring

    def stop(self):
        self.proc.kill()
        self.proc.wait()
        shutil.rmtree(self.dir)


def wait_for(path, proc):
    end = time.time() + 20
    while True:
        try:
            xsd.Client(path).close()
            return
        except OSError:
            if time.time() > end or proc.poll() is not None:
                xsd.skip("Xen's daemon does not start here")
            time.sleep(.01)


class Oxenstored:
    """The real OCaml daemon. Its paths are built in, so it gets a mount namespace."""

    def __init__(self, cpu=None):
        binary = find("oxenstored")
        if not binary:
            raise RuntimeError("no oxenstored here")
        self.dir = tempfile.mkdtemp(prefix="xs-oracle-")
        conf = self.dir + "/conf"
        for name, data in (("port", "1000"), ("kva", "\0" * 4096)):
            open(f"{self.dir}/{name}", "w").write(data)
        open(conf, "w").write(
            f"pid-file = {self.dir}/pid\ntest-eagain = false\nperms-activate = true\n"
            "quota-activate = false\npersistent = false\nconflict-burst-limit = 5.0\n"
            f"xenstored-kva = {self.dir}/kva\nxenstored-port = {self.dir}/port\n")
        script = (f"mount -t tmpfs none /run; mkdir -p /run/xenstored /run/xen /var/log/xen"
                  f" 2>/dev/null; mount -t tmpfs none /var/log; mkdir -p /var/log/xen;"
                  f" exec {binary} --no-domain-init --no-fork --config-file {conf}")
        env = dict(os.environ, XS_ORACLE=self.dir, LD_PRELOAD=os.path.abspath(SHIM))
        pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
        self.proc = subprocess.Popen([*pin, "unshare", "-m", "bash", "-c", script], env=env,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     preexec_fn=xsd.die_with_parent)
        self.socket = f"/proc/{self.proc.pid}/root/run/xenstored/socket"
        # Before it has its own mounts, that path is the host's.
        end = time.time() + 20
        while open(f"/proc/{self.proc.pid}/comm").read() != "oxenstored\n" and time.time() < end:
            time.sleep(.01)
        wait_for(self.socket, self.proc)

    def stop(self):
        self.proc.kill()
        self.proc.wait()
        shutil.rmtree(self.dir)


class Ring(xsd.Client):
    """Guest N's end of the shared page of the real C daemon."""

    def __init__(self, directory, domid):
        self.buf, self.events = b"", []
        path = f"{directory}/ring-{domid}"
        with open(path, "a+b") as f:
            f.truncate(4096)
        with open(path, "r+b") as f:
            self.page = mmap.mmap(f.fileno(), 4096)
        self.page[:] = bytes(4096)
        self.up = os.open(directory + "/up", os.O_RDWR)
        self.port = struct.pack("<I", 1000 + domid)

    def close(self):
        os.close(self.up)

    def u32(self, off):
        return struct.unpack_from("<I", self.page, off)[0]

    def send(self, raw):
        while raw:
            cons, prod = self.u32(2048), self.u32(2052)
            at = prod % 1024
            room = min(1024 - (prod - cons) % 2**32, 1024 - at)
            part, raw = raw[:room], raw[room:]
            self.page[at:at + len(part)] = part
            struct.pack_into("<I", self.page, 2052, (prod + len(part)) % 2**32)
            os.write(self.up, self.port)
            if raw and not room:
                time.sleep(.0002)

    def msg(self):
        end = time.time() + 10
        while True:
            if len(self.buf) >= 16:
                op, rid, tx, size = struct.unpack_from("<IIII", self.buf)
                if len(self.buf) >= 16 + size:
                    payload = self.buf[16:16 + size]
                    self.buf = self.buf[16 + size:]
                    return xsd.NAMES.get(op, op), rid, tx, payload
            cons, prod = self.u32(2056), self.u32(2060)
            if cons == prod:
                if time.time() > end:
                    raise TimeoutError
                time.sleep(.0001)
                continue
            at = cons % 1024
            n = min(prod - cons, 1024 - at)
            self.buf += self.page[1024 + at:1024 + at + n]
            struct.pack_into("<I", self.page, 2056, (cons + n) % 2**32)
            os.write(self.up, self.port)
