# SPDX-License-Identifier: Apache-2.0
"""A reader and a small writer of pprof's protobuf that owe nothing to the tool under test."""
import collections
import gzip

Profile = collections.namedtuple("Profile", "types samples mappings comments period time_nanos default_type")
Sample = collections.namedtuple("Sample", "stack addresses values labels")


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """(number, value) of one message; bytes for what has a length."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            n, at = varint(data, at)
            value, at = data[at:at + n], at + n
        else:
            n = 8 if key & 7 == 1 else 4
            value, at = int.from_bytes(data[at:at + n], "little"), at + n
        yield key >> 3, value


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def numbers(value):
    """A repeated number, packed or not."""
    if isinstance(value, int):
        return [value]
    at, out = 0, []
    while at < len(value):
        one, at = varint(value, at)
        out.append(one)
    return out


def one(message):
    """The last value of each field."""
    return dict(fields(message))


def label(message, strings):
    found = one(message)
    text = found.get(2)
    return strings[found[1]], strings[text] if text else signed(found.get(3, 0))


def read(path):
    """Profile; a stack is ((function, file, line, inlined), ...), innermost first."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    parts = collections.defaultdict(list)
    for number, value in fields(data):
        parts[number].append(value)
    strings = [s.decode() for s in parts[6]]
    functions = {f[1]: (strings[f.get(2, 0)], strings[f.get(4, 0)]) for f in map(one, parts[5])}
    locations = {}
    for message in parts[4]:
        lines = [one(value) for number, value in fields(message) if number == 4]
        frames = tuple((*functions[line[1]], signed(line.get(2, 0)), i + 1 < len(lines))
                       for i, line in enumerate(lines))
        found = one(message)
        locations[found[1]] = found.get(3, 0), frames
    samples = []
    for message in parts[2]:
        ids, values, labels = [], [], []
        for number, value in fields(message):
            if number == 1:
                ids += numbers(value)
            elif number == 2:
                values += map(signed, numbers(value))
            elif number == 3:
                labels.append(label(value, strings))
        samples.append(Sample(sum((locations[i][1] for i in ids), ()), tuple(locations[i][0] for i in ids),
                              tuple(values), tuple(sorted(labels, key=str))))
    types = [(strings[t.get(1, 0)], strings[t.get(2, 0)]) for t in map(one, parts[1])]
    mappings = [(m.get(2, 0), m.get(3, 0), strings[m.get(5, 0)], strings[m.get(6, 0)])
                for m in map(one, parts[3])]
    last = lambda number: parts[number][-1] if parts[number] else 0
    return Profile(types, samples, mappings, [strings[i] for v in parts[13] for i in numbers(v)],
                   last(12), last(9), strings[last(14)])


def pack_varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def pack(*parts):
    """A message of (number, int | str | bytes) pairs."""
    out = []
    for number, value in parts:
        if isinstance(value, int):
            out += [pack_varint(number << 3), pack_varint(value)]
        else:
            data = value.encode() if isinstance(value, str) else value
            out += [pack_varint(number << 3 | 2), pack_varint(len(data)), data]
    return b"".join(out)


def make(types, samples):
    """Bytes of a profile: types are (name, unit), samples (functions from the innermost, values). Names may be bytes."""
    strings, functions, body = {"": 0}, {}, []

    def string(text):
        return strings.setdefault(text, len(strings))

    for name, unit in types:
        body.append((1, pack((1, string(name)), (2, string(unit)))))
    for stack, values in samples:
        ids = [functions.setdefault(string(name), len(functions) + 1) for name in stack]
        body.append((2, pack((1, b"".join(map(pack_varint, ids))), (2, b"".join(map(pack_varint, values))))))
    for name, number in functions.items():
        body.append((4, pack((1, number), (3, 4096 + number), (4, pack((1, number), (2, 1))))))
        body.append((5, pack((1, number), (2, name), (4, string("/src/a.go")))))
    return pack(*body, *((6, text) for text in strings))
