"""What is written beside states and transitions, in a few words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MAX_CHARACTERS = 60  # of one line; more says less
DEFAULT_ATTEMPTS = 3  # Retrier.MaxAttempts

_RELATIONS = {
    "Equals": "=",
    "LessThan": "<",
    "LessThanEquals": "<=",
    "GreaterThan": ">",
    "GreaterThanEquals": ">=",
    "Matches": "matches",
}
_COMPARISON = re.compile(
    r"(?:String|Numeric|Boolean|Timestamp)"
    r"(Equals|LessThanEquals|LessThan|GreaterThanEquals|GreaterThan|Matches)(Path)?"
)
_SERVICE = re.compile(r"arn:[\w-]+:states:[\w-]*:\d*:(.+)")
_EXPRESSION = re.compile(r"\s*\{%(.*)%\}\s*", re.DOTALL)


def notes(state: Mapping[str, Any]) -> Iterator[str]:
    """Lines that tell what a state does, without its name."""
    match state.get("Type"):
        case "Task":
            resource = str(state.get("Resource", ""))
            service = _SERVICE.fullmatch(resource)
            yield shortened(service[1] if service else resource)
        case "Wait":
            yield from _wait(state)
        case "Fail":
            error = state.get("Error", state.get("ErrorPath"))
            if error is not None:
                yield shortened(_value(error))
        case "Map":
            if limit := state.get("MaxConcurrency", state.get("MaxConcurrencyPath")):
                yield shortened(f"{_value(limit)} at once")
    for retrier in state.get("Retry") or ():
        attempts = retrier.get("MaxAttempts", DEFAULT_ATTEMPTS)
        yield shortened(f"retry {errors(retrier)} x{attempts}")


def errors(handler: Mapping[str, Any]) -> str:
    """The errors that a retrier or a catcher is for."""
    return ", ".join(map(str, handler.get("ErrorEquals", ())))


def condition(rule: Mapping[str, Any]) -> str:
    """The condition of a rule of a Choice."""
    if "Condition" in rule:
        return shortened(_value(rule["Condition"]))
    return shortened(_compared(rule))


def shortened(text: str) -> str:
    """*text* in one line of `MAX_CHARACTERS` at most."""
    text = " ".join(text.split())
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"


def printable(text: str) -> str:
    """*text* with what cannot be seen as an escape, as JSON writes it."""
    return "".join(
        each if each.isprintable() else json.dumps(each)[1:-1] if each != "\x7f" else "\\u007f"
        for each in text
    )


def _wait(state: Mapping[str, Any]) -> Iterator[str]:
    for field, form in (
        ("Seconds", "{} s"),
        ("SecondsPath", "{} s"),
        ("Timestamp", "until {}"),
        ("TimestampPath", "until {}"),
    ):
        if field in state:
            yield shortened(form.format(_value(state[field])))


def _value(value: object) -> str:
    """A value as people write it; expressions without their marks."""
    if isinstance(value, str):
        expression = _EXPRESSION.fullmatch(value)
        return expression[1].strip() if expression else value
    return json.dumps(value, ensure_ascii=False)


def _compared(rule: Mapping[str, Any], *, is_inner: bool = False) -> str:
    for field, word in (("And", " and "), ("Or", " or ")):
        if field in rule:
            text = word.join(_compared(each, is_inner=True) for each in rule[field])
            return f"({text})" if is_inner else text
    if "Not" in rule:
        return f"not {_compared(rule['Not'], is_inner=True)}"
    variable = str(rule.get("Variable", ""))
    for name, operand in rule.items():
        if comparison := _COMPARISON.fullmatch(name):
            shown = str(operand) if comparison[2] else json.dumps(operand, ensure_ascii=False)
            return f"{variable} {_RELATIONS[comparison[1]]} {shown}"
        if name.startswith("Is"):
            return f"{variable} is {'' if operand else 'not '}{name[2:].lower()}"
    return variable
