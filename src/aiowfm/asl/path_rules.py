"""What is wrong with the paths and payload templates of a JSONPath state."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aiowfm.asl.findings import Finding, Pointer
from aiowfm.asl.intrinsics import InvalidIntrinsicError, compile_intrinsic
from aiowfm.asl.paths import InvalidPathError, compile_path
from aiowfm.asl.places import Place, as_dict
from aiowfm.asl.templates import compile_expression

NOT_A_REFERENCE = "Value is not a Reference Path"
TEMPLATES = ("Parameters", "ResultSelector", "ItemSelector", "Assign", "BatchInput", "Credentials")

# Where the fields of a state hold paths.
_PATHS = ("InputPath", "OutputPath", "ItemsPath")
_TARGETS = ("ResultPath",)
_TEXT_PATHS = ("ErrorPath", "CausePath")
_REFERENCES = (
    "SecondsPath",
    "TimestampPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
)
# These may not lead into the context object.
_NUMBER_PATHS = (
    "MaxConcurrencyPath",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
    "MaxItemsPerBatchPath",
    "MaxInputBytesPerBatchPath",
    "MaxItemsPath",
)
_GIVE_TEXT = re.compile(  # developer guide, "Fail workflow state"
    r"States\.(Format|JsonToString|ArrayGetItem|Base64Encode|Base64Decode|Hash|UUID)\("
)
_NOT_A_PATH = "Value must be a valid JSONPath."

# Paths as AWS's library reads them, for those that ours refuses: `$.lines.length()`, `$.[0]`,
# `$.@type`. They are fine on AWS, so here a state that comes to one fails, and no earlier.
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_FILTER = rf"(?:[^()'\"]|{_QUOTED}|\((?:[^()'\"]|{_QUOTED})*\))+"
_FINE_ON_AWS = re.compile(
    r"\$(?:\$|[^\W\d]\w*)?(?:"
    rf"\.\.?(?:(?=\[)|\*|[^\s.\[\](){{}}'\",*?]+(?:\((?:[^()'\"]|{_QUOTED})*\))?(?=[.\[]|\Z))"
    rf"|\[(?:\*|[\d\s,:-]+|\s*(?:{_QUOTED})(?:\s*,\s*(?:{_QUOTED}))*\s*|\?\s*\({_FILTER}\))\]"
    r")+"
)
_SIGN = re.compile(rf"{_QUOTED}|(?P<sign>\.\.|[*?(,]|\[[\d\s-]*:)")


def path_problems(place: Place) -> Iterator[Finding]:
    """What is wrong with fields that are, or hold, paths and calls of intrinsic functions."""
    yield from _paths(place)
    yield from _templates(place)


def path_problem(text: str) -> str | None:
    """What keeps *text* from being a path."""
    try:
        compile_path(text)
    except InvalidPathError as exc:
        return None if _FINE_ON_AWS.fullmatch(text) else str(exc)
    return None


def _paths(place: Place) -> Iterator[Finding]:
    """Fields that are paths, or null, which the shape allows where it means something."""
    for steps, part in place.parts():
        for field, value in part.items():
            if not isinstance(value, str):
                continue
            aws = NOT_A_REFERENCE
            if field in _PATHS:
                problem, aws = path_problem(value), _NOT_A_PATH
            elif field in _TARGETS:
                problem = _target_problem(value)
            elif field in _TEXT_PATHS:
                problem, aws = _text_problem(value), _NOT_A_PATH
            elif field in _REFERENCES:
                problem = _reference_problem(value)
            elif field in _NUMBER_PATHS:
                problem = _reference_problem(value)
                if not problem and value.startswith("$$"):
                    problem = f"{value!r} leads into the context object, which is not allowed here"
            else:
                continue
            if problem:
                yield place.finding(f"{field}: {problem}", *steps, field, aws=aws)


def _target_problem(text: str) -> str | None:
    """What keeps *text* from being a place to write to."""
    if problem := _reference_problem(text):
        return problem
    if re.match(r"\$[^.\[]", text):
        return f"{text!r} is no place in the input: only paths that begin with '$.' or '$[' are"
    return f"{text!r} gives a value, and is no place" if "(" in _signs(text) else None


def _reference_problem(text: str) -> str | None:
    """What keeps *text* from leading to one value."""
    if problem := path_problem(text):
        return problem
    if _signs(text) - {"("}:
        return f"{text!r} may lead to several places: it must lead to one"
    return None


def _signs(text: str) -> set[str]:
    """What is in the path *text* by which it leads to many places, or calls a function."""
    return {match["sign"] for match in _SIGN.finditer(text) if match["sign"]}


def _text_problem(text: str) -> str | None:
    """What keeps *text* from being a path, or a function that gives a string."""
    if not text.startswith("States."):
        return path_problem(text)
    try:
        compile_intrinsic(text)
    except InvalidIntrinsicError as exc:
        return str(exc)
    return None if _GIVE_TEXT.match(text) else f"{text!r} does not give a string"


def _templates(place: Place) -> Iterator[Finding]:
    """The members of payload templates whose names end in `.$` are paths or calls."""
    waiting: list[tuple[Pointer, object, Pointer]] = [
        ((*steps, field), part[field], (*steps, field))
        for steps, part in place.parts()
        for field in TEMPLATES
        if field in part
    ]
    while waiting:
        pointer, value, template = waiting.pop()
        if isinstance(value, list):
            waiting += [((*pointer, index), item, template) for index, item in enumerate(value)]
        members = as_dict(value)
        for key, item in members.items():
            if not key.endswith(".$"):
                waiting.append(((*pointer, key), item, template))
                continue
            plain = key.removesuffix(".$")
            if plain in members:
                yield place.finding(
                    f"{key} and {plain} give one member twice: keep one",
                    *pointer,
                    key,
                    aws=f"Cannot have both the field '{key}' and the field '{plain}'"
                    " at the same time",
                    at=template,
                )
            try:
                compile_expression(key, item)
            except ValueError as exc:
                if isinstance(item, str) and _FINE_ON_AWS.fullmatch(item):
                    continue
                yield place.finding(
                    f"{key} must be a path or call a function: {exc}",
                    *pointer,
                    key,
                    aws=f"The value for the field '{key}' must be a valid JSONPath"
                    " or a valid intrinsic function call",
                    at=template,
                )
