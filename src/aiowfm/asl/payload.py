"""JSON values that travel: parsed and written at most once, however often they are passed on."""

from __future__ import annotations

import json

from pydantic import JsonValue as JsonValue
from pydantic_core import from_json, to_json

MAX_PAYLOAD_BYTES = 262_144  # UTF-8; input or output of a state, task or execution


def parse(text: str) -> JsonValue:
    """The value of JSON *text*.

    Raises:
        ValueError: it is not JSON (RFC 8259; NaN and Infinity are not).
    """
    try:
        value: JsonValue = from_json(text, allow_inf_nan=False)
    except ValueError:
        # The fast parser stops at 200 levels; the standard one says what is wrong.
        try:
            value = json.loads(text, parse_constant=_refuse)
        except RecursionError as exc:
            raise ValueError("nested too deep") from exc
    return value


def dump(value: JsonValue) -> str:
    """*value* as compact JSON text."""
    try:
        return to_json(value).decode()
    except ValueError:
        # As above: what is nested deeper goes the slower way.
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


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

    @property
    def is_too_large(self) -> bool:
        text = self.text
        # Most payloads are short: count bytes only where characters might not fit.
        return len(text) * 4 > MAX_PAYLOAD_BYTES and len(text.encode()) > MAX_PAYLOAD_BYTES

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Payload) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]  # its value may be a dict

    def __repr__(self) -> str:
        return f"Payload({self.text})"
