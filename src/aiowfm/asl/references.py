"""Which variables the states of a machine refer to, as DescribeStateMachine lists them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from aiowfm.asl.payload import parse
from aiowfm.asl.places import Place
from aiowfm.asl.rules import scopes

# Fields whose members ending in `.$` are looked up, while all else in them is data.
_TEMPLATES = frozenset(
    {
        "Arguments",
        "Assign",
        "BatchInput",
        "Credentials",
        "ItemSelector",
        "Output",
        "Parameters",
        "ResultSelector",
    }
)
# Fields that are data, or about other states, or a place to write to.
_NOT_LOOKED_AT = frozenset(
    {"Branches", "Comment", "ItemProcessor", "Iterator", "Result", "ResultPath"}
)
_IN_QUOTES = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|/\*.*?\*/", re.DOTALL)
_VARIABLE = re.compile(r"(?<![\w$.])\$([^\W\d]\w*)(?!\w|\s*\()")
_BOUND = re.compile(r"\$([^\W\d]\w*)\s*:=|function\s*\(([^)]*)\)|λ\s*\(([^)]*)\)")


def variable_references(text: str) -> dict[str, list[str]]:
    """The variables referred to, by the names of the states; states without any are left out.

    Args:
        text: A definition in which `rules.problems` finds nothing.
    """
    if "$" not in text:
        return {}
    definition = parse(text)
    assert isinstance(definition, dict)
    by_state: dict[str, list[str]] = {}
    for scope in scopes(definition):
        for place in scope.places():
            found = sorted(references(place))
            if found:
                by_state[str(place.pointer[-1])] = found
    return by_state


def references(place: Place) -> set[str]:
    """The variables that a state itself refers to, not the states inside it."""
    is_jsonata = place.language == "JSONata"
    return set(_in_jsonata(place.state) if is_jsonata else _in_paths(place.state))


def _in_paths(part: Any, *, is_template: bool = False) -> Iterator[str]:
    if isinstance(part, list):
        for item in part:
            yield from _in_paths(item, is_template=is_template)
    elif isinstance(part, dict):
        for key, value in part.items():
            if not is_template and key in _NOT_LOOKED_AT:
                continue
            if isinstance(value, str):
                looked_up = key.endswith(".$") or (
                    not is_template and (key.endswith("Path") or key == "Variable")
                )
                if looked_up:
                    yield from _VARIABLE.findall(_IN_QUOTES.sub("", value))
            else:
                yield from _in_paths(value, is_template=is_template or key in _TEMPLATES)


def _in_jsonata(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for item in part:
            yield from _in_jsonata(item)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key not in _NOT_LOOKED_AT:
                yield from _in_jsonata(value)
    elif isinstance(part, str) and part.startswith("{%") and part.endswith("%}"):
        expression = _IN_QUOTES.sub("", part[2:-2])
        bound = {"states"}
        for variable, parameters, lambdas in _BOUND.findall(expression):
            bound.add(variable)
            bound.update(re.findall(r"\w+", parameters + lambdas))
        yield from (name for name in _VARIABLE.findall(expression) if name not in bound)
