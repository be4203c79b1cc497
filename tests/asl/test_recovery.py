"""Executions cut off anywhere, as by a killed process, come to the end they would have come to.

The machines are random, and each has one end only: what a handler does depends on its input,
and nothing fails at the moment in which something else goes on beside it. For AWS, too, leaves
open which of two things that happen at once is the first.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from aiowfm.asl import rules
from aiowfm.asl.history import HistoryEvent
from aiowfm.local.storage.rows import decoded, encoded
from tests.asl.driver import Driver, Hangs, TaskFailure, run

ERRORS = ("Busy", "Odd")
LISTS = [[], [5], [1, 2], [4, 3, 2, 1]]  # what Maps run over
INPUT = {"lists": LISTS}
MOST_EVENTS = 400  # a machine may grow beyond what is worth the time
DEEPEST = 2


def echo(value: Any) -> Any:
    return value


def hang(value: Any) -> Any:
    raise Hangs


def busy(value: Any) -> Any:
    raise TaskFailure("Busy", "by script")


def odd(value: Any) -> Any:
    raise TaskFailure("Odd")


def flaky(value: Any) -> Any:
    """Fails as often as the state's input says; the language counts the attempts."""
    if value["attempt"] < value["failures"]:
        raise TaskFailure("Busy", str(value["attempt"]))
    return value


HANDLERS = {"echo": echo, "hang": hang, "Busy": busy, "Odd": odd, "flaky": flaky}


class Machines:
    """Draws machines of one query language.

    What is *sealed* lets no failure out, since something else goes on beside it.
    """

    def __init__(self, draw: st.DrawFn, language: str) -> None:
        self._draw = draw
        self._language = language
        self._count = 0

    def machine(self) -> dict[str, Any]:
        timeout = self._draw(st.sampled_from([None, None, None, 3, 30]))
        limited = {} if timeout is None else {"TimeoutSeconds": timeout}
        machine = self._branch(0, sealed=False)
        return {"QueryLanguage": self._language} | machine | limited

    def _branch(self, depth: int, *, sealed: bool, after: int = 0) -> dict[str, Any]:
        """Some states one after another, the first of them *after* some seconds."""
        names = [self._name() for _ in range(self._draw(st.integers(1, 3)))]
        states: dict[str, Any] = {}
        if after:
            states["wait" + names[0]] = {"Type": "Wait", "Seconds": after, "Next": names[0]}
        end = self._name() if sealed else None
        for name, follower in zip(names, [*names[1:], end], strict=True):
            states[name] = self._state(depth, follower, sealed=sealed)
        if end is not None:
            states[end] = {"Type": "Pass", "End": True}
        return {"StartAt": next(iter(states)), "States": states}

    def _name(self) -> str:
        self._count += 1
        return f"s{self._count}"

    def _state(self, depth: int, follower: str | None, *, sealed: bool) -> dict[str, Any]:
        types = ["Pass", "Wait", "Task", "Task", "Failing", "Flaky", "Hanging", "Assign"]
        if follower is not None:
            types.append("Choice")
        elif not sealed:
            types += ["Succeed", "Fail"]
        if depth < DEEPEST:
            types += ["Parallel", "Map", "Doomed"] * 2
        onward = {"End": True} if follower is None else {"Next": follower}
        match self._draw(st.sampled_from(types)):
            case "Wait":
                return {"Type": "Wait", "Seconds": self._draw(st.integers(0, 3))} | onward
            case "Task":
                return self._work("echo") | onward
            case "Failing":
                failing = self._work(self._draw(st.sampled_from(ERRORS)))
                return self._recovering(failing | onward, sealed=sealed)
            case "Flaky":
                return self._recovering(self._flaky() | onward, sealed=sealed)
            case "Hanging":
                hanging = self._work("hang") | {"TimeoutSeconds": 9} | self._beats(4)
                return self._recovering(hanging | onward, sealed=sealed)
            case "Assign":
                return {"Type": "Pass"} | self._assigned(f"n{depth}") | onward
            case "Choice":
                return self._choice(follower or "")
            case "Succeed":
                return {"Type": "Succeed"}
            case "Fail":
                return {"Type": "Fail", "Error": self._draw(st.sampled_from(ERRORS))}
            case "Parallel":
                return self._recovering(self._parallel(depth) | onward, sealed=sealed)
            case "Doomed":
                return self._recovering(self._doomed(depth) | onward, sealed=sealed)
            case "Map":
                return self._recovering(self._map(depth) | onward, sealed=sealed)
        return {"Type": "Pass"} | onward

    @property
    def _is_jsonata(self) -> bool:
        return self._language == "JSONata"

    def _work(self, resource: str) -> dict[str, Any]:
        state = {"Type": "Task", "Resource": resource}
        return state | self._draw(st.sampled_from([{}, {"TimeoutSeconds": 8}])) | self._beats(4)

    def _beats(self, seconds: int) -> dict[str, Any]:
        return self._draw(st.sampled_from([{}, {"HeartbeatSeconds": seconds}]))

    def _flaky(self) -> dict[str, Any]:
        failures = self._draw(st.integers(1, 3))
        if self._is_jsonata:
            arguments = {"attempt": "{% $states.context.State.RetryCount %}", "failures": failures}
            return self._work("flaky") | {"Arguments": arguments}
        parameters = {"attempt.$": "$$.State.RetryCount", "failures": failures}
        return self._work("flaky") | {"Parameters": parameters}

    def _assigned(self, variable: str) -> dict[str, Any]:
        """A variable, and an output that has the input in it."""
        if self._is_jsonata:
            return {
                "Assign": {variable: "{% $states.input %}"},
                "Output": {"was": "{% $states.input %}"},
            }
        return {"Assign": {f"{variable}.$": "$"}, "Parameters": {"was.$": "$"}}

    def _choice(self, follower: str) -> dict[str, Any]:
        rule: dict[str, Any] = {"Variable": "$[0]", "IsPresent": True}
        if self._is_jsonata:
            rule = {"Condition": "{% $type($states.input) = 'array' %}"}
        return {"Type": "Choice", "Choices": [rule | {"Next": follower}], "Default": follower}

    def _parallel(self, depth: int) -> dict[str, Any]:
        count = self._draw(st.integers(1, 3))
        branches = [self._branch(depth + 1, sealed=count > 1) for _ in range(count)]
        return {"Type": "Parallel", "Branches": branches}

    def _doomed(self, depth: int) -> dict[str, Any]:
        """A failure cuts off what waits beside it, and has waited for a while."""
        waiting = {"Type": "Wait", "Seconds": 600, "End": True}
        hanging = {"Type": "Task", "Resource": "hang", "TimeoutSeconds": 500, "End": True}
        hanging |= self._beats(400)
        wait, hang = self._name(), self._name()
        branches = [
            self._branch(depth + 1, sealed=False, after=1),
            {"StartAt": wait, "States": {wait: waiting}},
            {"StartAt": hang, "States": {hang: hanging}},
        ]
        return {"Type": "Parallel", "Branches": self._draw(st.permutations(branches))}

    def _map(self, depth: int) -> dict[str, Any]:
        limit = self._draw(st.integers(0, 2))
        index = self._draw(st.integers(0, len(LISTS) - 1))
        processor = self._branch(depth + 1, sealed=limit != 1)
        state = {"Type": "Map", "MaxConcurrency": limit, "ItemProcessor": processor}
        if self._is_jsonata:
            return state | {"Items": f"{{% $states.context.Execution.Input.lists[{index}] %}}"}
        return state | {"ItemsPath": f"$$.Execution.Input.lists[{index}]"}

    def _recovering(self, state: dict[str, Any], *, sealed: bool) -> dict[str, Any]:
        """*state* with, perhaps, a retrier and catchers."""
        names = st.sampled_from([["Busy"], ["Odd"], ["States.TaskFailed"], ["States.Timeout"]])
        catchers: list[dict[str, Any]] = []
        if self._draw(st.booleans()):
            retrier = {
                "ErrorEquals": self._draw(names | st.just(["States.ALL"])),
                "IntervalSeconds": self._draw(st.integers(1, 2)),
                "MaxAttempts": self._draw(st.integers(0, 2)),
            }
            jitter = self._draw(st.sampled_from([{}, {"JitterStrategy": "FULL"}]))
            state = state | {"Retry": [retrier | jitter]}
        if "Next" in state and self._draw(st.booleans()):
            catchers.append({"ErrorEquals": self._draw(names), "Next": state["Next"]})
        if sealed:
            catchers.append({"ErrorEquals": ["States.ALL"], "Next": state["Next"]})
        return state | {"Catch": catchers} if catchers else state


@st.composite
def machines(draw: st.DrawFn, language: str) -> dict[str, Any]:
    return Machines(draw, language).machine()


def reread(history: list[HistoryEvent], breaks: int) -> list[HistoryEvent]:
    """*history* as it comes out of the store, which keeps it in pieces."""
    pieces = [history[at : at + breaks] for at in range(0, len(history), breaks)]
    return [event for piece in pieces for event in decoded(encoded(piece))]


def plain(event: HistoryEvent) -> HistoryEvent:
    """*event* with what JSON does not tell apart made the same."""
    return event._replace(memo=list(event.memo) if isinstance(event.memo, tuple) else event.memo)


def resumed(driver: Driver, length: int, breaks: int) -> Driver:
    """What becomes of *driver* if only so many of its events were kept."""
    whole, driver.history = driver.history, reread(driver.history, breaks)
    try:
        return driver.resumed_at(length).finish()
    finally:
        driver.history = whole


def same_end(driver: Driver, whole: Driver) -> None:
    assert driver.run.status == whole.run.status
    assert driver.run.output == whole.run.output
    assert driver.run.failure == whole.run.failure
    assert Counter(driver.types) == Counter(whole.types)
    assert driver.elapsed == whole.elapsed
    assert [event.id for event in driver.history] == list(range(1, len(driver.history) + 1))
    assert not driver.tasks
    assert not driver.timers


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_random_machine_cut_off_once_or_twice_comes_to_the_same_end(
    language: str, data: st.DataObject
) -> None:
    definition = data.draw(machines(language))
    assert rules.problems(definition) == []
    whole = run(definition, INPUT, handlers=HANDLERS)
    assert whole.run.status != "RUNNING"
    assert whole.run.failure is None or whole.run.failure.error != "States.Runtime"
    assume(len(whole.history) <= MOST_EVENTS)
    breaks = data.draw(st.integers(1, 9))
    assert list(map(plain, reread(whole.history, breaks))) == list(map(plain, whole.history))
    length = len(whole.history)
    for cut in data.draw(st.lists(st.integers(1, length), min_size=1, max_size=5, unique=True)):
        once = resumed(whole, cut, breaks)
        same_end(once, whole)
        again = data.draw(st.integers(cut, len(once.history)))
        same_end(resumed(once, again, breaks), whole)


def ticking(*branches: dict[str, Any]) -> dict[str, Any]:
    """Branches beside one that leaves an event twice a second, so that a cut is possible then."""
    waits = {
        f"tick{at}": {"Type": "Wait", "Timestamp": f"2023-11-14T22:13:{20 + at / 2:04.1f}Z"}
        | ({"Next": f"tick{at + 1}"} if at < 12 else {"End": True})
        for at in range(1, 13)
    }
    ticks = {"StartAt": "tick1", "States": waits}
    parallel = {"Type": "Parallel", "Branches": [ticks, *branches], "End": True}
    return {"StartAt": "beside", "States": {"beside": parallel}}


RETRY = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 2}]
DOOMED = {"StartAt": "fail", "States": {"fail": {"Type": "Fail", "Error": "Busy"}}}
NO_PLACE = {"Type": "Task", "Resource": "echo", "ResultPath": "$.member"}  # of a list


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param({"Type": "Parallel", "Branches": [DOOMED]}, id="a Fail state"),
        pytest.param(NO_PLACE, id="a result without a place"),
    ],
)
def test_a_failure_without_an_event_of_its_own_keeps_its_time(failing: dict[str, Any]) -> None:
    """What is retried then, is not put off by a restart between the failure and the retry."""
    caught = {"Retry": RETRY, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "end"}]}
    states = {
        "failing": failing | caught | {"End": True},
        "end": {"Type": "Wait", "Seconds": 9, "End": True},
    }
    first = {"first": {"Type": "Pass", "InputPath": "$.lists", "Next": "failing"}}
    branch = {"StartAt": "first", "States": first | states}
    whole = run(ticking(branch), INPUT, handlers=HANDLERS)
    assert whole.elapsed == 12  # the pauses of 1 and 2 seconds, and the Wait after them
    for cut in range(1, len(whole.history) + 1):
        same_end(resumed(whole, cut, 1), whole)
