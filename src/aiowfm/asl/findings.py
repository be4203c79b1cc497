"""What is found wrong with a document: where, and in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

Pointer = tuple[str | int, ...]
Severity = Literal["error", "warning"]

# What ValidateStateMachineDefinition calls problems (ValidateStateMachineDefinitionDiagnostic).
SCHEMA = "SCHEMA_VALIDATION_FAILED"
TRANSITION = "MISSING_TRANSITION_TARGET"
NO_END = "MISSING_END_STATE"
DUPLICATE_STATE = "DUPLICATE_STATE_NAME"
DUPLICATE_LABEL = "DUPLICATE_LABEL_NAME"
INVALID_JSONATA = "INVALID_JSONATA_EXPRESSION"
UNSUPPORTED_JSONATA = "UNSUPPORTED_JSONATA_EXPRESSION"
NO_DOLLAR = "NO_DOLLAR"
NO_PATH = "NO_PATH"
STATIC_RESULT = "PASS_RESULT_IS_STATIC"
LABEL = "INVALID_LABEL"  # ours: AWS words these problems unlike all others
DUPLICATE_KEY = "DUPLICATE_KEY"  # ours
NEVER_ASKED = "NEVER_ASKED"  # ours, as the following
NO_EFFECT = "NO_EFFECT"
NO_LIMIT = "NO_LIMIT"
NO_TIMEOUT = "NO_TIMEOUT"
RECURRING_KEY = "RECURRING_KEY"
UNKNOWN_ERROR = "UNKNOWN_ERROR"
UNKNOWN_FUNCTION = "UNKNOWN_FUNCTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        pointer: The place in the document, as the keys and indexes that lead to it.
        message: What is wrong and what would be right.
        severity: `error` if the definition cannot be used, else `warning`.
        code: AWS's name for this kind of problem.
        aws: AWS's own words for it, where they are known.
        at: Where AWS places it, if elsewhere.
        missing: The field that is missing, if that is the problem.
    """

    pointer: Pointer
    message: str
    severity: Severity = "error"
    code: str = field(default=SCHEMA, compare=False)
    aws: str | None = field(default=None, compare=False)
    at: Pointer | None = field(default=None, compare=False)
    missing: str | None = field(default=None, compare=False)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint at the one of *names* that looks most like *name*, or nothing."""
    by_lower_case = {each.lower(): each for each in names}
    near = get_close_matches(name.lower(), by_lower_case, n=1)
    return f"; did you mean {by_lower_case[near[0]]!r}?" if near else ""


def label(pointer: Pointer) -> str:
    """What the value at *pointer* is called: its field, with the indexes that follow."""
    for start in range(len(pointer) - 1, -1, -1):
        if isinstance(pointer[start], str):
            return f"{pointer[start]}{''.join(f'[{index}]' for index in pointer[start + 1 :])}"
    return "a definition"


def shown(value: object) -> str:
    """*value* as a message shows it: short, and in words where JSON and Python differ."""
    match value:
        case dict():
            return "an object" if value else "an empty object"
        case list():
            return "a list" if value else "an empty list"
        case None:
            return "null"
        case bool():
            return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
