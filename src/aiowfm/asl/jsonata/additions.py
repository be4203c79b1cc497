"""The functions that Step Functions adds to JSONata (Developer Guide, "JSONata functions")."""

from __future__ import annotations

import hashlib
import math
from typing import Final

from aiowfm.asl.jsonata.evaluation import evaluation
from aiowfm.asl.jsonata.values import MAX_NODES, JList, Value, fail, marked, sequence, too_large
from aiowfm.asl.payload import parse as parse_json

HASHES: Final = {
    "MD5": hashlib.md5,
    "SHA-1": hashlib.sha1,
    "SHA-256": hashlib.sha256,
    "SHA-384": hashlib.sha384,
    "SHA-512": hashlib.sha512,
}


def partition(items: Value, size: Value) -> Value:
    if items is None or size is None:
        return None
    length = int(size)
    if length < 1:
        raise fail("The second argument of the partition function must be a positive integer")
    parts = -(-len(items) // length)
    if len(items) + parts > MAX_NODES:
        raise too_large("a value", MAX_NODES)
    evaluation().spend(parts)
    return sequence(JList(items[at : at + length]) for at in range(0, len(items), length))


def number_range(first: Value, last: Value, step: Value) -> Value:
    if first is None or last is None or step is None:
        return None
    if step == 0:
        raise fail("The third argument of the range function must not be 0")
    count = math.floor((last - first) / step) + 1
    if count > MAX_NODES:
        raise too_large("an array", MAX_NODES)
    return sequence(first + number * step for number in range(count))


def hashed(text: Value, algorithm: Value) -> Value:
    if text is None or algorithm is None:
        return None
    if algorithm not in HASHES:
        raise fail(f"The hash algorithm must be one of {', '.join(HASHES)}")
    return HASHES[algorithm](text.encode("utf-8", "replace")).hexdigest()


def random(seed: Value) -> Value:
    if seed is None:
        return evaluation().entropy.random()
    digest = hashlib.sha256(str(int(seed)).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)


def uuid() -> Value:
    bits = evaluation().entropy.getrandbits(128)
    bits = bits & ~(0xF << 76) | 4 << 76  # version 4
    bits = bits & ~(0x3 << 62) | 2 << 62  # variant of RFC 4122
    digits = f"{bits:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def parse(text: Value) -> Value:
    if text is None:
        return None
    try:
        return marked(parse_json(text), evaluation().spend)
    except ValueError as error:
        raise fail(f"The argument of the parse function is not JSON: {error}") from error
