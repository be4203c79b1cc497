"""What a cause says: the JSON object that Lambda and our handlers fail with, taken apart."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The cause of a failure that an exception made.

    Attributes:
        error_type: The class of the exception.
        error_message: What it says.
        trace: The lines of its traceback, if they were sent.
    """

    error_type: str
    error_message: str
    trace: tuple[str, ...] = ()


def parsed_cause(text: str | None) -> Cause | None:
    """The parts of a cause like `{"errorType", "errorMessage", "trace"}`; None: it is not one.

    Lambda writes `stackTrace` or `trace`, as the language of the function has it.
    """
    if not text or not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    kind, message = value.get("errorType"), value.get("errorMessage")
    if not isinstance(kind, str) or not isinstance(message, str | None):
        return None
    lines = value.get("trace") or value.get("stackTrace")
    trace = tuple(map(str, lines)) if isinstance(lines, list) else ()
    return Cause(error_type=kind, error_message=message or "", trace=trace)
