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


def wrapped(state: dict[str, Any], *, is_jsonata: bool, in_map: bool) -> dict[str, Any]:
    """The Task *state* with an envelope around what it hands to its activity."""
    facts = _CONTEXT | _MAP_CONTEXT if in_map else _CONTEXT
    envelope: dict[str, Any]
    if is_jsonata:
        about = {name: f"{{% $states.context.{path} %}}" for name, path in facts.items()}
        envelope = {
            KEY: about | _heartbeat(state),
            INPUT: state.get("Arguments", _WHOLE_INPUT),
        }
        return state | {"Arguments": envelope}
    about = {f"{name}.$": f"$$.{path}" for name, path in facts.items()}
    envelope = {KEY: about | _heartbeat(state)}
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


def _heartbeat(state: dict[str, Any]) -> dict[str, Any]:
    if "HeartbeatSecondsPath" in state:
        return {"heartbeat.$": state["HeartbeatSecondsPath"]}
    if state.get("HeartbeatSeconds") is not None:
        return {"heartbeat": state["HeartbeatSeconds"]}
    return {}


def _is_envelope(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(about := value.get(KEY), dict):
        return False
    if value.keys() == {KEY, f"{INPUT}.$"}:
        return value[f"{INPUT}.$"] == "$" and "execution.$" in about
    return value.keys() == {KEY, INPUT} and ("execution.$" in about or "execution" in about)
