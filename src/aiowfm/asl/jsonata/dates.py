"""JSONata's `$toMillis`, and what the pictures of dates and numbers may be."""

from __future__ import annotations

import datetime
import re
from types import FunctionType, SimpleNamespace
from typing import Any, Final

import regex

from aiowfm.asl.jsonata.library import datetimeutils
from aiowfm.asl.jsonata.strings import timed
from aiowfm.asl.jsonata.values import OUT_OF_BOUNDS, Value, fail, too_large

MAX_PICTURE = 1_000  # characters
MAX_WIDTH = 999  # digits of one part

_ISO_8601 = re.compile(
    r"(\d{4})(-[01]\d)?(-[0-3]\d)?(T[0-2]\d:[0-5]\d:[0-5]\d)?(\.\d+)?([+-][0-2]\d:?[0-5]\d|Z)?"
)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
# A part of a picture with a width of more than three digits: `[Y,1000]`, `[Y,2-9999]`.
_TOO_WIDE = re.compile(r"\[[^\]]*,[^,\]]*\w{4}[^,\]]*\]")


def check_picture(picture: Value) -> None:
    """Refuse a *picture* whose work would have no end.

    Raises:
        JException: it is one.
    """
    if picture is None:
        return
    if len(picture) > MAX_PICTURE:
        raise fail(OUT_OF_BOUNDS, f"The picture has more than {MAX_PICTURE:,} characters")
    if _TOO_WIDE.search(picture):
        raise too_large("a part of a date", MAX_WIDTH)


def to_millis(text: Value, picture: Value) -> Value:
    if text is None:
        return None
    if picture is not None:
        try:
            return _by_picture(text, picture)
        except KeyError as error:
            raise fail("D3132", error.args[0]) from error
    found = _ISO_8601.fullmatch(text)
    if found is None:
        raise fail("D3110", text)
    year, month, day, time, fraction, zone = found.groups()
    moment = f"{year}{month or '-01'}{day or '-01'}{time or 'T00:00:00'}{(fraction or '')[:7]}"
    try:
        instant = datetime.datetime.fromisoformat(moment + (zone or "Z"))
    except ValueError as error:
        raise fail("D3110", text) from error
    return (instant - _EPOCH) // datetime.timedelta(milliseconds=1)


class _Timed:
    """A regular expression that the library makes of a picture."""

    def __init__(self, source: str, flags: int) -> None:
        self._compiled = regex.compile(source, flags)

    def search(self, text: str) -> Any:
        compiled = self._compiled
        return next(timed(lambda seconds: compiled.finditer(text, timeout=seconds)), None)


# The library's function, but for the engine that its regular expression runs on.
_by_picture: Final = FunctionType(
    datetimeutils.DateTimeUtils.parse_datetime.__code__,
    {
        **vars(datetimeutils),
        "re": SimpleNamespace(compile=_Timed, IGNORECASE=regex.IGNORECASE),
    },
)
