"""JSONata values as text: numbers and JSON as JavaScript writes them."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

from aiowfm.asl.jsonata.library import JException, Utils

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def string(value: Any, *, indented: bool = False) -> str:
    """*value* as `$string` gives it: strings as they are, all else as JSON.

    Raises:
        JException: a number in it is infinite or none.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise JException("D3001", -1)
    text = _written(value, 15, "\n" if indented else "")
    return "" if text is None or text == '""' else text


def json_text(value: Any) -> str:
    """*value* as `JSON.stringify` gives it, for messages."""
    return _written(value, 17, "") or "undefined"


def number_text(value: float, digits: int = 17) -> str:
    """*value* as JavaScript writes it, rounded to so many significant *digits*."""
    if isinstance(value, int) and abs(value) < 10**digits:
        return str(value)
    number = float(value)
    if digits < 17:
        number = float(f"{number:.{digits}g}")
    if number == 0:
        return "0"
    shortest = repr(number)
    if 1e-6 <= abs(number) < 1e21:
        if number.is_integer():
            return str(int(number))
        return f"{Decimal(shortest):f}" if "e" in shortest else shortest
    mantissa, _, exponent = f"{Decimal(shortest).normalize():e}".partition("e")
    return f"{mantissa}e{int(exponent):+d}"


def _written(value: Any, digits: int, line: str) -> str | None:
    """JSON; None for what is undefined."""
    if value is None:
        return None
    if value is Utils.NULL_VALUE:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int | float):
        if not math.isfinite(value):
            if digits == 15:
                raise JException("D1001", -1, value)
            return "null"
        return number_text(value, digits)
    inner = line + "  " if line else ""
    if isinstance(value, list):
        items = [_written(item, digits, inner) or "null" for item in value]
        return _bracketed("[", items, "]", line, inner)
    if isinstance(value, dict):
        colon = ": " if line else ":"
        members = [
            _quoted(key) + colon + text
            for key, item in value.items()
            if (text := _written(item, digits, inner)) is not None
        ]
        return _bracketed("{", members, "}", line, inner)
    return '""' if digits == 15 else None  # a function


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isascii():
        return quoted
    paired = quoted.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", paired)


def _bracketed(opening: str, items: list[str], closing: str, line: str, inner: str) -> str:
    if not items:
        return opening + closing
    return opening + inner + ("," + inner).join(items) + line + closing
