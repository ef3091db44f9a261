# SPDX-License-Identifier: Apache-2.0
"""A second reader of JVM heap dumps, as plain as can be, to compare with: objects, what they refer to, what is retained."""
import struct

SIZES = {2: 8, 4: 1, 5: 2, 6: 4, 7: 8, 8: 1, 9: 2, 10: 4, 11: 8}
ROOTS = {0xff: 0, 1: 8, 2: 8, 3: 8, 4: 4, 5: 0, 6: 4, 7: 0, 8: 8}  # bytes behind the identifier
FOREVER = {"jdk/internal/loader/ClassLoaders$AppClassLoader", "jdk/internal/loader/ClassLoaders$PlatformClassLoader",
           "jdk/internal/loader/ClassLoaders$BootClassLoader"}
WEAK = {"java/lang/ref/WeakReference", "java/lang/ref/PhantomReference", "java/lang/ref/FinalReference"}


class Dump:
    """Identifiers are of 8 bytes."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.names, self.class_names, self.classes = {}, {}, {}
        self.instances, self.arrays, self.class_of = [], [], {}
        self.roots, self.threads = set(), set()
        at = self.data.index(b"\0") + 13
        while at < len(self.data):
            tag, length = self.data[at], struct.unpack_from(">I", self.data, at + 5)[0]
            self.record(tag, at + 9, at + 9 + length)
            at += 9 + length
        self.link()

    def id(self, at):
        return struct.unpack_from(">Q", self.data, at)[0]

    def record(self, tag, at, end):
        if tag == 1:
            self.names[self.id(at)] = self.data[at + 8:end].decode(errors="replace")
        elif tag == 2:
            self.class_names[self.id(at + 4)] = self.id(at + 16)
        while tag in (0x0c, 0x1c) and at < end:
            at = self.sub_record(self.data[at], at + 1)

    def sub_record(self, tag, at):
        if tag in ROOTS:
            if tag != 7:
                self.roots.add(self.id(at))
            if tag == 8:
                self.threads.add(self.id(at))
            return at + 8 + (8 if tag == 1 else ROOTS[tag])
        this = self.id(at)
        if tag == 0x20:
            return self.class_dump(this, at)
        length = struct.unpack_from(">I", self.data, at + (20 if tag == 0x21 else 12))[0]
        if tag == 0x21:
            self.instances.append((this, self.id(at + 12), at + 24))
            self.class_of[this] = self.id(at + 12)
            return at + 24 + length
        if tag == 0x22:
            self.arrays.append((this, self.id(at + 16), struct.unpack_from(f">{length}Q", self.data, at + 24)))
            return at + 24 + 8 * length
        self.arrays.append((this, 0, ()))
        return at + 17 + length * SIZES[self.data[at + 16]]

    def class_dump(self, this, at):
        c = dict(zip(("super", "loader", "signers", "domain"), struct.unpack_from(">4Q", self.data, at + 12)))
        at += 8 + 4 + 6 * 8 + 4
        count, at = struct.unpack_from(">H", self.data, at)[0], at + 2
        for _ in range(count):
            at += 3 + SIZES[self.data[at + 2]]
        c["statics"], c["fields"] = [], []
        count, at = struct.unpack_from(">H", self.data, at)[0], at + 2
        for _ in range(count):
            kind = self.data[at + 8]
            if kind == 2:
                c["statics"].append((self.names.get(self.id(at), "<"), self.id(at + 9)))
            at += 9 + SIZES[kind]
        count, at = struct.unpack_from(">H", self.data, at)[0], at + 2
        for i in range(count):
            c["fields"].append((self.names.get(self.id(at + 9 * i)), self.data[at + 9 * i + 8]))
        self.classes[this] = c
        return at + 9 * count

    def name(self, klass):
        return self.names.get(self.class_names.get(klass), "?")

    def above(self, klass):
        while klass in self.classes:
            yield klass
            klass = self.classes[klass]["super"]

    def link(self):
        """edges: what each object keeps alive, but for what is there anyway; statics: by "Class.field", the roots that are one each."""
        forever = {k for k, c in self.classes.items()
                   if not c["loader"] or self.name(self.class_of.get(c["loader"])) in FOREVER}
        self.edges, self.statics = {}, {}
        for this, klass, at in self.instances:
            weak = any(self.name(k) in WEAK for k in self.above(klass))
            out = [] if klass in forever else [klass]
            for k in self.above(klass):
                for name, kind in self.classes[k]["fields"]:
                    if kind == 2 and not (weak and name == "referent"):
                        out.append(self.id(at))
                    at += SIZES[kind]
            self.edges[this] = out
        for this, klass, out in self.arrays:
            self.edges[this] = out
        for k, c in self.classes.items():
            out = [c["signers"], c["domain"]]
            if k not in forever:
                out += [c["loader"], c["super"]]
            for name, value in c["statics"]:
                if k not in forever or name.startswith("<"):
                    out.append(value)
                else:
                    self.statics[f"{self.name(k)}.{name}".replace("/", ".")] = value
            self.edges[k] = out
        for this, out in self.edges.items():
            self.edges[this] = {o for o in out if o in self.edges and o not in forever and o not in self.threads}
        self.roots = {r for r in self.roots if r in self.edges} | forever
        self.statics = {n: v for n, v in self.statics.items() if v in self.edges and v not in forever and v not in self.threads}

    def reached(self, without=None):
        """How many objects all roots lead to, or all but one static field."""
        todo = list(self.roots | {v for n, v in self.statics.items() if n != without})
        seen = set(todo)
        while todo:
            fresh = self.edges[todo.pop()] - seen
            seen |= fresh
            todo.extend(fresh)
        return len(seen)
