"""Drives the interpreter through virtual time, for tests of the language alone."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from aiowfm.asl.context import ExecutionFacts
from aiowfm.asl.history import MAX_EVENTS, HistoryEvent
from aiowfm.asl.interpreter import Interpreter, Progress
from aiowfm.asl.messages import (
    ActivityStarted,
    CallService,
    CancelTask,
    ScheduleActivity,
    StartMapRun,
    StartTimer,
    StopTimer,
    TaskFailed,
    TaskSubmitted,
    TaskSucceeded,
    Timer,
    TimerFired,
)
from aiowfm.asl.model import StateMachine
from aiowfm.asl.payload import Payload

START = 1_700_000_000.0
FACTS = ExecutionFacts(
    execution_arn="arn:aws:states:us-east-1:000000000000:execution:machine:run",
    execution_name="run",
    role_arn="arn:aws:iam::000000000000:role/role",
    state_machine_arn="arn:aws:states:us-east-1:000000000000:stateMachine:machine",
    state_machine_name="machine",
)


class TaskFailure(Exception):
    """Raised by a scripted handler to fail its task."""

    def __init__(self, error: str, cause: str | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.cause = cause


class Hangs(Exception):
    """Raised by a scripted handler that takes its task and never answers."""


Handler = Callable[[Any], Any]


class Driver:
    """Runs one execution; time moves only when nothing else can happen."""

    def __init__(
        self,
        definition: Mapping[str, Any],
        handlers: Mapping[str, Handler] | None = None,
        *,
        random: float = 0.5,
        max_events: float = MAX_EVENTS,
    ) -> None:
        self.machine = StateMachine.model_validate(definition)
        self.handlers = dict(handlers or {})
        self.now = START
        self.history: list[HistoryEvent] = []
        self.run = Interpreter(
            self.machine, FACTS, random=lambda event_id: random, max_events=max_events
        )
        self.timers: dict[Timer, float] = {}
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self.tasks: dict[int, ScheduleActivity] = {}
        self.calls: dict[int, CallService | StartMapRun] = {}

    def start(self, input: Any) -> Driver:
        self.take(self.run.start(Payload(input), self.now))
        return self

    def finish(self) -> Driver:
        """Go on until nothing can happen any more."""
        while self.step():
            pass
        return self

    def step(self) -> bool:
        """Let the next thing happen; False if there is none."""
        if self.run.has_more:
            self.take(self.run.go_on_running(self.now))
        elif self.calls:
            event_id, call = self.calls.popitem()
            self._call(event_id, call)
        elif self.tasks:
            event_id, task = next(iter(self.tasks.items()))
            del self.tasks[event_id]
            self._work(event_id, task)
        else:
            return self._fire()
        return True

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.history]

    @property
    def output(self) -> Any:
        assert self.run.output is not None, self.run.failure
        return self.run.output.value

    @property
    def elapsed(self) -> float:
        return self.now - START

    def resumed_at(self, length: int) -> Driver:
        """A new driver that has read only the first *length* events of this one's history."""
        other = self._with_history(self.history[:length])
        other.run.restore(other.history)
        other.take(other.run.resume(other.now))
        # Tasks that were handed out are answered as if by the worker that has them.
        for event_id, visit in list(other.run.tasks.items()):
            assert visit.task is not None
            if visit.task.kind == "Task" and visit.task.is_submitted:
                result = visit.effective_input or other.run.work_input(visit)
                other.take(other.run.apply(TaskSucceeded(event_id, result), other.now))
            elif visit.task.kind == "Activity" and visit.task.started_at is not None:
                payload = visit.effective_input or visit.input
                resource = getattr(visit.state, "resource", "")
                other._answer(event_id, ScheduleActivity(event_id, resource, payload))
        return other

    def redriven(self, *, after: float = 0.0) -> Driver:
        """A new driver that takes up this one's execution again, which has failed."""
        other = self._with_history(self.history)
        other.now += after
        other.run.restore(other.history)
        other.take(other.run.redrive(other.now))
        return other

    def _with_history(self, history: list[HistoryEvent]) -> Driver:
        other = Driver.__new__(Driver)
        other.machine, other.handlers = self.machine, self.handlers
        other.history = list(history)
        other.now = history[-1].timestamp
        other.run = Interpreter(self.machine, FACTS, random=self.run.random)
        other.timers, other._heap, other.tasks, other.calls = {}, [], {}, {}
        other._count = itertools.count()
        return other

    def take(self, progress: Progress) -> None:
        self.history += progress.events
        for command in progress.commands:
            match command:
                case CallService(event_id) | StartMapRun(event_id):
                    self.calls[event_id] = command
                case ScheduleActivity(event_id):
                    self.tasks[event_id] = command
                case CancelTask(event_id):
                    self.tasks.pop(event_id, None)
                    self.calls.pop(event_id, None)
                case StartTimer(timer, at):
                    self.timers[timer] = at
                    heapq.heappush(self._heap, (at, next(self._count), timer))
                case StopTimer(timer):
                    self.timers.pop(timer, None)

    def _call(self, event_id: int, call: CallService | StartMapRun) -> None:
        """Services echo their parameters, and Map runs their items."""
        if isinstance(call, StartMapRun):
            result = Payload([each.value for each in call.inputs])
        else:
            result = call.parameters
            if call.resource.pattern is not None:
                self.take(self.run.apply(TaskSubmitted(event_id, Payload("taken")), self.now))
        self.take(self.run.apply(TaskSucceeded(event_id, result), self.now))

    def _work(self, event_id: int, task: ScheduleActivity) -> None:
        self.take(self.run.apply(ActivityStarted(event_id, "worker"), self.now))
        self._answer(event_id, task)

    def _answer(self, event_id: int, task: ScheduleActivity) -> None:
        try:
            output = self.handlers[task.activity](task.input.value)
        except TaskFailure as exc:
            self.take(self.run.apply(TaskFailed(event_id, exc.error, exc.cause), self.now))
        except Hangs:
            pass
        else:
            self.take(self.run.apply(TaskSucceeded(event_id, Payload(output)), self.now))

    def _fire(self) -> bool:
        while self._heap:
            at, _, timer = heapq.heappop(self._heap)
            if self.timers.get(timer) == at:
                del self.timers[timer]
                self.now = max(self.now, at)
                self.take(self.run.apply(TimerFired(timer), self.now))
                return True
        return False


def run(definition: Mapping[str, Any], input: Any = None, **options: Any) -> Driver:
    """Run a definition to its end."""
    return Driver(definition, **options).start({} if input is None else input).finish()
