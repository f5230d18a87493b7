#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""core.py CORE: read a core dump as docs/misc/dump-core-format.txt of the Xen tree describes it, refuse
what breaks it, and print what is in it: "kind pvh|pv", "vcpus N", "pages N", and per vCPU "vcpu I rip X
flags Y cr3 Z".

core.py CORE find TEXT: print the number of each page that has TEXT in it.

core.py CORE vcpu I: print what the file has of a vCPU, one thing per line; no handlers that are not there."""
import struct
import sys

MAGICS = {0xF00FEBED: ("pv", ".xen_p2m", 16), 0xF00FEBEE: ("pvh", ".xen_pfn", 8)}
CONTEXT = 5168


def need(condition, what):
    if not condition:
        sys.exit(f"core.py: {what}")


class Context:
    """struct vcpu_guest_context of 64 bits: after the FPU, flags, registers, traps, and the rest."""
    REGS = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi".split()
    TAIL = 520 + 200 + 4096

    def __init__(self, c):
        self.flags = struct.unpack_from("<Q", c, 512)[0]
        self.regs = dict(zip(self.REGS, struct.unpack_from("<15Q", c, 520)))
        self.regs["rip"], cs, self.regs["rflags"], self.regs["rsp"], ss = \
            struct.unpack_from("<QQQQQ", c, 520 + 16 * 8)
        self.regs["cs"], self.regs["ss"] = cs & 0xffff, ss & 0xffff
        self.traps = [struct.unpack_from("<BBHIQ", c, 720 + 16 * i) for i in range(256)]
        tail = struct.unpack_from("<44Q", c, self.TAIL)
        self.rest = {"ldt": tail[0:2], "gdt": tail[2:18], "gdt_ents": tail[18:19],
                     "kernel_stack": tail[19:21], "cr": tail[21:29], "callbacks": tail[37:40],
                     "vm_assist": tail[40:41]}

    def show(self):
        print(f"flags {self.flags:#x}")
        for name, value in self.regs.items():
            print(f"{name} {value:#x}")
        for vector, flags, cs, _, address in self.traps:
            if address:
                print(f"trap {vector:#x} flags {flags} cs {cs:#x} address {address:#x}")
        for name, values in self.rest.items():
            print(name, *(f"{v:#x}" for v in values))


class Core:
    def __init__(self, path):
        self.f = open(path, "rb")
        ident, kind, machine, _, _, _, shoff, _, ehsize, _, phnum, shentsize, shnum, shstrndx = \
            struct.unpack("<16sHHIQQQIHHHHHH", self.at(0, 64))
        need(ident[:6] == b"\x7fELF\x02\x01", "no 64-bit little-endian ELF file")
        need((kind, machine, phnum, ehsize, shentsize) == (4, 62, 0, 64, 64), "no core of x86-64")
        heads = [struct.unpack("<IIQQQQIIQQ", self.at(shoff + 64 * i, 64)) for i in range(shnum)]
        names = self.at(heads[shstrndx][4], heads[shstrndx][5])
        self.sections = {}
        for h in heads[1:]:
            self.sections[names[h[0]:names.index(b"\0", h[0])].decode()] = h
        for name in (".note.Xen", ".xen_prstatus", ".xen_shared_info", ".xen_pages"):
            need(name in self.sections, f"section {name} is missing")
        self.read_notes()
        self.read_numbers()

    def at(self, offset, size):
        self.f.seek(offset)
        data = self.f.read(size)
        need(len(data) == size, f"the file ends before {offset + size}")
        return data

    def section(self, name):
        return self.at(self.sections[name][4], self.sections[name][5])

    def read_notes(self):
        data, at, notes = self.section(".note.Xen"), 0, {}
        while at < len(data):
            namesz, descsz, kind = struct.unpack_from("<III", data, at)
            need(data[at + 12:at + 12 + namesz] == b"Xen\0", "a note is not Xen's")
            notes[kind] = data[at + 12 + namesz:at + 12 + namesz + descsz]
            at += 12 + namesz + descsz
        need(set(notes) == {0x2000000, 0x2000001, 0x2000002, 0x2000003}, "notes are missing")
        magic, self.vcpus, self.pages, size = struct.unpack("<QQQQ", notes[0x2000001])
        need(magic in MAGICS and size == 4096, "the header note is wrong")
        self.kind, self.numbers_name, self.entry = MAGICS[magic]
        need(struct.unpack("<Q", notes[0x2000003])[0] == 1, "another version of the format")
        need(len(notes[0x2000002]) == 1280, "the version note has a wrong size")

    def read_numbers(self):
        need(self.numbers_name in self.sections, f"section {self.numbers_name} is missing")
        need(len(self.sections) == 6, "there are sections that should not be")
        data = self.section(self.numbers_name)
        need(len(data) == self.pages * self.entry, "the list of pages has a wrong size")
        need(self.sections[".xen_pages"][5] == self.pages * 4096, "the pages have a wrong size")
        words = struct.unpack(f"<{len(data) // 8}Q", data)
        self.numbers = words[::self.entry // 8]
        need(len(set(self.numbers)) == self.pages, "a page is there twice")

    def contexts(self):
        data = self.section(".xen_prstatus")
        need(len(data) == self.vcpus * CONTEXT, "the processors have a wrong size")
        for i in range(self.vcpus):
            yield Context(data[i * CONTEXT:(i + 1) * CONTEXT])

    def find(self, text):
        start = self.sections[".xen_pages"][4]
        for i, n in enumerate(self.numbers):
            if text in self.at(start + 4096 * i, 4096):
                yield n


core = Core(sys.argv[1])
if sys.argv[2:3] == ["find"]:
    for n in core.find(sys.argv[3].encode()):
        print(n)
elif sys.argv[2:3] == ["vcpu"]:
    list(core.contexts())[int(sys.argv[3])].show()
else:
    print("kind", core.kind)
    print("vcpus", core.vcpus)
    print("pages", core.pages)
    for i, c in enumerate(core.contexts()):
        print(f"vcpu {i} rip {c.regs['rip']:#x} flags {c.flags:#x} cr3 {c.rest['cr'][3]:#x}")
