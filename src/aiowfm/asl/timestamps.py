"""Timestamps of the States Language: RFC 3339 with upper-case T and Z, to the nanosecond."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_TIMESTAMP = re.compile(
    r"(?P<minutes>\d{4}-\d\d-\d\dT\d\d:\d\d)(?::(?P<seconds>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?:Z|(?P<sign>[+-])(?P<offset_hours>\d\d):(?P<offset_minutes>[0-5]\d))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1)
NANOSECONDS = 1_000_000_000


def parse(text: str) -> int | None:
    """Nanoseconds since 1970-01-01T00:00:00Z, or None if *text* is not a timestamp."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    try:
        instant = datetime.strptime(match["minutes"], "%Y-%m-%dT%H:%M") - _EPOCH
    except ValueError:
        return None
    seconds = int(match["seconds"] or 0)
    offset = timedelta(
        hours=int(match["offset_hours"] or 0), minutes=int(match["offset_minutes"] or 0)
    )
    if seconds > 59 or offset > timedelta(hours=18):
        return None
    instant += offset if match["sign"] == "-" else -offset
    whole = instant.days * 86_400 + instant.seconds + seconds
    return whole * NANOSECONDS + int((match["fraction"] or "").ljust(9, "0"))


def format(instant: float) -> str:
    """Seconds since the epoch as the context object writes them: `2024-01-01T00:00:00.123Z`."""
    text = datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def refusal(field: str, text: str) -> str:
    """What AWS says of a *text* in *field* that is not a timestamp."""
    return (
        f"The {field} field cannot be parsed as an ISO-8601 extended offset date-time"
        f" format string: {text}"
    )
