#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""edit-elf.py nosect|nobuildinfo FILE - take section headers or Go build information out of a 64-bit ELF file."""
import struct
import sys


def sections(image):
    shoff, = struct.unpack_from("<Q", image, 0x28)
    entsize, count, strndx = struct.unpack_from("<HHH", image, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", image, shoff + i * entsize) for i in range(count)]
    names = headers[strndx][4]
    for name, _type, _flags, _addr, offset, size in headers:
        end = image.index(b"\0", names + name)
        yield bytes(image[names + name:end]).decode(), offset, size


def main():
    edit, path = sys.argv[1:]
    with open(path, "rb") as f:
        image = bytearray(f.read())
    if edit == "nosect":
        struct.pack_into("<Q", image, 0x28, 0)      # e_shoff
        struct.pack_into("<HH", image, 0x3C, 0, 0)  # e_shnum, e_shstrndx
    elif edit == "nobuildinfo":
        (offset, size), = [(o, s) for n, o, s in sections(image) if n == ".go.buildinfo"]
        image[offset:offset + size] = bytes(size)
        if b"\xff Go buildinf:" in image:
            at = image.index(b"\xff Go buildinf:")
            image[at:at + 14] = bytes(14)
    else:
        sys.exit(__doc__)
    with open(path, "r+b") as f:
        f.write(image)


main()
