# SPDX-License-Identifier: Apache-2.0
"""A target whose memory lies: words of its data, of the runtime's structures and of its tables are overwritten."""
import os
import random
import struct

from common import *

ROUNDS = 25


def mappings(pid):
    """(start, end, permissions, path) of each mapping."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        for line in f:
            words = line.split(None, 5)
            start, end = (int(n, 16) for n in words[0].split("-"))
            yield start, end, words[1], words[5].strip() if len(words) > 5 else ""


def resident(pid, start, end):
    """Addresses of the pages of a range that are there: only those are overwritten, so that Rss stays as it is."""
    with open(f"/proc/{pid}/pagemap", "rb") as f:
        f.seek(start // 4096 * 8)
        entries = f.read((end - start) // 4096 * 8)
    return [start + i * 4096 for i in range(len(entries) // 8) if entries[i * 8 + 7] & 0x80]


def bad_word(chance, at, pages):
    """A word that leads nowhere, far, in a circle, or just beside the truth."""
    return chance.choice([0, 1, 0xffffffffffffffff, 0x7fffffffffff, at, at & ~4095, chance.choice(pages),
                          chance.choice(pages) + chance.randrange(4096), chance.getrandbits(16), chance.getrandbits(64)])


def places(target):
    """Pages that hold what the tool reads: the image's data and bss, and the runtime's own mappings; and the tables."""
    path = os.readlink(f"/proc/{target.pid}/exe")
    rows = list(mappings(target.pid))
    writable = [r for r in rows if "w" in r[2] and not 0xc000000000 <= r[0] < 0xd000000000 and r[3] in (path, "")]
    tables = [r for r in rows if r[2].startswith("r--") and r[3] == path]
    return ([p for r in writable for p in resident(target.pid, r[0], min(r[1], r[0] + (64 << 20)))],
            [p for r in tables for p in resident(target.pid, r[0], r[1])])


def survive(target):
    """Every command ends in time with a status of the contract; what it says adds up. True when it saw the lie."""
    result = ullage("map", target.pid, "--json", expect=None, timeout=60)
    check(result.status in (0, 5, 6), f"status {result.status}: {result.err}")
    for command in ("map", "doctor"):
        check(ullage(command, target.pid, expect=None, timeout=60).status in (0, 5, 6), f"{command} failed")
    if result.status:
        one_sentence(result.err)
        return True
    account = json.loads(result.out)
    account_adds_up(account)
    return bool(account["notes"]) or not account["runtime"]


def spoil(kind, pick, words):
    with go_target("1.26" if kind % 2 else "1.22", "cgopie", "-heap", "4000000", "-goroutines", "200") as target:
        target.signal(signal.SIGSTOP)
        pages = pick(places(target))
        check(pages, "nothing to overwrite was found")
        seen = 0
        with open(f"/proc/{target.pid}/mem", "r+b", buffering=0) as memory:
            for seed in range(ROUNDS):
                chance = random.Random(seed)
                before = []
                for _ in range(words):
                    at = chance.choice(pages) + 8 * chance.randrange(512)
                    memory.seek(at)
                    before.append((at, memory.read(8)))
                    memory.seek(at)
                    memory.write(struct.pack("<Q", bad_word(chance, at, pages)))
                try:
                    seen += survive(target)
                except AssertionError as e:
                    raise AssertionError(f"seed {seed}: {e}") from e
                for at, old in reversed(before):
                    memory.seek(at)
                    memory.write(old)
        figure("lies that were seen", f"{words} words", "1.26" if kind % 2 else "1.22", f"{seen} of {ROUNDS}")
        check(words < 2000 or seen, "no lie was seen: were the right words overwritten?")
        equal("unexplained when mended", ullage_json("map", target.pid)["unexplained_bytes"], 0)


@test(each=[(0, 20), (1, 20), (0, 2000), (1, 2000)], timeout=600)
def words_of_the_runtime_are_overwritten(kind, words):
    root_only()
    spoil(kind, lambda found: found[0], words)


@test(each=[(0, 200), (1, 200)], timeout=600)
def words_of_the_tables_are_overwritten(kind, words):
    """Module data, pclntab and read-only data; writing makes private copies of those pages, so Rss grows: the pages
    stay overwritten once, and only the end is compared."""
    root_only()
    spoil(kind, lambda found: found[1], words)
