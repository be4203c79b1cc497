"""Whether a document has the shape of a model, its complaints put into words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_pascal
from pydantic_core import ErrorDetails

from aiowfm.asl.findings import Finding, Pointer, did_you_mean, label, shown
from aiowfm.asl.model import (
    STATE_TYPES,
    Branch,
    Catcher,
    ChoiceRule,
    ItemBatcher,
    ItemReader,
    Processor,
    ProcessorConfig,
    ReaderConfig,
    ResultWriter,
    Retrier,
    State,
    WriterConfig,
)

MAX_DEPTH = 200  # lists and objects in one another; ours, so that no one runs out of stack

_HALF = re.compile(r"[\ud800-\udfff]")

_PARTS: Mapping[str, tuple[type[BaseModel], str]] = {
    "Branches": (Branch, "a branch"),
    "ItemProcessor": (Processor, "an ItemProcessor"),
    "Iterator": (Processor, "an Iterator"),
    "ProcessorConfig": (ProcessorConfig, "a ProcessorConfig"),
    "ItemBatcher": (ItemBatcher, "an ItemBatcher"),
    "ItemReader": (ItemReader, "an ItemReader"),
    "ResultWriter": (ResultWriter, "a ResultWriter"),
    "ReaderConfig": (ReaderConfig, "a ReaderConfig"),
    "WriterConfig": (WriterConfig, "a WriterConfig"),
    "Retry": (Retrier, "a retrier"),
    "Catch": (Catcher, "a catcher"),
    "Choices": (ChoiceRule, "a choice rule"),
}
_EXPECTED: Mapping[str, str] = {
    "string_type": "a string",
    "string_too_short": "a string that is not empty",
    "string_too_long": "at most {max_length} characters long",
    "string_pattern_mismatch": "a JSONata expression '{{% … %}}'",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
}


def beyond_json(document: object) -> Iterator[Finding]:
    """What JSON cannot say or nobody should: these would trip whatever looks further."""
    waiting: list[tuple[Pointer, object]] = [((), document)]
    while waiting:
        pointer, value = waiting.pop()
        children: Iterable[tuple[Any, object]] = ()
        if isinstance(value, dict):
            children = value.items()
        elif isinstance(value, list):
            children = enumerate(value)
        elif not isinstance(value, str | int | float | bool | None):
            message = f"{label(pointer)} must be a JSON value, not of type {type(value).__name__}"
            yield Finding(pointer=pointer, message=message)
        elif isinstance(value, float) and not math.isfinite(value):
            yield Finding(pointer=pointer, message=f"{label(pointer)}: JSON has no number {value}")
        elif isinstance(value, str) and (problem := _half(value)):
            yield Finding(pointer=pointer, message=f"{label(pointer)}: {problem}")
        for key, child in children:
            if len(pointer) == MAX_DEPTH:
                message = f"nested more than {MAX_DEPTH} deep: split it into several workflows"
                yield Finding(pointer=pointer, message=message)
                return
            if isinstance(value, dict) and not isinstance(key, str):
                message = f"the keys of a JSON object are strings, not {key!r}"
                yield Finding(pointer=pointer, message=message)
            elif isinstance(key, str) and (problem := _half(key)):
                message = f"the key {shown(key)}: {problem}"
                yield Finding(pointer=(*pointer, key), message=message)
            else:
                waiting.append(((*pointer, key), child))


def _half(text: str) -> str | None:
    """What is wrong with *text* that no request can carry."""
    if text.isascii() or (found := _HALF.search(text)) is None:
        return None
    return f"half a character, {found[0]!r}, which UTF-8 cannot say"


def shape_problems(model: type[BaseModel], document: object, *, called: str) -> list[Finding]:
    """What *model* has against *document*, in words; *called* is what the whole is called."""
    try:
        model.model_validate(document)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
    else:
        return []
    # A union complains once for each of its members: one value, one finding.
    by_place: dict[tuple[Pointer, str | int | None], list[ErrorDetails]] = {}
    for error in errors:
        pointer = _pointer(error["loc"], document)
        if error["type"] == "union_tag_invalid":
            pointer = (*pointer, "Type")
        last = error["loc"][-1] if error["loc"] else None
        about = last if error["type"] == "missing" or last == "[key]" else None
        by_place.setdefault((pointer, about), []).append(error)
    return [
        Finding(
            pointer=pointer,
            message=_in_words(errors, pointer, document, (model, called)),
            aws=_in_aws_words(errors),
            at=pointer[:-1] if errors[0]["type"] == "extra_forbidden" else None,
            missing=str(errors[0]["loc"][-1]) if errors[0]["type"] == "missing" else None,
        )
        for (pointer, _), errors in by_place.items()
    ]


def _pointer(location: tuple[str | int, ...], document: object) -> Pointer:
    """The steps of pydantic's *location* that are in *document*: some name types instead."""
    found: list[str | int] = []
    for step in location:
        if (isinstance(document, dict) and step in document) or (
            isinstance(document, list) and isinstance(step, int) and step < len(document)
        ):
            document = document[step]  # type: ignore[index]  # of its kind, as just seen
            found.append(step)
    return tuple(found)


def _in_words(
    errors: Sequence[ErrorDetails],
    pointer: Pointer,
    document: object,
    whole: tuple[type[BaseModel], str],
) -> str:
    first = errors[0]
    last = first["loc"][-1] if first["loc"] else ""
    match first["type"]:
        case "missing":
            return f"{_part(pointer, document, whole)[1]} needs {last}"
        case "extra_forbidden":
            model, called = _part(pointer[:-1], document, whole)
            return f"{called} has no field {last!r}{_rather(model, str(last))}"
        case "too_short":
            return f"{label(pointer)} must not be empty"
        case "union_tag_not_found":
            return f"a state needs Type: one of {', '.join(STATE_TYPES)}"
        case "union_tag_invalid":
            name = str(first.get("ctx", {}).get("tag"))
            hint = did_you_mean(name, STATE_TYPES)
            return f"unknown state Type {name!r}{hint or ';'} (one of {', '.join(STATE_TYPES)})"
    is_jsonata = str(first["input"]).startswith("{%") or pointer[-1:] == ("Condition",)
    if len(errors) > 1 and not is_jsonata:
        errors = [each for each in errors if each["loc"][-1] != "constrained-str"]
    expected = [
        _EXPECTED.get(each["type"], each["msg"]).format(**_whole(each.get("ctx", {})))
        for each in errors
    ]
    what = "the name of a state" if last == "[key]" else label(pointer)
    return f"{what} must be {' or '.join(expected)}, not {shown(first['input'])}"


def _in_aws_words(errors: Sequence[ErrorDetails]) -> str | None:
    for error in errors:
        limits = error.get("ctx", {})
        match error["type"]:
            case "extra_forbidden":
                return f"Field '{error['loc'][-1]}' is not supported"
            case "greater_than_equal":
                return f"Minimum value is {limits['ge']}"
            case "less_than_equal":
                return f"Maximum value is {limits['le']}"
            case "too_short":
                return "Value cannot be empty"
            case "literal_error":
                values = re.findall(r"'([^']*)'", str(limits.get("expected")))
                return f"Value should be one of the following: [{', '.join(values)}]"
    return None


def _rather(model: type[BaseModel], field: str) -> str:
    """What to write instead of *field*, which *model* does not have."""
    owners = [kind for kind, each in STATE_TYPES.items() if field in field_names(each)]
    if owners and issubclass(model, State):
        return f": it belongs to {', '.join(owners)}"
    known = sorted(field_names(model))
    return did_you_mean(field, known) or f"; it may have {', '.join(known)}"


def field_names(model: type[BaseModel]) -> frozenset[str]:
    """The fields of *model* as a document spells them."""
    return frozenset(field.alias or to_pascal(name) for name, field in model.model_fields.items())


def _whole(limits: dict[str, Any]) -> dict[str, Any]:
    return {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in limits.items()
    }


def _part(
    pointer: Pointer, document: object, whole: tuple[type[BaseModel], str]
) -> tuple[type[BaseModel], str]:
    """The model of what is at *pointer*, and what it is called."""
    value: Any = document
    for step in pointer:
        value = value[step]
    names = [step for step in pointer[-2:] if isinstance(step, str)]
    if names and names[-1] in _PARTS and pointer[-2:-1] != ("States",):
        return _PARTS[names[-1]]
    kind = value.get("Type", value.get("type")) if isinstance(value, dict) else None
    if pointer and isinstance(kind, str) and kind in STATE_TYPES:
        return STATE_TYPES[kind], f"a {kind} state"
    if pointer[-2:-1] == ("States",):
        return State, "a state"
    return (ChoiceRule, "a choice rule") if "Choices" in pointer else whole
