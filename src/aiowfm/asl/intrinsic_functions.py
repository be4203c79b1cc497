"""What the intrinsic functions do, and what they take.

Rules and limits are the developer guide's ("Intrinsic functions for JSONPath states").
A ValueError says what is wrong with an argument.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from aiowfm.asl.paths import Entropy, Scope
from aiowfm.asl.payload import JsonValue, dump, parse

MAX_DATA_CHARACTERS = 10_000  # States.Base64Encode, Base64Decode, Hash
MAX_RANGE_ITEMS = 1_000  # States.ArrayRange
INTEGERS = range(-(2**31), 2**31)  # what MathAdd adds

_ALGORITHMS = {
    "MD5": "md5",
    "SHA-1": "sha1",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
}
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language.

    Attributes:
        call: What it does; ValueError says why it cannot.
        readings: What each argument must be.
        optional: How many of them may be left out, from the end.
        more: What further arguments must be; None if there are none.
        is_random: Whether it takes the scope's entropy before its arguments.
    """

    call: Callable[..., JsonValue]
    readings: tuple[Callable[[JsonValue], object], ...] = ()
    optional: int = 0
    more: Callable[[JsonValue], object] | None = None
    is_random: bool = False

    def takes(self, count: int) -> bool:
        """Whether it can be called with *count* arguments."""
        least, most = len(self.readings) - self.optional, len(self.readings)
        return count >= least and (count <= most or self.more is not None)

    @property
    def arity(self) -> str:
        """How many arguments it takes, in words."""
        least, most = len(self.readings) - self.optional, len(self.readings)
        if self.more is not None:
            return f"{least} or more arguments"
        number = str(most) if least == most else f"{least} or {most}"
        return f"{number if most else 'no'} argument{'' if most == 1 else 's'}"

    def __call__(self, values: list[JsonValue], scope: Scope) -> JsonValue:
        arguments: list[object] = [scope.entropy()] if self.is_random else []
        for index, value in enumerate(values):
            reading = self.readings[index] if index < len(self.readings) else self.more
            assert reading is not None
            try:
                arguments.append(reading(value))
            except ValueError as exc:
                raise ValueError(f"argument {index + 1} {exc}") from exc
        return self.call(*arguments)


# What arguments must be: each reading returns the argument, or raises ValueError.


def _any(value: JsonValue) -> JsonValue:
    return value


def _array(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise ValueError("must be an array")
    return value


def _object(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


def _string(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def _integer(value: JsonValue) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError("must be a number")
    # The nearest integer; halves go up, also below zero.
    return math.floor(value + 0.5)


def _integer_32(value: JsonValue) -> int:
    number = _integer(value)
    if number not in INTEGERS:
        raise ValueError(f"must be from {INTEGERS.start} to {INTEGERS.stop - 1}")
    return number


def _data(value: JsonValue) -> str:
    return _limited(_string(value))


def _data_of_any(value: JsonValue) -> str:
    return _limited(value if isinstance(value, str) else dump(value))


def _limited(data: str) -> str:
    if len(data) > MAX_DATA_CHARACTERS:
        raise ValueError(f"must not be longer than {MAX_DATA_CHARACTERS:,} characters")
    return data


def _algorithm(value: JsonValue) -> str:
    if not isinstance(value, str) or value not in _ALGORITHMS:
        raise ValueError(f"must be one of {', '.join(_ALGORITHMS)}")
    return _ALGORITHMS[value]


def _false(value: JsonValue) -> bool:
    if value is not False:
        raise ValueError("must be false: deep merging is not supported")
    return value


# The functions.


def _format(pieces: list[JsonValue], *values: JsonValue) -> str:
    if len(values) != len(pieces) - 1:
        raise ValueError(f"number of values ({len(values)}) and of {{}} ({len(pieces) - 1}) differ")
    shown = [_shown(value) for value in values]
    return "".join(f"{piece}{value}" for piece, value in zip(pieces, [*shown, ""], strict=True))


def _shown(value: JsonValue) -> str:
    """*value* as Format writes it; arrays and objects look as they do in Java."""
    match value:
        case str():
            return value
        case list():
            return f"[{', '.join(map(_shown, value))}]"
        case dict():
            members = (f"{name}={_shown(member)}" for name, member in value.items())
            return f"{{{', '.join(members)}}}"
    return dump(value)


def _string_to_json(text: str) -> JsonValue:
    return parse(text) if text.strip() else None


def _array_of(*values: JsonValue) -> JsonValue:
    return [*values]


def _array_partition(items: list[JsonValue], size: int) -> JsonValue:
    if size < 1:
        raise ValueError("argument 2 must be at least 1")
    return [items[start : start + size] for start in range(0, len(items), size)]


def _array_contains(items: list[JsonValue], wanted: JsonValue) -> bool:
    identity = _identity(wanted)
    return any(_identity(item) == identity for item in items)


def _array_range(first: int, last: int, step: int) -> JsonValue:
    if step == 0:
        raise ValueError("argument 3 must not be 0")
    items = range(first, last + (1 if step > 0 else -1), step)
    # len() fails on huge ranges.
    if items and (items[-1] - first) // step >= MAX_RANGE_ITEMS:
        raise ValueError(f"an array of more than {MAX_RANGE_ITEMS:,} items")
    return list(items)


def _array_get_item(items: list[JsonValue], index: int) -> JsonValue:
    if not 0 <= index < len(items):
        raise ValueError(f"no item {index} in an array of {len(items)}")
    return items[index]


def _array_unique(items: list[JsonValue]) -> JsonValue:
    first: dict[Hashable, JsonValue] = {}
    for item in items:
        first.setdefault(_identity(item), item)
    return list(first.values())


def _identity(value: JsonValue) -> Hashable:
    """What is equal exactly for equal JSON values: 1 equals 1.0, but not true."""
    match value:
        case bool():
            return (bool, value)
        case list():
            return tuple(map(_identity, value))
        case dict():
            return frozenset((name, _identity(member)) for name, member in value.items())
    return value


def _base64_encode(data: str) -> str:
    return base64.b64encode(data.encode()).decode()


def _base64_decode(data: str) -> str:
    # MIME: what is not of the alphabet is passed over, the padding may be missing.
    digits = _NOT_BASE64.sub("", data)
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4)).decode()
    except UnicodeDecodeError:
        raise ValueError("the decoded data is not UTF-8 text") from None
    except binascii.Error:
        raise ValueError("the data is not complete Base64") from None


def _hash(data: str, algorithm: str) -> str:
    return hashlib.new(algorithm, data.encode(), usedforsecurity=False).hexdigest()


def _json_merge(
    first: dict[str, JsonValue], second: dict[str, JsonValue], deep: bool
) -> dict[str, JsonValue]:
    return {**first, **second}


def _math_random(entropy: Entropy, start: int, end: int, seed: int | None = None) -> int:
    if start >= end:
        raise ValueError("argument 2 must be greater than argument 1")
    if seed is None:
        return entropy.randrange(start, end)
    digest = hashlib.sha256(str(seed).encode()).digest()
    return start + int.from_bytes(digest, "big") % (end - start)


def _string_split(text: str, delimiters: str) -> JsonValue:
    pieces = re.split(f"[{re.escape(delimiters)}]", text) if delimiters else [text]
    return [piece for piece in pieces if piece]


def uuid4(entropy: Entropy) -> str:
    bits = entropy.getrandbits(128)
    bits = bits & ~(0xF << 76) | 0x4 << 76  # version 4
    bits = bits & ~(0x3 << 62) | 0x2 << 62  # variant of RFC 9562
    digits = f"{bits:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


FUNCTIONS: dict[str, Function] = {
    "States.Array": Function(_array_of, more=_any),
    "States.ArrayContains": Function(_array_contains, (_array, _any)),
    "States.ArrayGetItem": Function(_array_get_item, (_array, _integer)),
    "States.ArrayLength": Function(len, (_array,)),
    "States.ArrayPartition": Function(_array_partition, (_array, _integer)),
    "States.ArrayRange": Function(_array_range, (_integer, _integer, _integer)),
    "States.ArrayUnique": Function(_array_unique, (_array,)),
    "States.Base64Decode": Function(_base64_decode, (_data,)),
    "States.Base64Encode": Function(_base64_encode, (_data,)),
    "States.Format": Function(_format, (_array,), more=_any),
    "States.Hash": Function(_hash, (_data_of_any, _algorithm)),
    "States.JsonMerge": Function(_json_merge, (_object, _object, _false)),
    "States.JsonToString": Function(dump, (_any,)),
    "States.MathAdd": Function(lambda a, b: a + b, (_integer_32, _integer_32)),
    "States.MathRandom": Function(
        _math_random, (_integer, _integer, _integer), optional=1, is_random=True
    ),
    "States.StringSplit": Function(_string_split, (_string, _string)),
    "States.StringToJson": Function(_string_to_json, (_string,)),
    "States.UUID": Function(uuid4, is_random=True),
}
