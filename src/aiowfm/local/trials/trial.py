"""Runs a state until it has been left, or it is plain that it will not be."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio.to_thread

from aiowfm.asl.context import ExecutionFacts
from aiowfm.asl.errors import TIMEOUT
from aiowfm.asl.interpreter import Progress
from aiowfm.asl.messages import (
    CallService,
    Event,
    StartTimer,
    Stopped,
    StopTimer,
    Timer,
    TimerFired,
)
from aiowfm.local.errors import DEFECT
from aiowfm.local.trials.calls import Calls
from aiowfm.local.trials.inspection import inspection
from aiowfm.local.trials.probe import Probe

if TYPE_CHECKING:
    from aiowfm.local.service import Service
    from aiowfm.local.trials.subject import Subject

log = logging.getLogger("aiowfm.local")

LONGEST_SECONDS = 300.0  # TestState: "can run for up to five minutes"
_MACHINE = "TestState"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it went: SUCCEEDED, FAILED, RETRIABLE or CAUGHT_ERROR."""

    status: str
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    next_state: str | None = None


class Trial:
    """A state that is tried once: `run` it, then ask."""

    def __init__(self, subject: Subject, service: Service, role_arn: str) -> None:
        self._now = service.now
        self._calls = Calls(service)
        facts = ExecutionFacts(
            execution_arn=service.arns.execution(_MACHINE, _MACHINE),
            execution_name=_MACHINE,
            role_arn=role_arn,
            state_machine_arn=service.arns.state_machine(_MACHINE),
            state_machine_name=_MACHINE,
        )
        self._probe = Probe(subject, facts, self._calls.refusal)
        self._timers: dict[Timer, float] = {}
        self._call: CallService | None = None

    async def run(self) -> None:
        """Try the state. It waits for the service that a Task calls, and for nothing else."""
        probe = self._probe
        now = self._now()
        ends_at = now + LONGEST_SECONDS
        await self._step(functools.partial(probe.start, probe.subject.input, now))
        while not probe.is_over:
            if probe.has_more:
                await self._step(functools.partial(probe.go_on_running, self._now()))
            elif self._call is not None:
                event = await self._answer(self._call, ends_at)
                await self._step(functools.partial(probe.apply, event, self._now()))
            else:
                # A Wait is not waited for: its output is all that TestState shows.
                timer = self._next_timer()
                assert timer is not None
                event = TimerFired(timer)
                await self._step(functools.partial(probe.apply, event, self._timers[timer]))

    def outcome(self) -> Outcome:
        """How it went."""
        probe = self._probe
        failure, output = probe.failed_with, probe.left_with
        if output is not None:
            status = "SUCCEEDED" if failure is None else "CAUGHT_ERROR"
        else:
            status = "RETRIABLE" if probe.is_retriable else "FAILED"
        return Outcome(
            status=status,
            output=None if output is None else output.text,
            error=None if failure is None else failure.error,
            cause=None if failure is None else failure.cause,
            next_state=probe.next_state,
        )

    async def inspection(self) -> dict[str, str]:
        """The data of the state at each step, as far as it came, as JSON texts."""
        return await anyio.to_thread.run_sync(inspection, self._probe)

    async def _step(self, call: Callable[[], Progress]) -> None:
        try:
            # A state may compute for long: others go on meanwhile.
            progress = await anyio.to_thread.run_sync(call)
        except Exception:
            log.exception("the interpreter failed")
            progress = self._probe.give_up(DEFECT, self._now())
        for command in progress.commands:
            match command:
                case StartTimer(timer, at):
                    self._timers[timer] = at
                case StopTimer(timer):
                    self._timers.pop(timer, None)
                case CallService():
                    self._call = command

    async def _answer(self, call: CallService, ends_at: float) -> Event:
        """What came of *call*, or that it took too long."""
        timer = self._next_timer()
        until = min(self._timers[timer], ends_at) if timer else ends_at
        answer = await self._calls.answer(call, until - self._now())
        self._call = None
        if answer is not None:
            return answer
        if timer is not None and self._timers[timer] <= ends_at:
            return TimerFired(timer)
        return Stopped(TIMEOUT, f"TestState runs for {LONGEST_SECONDS:.0f} seconds at most.")

    def _next_timer(self) -> Timer | None:
        return min(self._timers, key=self._timers.__getitem__, default=None)
