"""What is wrong with the use of a query language: fields of the other one, JSONata itself.

Paths and templates of JSONPath are in `path_rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aiowfm.asl.choice_rules import comparing
from aiowfm.asl.findings import (
    INVALID_JSONATA,
    UNKNOWN_FUNCTION,
    UNSUPPORTED_JSONATA,
    Finding,
    Pointer,
    did_you_mean,
    label,
    shown,
)
from aiowfm.asl.jsonata import InvalidExpressionError, expression_in
from aiowfm.asl.jsonata.functions import FUNCTIONS
from aiowfm.asl.jsonata_names import references
from aiowfm.asl.model import (
    STATE_TYPES,
    Catcher,
    ItemBatcher,
    ItemReader,
    ReaderConfig,
    ResultWriter,
)
from aiowfm.asl.places import Place, not_in, values_in
from aiowfm.asl.shape import field_names

# What to write in place of a field that only JSONPath has, where it is not simply without "Path".
_IN_JSONATA: Mapping[str, str] = {
    "InputPath": "$states.input in an expression",
    "OutputPath": "Output",
    "ResultPath": "Output",
    "ResultSelector": "Output",
    "Result": "Output",
    "Parameters": "Arguments",
    "ItemsPath": "Items",
}
_IN_JSONPATH: Mapping[str, str] = {
    "Arguments": "Parameters",
    "Items": "ItemsPath",
    "Output": "ResultSelector, ResultPath or OutputPath",
}
# Of the parts of a state that have other fields than the state itself.
_FIELDS: Mapping[str, frozenset[str]] = {
    "Catch": field_names(Catcher),
    "Choices": frozenset({"Output"}),
    "ItemReader": field_names(ItemReader),
    "ReaderConfig": field_names(ReaderConfig),
    "ItemBatcher": field_names(ItemBatcher),
    "ResultWriter": field_names(ResultWriter),
}

# The fields that may hold expressions, at any depth.
_EXPRESSIONS = (
    "Arguments",
    "Output",
    "Assign",
    "Items",
    "ItemSelector",
    "ItemBatcher",
    "ItemReader",
    "ResultWriter",
    "Credentials",
    "Condition",
    "Seconds",
    "Timestamp",
    "TimeoutSeconds",
    "HeartbeatSeconds",
    "MaxConcurrency",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
    "Error",
    "Cause",
)
_NUMBERS = frozenset(
    {
        "Seconds",
        "TimeoutSeconds",
        "HeartbeatSeconds",
        "MaxConcurrency",
        "ToleratedFailureCount",
        "ToleratedFailurePercentage",
        "MaxItemsPerBatch",
        "MaxInputBytesPerBatch",
        "MaxItems",
    }
)
# Where these are strings, the shape demands an expression.
_NO_TEXT = _NUMBERS | {"Condition"}
_WITH_RESULT = ("Task", "Parallel", "Map")


def query_problems(place: Place) -> Iterator[Finding]:
    """What is wrong with a state in view of its query language."""
    if place.state.get("QueryLanguage") == "JSONPath" and place.of_machine == "JSONata":
        yield place.finding(
            "QueryLanguage cannot be JSONPath where the whole machine's is JSONata:"
            " take the machine's away and set it in the other states",
            "QueryLanguage",
            aws="'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
            at=(),
        )
    if place.language in ("JSONPath", "JSONata") and place.kind in STATE_TYPES:
        yield from _foreign_fields(place)
    if place.language == "JSONata":
        yield from _items(place)
        yield from _expressions(place)
    else:
        yield from _numbers(place)


def query_warnings(place: Place) -> Iterator[Finding]:
    """Calls of functions that do not exist, which AWS notices when they are made."""
    for pointer, text, _ in _texts(place):
        expression = expression_in(text)
        if expression is None:
            continue
        try:
            unknown = references(expression).unknown
        except InvalidExpressionError:
            continue
        for name in unknown:
            hint = did_you_mean(name, FUNCTIONS.bindings)
            if name == "eval":
                hint = "; Step Functions leaves it out of JSONata"
            message = f"{label(pointer)} calls ${name}, and there is no such function{hint}"
            yield place.finding(message, *pointer, severity="warning", code=UNKNOWN_FUNCTION)


# Fields of the other language.


def _foreign_fields(place: Place) -> Iterator[Finding]:
    own = field_names(STATE_TYPES[place.kind])
    for steps, part in place.parts():
        names = [step for step in steps if isinstance(step, str)]
        fields = _FIELDS[names[-1]] if names else own
        if place.language == "JSONPath":
            found = [field for field in part if field in fields and field in _IN_JSONPATH]
        else:
            found = [field for field in part if field in fields and _is_of_jsonpath(field)]
            if "Choices" in names and (field := comparing(part)) is not None:
                found.append(field)
        for field in found:
            yield place.finding(
                f"{field} is not {place.language}'s, the query language of this state:"
                f" write {_instead(place, field, names)}",
                *steps,
                field,
                aws=not_in(place.language, field),
                at=steps,
            )


def _is_of_jsonpath(field: str) -> bool:
    return field in _IN_JSONATA or field.endswith("Path")


def _instead(place: Place, field: str, names: list[str]) -> str:
    if place.language == "JSONPath":
        return "ResultPath" if names else _IN_JSONPATH[field]
    if "Choices" in names:
        return "Condition with an expression"
    if field == "Parameters" and place.kind in ("Pass", "Map") and not names:
        return "Output" if place.kind == "Pass" else "ItemSelector"
    return _IN_JSONATA.get(field) or f"{field.removesuffix('Path')} with an expression"


def _numbers(place: Place) -> Iterator[Finding]:
    """The shape allows expressions for numbers, but JSONPath has none."""
    for steps, part in place.parts():
        for field in _NUMBERS & part.keys():
            if isinstance(value := part[field], str) and expression_in(value) is not None:
                yield place.finding(
                    f"{field} must be a whole number, not {shown(value)}: expressions are for"
                    f" QueryLanguage JSONata, and a path is given as {field}Path",
                    *steps,
                    field,
                    aws=f"Expected value of type Integer, but got {shown(value)}",
                )


# JSONata.


def _expressions(place: Place) -> Iterator[Finding]:
    """Strings that are `{% … %}` hold JSONata."""
    for pointer, text, members in _texts(place):
        yield from _expression(place, pointer, text, members)


def _texts(place: Place) -> Iterator[tuple[Pointer, str, set[str]]]:
    """The strings that may be expressions, and the members of `$states` that are there."""
    for steps, part in place.parts():
        if steps[:1] not in ((), ("Catch",), ("Choices",)):
            continue  # a field of the state
        for field in _EXPRESSIONS:
            if field in part:
                members = {"input", "context", *_members(place, steps, field)}
                for pointer, text in values_in((*steps, field), part[field]):
                    if isinstance(text, str):
                        yield pointer, text, members


def _items(place: Place) -> Iterator[Finding]:
    items = place.state.get("Items", [])
    is_expression = isinstance(items, str) and expression_in(items) is not None
    if place.kind == "Map" and not isinstance(items, list | dict) and not is_expression:
        message = f"Items must be a list or an expression '{{% … %}}', not {shown(items)}"
        yield place.finding(message, "Items")


def _members(place: Place, steps: Pointer, field: str) -> tuple[str, ...]:
    """What `$states` has besides input and context (developer guide, "Reserved variable")."""
    if field in ("Output", "Assign"):
        if not steps and place.kind in _WITH_RESULT:
            return ("result",)
        if steps[:1] == ("Catch",):
            return ("errorOutput",)
    return ()


def _expression(place: Place, pointer: Pointer, text: str, members: set[str]) -> Iterator[Finding]:
    expression = expression_in(text)
    if expression is None:
        if (text.startswith("{%") or text.endswith("%}")) and pointer[-1] not in _NO_TEXT:
            yield place.finding(
                f"{label(pointer)} must start with '{{%' and end with '%}}' to be an expression,"
                f" or do neither, not {shown(text)}",
                *pointer,
                aws="JSONata string must start with {% and end with %}",
            )
        return
    try:
        found = references(expression)
    except InvalidExpressionError as exc:
        message = f"{label(pointer)} is no JSONata expression: {exc}"
        yield place.finding(message, *pointer, aws=exc.message, code=INVALID_JSONATA)
        return
    for name in found.outermost:
        where = "" if name == "$$" else " at the top level"
        yield place.finding(
            f"{label(pointer)} refers to {name!r}, but an expression has no input of its own:"
            " begin with $states.input or a variable",
            *pointer,
            aws=f"Reference to '{name}'{where} is not supported.",
            code=UNSUPPORTED_JSONATA,
        )
    for name in found.of_states:
        if name not in members:
            known = ", ".join(f"$states.{each}" for each in sorted(members))
            yield place.finding(
                f"{label(pointer)}: there is no $states.{name} here, but {known}",
                *pointer,
                aws=f"Field '$states.{name}' does not exist.",
                code=UNSUPPORTED_JSONATA,
            )
