"""A single state tried out: TestState.

The state is put into a machine of its own, with an end wherever it may lead to, and
interpreted until it has been left. What it does to its data on the way is shown in the
same manner: by a Pass that does only the steps so far.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiowfm.asl import rules
from aiowfm.asl.context import ExecutionFacts
from aiowfm.asl.findings import Finding
from aiowfm.asl.history import HistoryEvent
from aiowfm.asl.interpreter import Interpreter
from aiowfm.asl.messages import StartTimer, TimerFired, TimerKind
from aiowfm.asl.payload import Payload, parse
from aiowfm.local import definitions
from aiowfm.local.arns import Arns
from aiowfm.local.errors import ServiceError

_NAME = "TestState"
_UNSUPPORTED = ("Map", "Parallel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it went: SUCCEEDED, FAILED, RETRIABLE or CAUGHT_ERROR."""

    status: str
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    next_state: str | None = None


class Trial:
    """A state with an input."""

    def __init__(
        self,
        text: str,
        input: str,
        *,
        role_arn: str,
        arns: Arns,
        variables: str | None,
        now: float,
    ) -> None:
        """Check the definition of the state and its input.

        Raises:
            ServiceError: InvalidDefinition, InvalidExecutionInput.
        """
        self._arns = arns
        self._role_arn = role_arn
        self._now = now
        self._state = _checked(text)
        self._input = _payload(input)
        self._variables = {} if variables is None else _payload(variables).value

    def outcome(self) -> Outcome:
        """Run the state and say how it went."""
        return self._run(self._state)

    def inspection(self) -> dict[str, object]:
        """The data of the state at each step, as far as it came."""
        shown: dict[str, object] = {"input": self._input.text}
        if not self._is_jsonpath:
            return shown
        kind = self._state["Type"]
        fixed = kind == "Pass" and "Result" in self._state
        if not fixed:
            shown["afterInputPath"] = self._after("InputPath")
        if kind == "Pass":
            if fixed:
                selected: str | None = json.dumps(self._state["Result"])
                shown["result"] = selected
            else:
                selected = shown["afterParameters"] = self._after("InputPath", "Parameters")
            shown["afterResultSelector"] = selected
            shown["afterResultPath"] = self._after(
                "InputPath", "Parameters", "Result", "ResultPath"
            )
        elif kind == "Task":
            shown["afterParameters"] = self._after("InputPath", "Parameters")
        return {name: value for name, value in shown.items() if value is not None}

    @property
    def _is_jsonpath(self) -> bool:
        return bool(self._state.get("QueryLanguage", "JSONPath") == "JSONPath")

    def _after(self, *fields: str) -> str | None:
        """The data after the steps that these fields ask for; None if one of them fails."""
        steps = {field: self._state[field] for field in fields if field in self._state}
        return self._run({"Type": "Pass", **steps, "End": True}).output

    def _run(self, state: dict[str, Any]) -> Outcome:
        assigning = {"Type": "Pass", "Assign": self._variables, "Next": _NAME}
        machine = _machine(state)
        if self._variables:
            machine["StartAt"] = "Variables"
            machine["States"]["Variables"] = assigning
        interpreter = Interpreter(
            rules.parse(machine),
            ExecutionFacts(
                execution_arn=self._arns.execution(_NAME, _NAME),
                execution_name=_NAME,
                role_arn=self._role_arn,
                state_machine_arn=self._arns.state_machine(_NAME),
                state_machine_name=_NAME,
            ),
            random=lambda event_id: 0.5,
            refuses=lambda resource: f"TestState runs no tasks here, as {resource} would be.",
        )
        events: list[HistoryEvent] = []
        progress = interpreter.start(self._input, self._now)
        while True:
            events += progress.events
            exited = [each for each in events if _left(each)]
            if exited or interpreter.status != "RUNNING":
                return _outcome(interpreter, exited[0] if exited else None, events)
            timers = [
                command
                for command in progress.commands
                if isinstance(command, StartTimer) and command.timer.kind is TimerKind.STATE
            ]
            if timers and state["Type"] != "Wait":
                return Outcome(status="RETRIABLE", **_failure(events))
            if not timers and not interpreter.has_more:
                return Outcome(status="FAILED", **_failure(events))  # it waits for a task
            # A Wait is not waited for: its output is all that TestState shows.
            progress = (
                interpreter.apply(TimerFired(timers[0].timer), timers[0].at)
                if timers
                else interpreter.go_on_running(self._now)
            )


def _checked(text: str) -> dict[str, Any]:
    try:
        state = parse(text)
    except ValueError as exc:
        raise ServiceError(
            "InvalidDefinition", f"Invalid State Machine Definition: '{exc}'"
        ) from exc
    if not isinstance(state, dict):
        state = {}
    found = [_of_state(each) for each in rules.problems(_machine(state))]
    error = definitions.refusal(definitions.in_aws_words(found, text))
    if error is not None:
        raise error
    resource = str(state.get("Resource", ""))
    waits = resource.endswith((".sync", ".sync:2", ".waitForTaskToken")) or ":activity:" in resource
    if state["Type"] in _UNSUPPORTED or waits:
        what = resource if waits else f"state type {state['Type']}"
        message = f"Invalid State Machine Definition: 'TestState does not support {what}'"
        raise ServiceError("InvalidDefinition", message)
    return state


def _machine(state: dict[str, Any]) -> dict[str, Any]:
    """A machine of this state, with an end wherever it may lead to."""
    ends = {target: {"Type": "Succeed"} for _, target in rules.transitions(state)}
    return {"StartAt": _NAME, "States": {**ends, _NAME: state}}


def _of_state(finding: Finding) -> Finding:
    """*finding* with its place in the state."""
    pointer = finding.pointer
    if pointer[:2] == ("States", _NAME):
        pointer = pointer[2:]
    return Finding(
        pointer=pointer,
        message=finding.message,
        code=finding.code,
        aws=finding.aws,
        missing=finding.missing,
    )


def _payload(text: str) -> Payload:
    try:
        return Payload.parsed(text)
    except ValueError as exc:
        message = f"Invalid State Machine Execution Input: '{exc}'"
        raise ServiceError("InvalidExecutionInput", message) from exc


def _left(event: HistoryEvent) -> bool:
    return event.type.endswith("StateExited") and event.details["name"] == _NAME


def _outcome(
    interpreter: Interpreter, exited: HistoryEvent | None, events: Iterable[HistoryEvent]
) -> Outcome:
    if exited is None:
        return Outcome(status="FAILED", **_failure(events))
    output = exited.details["output"]
    assert isinstance(output, Payload)
    failed = _failure(events)
    return Outcome(
        status="CAUGHT_ERROR" if failed else "SUCCEEDED",
        output=output.text,
        next_state=exited.memo if isinstance(exited.memo, str) else None,
        **failed,
    )


def _failure(events: Iterable[HistoryEvent]) -> dict[str, Any]:
    """Error and cause of the task that failed, if one did."""
    for event in reversed(list(events)):
        if event.type.endswith(("Failed", "TimedOut")):
            return {name: event.details.get(name) for name in ("error", "cause")}
    return {}
