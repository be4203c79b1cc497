"""Transitions per second of the interpreter, and a Map over many items.

    python benchmarks/language.py [--transitions 20000] [--items 10000]

A transition is one state entered and left. The machines run on the interpreter alone; the
Map is a distributed one and runs on the embedded backend, a child execution for each item.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from aiowfm import Engine, LocalBackend
from aiowfm.asl.context import ExecutionFacts
from aiowfm.asl.interpreter import Interpreter
from aiowfm.asl.model import StateMachine
from aiowfm.asl.payload import JsonValue, Payload

CHAIN_LENGTH = 100
DATA: dict[str, JsonValue] = {"n": 7, "order": {"id": "o-1", "lines": [1, 2, 3]}}
FACTS = ExecutionFacts(
    execution_arn="arn:aws:states:us-east-1:000000000000:execution:bench:run",
    execution_name="run",
    role_arn="arn:aws:iam::000000000000:role/bench",
    state_machine_arn="arn:aws:states:us-east-1:000000000000:stateMachine:bench",
    state_machine_name="bench",
)


def chain(state: Callable[[str], dict[str, Any]], **fields: Any) -> StateMachine:
    """A machine of many such states, one after the other; each is told the next one's name."""
    names = [f"s{number}" for number in range(CHAIN_LENGTH)]
    states = {name: state(following) for name, following in pairwise(names)}
    states[names[-1]] = {"Type": "Pass", "End": True}
    return StateMachine.model_validate({"StartAt": "s0", "States": states} | fields)


def choice(following: str) -> dict[str, Any]:
    rules = [
        {"Variable": "$.n", "NumericGreaterThan": 10, "Next": "s0"},
        {
            "And": [
                {"Variable": "$.order.id", "StringMatches": "o-*"},
                {"Variable": "$.n", "NumericEquals": 7},
            ],
            "Next": following,
        },
    ]
    return {"Type": "Choice", "Choices": rules, "Default": "s0"}


def templates(following: str) -> dict[str, Any]:
    parameters = {
        "n.$": "$.n",
        "order": {"id.$": "$.order.id", "lines.$": "$.order.lines[*]"},
        "name.$": "States.Format('{}-{}', $.order.id, $$.Execution.Name)",
    }
    return {"Type": "Pass", "Parameters": parameters, "Next": following}


def jsonata(following: str) -> dict[str, Any]:
    output = {"n": "{% $states.input.n %}", "order": "{% $states.input.order %}"}
    return {"Type": "Pass", "Output": output, "Next": following}


def inline_map() -> StateMachine:
    each = {"StartAt": "each", "States": {"each": {"Type": "Pass", "End": True}}}
    state = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": each, "End": True}
    return StateMachine.model_validate({"StartAt": "map", "States": {"map": state}})


def transitions_per_second(machine: StateMachine, data: JsonValue, wanted: int) -> float:
    entered = 0
    began = time.perf_counter()
    while entered < wanted:
        run = Interpreter(machine, FACTS, random=lambda event_id: 0.5)
        events = run.start(Payload(data), 0.0).events
        while run.has_more:
            events += run.go_on_running(0.0).events
        if run.status != "SUCCEEDED":
            raise SystemExit(f"the machine did not succeed: {run.failure}")
        entered += sum(event.type.endswith("StateEntered") for event in events)
    return entered / (time.perf_counter() - began)


async def distributed_map(items: int) -> tuple[float, float]:
    """Seconds, and MiB of peak memory added, for a Map over so many items."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "each",
        "States": {"each": {"Type": "Pass", "End": True}},
    }
    state = {"Type": "Map", "ItemProcessor": processor, "ResultPath": None, "End": True}
    machine = {"StartAt": "map", "States": {"map": state}}
    engine = Engine(
        app="bench",
        environment="bench",
        definitions=json.dumps({"name": "map", "stateMachine": machine}),
        backend=LocalBackend(),
    )
    async with engine:
        before = peak_mebibytes()
        began = time.perf_counter()
        workflow = await engine.start_workflow("map", list(range(items)))
        done = await engine.wait(workflow.id)
        if done.status != "succeeded":
            raise SystemExit(f"the Map did not succeed: {done.error} {done.cause}")
        return time.perf_counter() - began, peak_mebibytes() - before


def peak_mebibytes() -> float:
    # In bytes on macOS and in KiB elsewhere.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main(transitions: int, items: int) -> None:
    machines: dict[str, tuple[StateMachine, JsonValue]] = {
        "Pass": (chain(lambda following: {"Type": "Pass", "Next": following}), DATA),
        "Choice": (chain(choice), DATA),
        "Map, inline": (inline_map(), {"items": list(range(1_000))}),
        "JSONPath": (chain(templates), DATA),
        "JSONata": (chain(jsonata, QueryLanguage="JSONata"), DATA),
    }
    for name, (machine, data) in machines.items():
        transitions_per_second(machine, data, transitions // 10)  # warm-up
        rate = transitions_per_second(machine, data, transitions)
        print(f"{name:14} {rate:10,.0f} transitions/s")
    seconds, mebibytes = asyncio.run(distributed_map(items))
    print(f"Map, distributed, {items:,} items: {seconds:.2f} s, {mebibytes:,.0f} MiB more")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--transitions", type=int, default=20_000)
    parser.add_argument("--items", type=int, default=10_000)
    options = parser.parse_args()
    main(options.transitions, options.items)
