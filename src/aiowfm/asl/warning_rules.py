"""What is probably not meant, above all values that look like paths and are taken as they stand.

Larger subjects have modules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aiowfm.asl.choice import OPERATORS
from aiowfm.asl.findings import NO_DOLLAR, NO_PATH, STATIC_RESULT, Finding, Pointer
from aiowfm.asl.map_rules import map_warnings
from aiowfm.asl.path_rules import TEMPLATES
from aiowfm.asl.places import Place, as_dict, as_list
from aiowfm.asl.query_rules import query_warnings
from aiowfm.asl.recovery_warnings import recovery_warnings

_PATH = re.compile(r"\${1,2}(?:[.\[]\S|\Z)")
_CALL = re.compile(r"States\.\w+\(.*\)\Z", re.DOTALL)


def warnings(place: Place) -> Iterator[Finding]:
    """What AWS warns of in a state, or should."""
    yield from recovery_warnings(place)
    if place.kind == "Map":
        yield from map_warnings(place)
    if place.language == "JSONata":
        yield from query_warnings(place)
        return
    for steps, part in place.parts():
        for field in TEMPLATES:
            if field in part:
                yield from _no_dollar(place, (*steps, field), part[field])
    if place.kind == "Pass":
        yield from _static_result(place)
    elif place.kind == "Fail":
        for field in ("Error", "Cause"):
            yield from _no_path(place, place.state, (), field)
    elif place.kind == "Choice":
        for index, rule in enumerate(as_list(place.state.get("Choices"))):
            for operator, comparison in OPERATORS.items():
                if comparison.operand in ("string", "timestamp"):
                    yield from _no_path(place, as_dict(rule), ("Choices", index), operator)


def _looks_like(value: object) -> str | None:
    """What *value* looks like: a path or a call."""
    if not isinstance(value, str):
        return None
    if _PATH.match(value):
        return "JSONPath"
    return "Intrinsic Function" if _CALL.match(value) else None


def _no_dollar(place: Place, template: Pointer, value: object) -> Iterator[Finding]:
    for pointer, key, looks_like in _suspects(template, value):
        if not key.endswith(".$"):
            yield place.finding(
                f"{key} looks like a {looks_like}, but is taken as it stands:"
                f" name it {key}.$ to have it evaluated",
                *pointer,
                key,
                aws=f"The value of '{key}' looks like a {looks_like}. Instead of '{key}',"
                f" use '{key}.$' to evaluate it as a {looks_like} at runtime.",
                at=template,
                code=NO_DOLLAR,
                severity="warning",
            )


def _static_result(place: Place) -> Iterator[Finding]:
    for pointer, key, _ in _suspects((), {"Result": place.state.get("Result")}):
        yield place.finding(
            f"{key} looks like a path, but Result is taken as it stands:"
            " write Parameters to have it evaluated",
            *pointer,
            key,
            aws=f"The value of '{key}' will not evaluate as a JSONPath or Intrinsic Function at"
            " runtime. Instead of 'Result', use 'Parameters' to evaluate it as a JSONPath or"
            " Intrinsic Function at runtime.",
            at=("Result",),
            code=STATIC_RESULT,
            severity="warning",
        )


def _no_path(
    place: Place, part: dict[str, object], steps: Pointer, field: str
) -> Iterator[Finding]:
    if f"{field}Path" in OPERATORS or field in ("Error", "Cause"):
        looks_like = _looks_like(part.get(field))
        if looks_like == "JSONPath" or (looks_like and not steps):
            yield place.finding(
                f"{field} looks like a {looks_like}, but is taken as it stands:"
                f" write {field}Path to have it evaluated",
                *steps,
                field,
                aws=f"The value of '{field}' looks like a {looks_like}. Instead of '{field}',"
                f" use '{field}Path' to evaluate it as a {looks_like} at runtime.",
                code=NO_PATH,
                severity="warning",
            )


def _suspects(pointer: Pointer, value: object) -> Iterator[tuple[Pointer, str, str]]:
    """The members in *value* that look like paths or calls: where, their names, and as what."""
    waiting = [(pointer, value)]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, list):
            waiting += [((*pointer, index), item) for index, item in enumerate(value)]
        for key, item in as_dict(value).items():
            looks_like = _looks_like(item)
            if looks_like:
                yield pointer, key, looks_like
            waiting.append(((*pointer, key), item))
