#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes one C file of the pages in a folder: embed.py FOLDER OUTPUT.c

Each page is a template with @CSP@, @STYLE@, @SCRIPT@ and @DATA@ in it. Styles and scripts go inline; the content
security policy names their hashes, so that nothing else in the page can run.
"""
import base64
import hashlib
import pathlib
import sys

PAGES = {
    "map": (["page.css", "map.css"], ["common.js", "treemap.js", "space.js", "map.js"]),
    "flame": (["page.css", "flame.css"], ["common.js", "flame_data.js", "flame.js"]),
}


def hash_of(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def page(folder, name):
    styles, scripts = PAGES[name]
    style = "".join((folder / f).read_text() for f in styles)
    script = '"use strict";\n' + "".join((folder / f).read_text() for f in scripts)
    assert "</s" not in style + script.replace("<\\/s", ""), "an element would end early"
    csp = f"default-src 'none'; style-src {hash_of(style)}; script-src {hash_of(script)}; base-uri 'none'; form-action 'none'"
    text = (folder / f"{name}.html").read_text()
    for key, value in (("@CSP@", csp), ("@STYLE@", style), ("@SCRIPT@", script)):
        head, tail = text.split(key)
        text = head + value + tail
    return text.split("@DATA@")


def c_array(name, text):
    data = text.encode() + b"\0"
    rows = (", ".join(f"{c if c < 128 else c - 256}" for c in data[i:i + 24]) for i in range(0, len(data), 24))
    return f"static const char {name}[] = {{\n\t" + ",\n\t".join(rows) + "\n};\n"


def main():
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    text = '/* Made by embed.py. */\n#include "format/page.h"\n\n'
    for name in PAGES:
        head, tail = page(folder, name)
        text += c_array(f"{name}_head", head) + c_array(f"{name}_tail", tail)
        text += f"const struct page page_{name} = {{ {name}_head, {name}_tail }};\n\n"
    out.write_text(text)


main()
