"""What is deployed can be read: it is the author's own, with a few things added."""

from __future__ import annotations

import json
from typing import Any

from aiowfm.definitions import (
    CompilerOptions,
    compile_definition,
    deployed_text,
    load_definitions,
)
from aiowfm.definitions.deployed_text import MAX_BYTES

# Keys in an order that nobody would sort them into.
SOURCE = """
name: all
stateMachine:
  TimeoutSeconds: 600
  States:
    work:
      Next: ask
      Catch: [{Next: fail, ErrorEquals: [States.ALL], ResultPath: $.why}]
      Parameters: {z.$: $.z, a: 1}
      Retry: [{MaxAttempts: 2, ErrorEquals: [Busy]}]
      Resource: charge
      Comment: ä
      Type: Task
    ask:
      Parameters:
        MessageBody: {zeta: 1, TaskKey: $.id, alpha: 2}
      Next: each
      TimeoutSeconds: 60
      Resource: arn:aws:states:::sqs:sendMessage.waitForTaskToken
      Type: Task
    each:
      ItemProcessor:
        States:
          pick: {End: true, Type: Task, Resource: pick}
        StartAt: pick
      Next: both
      Type: Map
    both:
      Branches:
        - States: {rest: {Seconds: 1, Type: Wait, End: true}}
          StartAt: rest
        - States: {done: {Type: Succeed}}
          StartAt: done
      Next: jsonata
      Type: Parallel
    jsonata:
      QueryLanguage: JSONata
      Arguments: {z: 1, a: "{% $states.input %}"}
      Type: Task
      Resource: charge
      End: true
    fail: {Cause: no, Type: Fail, Error: E}
  StartAt: work
  Comment: in its own order
"""


def compiled() -> tuple[dict[str, Any], dict[str, Any]]:
    (definition,) = load_definitions(SOURCE)
    machine = compile_definition(
        definition,
        activity_arn=lambda task: f"arn:aws:states:r:a:activity:dev--shop-{task}",
        queue_url="https://sqs/q",
        options=CompilerOptions(),
    )
    return definition.state_machine, machine


def check_order(written: Any, deployed: Any, place: str = "") -> None:
    """The keys that were written come in their order, and before those that were added."""
    if isinstance(written, dict):
        assert isinstance(deployed, dict), place
        if "aiowfm" in deployed and "input" in deployed:
            deployed = deployed["input"]
        keys = [key if key in deployed else f"{key}.$" for key in written]
        assert list(deployed)[: len(keys)] == keys, place
        for key, name in zip(written, keys, strict=True):
            if key not in ("Resource", "Retry"):
                check_order(written[key], deployed[name], f"{place}.{key}")
    elif isinstance(written, list):
        for index, (one, other) in enumerate(zip(written, deployed, strict=True)):
            check_order(one, other, f"{place}[{index}]")
    else:
        assert written == deployed, place


def test_keys_stay_in_the_order_of_the_author_and_what_is_added_follows() -> None:
    check_order(*compiled())


def test_nothing_is_added_but_to_tasks() -> None:
    written, machine = compiled()
    for name in ("fail", "both"):
        assert machine["States"][name] == written["States"][name]
    added = {
        name: set(machine["States"][name]) - set(written["States"][name])
        for name in ("work", "ask", "each", "jsonata")
    }
    assert added == {
        "work": {"HeartbeatSeconds"},
        "ask": set(),
        "each": set(),
        "jsonata": {"HeartbeatSeconds", "Retry"},
    }
    assert set(machine) == set(written)


def test_the_text_is_indented_and_spells_letters_as_they_are() -> None:
    _, machine = compiled()
    text = deployed_text(machine)
    assert text.startswith('{\n  "TimeoutSeconds": 600,\n  "States": {\n    "work": {\n')
    assert '"Comment": "ä"' in text
    assert json.loads(text) == machine


def test_what_would_be_too_long_is_not_indented() -> None:
    states = {f"state {number:05}": {"Type": "Succeed", "Comment": "ä"} for number in range(18_000)}
    machine = {"StartAt": "state 00000", "States": states}
    text = deployed_text(machine)
    assert "\n" not in text
    assert len(text.encode()) <= MAX_BYTES < len(json.dumps(machine, indent=2).encode())
