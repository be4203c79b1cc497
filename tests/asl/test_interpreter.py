"""The interpreter through virtual time: events, retries, timers, failures, recovery."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from aiowfm.asl.history import MAX_EVENTS, as_aws
from aiowfm.asl.interpreter import EFFORT_PER_CALL
from aiowfm.asl.messages import (
    ActivityStarted,
    Stopped,
    TaskHeartbeat,
    Timer,
    TimerFired,
    TimerKind,
)
from aiowfm.asl.payload import MAX_LEVELS
from tests.asl.driver import START, Driver, Hangs, TaskFailure, run


def machine(states: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states} | fields


def task(resource: str = "work", **fields: Any) -> dict[str, Any]:
    return (
        {"Type": "Task", "Resource": resource}
        | ({} if "Next" in fields else {"End": True})
        | fields
    )


def failing(times: int, error: str = "Busy", cause: str | None = "later") -> Any:
    """A handler that fails so many times and then returns how often it was called."""
    calls = 0

    def handler(value: Any) -> int:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise TaskFailure(error, cause)
        return calls

    return handler


def hangs(value: Any) -> Any:
    raise Hangs


def shape(driver: Driver) -> list[tuple[int, int, str]]:
    return [(event.id, event.previous_event_id, event.type) for event in driver.history]


def test_a_task_leaves_the_events_that_aws_records() -> None:
    done = run(
        machine({"a": task(TimeoutSeconds=60, HeartbeatSeconds=10)}),
        {"n": 1},
        handlers={"work": lambda x: x},
    )
    assert shape(done) == [
        (1, 0, "ExecutionStarted"),
        (2, 0, "TaskStateEntered"),
        (3, 2, "ActivityScheduled"),
        (4, 3, "ActivityStarted"),
        (5, 4, "ActivitySucceeded"),
        (6, 5, "TaskStateExited"),
        (7, 6, "ExecutionSucceeded"),
    ]
    assert as_aws(done.history[2]) == {
        "timestamp": START,
        "type": "ActivityScheduled",
        "id": 3,
        "previousEventId": 2,
        "activityScheduledEventDetails": {
            "input": '{"n":1}',
            "inputDetails": {"truncated": False},
            "resource": "work",
            "timeoutInSeconds": 60,
            "heartbeatInSeconds": 10,
        },
    }
    assert "input" not in str(
        as_aws(done.history[2], with_data=False)["activityScheduledEventDetails"]
    ).replace("inputDetails", "")


def test_retries_pause_ever_longer_up_to_their_maximum() -> None:
    retrier = {
        "ErrorEquals": ["Busy"],
        "IntervalSeconds": 2,
        "BackoffRate": 3,
        "MaxAttempts": 4,
        "MaxDelaySeconds": 10,
    }
    done = run(machine({"a": task(Retry=[retrier])}), handlers={"work": failing(4)})
    assert done.output == 5
    scheduled = [
        event.timestamp - START for event in done.history if event.type == "ActivityScheduled"
    ]
    assert scheduled == [0, 2, 8, 18, 28]


def test_full_jitter_shortens_the_pause() -> None:
    retrier = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 8, "JitterStrategy": "FULL"}
    done = run(machine({"a": task(Retry=[retrier])}), handlers={"work": failing(1)}, random=0.25)
    assert done.elapsed == 2


def test_each_retrier_counts_for_itself_and_the_context_counts_all() -> None:
    errors = iter(["A", "B", "A", "B"])
    counts: list[int] = []

    def handler(value: Any) -> str:
        counts.append(value["count"])
        error = next(errors, None)
        if error is not None:
            raise TaskFailure(error)
        return "done"

    done = run(
        machine(
            {
                "a": task(
                    Parameters={"count.$": "$$.State.RetryCount"},
                    Retry=[
                        {"ErrorEquals": ["A"], "MaxAttempts": 2, "IntervalSeconds": 1},
                        {"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 2},
                    ],
                )
            }
        ),
        handlers={"work": handler},
    )
    assert done.output == "done"
    assert counts == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("error", "names", "caught"),
    [
        pytest.param("Busy", ["Busy"], True, id="by its name"),
        pytest.param("Busy", ["Other"], False, id="not by another"),
        pytest.param("Busy", ["States.ALL"], True, id="by States.ALL"),
        pytest.param("Busy", ["States.TaskFailed"], True, id="by States.TaskFailed"),
        pytest.param(
            "States.Timeout", ["States.TaskFailed"], False, id="a timeout is no failed task"
        ),
        pytest.param("States.Runtime", ["States.ALL"], False, id="runtime errors by nothing"),
        pytest.param("States.Runtime", ["States.Runtime"], False, id="not even by their name"),
        pytest.param("States.DataLimitExceeded", ["States.ALL"], False, id="nor those of size"),
    ],
)
def test_a_failure_is_caught(error: str, names: list[str], caught: bool) -> None:
    done = run(
        machine(
            {
                "a": task(Catch=[{"ErrorEquals": names, "ResultPath": "$.why", "Next": "b"}]),
                "b": {"Type": "Pass", "End": True},
            }
        ),
        {"n": 1},
        handlers={"work": failing(1, error)},
    )
    if caught:
        assert done.output == {"n": 1, "why": {"Error": error, "Cause": "later"}}
    else:
        assert done.run.status == "FAILED"
        assert done.run.failure is not None
        assert done.run.failure.error == error


def test_a_silent_worker_is_a_heartbeat_timeout_that_only_retry_and_catch_tell_apart() -> None:
    done = run(
        machine(
            {
                "a": task(
                    HeartbeatSeconds=10,
                    TimeoutSeconds=100,
                    Catch=[{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "b"}],
                ),
                "b": {"Type": "Pass", "End": True},
            }
        ),
        handlers={"work": hangs},
    )
    assert done.elapsed == 10
    timed_out = next(event for event in done.history if event.type == "ActivityTimedOut")
    assert timed_out.details == {"error": "States.Timeout"}
    assert done.types[-1] == "ExecutionSucceeded"


def test_heartbeats_put_the_timeout_off_but_not_the_states_own() -> None:
    driver = Driver(machine({"a": task(HeartbeatSeconds=10, TimeoutSeconds=25)}))
    driver.start({})
    (event_id,) = driver.run.tasks
    driver.take(driver.run.apply(ActivityStarted(event_id, "me"), START))
    driver.tasks.clear()
    for now in (8, 16, 24):
        driver.now = START + now
        driver.take(driver.run.apply(TaskHeartbeat(event_id), driver.now))
    driver.finish()
    assert driver.elapsed == 25
    assert driver.run.status == "FAILED"


def test_clocks_of_a_task_run_only_once_a_worker_has_it() -> None:
    driver = Driver(machine({"a": task(HeartbeatSeconds=10, TimeoutSeconds=25)}))
    driver.start({})
    driver.tasks.clear()  # nobody polls
    assert not driver.step()
    assert driver.run.status == "RUNNING"


def test_timeouts_can_come_from_the_input() -> None:
    done = run(
        machine({"a": task(TimeoutSecondsPath="$.t", HeartbeatSecondsPath="$.h")}),
        {"t": 7, "h": 5},
        handlers={"work": hangs},
    )
    assert done.elapsed == 5
    scheduled = next(event for event in done.history if event.type == "ActivityScheduled")
    assert (scheduled.details["timeoutInSeconds"], scheduled.details["heartbeatInSeconds"]) == (
        7,
        5,
    )


@pytest.mark.parametrize("value", ["2", 1.5, True, None])
def test_seconds_from_the_input_must_be_a_whole_number(value: Any) -> None:
    wait = {"Type": "Wait", "SecondsPath": "$.s", "End": True}
    failure = run(machine({"w": wait}), {"s": value}).run.failure
    assert failure is not None
    assert "The SecondsPath parameter cannot be parsed as a long value: $.s ==" in str(
        failure.cause
    )


@pytest.mark.parametrize("most", ["2", 2])
def test_numbers_of_maps_may_stand_in_texts(most: Any) -> None:
    """As recorded on AWS."""
    each = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "MaxConcurrencyPath": "$.most",
        "ItemProcessor": machine({"p": {"Type": "Pass", "End": True}}),
        "End": True,
    }
    assert run(machine({"m": each}), {"items": [1], "most": most}).output == [1]
    failure = run(machine({"m": each}), {"items": [1], "most": "x"}).run.failure
    assert failure is not None
    assert 'refers to value "x" which is not a valid integer: $.most' in str(failure.cause)


@pytest.mark.parametrize("value", ["x", "2", 0, -1, 1.5, True, None])
def test_a_timeout_from_the_input_must_be_a_whole_number_of_seconds(value: Any) -> None:
    done = run(machine({"a": task(TimeoutSecondsPath="$.t")}), {"t": value})
    assert done.run.failure is not None
    assert done.run.failure.error == "States.Runtime"
    assert "TimeoutSeconds" in (done.run.failure.cause or "")


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        pytest.param({"Seconds": 90}, 90, id="Seconds"),
        pytest.param({"Seconds": 0}, 0, id="no Seconds"),
        pytest.param({"SecondsPath": "$.seconds"}, 30, id="SecondsPath"),
        pytest.param({"Timestamp": "2023-11-14T22:14:00Z"}, 40, id="Timestamp"),
        pytest.param({"Timestamp": "2020-01-01T00:00:00Z"}, 0, id="Timestamp in the past"),
        pytest.param({"TimestampPath": "$.at"}, 41.5, id="TimestampPath"),
    ],
)
def test_a_wait_takes_its_time(wait: dict[str, Any], seconds: float) -> None:
    data = {"seconds": 30, "at": "2023-11-14T23:14:01.5+01:00"}
    done = run(machine({"a": {"Type": "Wait", "End": True} | wait}), data)
    assert done.output == data
    assert done.elapsed == pytest.approx(seconds)


def test_an_execution_ends_at_its_own_timeout() -> None:
    done = run(machine({"a": {"Type": "Wait", "Seconds": 90, "End": True}}, TimeoutSeconds=60))
    assert done.elapsed == 60
    assert (done.types[-1], done.run.status) == ("ExecutionTimedOut", "TIMED_OUT")


def test_a_stopped_execution_ends_at_once_and_asks_for_nothing_more() -> None:
    driver = Driver(machine({"a": task(Retry=[{"ErrorEquals": ["States.ALL"]}])})).start({})
    driver.take(driver.run.apply(Stopped("No", "more"), START + 5))
    assert as_aws(driver.history[-1])["executionAbortedEventDetails"] == {
        "error": "No",
        "cause": "more",
    }
    assert driver.run.status == "ABORTED"
    assert not driver.tasks
    assert not driver.step()


def test_parallel_gives_what_its_branches_gave_in_their_order() -> None:
    done = run(
        machine(
            {
                "p": {
                    "Type": "Parallel",
                    "Parameters": {"n.$": "$.n"},
                    "ResultSelector": {"first.$": "$[0]", "second.$": "$[1]"},
                    "ResultPath": "$.p",
                    "Branches": [
                        machine({"slow": {"Type": "Wait", "Seconds": 5, "End": True}}),
                        machine({"quick": {"Type": "Pass", "Result": "q", "End": True}}),
                    ],
                    "End": True,
                }
            }
        ),
        {"n": 1, "m": 2},
    )
    assert done.output == {"n": 1, "m": 2, "p": {"first": {"n": 1}, "second": "q"}}


def test_a_failing_branch_cancels_its_siblings_and_can_be_retried_and_caught() -> None:
    done = Driver(
        machine(
            {
                "p": {
                    "Type": "Parallel",
                    "Branches": [
                        machine({"wait": {"Type": "Wait", "Seconds": 600, "End": True}}),
                        machine({"fail": task()}),
                        machine({"hang": task("hang", HeartbeatSeconds=500)}),
                    ],
                    "Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 1, "IntervalSeconds": 3}],
                    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "sorry"}],
                    "End": True,
                },
                "sorry": {"Type": "Pass", "End": True},
            }
        ),
        {"work": failing(9), "hang": hangs},
    )
    done.start({}).finish()
    assert done.output == {"Error": "Busy", "Cause": "later"}
    assert done.elapsed == 3
    assert Counter(done.types)["ParallelStateStarted"] == 2
    assert Counter(done.types)["ParallelStateFailed"] == 1
    assert not done.tasks
    assert not done.timers


def test_a_map_runs_no_more_iterations_at_once_than_allowed() -> None:
    running = most = 0

    definition = machine(
        {
            "m": {
                "Type": "Map",
                "MaxConcurrency": 3,
                "Iterator": machine({"wait": {"Type": "Wait", "Seconds": 10, "End": True}}),
                "End": True,
            }
        }
    )
    done = run(definition, list(range(10)))
    for event in done.history:
        running += (event.type == "MapIterationStarted") - (event.type == "MapIterationSucceeded")
        most = max(most, running)
    assert most == 3
    assert done.output == list(range(10))
    assert done.elapsed == 40


def test_iterations_of_a_map_in_a_map_that_end_at_once_end_once_each() -> None:
    each = machine({"a": {"Type": "Pass", "Next": "b"}, "b": {"Type": "Pass", "End": True}})
    inner = {"Type": "Map", "ItemProcessor": each, "Next": "end"}
    around = machine({"inner": inner, "end": {"Type": "Pass", "End": True}})
    done = run(machine({"m": {"Type": "Map", "ItemProcessor": around, "End": True}}), [[1, 2]])
    assert done.output == [[1, 2]]
    assert Counter(done.types)["MapIterationSucceeded"] == 3


def test_a_failing_iteration_fails_the_map() -> None:
    done = run(
        machine(
            {
                "m": {
                    "Type": "Map",
                    "ItemsPath": "$.items",
                    "ItemSelector": {"value.$": "$$.Map.Item.Value", "all.$": "$.items"},
                    "ItemProcessor": machine({"each": task()}),
                    "Catch": [{"ErrorEquals": ["Odd"], "ResultPath": "$.error", "Next": "sorry"}],
                    "End": True,
                },
                "sorry": {"Type": "Pass", "End": True},
            }
        ),
        {"items": [2, 3, 4]},
        handlers={"work": lambda x: _only_even(x["value"])},
    )
    assert done.output == {"items": [2, 3, 4], "error": {"Error": "Odd", "Cause": "3"}}
    failed = next(event for event in done.history if event.type == "MapIterationFailed")
    assert failed.details == {"name": "m", "index": 1}


def _only_even(value: int) -> int:
    if value % 2:
        raise TaskFailure("Odd", str(value))
    return value


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        pytest.param(
            {"Type": "Pass", "InputPath": "$.a.b"},
            "Invalid path '$.a.b' : Missing property in path $['a']",
            id="InputPath",
        ),
        pytest.param(
            {"Type": "Pass", "Parameters": {"x.$": "$.b"}},
            "The JSONPath '$.b' specified for the field 'x.$' could not be found in the input"
            " '{\"n\":1}'",
            id="Parameters",
        ),
        pytest.param(
            {
                "Type": "Map",
                "ItemsPath": "$.n",
                "Iterator": machine({"i": {"Type": "Pass", "End": True}}),
            },
            'Reference path "$.n" must point to array.',
            id="ItemsPath",
        ),
        pytest.param(
            {"Type": "Wait", "SecondsPath": "$.n2"},
            "The JSONPath '$.n2' specified for the field 'SecondsPath' could not be found in the"
            " input '{\"n\":1}'",
            id="SecondsPath",
        ),
    ],
)
def test_what_cannot_be_evaluated_fails_with_the_words_of_aws(
    state: dict[str, Any], cause: str
) -> None:
    done = run(machine({"s": state | {"End": True}}), {"n": 1})
    assert done.run.failure is not None
    assert done.run.failure.error == "States.Runtime"
    located = "An error occurred while executing the state 's' (entered at the event id #2). "
    assert done.run.failure.cause == located + cause


def test_a_choice_without_a_match_or_default_fails() -> None:
    choice = {"Variable": "$.n", "NumericEquals": 2, "Next": "b"}
    done = run(
        machine({"a": {"Type": "Choice", "Choices": [choice]}, "b": {"Type": "Succeed"}}), {"n": 1}
    )
    assert done.run.failure is not None
    assert "does not point to a next state" in (done.run.failure.cause or "")


def test_a_result_path_that_cannot_be_can_be_caught() -> None:
    done = run(
        machine(
            {
                "a": task(
                    ResultPath="$.n.inner",
                    Catch=[{"ErrorEquals": ["States.ResultPathMatchFailure"], "Next": "b"}],
                ),
                "b": {"Type": "Pass", "End": True},
            }
        ),
        {"n": "text"},
        handlers={"work": lambda x: 1},
    )
    assert done.output["Error"] == "States.ResultPathMatchFailure"


def test_data_flows_through_all_the_fields_of_a_task() -> None:
    seen: list[Any] = []

    def work(value: Any) -> Any:
        seen.append(value)
        return {"a": 1, "b": [2, 3]}

    done = run(
        machine(
            {
                "a": task(
                    InputPath="$.in",
                    Parameters={
                        "x.$": "$.v",
                        "fixed": {"deep.$": "$$.Execution.Name"},
                        "l": [{"y.$": "$.v"}],
                    },
                    ResultSelector={"all.$": "$.b[*]", "last.$": "$.b[-1]"},
                    ResultPath="$.out.here",
                    OutputPath="$.out",
                )
            }
        ),
        {"in": {"v": 7}, "keep": True},
        handlers={"work": work},
    )
    assert seen == [{"x": 7, "fixed": {"deep": "run"}, "l": [{"y": 7}]}]
    assert done.output == {"here": {"all": [2, 3], "last": 3}}


def test_nulled_paths_discard() -> None:
    done = run(
        machine(
            {
                "a": {"Type": "Pass", "InputPath": None, "ResultPath": "$.r", "Next": "b"},
                "b": task(ResultPath=None, Next="c"),
                "c": {"Type": "Succeed", "OutputPath": "$.r"},
            }
        ),
        {"n": 1},
        handlers={"work": lambda x: "lost"},
    )
    assert done.output == {}


def test_a_too_large_result_ends_the_execution() -> None:
    done = run(
        machine({"a": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "a"}])}),
        handlers={"work": lambda x: "ä" * 131_072},
    )
    assert done.run.failure is not None
    assert done.run.failure.error == "States.DataLimitExceeded"


def test_an_endless_loop_ends_at_the_limit_of_the_history_and_lets_others_run() -> None:
    driver = Driver(
        machine({"a": {"Type": "Pass", "Next": "b"}, "b": {"Type": "Pass", "Next": "a"}})
    ).start({})
    assert driver.run.has_more
    assert len(driver.history) < 1_000
    driver.finish()
    assert driver.run.status == "FAILED"
    assert len(driver.history) == MAX_EVENTS


def test_the_history_of_an_execution_can_be_without_a_limit() -> None:
    driver = Driver(
        machine({"a": {"Type": "Pass", "Next": "a"}}, TimeoutSeconds=1), max_events=math.inf
    )
    driver.start({})
    while len(driver.history) <= MAX_EVENTS:
        assert driver.step()
    assert driver.run.status == "RUNNING"
    driver.take(driver.run.apply(TimerFired(Timer(TimerKind.EXECUTION, 0)), driver.now + 1))
    assert driver.run.status == "TIMED_OUT"


def test_no_catcher_and_no_retrier_sees_the_failure_of_a_function() -> None:
    work = task(
        Parameters={"n.$": "States.MathAdd($.n, 1)"},
        Retry=[{"ErrorEquals": ["States.ALL"]}],
        Catch=[{"ErrorEquals": ["States.ALL"], "Next": "caught"}],
    )
    done = run(machine({"a": work, "caught": {"Type": "Pass", "End": True}}), {"n": "2"})
    assert done.elapsed == 0
    assert done.run.failure is not None
    assert done.run.failure.error == "States.Runtime"


def slices(driver: Driver) -> list[list[str]]:
    """What each further call records, until nothing can happen any more."""
    found = []
    while driver.run.has_more:
        before = len(driver.history)
        driver.step()
        found.append(driver.types[before:])
    return found


def parallel(output: str, count: int) -> dict[str, Any]:
    branch = machine({"s": {"Type": "Pass", "Output": output, "End": True}})
    state = {"Type": "Parallel", "Branches": [branch] * count, "End": True}
    return machine({"p": state}, QueryLanguage="JSONata")


def test_expensive_evaluations_are_done_one_at_a_time_and_cheap_ones_together() -> None:
    dear = Driver(parallel("{% $count([1..2000].($*2)) %}", 8)).start({})
    assert dear.types.count("PassStateExited") == 1
    exits = [types.count("PassStateExited") for types in slices(dear)]
    assert max(exits) == 1
    assert sum(exits) == 7
    assert dear.output == [2000] * 8
    cheap = Driver(parallel("{% 1 %}", 8)).start({})
    assert slices(cheap) == []
    assert cheap.output == [1] * 8


def test_expensive_paths_and_the_items_of_a_map_end_a_slice_too() -> None:
    chain: dict[str, Any] = {
        f"s{n}": {"Type": "Pass", "InputPath": "$[*]", "Next": f"s{n + 1}"} for n in range(8)
    }
    chain |= {"s8": {"Type": "Succeed"}}
    searching = Driver(machine(chain, StartAt="s0")).start([*range(3_000)])
    assert all(types.count("PassStateExited") <= 1 for types in slices(searching))
    assert searching.run.status == "SUCCEEDED"

    processor = machine({"i": {"Type": "Pass", "End": True}})
    processor["ProcessorConfig"] = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    each = {"v.$": "$$.Map.Item.Value"}
    state = {"Type": "Map", "ItemSelector": each, "ItemProcessor": processor, "End": True}
    mapping = Driver(machine({"m": state})).start([*range(1_000)])
    assert mapping.types[-1] == "MapRunStarted"
    assert mapping.run.effort >= EFFORT_PER_CALL


@pytest.mark.parametrize(
    ("states", "what"),
    [
        pytest.param(
            {
                "a": {"Type": "Pass", "Parameters": {"x.$": "$"}, "Next": "b"},
                "b": {"Type": "Pass", "Next": "a"},
            },
            "The output of the state",
            id="in a loop",
        ),
        pytest.param(
            {"a": {"Type": "Pass", "ResultPath": "$" + ".a" * 5000, "End": True}},
            "The output of the state",
            id="ResultPath",
        ),
        pytest.param(
            {
                "a": {
                    "Type": "Pass",
                    "Assign": {"v": {"x.$": "$.deep"}},
                    "OutputPath": "$.items",
                    "End": True,
                }
            },
            "The variable 'v'",
            id="Assign",
        ),
        pytest.param(
            {"a": task(Parameters={"x.$": "$.deep"})}, "The input of the task", id="activity"
        ),
        pytest.param(
            {
                "a": task(
                    "arn:aws:states:::sqs:sendMessage",
                    Parameters={"QueueUrl": "q", "MessageBody.$": "$.deep"},
                )
            },
            "The input of the task",
            id="service",
        ),
        pytest.param(
            {
                "a": {
                    "Type": "Parallel",
                    "Parameters": {"x.$": "$.deep"},
                    "Branches": [machine({"i": {"Type": "Pass", "End": True}})],
                    "End": True,
                }
            },
            "The input of the branches",
            id="Parallel",
        ),
        pytest.param(
            {
                "a": {
                    "Type": "Map",
                    "ItemsPath": "$.items",
                    "ItemSelector": {"x.$": "$.deep"},
                    "ItemProcessor": machine({"i": {"Type": "Pass", "End": True}}),
                    "End": True,
                }
            },
            "The input of the iteration",
            id="Map",
        ),
    ],
)
def test_what_is_nested_too_deep_fails_the_state_that_makes_it(
    states: dict[str, Any], what: str
) -> None:
    deep: Any = 1
    for _ in range(MAX_LEVELS):
        deep = [deep]
    data = {"items": [1]} if len(states) == 2 or "ResultPath" in states["a"] else {"deep": deep}
    done = run(machine(states, StartAt="a"), {"items": [1]} | data)
    assert done.run.failure is not None
    assert done.run.failure.error == "States.Runtime"
    cause = done.run.failure.cause or ""
    assert cause.endswith(f"{what} is nested too deep: more than 500 levels")


def test_a_result_that_is_nested_too_deep_fails_its_task() -> None:
    def deep(value: Any) -> Any:
        result: Any = 1
        for _ in range(MAX_LEVELS + 1):
            result = [result]
        return result

    done = run(machine({"a": task(ResultPath=None)}), handlers={"work": deep})
    assert done.types[-2:] == ["ActivityFailed", "ExecutionFailed"]
    assert done.run.failure is not None
    assert done.run.failure.error == "States.Runtime"
    assert (done.run.failure.cause or "").startswith("The result of the task is nested too deep")


@pytest.mark.parametrize(
    ("state", "field"),
    [
        pytest.param({"Type": "Wait", "Seconds": "{% $states.input %}"}, "Seconds", id="Wait"),
        pytest.param(task(TimeoutSeconds="{% $states.input %}"), "TimeoutSeconds", id="timeout"),
        pytest.param(
            task(HeartbeatSeconds="{% $states.input %}"), "HeartbeatSeconds", id="heartbeat"
        ),
    ],
)
def test_seconds_in_jsonata_have_the_limit_that_they_have_in_jsonpath(
    state: dict[str, Any], field: str
) -> None:
    states = machine({"s": state | {"End": True}}, QueryLanguage="JSONata")
    for seconds in (1e308, 99_999_999_999, 100_000_000, -1, 1.5):
        done = run(states, seconds)
        assert done.run.failure is not None
        assert done.run.failure.error == "States.QueryEvaluationError"
        cause = done.run.failure.cause or ""
        assert f"The {field} field must be a whole number from" in cause
        assert "to 99999999, but was" in cause
    assert run(states, 99_999_999, handlers={"work": hangs}).elapsed == 99_999_999


def test_a_timeout_from_the_input_has_an_upper_limit() -> None:
    done = run(machine({"a": task(TimeoutSecondsPath="$.t")}), {"t": 100_000_000})
    assert done.run.failure is not None
    assert (done.run.failure.cause or "").endswith("TimeoutSeconds must be between 1 and 99999999.")


def test_what_the_driver_cannot_run_fails_when_it_is_reached() -> None:
    driver = Driver(machine({"a": task("arn:aws:states:::lambda:invoke")}))
    driver.run.refuses = lambda resource: f"no {resource}"
    driver.start({}).finish()
    assert driver.types == ["ExecutionStarted", "TaskStateEntered", "ExecutionFailed"]
    assert driver.run.failure is not None
    assert "no arn:aws:states:::lambda:invoke" in (driver.run.failure.cause or "")


# Recovery: cut a history anywhere, fold what is left, go on, and come to the same end.

SCENARIOS: dict[str, tuple[dict[str, Any], Any]] = {
    "task with retry and catch": (
        machine(
            {
                "a": task(
                    "flaky",
                    Retry=[{"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "MaxAttempts": 1}],
                    Catch=[{"ErrorEquals": ["Busy"], "ResultPath": "$.e", "Next": "b"}],
                ),
                "b": {"Type": "Wait", "Seconds": 5, "Next": "c"},
                "c": {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.e", "IsPresent": True, "Next": "d"}],
                    "Default": "e",
                },
                "d": {"Type": "Pass", "End": True},
                "e": {"Type": "Succeed"},
            }
        ),
        {"n": 1},
    ),
    "parallel": (
        machine(
            {
                "p": {
                    "Type": "Parallel",
                    "Branches": [
                        machine({"p1": task("echo", Next="p2"), "p2": task("echo")}),
                        machine(
                            {"q1": {"Type": "Wait", "Seconds": 3, "Next": "q2"}, "q2": task("echo")}
                        ),
                        machine(
                            {
                                "r": {
                                    "Type": "Parallel",
                                    "End": True,
                                    "Branches": [
                                        machine({"s": task("echo")}),
                                        machine({"t": {"Type": "Succeed"}}),
                                    ],
                                }
                            }
                        ),
                    ],
                    "Next": "end",
                },
                "end": {"Type": "Pass", "End": True},
            }
        ),
        {"n": 1},
    ),
    "map": (
        machine(
            {
                "m": {
                    "Type": "Map",
                    "MaxConcurrency": 2,
                    "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value"},
                    "Iterator": machine(
                        {
                            "x": task("echo", Next="y"),
                            "y": {"Type": "Wait", "Seconds": 1, "End": True},
                        }
                    ),
                    "End": True,
                }
            }
        ),
        [10, 20, 30, 40],
    ),
    "failing parallel, retried": (
        machine(
            {
                "p": {
                    "Type": "Parallel",
                    "Branches": [
                        machine({"u": task("flaky")}),
                        machine({"w": {"Type": "Wait", "Seconds": 4, "End": True}}),
                    ],
                    "Retry": [
                        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 2}
                    ],
                    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "end"}],
                    "Next": "end",
                },
                "end": {"Type": "Pass", "End": True},
            }
        ),
        {},
    ),
    "services, and a distributed map": (
        machine(
            {
                "start": task(
                    "arn:aws:states:::states:startExecution", Parameters={"a.$": "$.n"}, Next="wait"
                ),
                "wait": task(
                    "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                    Parameters={"Token.$": "$$.Task.Token", "a.$": "$.a"},
                    Next="map",
                ),
                "map": {
                    "Type": "Map",
                    "ItemsPath": "$.items",
                    "Label": "many",
                    "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"b": 1}},
                    "ItemProcessor": {
                        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                        **machine({"each": {"Type": "Pass", "End": True}}),
                    },
                    "InputPath": "$$.Execution.Input",
                    "ResultPath": "$.batches",
                    "End": True,
                },
            }
        ),
        {"n": 1, "items": [1, 2, 3]},
    ),
    "failing map": (
        machine(
            {
                "m": {
                    "Type": "Map",
                    "Iterator": machine({"z": task("flaky")}),
                    "Retry": [
                        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}
                    ],
                    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "end"}],
                    "End": True,
                },
                "end": {"Type": "Pass", "End": True},
            }
        ),
        [1, 2],
    ),
}


def _always_busy(value: Any) -> Any:
    raise TaskFailure("Busy", "later")


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_execution_cut_off_at_any_event_comes_to_the_same_end(name: str) -> None:
    definition, data = SCENARIOS[name]
    handlers = {"echo": lambda x: x, "flaky": _always_busy}
    whole = run(definition, data, handlers=handlers)
    assert whole.run.status == "SUCCEEDED"
    for length in range(1, len(whole.history) + 1):
        resumed = whole.resumed_at(length).finish()
        assert resumed.run.status == "SUCCEEDED", length
        assert resumed.output == whole.output, length
        assert Counter(resumed.types) == Counter(whole.types), length
        assert resumed.elapsed == whole.elapsed, length
        assert [event.id for event in resumed.history] == list(range(1, len(resumed.history) + 1))
