"""The envelope around an activity Task's input: `{"aiowfm": {…}, "input": …}`.

Step Functions gives an activity worker a token and the input, nothing else. What a
`TaskContext` knows beyond that comes in the envelope.
"""

from __future__ import annotations

from typing import Any

KEY = "aiowfm"
INPUT = "input"

# The context object is AWS's: $$ in JSONPath, $states.context in JSONata.
_CONTEXT = {
    "execution": "Execution.Id",
    "redrive": "Execution.RedriveCount",
    "state": "State.Name",
    "entered": "State.EnteredTime",
    "attempt": "State.RetryCount",
}
_WHOLE_INPUT = "{% $states.input %}"
_MAP_CONTEXT = {"index": "Map.Item.Index"}
# What an execution does not carry must not fail it: a path that may lead to several places gives
# [] for nothing (AWS: `$.item.items[*]` of {}), and so does JSONata's array.
_TRACE = {"trace.$": "$$.Execution.Input.aiowfm.trace[*]"}
_JSONATA_TRACE = {"trace": "{% [$states.context.Execution.Input.aiowfm.trace] %}"}


def about(*, is_jsonata: bool, in_map: bool) -> dict[str, Any]:
    """What the context object tells: who runs this state, and which time."""
    facts = _CONTEXT | _MAP_CONTEXT if in_map else _CONTEXT
    if is_jsonata:
        return {name: f"{{% $states.context.{path} %}}" for name, path in facts.items()}
    return {f"{name}.$": f"$$.{path}" for name, path in facts.items()}


def limit(state: dict[str, Any], field: str) -> dict[str, Any]:
    """HeartbeatSeconds or TimeoutSeconds of the *state*, if it has it, however it is written."""
    name = field.removesuffix("Seconds").lower()
    if f"{field}Path" in state:
        return {f"{name}.$": state[f"{field}Path"]}
    if state.get(field) is not None:
        return {name: state[field]}
    return {}


def wrapped(
    state: dict[str, Any], *, is_jsonata: bool, in_map: bool, with_trace: bool
) -> dict[str, Any]:
    """The Task *state* with an envelope around what it hands to its activity."""
    facts = about(is_jsonata=is_jsonata, in_map=in_map) | limit(state, "HeartbeatSeconds")
    if with_trace:
        facts |= _JSONATA_TRACE if is_jsonata else _TRACE
    envelope: dict[str, Any] = {KEY: facts}
    if is_jsonata:
        envelope[INPUT] = state.get("Arguments", _WHOLE_INPUT)
        return state | {"Arguments": envelope}
    if "Parameters" in state:
        envelope[INPUT] = state["Parameters"]
    else:
        envelope[f"{INPUT}.$"] = "$"
    return state | {"Parameters": envelope}


def unwrapped(state: dict[str, Any]) -> dict[str, Any]:
    """The Task *state* without envelopes, however many there are."""
    state = dict(state)
    for field in ("Parameters", "Arguments"):
        while _is_envelope(state.get(field)):
            envelope = state.pop(field)
            if INPUT in envelope:
                state[field] = envelope[INPUT]
    if state.get("Arguments") == _WHOLE_INPUT:
        del state["Arguments"]
    return state


def _is_envelope(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(about := value.get(KEY), dict):
        return False
    if value.keys() == {KEY, f"{INPUT}.$"}:
        return value[f"{INPUT}.$"] == "$" and "execution.$" in about
    return value.keys() == {KEY, INPUT} and ("execution.$" in about or "execution" in about)
