"""Executions that have failed, and go on from where they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from aiowfm.asl.messages import Stopped
from tests.asl.driver import Driver, Hangs, TaskFailure, run


def machine(states: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states, **fields}


def task(resource: str, **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, **({} if "Next" in fields else {"End": True})} | (
        fields
    )


def wait(seconds: int) -> dict[str, Any]:
    return {"Type": "Wait", "Seconds": seconds, "End": True}


class Repaired:
    """A handler that fails until it is repaired."""

    def __init__(self) -> None:
        self.is_broken = True
        self.calls: list[Any] = []

    def __call__(self, value: Any) -> Any:
        self.calls.append(value)
        if self.is_broken:
            raise TaskFailure("Broken", "still")
        return value


def test_a_failed_task_is_scheduled_again_and_nothing_before_it() -> None:
    broken = Repaired()
    driver = run(
        machine({"a": task("echo", Next="b"), "b": task("broken")}),
        {"n": 1},
        handlers={"echo": lambda value: value, "broken": broken},
    )
    assert driver.run.status == "FAILED"
    before = len(driver.history)
    broken.is_broken = False
    again = driver.redriven(after=60.0).finish()
    assert again.run.status == "SUCCEEDED"
    assert again.output == {"n": 1}
    assert again.types[before:] == [
        "ExecutionRedriven",
        "ActivityScheduled",
        "ActivityStarted",
        "ActivitySucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    redriven = again.history[before]
    assert (redriven.previous_event_id, redriven.details) == (before, {"redriveCount": 1})
    assert again.history[before + 1].previous_event_id == redriven.id


def test_retries_and_the_timeout_of_the_machine_begin_anew() -> None:
    broken = Repaired()
    definition = machine(
        {
            "a": task(
                "broken",
                Retry=[{"ErrorEquals": ["Broken"], "IntervalSeconds": 1, "MaxAttempts": 2}],
            )
        },
        TimeoutSeconds=10,
    )
    driver = run(definition, {}, handlers={"broken": broken})
    assert len(broken.calls) == 3
    again = driver.redriven(after=100.0).finish()
    assert len(broken.calls) == 6
    assert again.run.status == "FAILED"
    assert again.redriven().finish().run.redrive_count == 2


def test_the_context_object_counts_redrives_and_keeps_the_time_of_entry() -> None:
    seen: list[Any] = []

    def look(value: Any) -> Any:
        seen.append(value)
        raise TaskFailure("Broken")

    definition = machine(
        {
            "a": task(
                "look",
                Parameters={
                    "count.$": "$$.Execution.RedriveCount",
                    "entered.$": "$$.State.EnteredTime",
                },
            )
        }
    )
    run(definition, {}, handlers={"look": look}).redriven(after=5.0).finish()
    assert [each["count"] for each in seen] == [0, 1]
    assert seen[0]["entered"] == seen[1]["entered"]


def test_a_timed_out_execution_gets_its_whole_time_again() -> None:
    driver = run(machine({"w": wait(8)}, TimeoutSeconds=5))
    assert driver.run.status == "TIMED_OUT"
    again = driver.redriven(after=1000.0)
    assert again.run.status == "RUNNING"
    began = again.now
    again.finish()
    assert (again.run.status, again.now - began) == ("TIMED_OUT", 5)


def test_a_stopped_execution_goes_on_with_the_task_that_was_cut_off() -> None:
    def hang(value: Any) -> Any:
        raise Hangs

    driver = Driver(machine({"a": task("a")}), {"a": hang}).start({"n": 1})
    driver.step()
    driver.take(driver.run.apply(Stopped("Tired", None), driver.now))
    assert driver.run.status == "ABORTED"
    driver.handlers["a"] = lambda value: value
    again = driver.redriven().finish()
    assert (again.run.status, again.output) == ("SUCCEEDED", {"n": 1})


def test_only_the_branches_that_did_not_succeed_run_again() -> None:
    broken, good = Repaired(), Repaired()
    good.is_broken = False
    slow = {"s": {"Type": "Wait", "Seconds": 9, "Next": "t"}, "t": task("good")}
    definition = machine(
        {
            "p": {
                "Type": "Parallel",
                "Branches": [
                    machine({"g": task("good")}),
                    machine({"b": task("broken")}),
                    machine(slow),
                ],
                "End": True,
            }
        }
    )
    driver = run(definition, {"n": 1}, handlers={"broken": broken, "good": good})
    assert driver.run.status == "FAILED"
    assert len(good.calls) == 1
    broken.is_broken = False
    again = driver.redriven().finish()
    assert again.output == [{"n": 1}] * 3
    assert len(good.calls) == 2  # the branch that waited was cut off
    assert again.types.count("ParallelStateStarted") == 1


def test_only_the_iterations_that_did_not_succeed_run_again() -> None:
    calls: Counter[int] = Counter()
    broken = {3}

    def work(value: int) -> int:
        calls[value] += 1
        if value in broken:
            raise TaskFailure("Broken")
        return value * 10

    definition = machine(
        {
            "m": {
                "Type": "Map",
                "MaxConcurrency": 1,
                "Iterator": machine({"w": task("work")}),
                "End": True,
            }
        }
    )
    driver = run(definition, [1, 2, 3, 4], handlers={"work": work})
    assert driver.run.status == "FAILED"
    broken.clear()
    again = driver.redriven().finish()
    assert again.output == [10, 20, 30, 40]
    assert calls == {1: 1, 2: 1, 3: 2, 4: 1}


def test_a_map_run_is_redriven_under_its_old_name() -> None:
    definition = machine(
        {
            "m": {
                "Type": "Map",
                "Label": "many",
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    **machine({"each": {"Type": "Pass", "End": True}}),
                },
                "End": True,
            }
        }
    )
    driver = Driver(definition).start([1, 2])
    driver.take(driver.run.apply(Stopped(None, None), driver.now))
    again = driver.redriven().finish()
    assert again.output == [1, 2]
    started, redriven = (
        event.details
        for event in again.history
        if event.type in ("MapRunStarted", "MapRunRedriven")
    )
    assert redriven == {**started, "redriveCount": 1}


def test_a_state_that_was_too_large_runs_again_as_a_whole() -> None:
    calls = []

    def large(value: Any) -> str:
        calls.append(value)
        return "x" * (10 if len(calls) > 2 else 200_000)

    branch = machine({"l": task("large")})
    definition = machine({"p": {"Type": "Parallel", "Branches": [branch, branch], "End": True}})
    driver = run(definition, {}, handlers={"large": large})
    assert driver.run.failure is not None
    assert driver.run.failure.error == "States.DataLimitExceeded"
    again = driver.redriven().finish()
    assert again.output == ["x" * 10] * 2
    assert len(calls) == 4


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"Type": "Fail", "Error": "Always"}, id="fail"),
        pytest.param({"Type": "Pass", "InputPath": "$.missing", "End": True}, id="pass"),
    ],
)
def test_what_fails_by_itself_fails_again(state: dict[str, Any]) -> None:
    driver = run(machine({"a": state}), {})
    again = driver.redriven().finish()
    assert again.run.status == "FAILED"
    assert again.run.failure == driver.run.failure


def _failing_in(parts: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    inner = machine({"e": task("echo", Next="b"), "b": task("broken")})
    return machine({"before": task("echo", Next="parts"), "parts": parts(inner)})


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param(
            _failing_in(
                lambda inner: {"Type": "Parallel", "Branches": [inner, inner], "End": True}
            ),
            id="parallel",
        ),
        pytest.param(
            _failing_in(
                lambda inner: {"Type": "Map", "ItemsPath": "$.l", "Iterator": inner, "End": True}
            ),
            id="map",
        ),
    ],
)
def test_a_redriven_execution_cut_off_at_any_event_comes_to_the_same_end(
    definition: dict[str, Any],
) -> None:
    broken = Repaired()
    handlers = {"echo": lambda value: value, "broken": broken}
    driver = run(definition, {"l": [1, 2, 3]}, handlers=handlers)
    assert driver.run.status == "FAILED"
    broken.is_broken = False
    whole = driver.redriven(after=7.0).finish()
    assert whole.run.status == "SUCCEEDED"
    for length in range(len(driver.history) + 1, len(whole.history) + 1):
        resumed = whole.resumed_at(length).finish()
        assert resumed.output == whole.output, length
        assert Counter(resumed.types) == Counter(whole.types), length
