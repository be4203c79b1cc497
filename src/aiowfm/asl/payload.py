"""JSON values that travel: parsed and written at most once, however often they are passed on."""

from __future__ import annotations

import json
import math
import re

from pydantic import JsonValue as JsonValue
from pydantic_core import from_json, to_json

from aiowfm.asl.errors import EvaluationError

# What may be a number beyond those of IEEE 754, of which the fast parser makes Infinity.
_HUGE_NUMBER = re.compile(r"\d[eE]\+?\d{3}|\d{309}")

MAX_PAYLOAD_BYTES = 262_144  # UTF-8; input or output of a state, task or execution
MAX_LEVELS = 500  # of arrays and objects in one another: as deep as all that walks here can go


class TooDeepError(EvaluationError, ValueError):
    """A value with more than `MAX_LEVELS` levels; where a state makes it, the state fails."""

    def __init__(self, what: str = "the data") -> None:
        super().__init__(f"{what} is nested too deep: more than {MAX_LEVELS} levels")


def parse(text: str) -> JsonValue:
    """The value of JSON *text*.

    Raises:
        ValueError: it is not JSON (RFC 8259; NaN and Infinity are not).
        TooDeepError: likewise.
    """
    if _HUGE_NUMBER.search(text) is None:
        try:
            value: JsonValue = from_json(text, allow_inf_nan=False)
            return value
        except (ValueError, TypeError):
            pass  # it stops at 200 levels; the standard parser says what is wrong
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as exc:
        raise TooDeepError from exc
    _check_levels(value)
    return value


def dump(value: JsonValue) -> str:
    """*value* as compact JSON text.

    Raises:
        TooDeepError: it has too many levels.
    """
    try:
        return to_json(value).decode()
    except ValueError:
        # As above: what is nested deeper goes the slower way, and half of a surrogate pair
        # must be escaped.
        _check_levels(value)
        try:
            return json.dumps(value, allow_nan=False, separators=(",", ":"))
        except RecursionError as exc:
            raise TooDeepError from exc


def _check_levels(value: JsonValue) -> None:
    level = [value]
    for _ in range(MAX_LEVELS):
        level = [
            item
            for holder in level
            if isinstance(holder, list | dict)
            for item in (holder.values() if isinstance(holder, dict) else holder)
        ]
        if not level:
            return
    if any(isinstance(item, list | dict) for item in level):
        raise TooDeepError


def same(left: JsonValue, right: JsonValue) -> bool:
    """Whether two values are the same JSON: unlike in Python, `true` is not 1."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return isinstance(left, bool) is isinstance(right, bool) and left == right


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text} is too large")
    return number


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


class Pair(dict[str, JsonValue]):
    """A member of an object that a Map runs over, and what an iteration gets of it."""

    @classmethod
    def all_of(cls, members: dict[str, JsonValue]) -> list[JsonValue]:
        return [cls(Key=key, Value=value) for key, value in members.items()]


class Payload:
    """A JSON value together with its text, each made from the other when first asked for.

    Values are shared between states and events: never change one in place.
    """

    __slots__ = ("_has_value", "_text", "_value")

    def __init__(self, value: JsonValue = None, *, text: str | None = None) -> None:
        self._value = value
        self._text = text
        self._has_value = text is None

    @classmethod
    def parsed(cls, text: str) -> Payload:
        """The payload of JSON *text*, which is parsed now.

        Raises:
            ValueError: it is not JSON.
        """
        payload = cls(parse(text))
        payload._text = text
        return payload

    @property
    def value(self) -> JsonValue:
        if not self._has_value:
            assert self._text is not None
            self._value = parse(self._text)
            self._has_value = True
        return self._value

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = dump(self._value)
        return self._text

    def written(self, what: str) -> Payload:
        """Itself, its text made by now; *what* it is, an error says.

        Raises:
            TooDeepError: it has too many levels.
        """
        if self._text is None:
            try:
                self._text = dump(self._value)
            except TooDeepError as exc:
                raise TooDeepError(what) from exc
        return self

    @property
    def is_too_large(self) -> bool:
        text = self.text
        # Most payloads are short: count bytes only where characters might not fit.
        return len(text) * 4 > MAX_PAYLOAD_BYTES and len(text.encode()) > MAX_PAYLOAD_BYTES

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Payload) and same(self.value, other.value)

    __hash__ = None  # type: ignore[assignment]  # its value may be a dict

    def __repr__(self) -> str:
        return "Payload(…)"  # it may be secret
