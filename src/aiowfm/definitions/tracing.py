"""The trace context of a workflow's start, on its way to the handlers of its tasks.

An execution whose input is an object carries it there (W3C Trace Context):

    {"aiowfm": {"trace": [{"traceparent": TEXT, "tracestate": TEXT}]}, …}

The state machine begins with an added Pass, which takes it out again: states are given what
the program gave. Tasks find it in the context object, and hand it on in their envelope.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiowfm.asl.payload import JsonValue
from aiowfm.definitions.added import beginning_with
from aiowfm.definitions.envelope import KEY

TRACE = "trace"
TRACEPARENT = "traceparent"
ADDED_STATE = "aiowfm trace"

# JSONata in either language: JSONPath cannot take a member out. `$sift` of nothing that is left
# is no object but nothing, hence `$merge`.
_WITHOUT_TRACE = (
    "{% $type($states.input) = 'object'"
    f" and $exists($states.input.{KEY}.{TRACE}.{TRACEPARENT}) ? ("
    f" $rest := $sift($states.input.{KEY}, function($value, $name) {{ $name != '{TRACE}' }});"
    f" $exists($rest) ? $merge([$states.input, {{'{KEY}': $rest}}])"
    f" : $merge([{{}}, $sift($states.input, function($value, $name) {{ $name != '{KEY}' }})])"
    " ) : $states.input %}"
)


def traced(machine: dict[str, Any]) -> dict[str, Any]:
    """*machine*, beginning with the state that takes the trace context out of the input."""
    state = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": _WITHOUT_TRACE}
    return beginning_with(machine, ADDED_STATE, state)


def is_trace_state(name: str) -> bool:
    """Whether `traced` may have called the state that it adds so."""
    return name.rstrip("!") == ADDED_STATE


def with_trace(input: dict[str, JsonValue], trace: Mapping[str, str]) -> dict[str, JsonValue]:
    """*input*, carrying *trace*: the members `traceparent` and perhaps `tracestate`."""
    about = input.get(KEY, {})
    assert isinstance(about, dict)  # made by `resumed_input`, if it is there
    return {**input, KEY: {**about, TRACE: [dict(trace)]}}


def without_trace(input: JsonValue) -> JsonValue:
    """What `with_trace` was given, or *input* itself if it carries none."""
    if not isinstance(input, dict) or not isinstance(about := input.get(KEY), dict):
        return input
    if not _is_trace(about.get(TRACE)):
        return input
    rest = {name: value for name, value in about.items() if name != TRACE}
    if rest:
        return input | {KEY: rest}
    return {name: value for name, value in input.items() if name != KEY}


def _is_trace(value: JsonValue) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 1
        and isinstance(value[0], dict)
        and isinstance(value[0].get(TRACEPARENT), str)
    )
