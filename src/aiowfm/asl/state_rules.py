"""What makes a single state wrong: see `rules`, which applies this to all of them.

A rule for one type of state goes into `_RULES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiowfm.asl import timestamps
from aiowfm.asl.choice import OPERATORS
from aiowfm.asl.findings import LABEL, SCHEMA, Finding, Pointer, did_you_mean, label, shown
from aiowfm.asl.intrinsics import InvalidIntrinsicError, compile_intrinsic
from aiowfm.asl.jsonata import InvalidExpressionError, expression_in
from aiowfm.asl.jsonata import compile_expression as compile_jsonata
from aiowfm.asl.model import ChoiceRule
from aiowfm.asl.paths import InvalidPathError, compile_path
from aiowfm.asl.shape import field_names
from aiowfm.asl.templates import compile_expression

# Fields of which a state gives the value or, as …Path, where to find it, but not both.
_VALUE_OR_PATH = (
    "TimeoutSeconds",
    "HeartbeatSeconds",
    "MaxConcurrency",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
    "Error",
    "Cause",
    "MaxItemsPerBatch",
    "MaxInputBytesPerBatch",
    "MaxItems",
)
# What names of activities, executions and labels of Maps may not contain.
FORBIDDEN_IN_NAMES = re.compile(
    r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]"
)
MAX_LABEL_LENGTH = 40
_WAITS = ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")

# JSONPath: where the fields of a state hold paths, and where templates.
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
_TEMPLATES = ("Parameters", "ResultSelector", "ItemSelector", "Assign", "BatchInput", "Credentials")
_GIVE_TEXT = re.compile(  # developer guide, "Fail workflow state"
    r"States\.(Format|JsonToString|ArrayGetItem|Base64Encode|Base64Decode|Hash|UUID)\("
)
_NOT_A_PATH = "Value must be a valid JSONPath."
_NOT_A_REFERENCE = "Value is not a Reference Path"

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
_OF_MANY = re.compile(rf"{_QUOTED}|(?P<many>\.\.|[*?(,:])")

# JSONata: the fields that may hold expressions, at any depth.
INVALID_JSONATA = "INVALID_JSONATA_EXPRESSION"
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
_COMBINATIONS = ("And", "Or", "Not")
_OPERANDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "string": (str, "a string"),
    "timestamp": (str, "a timestamp, as a string"),
    "path": (str, "a path, as a string"),
    "number": ((int, float), "a number"),
    "boolean": (bool, "true or false"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A state, where it is, and the query language it is written in."""

    pointer: Pointer
    state: dict[str, Any]
    language: str

    def finding(
        self, message: str, *steps: str | int, aws: str | None = None, code: str = SCHEMA
    ) -> Finding:
        return Finding(pointer=self.pointer + steps, message=message, aws=aws, code=code)


def state_problems(place: Place) -> Iterator[Finding]:
    """What is wrong with a state beyond its shape."""
    for rule in _RULES.get(str(place.state.get("Type")), ()):
        yield from rule(place)
    if place.language == "JSONata":
        yield from _expressions(place)
    else:
        yield from _paths(place)
        yield from _templates(place)


def express_problems(place: Place) -> Iterator[Finding]:
    """What a state of a machine of type EXPRESS may not do: such a machine waits for nobody."""
    resource = place.state.get("Resource")
    if place.state.get("Type") != "Task" or not isinstance(resource, str):
        return
    if ":activity:" in resource:
        yield place.finding(
            "an EXPRESS state machine runs no activities",
            "Resource",
            aws="Express state machine does not support Activity ARN",
        )
    for pattern in (".sync", ".waitForTaskToken"):
        if resource.removesuffix(":2").endswith(pattern):
            yield place.finding(
                f"an EXPRESS state machine does not wait: {pattern} is for STANDARD ones",
                "Resource",
                # The blank at the end is AWS's.
                aws=f"Express state machine does not support '{pattern}' service integration ",
            )


def _next_or_end(place: Place) -> Iterator[Finding]:
    ends = place.state.get("End") is True
    if ends and place.state.get("Next") is not None:
        yield place.finding("Next and End: true exclude each other: keep one", "End")
    elif not ends and place.state.get("Next") is None:
        yield place.finding(f"a {place.state['Type']} state needs Next or End: true")


def _value_or_path(place: Place) -> Iterator[Finding]:
    reader = place.state.get("ItemReader")
    parts: list[tuple[Pointer, object]] = [
        ((), place.state),
        (("ItemBatcher",), place.state.get("ItemBatcher")),
        (("ItemReader", "ReaderConfig"), _dict(reader).get("ReaderConfig")),
    ]
    for steps, part in parts:
        for field in _VALUE_OR_PATH:
            if field in _dict(part) and f"{field}Path" in _dict(part):
                message = f"{field} and {field}Path exclude each other: keep one"
                yield place.finding(message, *steps, f"{field}Path")


def _one_of(place: Place, fields: Sequence[str], what: str) -> Iterator[Finding]:
    given = [field for field in fields if field in place.state]
    if not given:
        yield place.finding(f"{what} needs one of {', '.join(fields)}")
    elif len(given) > 1:
        yield place.finding(f"{' and '.join(given)} exclude each other: keep one", given[-1])


def _one_duration(place: Place) -> Iterator[Finding]:
    return _one_of(place, _WAITS, "a Wait state")


def _timestamp(place: Place) -> Iterator[Finding]:
    text = place.state.get("Timestamp")
    if not isinstance(text, str) or (place.language == "JSONata" and text.startswith("{%")):
        return
    if timestamps.parse(text) is None:
        message = f"Timestamp must be one like 2026-01-31T12:00:00Z, not {shown(text)}"
        yield place.finding(message, "Timestamp", aws="String does not match RFC3339 timestamp")


def _credentials(place: Place) -> Iterator[Finding]:
    credentials = place.state.get("Credentials")
    if isinstance(credentials, dict) and not {"RoleArn", "RoleArn.$"} & credentials.keys():
        yield place.finding(
            "Credentials need RoleArn: the role to do the task with",
            "Credentials",
            aws="The field 'RoleArn' is required but was missing",
        )


def _label(place: Place) -> Iterator[Finding]:
    label = place.state.get("Label")
    if not isinstance(label, str):
        return
    if len(label) > MAX_LABEL_LENGTH:
        message = f"Label cannot exceed {MAX_LABEL_LENGTH} characters"
        yield place.finding(message, "Label", aws=message, code=LABEL)
    for character in label:
        if FORBIDDEN_IN_NAMES.match(character):
            message = f"Label contains invalid character: {character!r}"
            yield place.finding(message, "Label", aws=message, code=LABEL)
            return


def _parts(place: Place) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    """The objects whose fields are evaluated: the state, and those in it that are no data."""
    yield (), place.state
    reader = _dict(place.state.get("ItemReader"))
    yield ("ItemReader",), reader
    yield ("ItemReader", "ReaderConfig"), _dict(reader.get("ReaderConfig"))
    for field in ("ItemBatcher", "ResultWriter"):
        yield (field,), _dict(place.state.get(field))
    for field in ("Catch", "Choices"):
        for index, part in enumerate(_list(place.state.get(field))):
            yield (field, index), _dict(part)


def _paths(place: Place) -> Iterator[Finding]:
    """Fields that are paths, or null, which the shape allows where it means something."""
    for steps, part in _parts(place):
        for field, value in part.items():
            if not isinstance(value, str):
                continue
            aws = _NOT_A_REFERENCE
            if field in _PATHS:
                problem, aws = _path_problem(value), _NOT_A_PATH
            elif field in _TARGETS:
                problem = _target_problem(value)
            elif field in _TEXT_PATHS:
                problem, aws = _text_problem(value), _NOT_A_PATH
            elif field in _REFERENCES:
                problem = _path_problem(value)
            elif field in _NUMBER_PATHS:
                problem = _path_problem(value)
                if not problem and value.startswith("$$"):
                    problem = f"{value!r} leads into the context object, which is not allowed here"
            else:
                continue
            if problem:
                yield place.finding(f"{field}: {problem}", *steps, field, aws=aws)


def _path_problem(text: str) -> str | None:
    try:
        compile_path(text)
    except InvalidPathError as exc:
        return None if _FINE_ON_AWS.fullmatch(text) else str(exc)
    return None


def _target_problem(text: str) -> str | None:
    """What keeps *text* from being a place to write to."""
    if problem := _path_problem(text):
        return problem
    if re.match(r"\$[^.\[]", text):
        return f"{text!r} is no place in the input: only paths that begin with '$.' or '$[' are"
    if any(match["many"] for match in _OF_MANY.finditer(text)):
        return f"{text!r} may lead to several places: it must lead to one"
    return None


def _text_problem(text: str) -> str | None:
    """What keeps *text* from being a path, or a function that gives a string."""
    if not text.startswith("States."):
        return _path_problem(text)
    try:
        compile_intrinsic(text)
    except InvalidIntrinsicError as exc:
        return str(exc)
    return None if _GIVE_TEXT.match(text) else f"{text!r} does not give a string"


def _templates(place: Place) -> Iterator[Finding]:
    """The members of payload templates whose names end in `.$` are paths or calls."""
    waiting: list[tuple[Pointer, object]] = [
        ((*steps, field), part[field])
        for steps, part in _parts(place)
        for field in _TEMPLATES
        if field in part
    ]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, list):
            waiting += [((*pointer, index), item) for index, item in enumerate(value)]
        for key, item in _dict(value).items():
            if not key.endswith(".$"):
                waiting.append(((*pointer, key), item))
                continue
            try:
                compile_expression(key, item)
            except ValueError as exc:
                if isinstance(item, str) and _FINE_ON_AWS.fullmatch(item):
                    continue
                yield place.finding(
                    f"{key} must be a path or call a function: {exc}",
                    *pointer,
                    aws=f"The value for the field '{key}' must be a valid JSONPath"
                    " or a valid intrinsic function call",
                )


def _expressions(place: Place) -> Iterator[Finding]:
    """Strings that are `{% … %}` hold JSONata."""
    waiting: list[tuple[Pointer, object]] = [
        ((*steps, field), part[field])
        for steps, part in _parts(place)
        if steps[:1] in ((), ("Catch",), ("Choices",))  # the others are fields of the state
        for field in _EXPRESSIONS
        if field in part
    ]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, list):
            waiting += [((*pointer, index), item) for index, item in enumerate(value)]
        elif isinstance(value, dict):
            waiting += [((*pointer, key), item) for key, item in value.items()]
        elif isinstance(value, str) and (text := expression_in(value)) is not None:
            try:
                compile_jsonata(text)
            except InvalidExpressionError as exc:
                yield place.finding(
                    f"{label(pointer)} is no JSONata expression: {exc}",
                    *pointer,
                    aws=exc.message,
                    code=INVALID_JSONATA,
                )


def _one_processor(place: Place) -> Iterator[Finding]:
    return _one_of(place, ("ItemProcessor", "Iterator"), "a Map state")


def _choices(place: Place) -> Iterator[Finding]:
    for index, rule in enumerate(_list(place.state.get("Choices"))):
        if isinstance(rule, dict):
            if "Next" not in rule:
                yield place.finding("a choice rule needs Next", "Choices", index)
            if place.language == "JSONata":
                if "Condition" not in rule:
                    yield place.finding("a JSONata choice rule needs Condition", "Choices", index)
            else:
                yield from _comparisons(place, rule, ("Choices", index))


def _comparisons(place: Place, rule: dict[str, Any], steps: Pointer) -> Iterator[Finding]:
    """What is wrong with a JSONPath choice rule and the rules nested in it."""
    if "Condition" in rule:
        message = "Condition is JSONata's: use Variable and a comparison, or QueryLanguage: JSONata"
        yield place.finding(message, *steps, "Condition")
    unknown = [field for field in rule if field not in _RULE_FIELDS and field not in OPERATORS]
    for field in unknown:
        hint = did_you_mean(field, [*OPERATORS, *_RULE_FIELDS])
        yield place.finding(
            f"unknown comparison {field!r}{hint or '; one is StringEquals'}", *steps, field
        )
    given = [field for field in rule if field in OPERATORS or field in _COMBINATIONS]
    if len(given) > 1:
        message = f"{' and '.join(given)} in one rule: keep one, or put each into a rule under And"
        yield place.finding(message, *steps, given[-1])
    elif not given and not unknown and "Condition" not in rule:
        yield place.finding("a choice rule needs a comparison, And, Or or Not", *steps)
    for field in given:
        if field in OPERATORS:
            yield from _comparison(place, rule, steps, field)
            continue
        parts = [rule[field]] if field == "Not" else _list(rule[field])
        for index, part in enumerate(parts):
            inner = (*steps, field) if field == "Not" else (*steps, field, index)
            if isinstance(part, dict):
                if "Next" in part:
                    message = f"a rule inside {field} has no Next: only the outermost has"
                    yield place.finding(message, *inner, "Next")
                yield from _comparisons(place, part, inner)


def _comparison(
    place: Place, rule: dict[str, Any], steps: Pointer, operator: str
) -> Iterator[Finding]:
    if "Variable" not in rule:
        yield place.finding(f"{operator} needs Variable: the path of what it compares", *steps)
    fields = ["Variable", operator] if OPERATORS[operator].operand == "path" else ["Variable"]
    for field in fields:
        path = rule.get(field)
        if isinstance(path, str) and (problem := _path_problem(path)):
            yield place.finding(f"{field}: {problem}", *steps, field, aws=_NOT_A_REFERENCE)
    types, called = _OPERANDS[OPERATORS[operator].operand]
    operand = rule[operator]
    if not isinstance(operand, types) or (isinstance(operand, bool) and types is not bool):
        message = f"{operator} must be {called}, not {shown(operand)}"
        yield place.finding(message, *steps, operator)


_RULE_FIELDS = field_names(ChoiceRule)
_RULES: Mapping[str, Sequence[Callable[[Place], Iterator[Finding]]]] = {
    "Task": (_next_or_end, _value_or_path, _credentials),
    "Pass": (_next_or_end,),
    "Choice": (_choices,),
    "Wait": (_next_or_end, _one_duration, _timestamp),
    "Fail": (_value_or_path,),
    "Parallel": (_next_or_end,),
    "Map": (_next_or_end, _one_processor, _value_or_path, _label),
}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
