"""JSON text as plain data with positions."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from json.decoder import scanstring  # type: ignore[attr-defined]  # not in the type stubs
from typing import Any, NoReturn

from aiowfm.asl.findings import Pointer
from aiowfm.definitions.reading import MAX_VALUES, Position, Reading, TooMuchError

_SPACE = re.compile(r"[ \t\n\r]*")


def read_json(text: str) -> Reading:
    """*text*, which must be JSON by RFC 8259, with each key once in its object."""
    reading = Reading()
    try:
        json.loads(text, parse_constant=_no_constant)
        reading.data = _Walk(text, reading).run()
    except json.JSONDecodeError as exc:
        reading.complain(f"not JSON: {exc.msg}", Position(exc.lineno, exc.colno))
    except _NoNumberError as exc:
        reading.complain(f"not JSON: there is no number {exc}", Position(1, 1))
    except TooMuchError as exc:
        reading.data = None
        reading.complain(*exc.args)
    except RecursionError:
        reading.complain("nested too deep", Position(1, 1))
    except ValueError as exc:  # a number of too many digits
        reading.complain(f"not usable: {exc}", Position(1, 1))
    return reading


class _NoNumberError(Exception):
    """NaN or Infinity, which Python's JSON knows and JSON does not."""


def _no_constant(name: str) -> NoReturn:
    raise _NoNumberError(name)


class _Walk:
    """Reads text that is known to be JSON once more, for the positions."""

    def __init__(self, text: str, reading: Reading) -> None:
        self._text = text
        self._reading = reading
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._decoder = json.JSONDecoder()
        self._left = MAX_VALUES

    def run(self) -> Any:
        start = self._after_space(0)
        self._reading.positions[()] = self._position(start)
        return self._value(start, ())[0]

    def _value(self, index: int, pointer: Pointer) -> tuple[Any, int]:
        self._left -= 1
        if self._left < 0:
            raise TooMuchError(f"more than {MAX_VALUES:,} values", self._position(index))
        match self._text[index]:
            case "{":
                return self._object(index + 1, pointer)
            case "[":
                return self._list(index + 1, pointer)
        return self._decoder.raw_decode(self._text, index)

    def _object(self, index: int, pointer: Pointer) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        index = self._after_space(index)
        while self._text[index] != "}":
            if self._text[index] == ",":
                index = self._after_space(index + 1)
            key, after = scanstring(self._text, index + 1)
            if key in found:
                self._reading.complain(f"key {key!r} stands here twice", self._position(index))
            self._reading.positions[*pointer, key] = self._position(index)
            colon = self._after_space(after)
            found[key], index = self._value(self._after_space(colon + 1), (*pointer, key))
            index = self._after_space(index)
        return found, index + 1

    def _list(self, index: int, pointer: Pointer) -> tuple[list[Any], int]:
        found: list[Any] = []
        index = self._after_space(index)
        while self._text[index] != "]":
            if self._text[index] == ",":
                index = self._after_space(index + 1)
            steps = (*pointer, len(found))
            self._reading.positions[steps] = self._position(index)
            value, index = self._value(index, steps)
            found.append(value)
            index = self._after_space(index)
        return found, index + 1

    def _after_space(self, index: int) -> int:
        match = _SPACE.match(self._text, index)
        return match.end() if match else index

    def _position(self, index: int) -> Position:
        line = bisect_right(self._starts, index)
        return Position(line, index - self._starts[line - 1] + 1)
