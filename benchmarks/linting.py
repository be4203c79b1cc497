"""Seconds to validate a definition of many states, from a file and from its data.

    python benchmarks/linting.py [--states 5000] [--runs 5]

Validating is reading the text with the place of everything in it, and applying all rules. Nothing
is remembered from one run to the next. The best is shown, in processor time and by the clock.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from aiowfm.asl import rules
from aiowfm.asl.jsonata_names import references
from aiowfm.asl.paths import compile_path
from aiowfm.definitions import check_definitions
from aiowfm.definitions.document import read_file

GOAL_SECONDS = 1.0


def task(number: int) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "work",
        "TimeoutSeconds": 60,
        "Parameters": {"id.$": "$.id", "n": number},
        "Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 2}],
        "ResultPath": f"$.r{number}",
    }


def jsonata(number: int) -> dict[str, Any]:
    return {
        "Type": "Pass",
        "QueryLanguage": "JSONata",
        "Output": f"{{% $merge([$states.input, {{'n': {number}}}]) %}}",
    }


def choice(number: int) -> dict[str, Any]:
    rule = {"Variable": "$.n", "NumericGreaterThan": number, "Next": "s0"}
    return {"Type": "Choice", "Choices": [rule]}


def definition(states: int) -> dict[str, Any]:
    """A chain of states of three kinds, a half of which are Tasks."""
    kinds = (task, choice, task, jsonata)
    made: dict[str, Any] = {}
    for number in range(states - 1):
        state = kinds[number % 4](number)
        state["Default" if state["Type"] == "Choice" else "Next"] = f"s{number + 1}"
        made[f"s{number}"] = state
    made[f"s{states - 1}"] = {"Type": "Succeed"}
    machine = {"StartAt": "s0", "TimeoutSeconds": 3600, "States": made}
    return {"name": "big", "stateMachine": machine}


def best(action: Callable[[], object], runs: int) -> tuple[float, float]:
    """Seconds of the processor and of the clock, of the run that took least of each."""
    used, passed = [], []
    for _ in range(runs):
        references.cache_clear()
        compile_path.cache_clear()
        begun_used, begun = time.process_time(), time.perf_counter()
        action()
        used.append(time.process_time() - begun_used)
        passed.append(time.perf_counter() - begun)
    return min(used), min(passed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    value = definition(given.states)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "big.yml", Path(folder) / "big.json"]
        YAML(typ="safe").dump([value], files[0])
        files[1].write_text(json.dumps([value], indent=1), encoding="utf-8")
        print(f"{given.states:,} states: seconds of the processor, and by the clock")
        for file in files:
            _, problems = check_definitions(file)
            assert not problems, problems[:3]
            size = f"{file.stat().st_size / 1e6:.1f} MB"
            used, passed = best(lambda file=file: check_definitions(file), given.runs)  # type: ignore[misc]  # of a Path
            verdict = "within" if passed <= GOAL_SECONDS else "above"
            print(f"  {file.suffix[1:]:5} {size}  {used:6.2f} {passed:6.2f}  {verdict} the goal")
            read, _ = best(lambda file=file: read_file(file), given.runs)  # type: ignore[misc]  # of a Path
            print(f"    of these, reading  {read:6.2f}")
        used, passed = best(
            lambda: rules.problems(value["stateMachine"], warnings=True), given.runs
        )
        print(f"  the rules alone   {used:6.2f} {passed:6.2f}")


if __name__ == "__main__":
    main()
