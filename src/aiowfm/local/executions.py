"""Drives executions: applies what happens to them and carries out what they ask for."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import TaskGroup

from aiowfm.asl import messages
from aiowfm.asl.context import ExecutionFacts
from aiowfm.asl.interpreter import Interpreter, Progress
from aiowfm.asl.messages import (
    CallService,
    CancelTask,
    ScheduleActivity,
    StartMapRun,
    StartTimer,
    StopTimer,
    Timer,
)
from aiowfm.asl.payload import Payload
from aiowfm.local.activities import Activities
from aiowfm.local.errors import ServiceError
from aiowfm.local.machines import Machine, Revision
from aiowfm.local.store import Store
from aiowfm.local.timers import TimerQueue
from aiowfm.local.tokens import TaskId
from aiowfm.names import ExecutionArn

log = logging.getLogger("aiowfm.local")


@dataclass(slots=True, eq=False)
class Run:
    """An execution, running or finished.

    Attributes:
        number: Its place among all executions; part of task tokens.
        interpreter: None once it has finished and its history says all.
        watchers: Waiting for it to finish.
        version_arn: The version of the machine it was started on, if it was one.
        alias_arn: The alias it was started on, if it was one.
        map_run_arn: The run of a distributed Map that it is part of.
        redriven_at: When it was last redriven.
        redrive_token: The client's token of that call.
    """

    number: int
    arn: ExecutionArn
    name: str
    machine: Machine
    revision: Revision
    input: Payload
    started_at: float
    interpreter: Interpreter | None
    status: str = "RUNNING"
    output: Payload | None = None
    error: str | None = None
    cause: str | None = None
    stopped_at: float | None = None
    activities: dict[int, str] = field(default_factory=dict)
    watchers: list[asyncio.Future[None]] = field(default_factory=list)
    version_arn: str | None = None
    alias_arn: str | None = None
    map_run_arn: str | None = None
    redrive_count: int = 0
    redriven_at: float | None = None
    redrive_token: str | None = None


class Surroundings(Protocol):
    """What executions reach beyond themselves and their activities."""

    def refusal(self, resource: str) -> str | None:
        """Why no Task with this resource can run, or None if it can."""
        ...

    def call(self, run: Run, command: CallService) -> None:
        """Call a service for a task of *run*."""
        ...

    def start_map_run(self, run: Run, command: StartMapRun) -> None:
        """Run the items of a distributed Map of *run*."""
        ...

    def cancel(self, task: TaskId) -> None:
        """Nobody waits for *task* any more."""
        ...

    def finished(self, run: Run) -> None:
        """*run* has come to its end."""
        ...


class Executions:
    """All executions of a backend.

    Between `open` and `close` it belongs to one event loop; without one, nothing moves.
    """

    def __init__(
        self,
        arn_prefix: str,
        store: Store,
        activities: Activities,
        now: Callable[[], float],
        token: Callable[[TaskId], str],
    ) -> None:
        self._arn_prefix = arn_prefix
        self._store = store
        self._activities = activities
        self._now = now
        self._token = token
        self._timers: TimerQueue[tuple[int, Timer]] = TimerQueue(now)
        self._runs: list[Run] = []
        self._todo: deque[Callable[[], None]] = deque()
        self._surroundings: Surroundings | None = None
        self._has_more = anyio.Event()
        self._beside: TaskGroup | None = None
        self._by_arn: dict[str, Run] = {}
        self._by_machine: defaultdict[str, list[Run]] = defaultdict(list)

    def arn(self, machine: str, name: str) -> ExecutionArn:
        return ExecutionArn(f"{self._arn_prefix}:execution:{machine}:{name}")

    def find(self, arn: str) -> Run | None:
        return self._by_arn.get(arn)

    def get(self, arn: str) -> Run:
        run = self._by_arn.get(arn)
        if run is None:
            raise ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return run

    def of_machine(self, name: str) -> Sequence[Run]:
        """The executions of a machine, oldest first."""
        return self._by_machine[name]

    async def run(self) -> None:
        """Fire timers, and go on with what is long, until cancelled."""
        async with anyio.create_task_group() as group:
            self._beside = group
            group.start_soon(self._timers.run, self._fire)
            group.start_soon(self._go_on)

    async def _go_on(self) -> None:
        while True:
            self._has_more = anyio.Event()
            while self._todo:
                self._todo.popleft()()
                await anyio.lowlevel.checkpoint()  # let others work between two steps
            await self._has_more.wait()

    def surround(self, surroundings: Surroundings) -> None:
        """Tell what executions can reach, before the first of them starts."""
        self._surroundings = surroundings

    def start(
        self,
        machine: Machine,
        revision: Revision,
        name: str,
        input: Payload,
        *,
        arn: ExecutionArn | None = None,
        map_run_arn: str | None = None,
    ) -> Run:
        """Begin an execution under a name that is free.

        Args:
            machine: What it belongs to.
            revision: What it runs.
            name: Its name.
            input: Its input.
            arn: Its ARN, if not the usual one.
            map_run_arn: The Map run it is part of, and listed with.
        """
        number = len(self._runs)
        arn = arn or self.arn(machine.name, name)
        now = self._now()
        run = Run(number, arn, name, machine, revision, input, now, None, map_run_arn=map_run_arn)
        run.interpreter = interpreter = self._interpreter(run)
        self._runs.append(run)
        self._by_arn[arn] = run
        if map_run_arn is None:
            self._by_machine[machine.name].append(run)
        self._advance(run, lambda: interpreter.start(input, now))
        return run

    async def redrive(self, run: Run) -> None:
        """Take up again an execution that has failed, timed out or been stopped."""
        interpreter = self._interpreter(run)
        # A history may be long: others go on while it is read.
        await anyio.to_thread.run_sync(interpreter.restore, self._store.history(run.number))
        if run.interpreter is not None:
            return  # another call was faster
        run.interpreter = interpreter
        run.status = "RUNNING"
        run.error = run.cause = run.stopped_at = None
        run.redriven_at = self._now()
        run.redrive_count += 1
        self._advance(run, lambda: interpreter.redrive(self._now()))

    def apply(self, task: TaskId, event: messages.TaskEvent) -> bool:
        """Tell an execution about its task; False if it does not wait for it any more."""
        if task.execution >= len(self._runs):
            return False
        run = self._runs[task.execution]
        interpreter = run.interpreter
        if interpreter is None or not interpreter.awaits(task.event_id):
            return False
        self._advance(run, lambda: interpreter.apply(event, self._now()))
        return True

    def awaits(self, task: TaskId) -> bool:
        """Whether an execution still waits for this task."""
        if task.execution >= len(self._runs):
            return False
        interpreter = self._runs[task.execution].interpreter
        return interpreter is not None and interpreter.awaits(task.event_id)

    def is_started(self, task: TaskId) -> bool:
        """Whether a worker has taken this task, as far as its history knows."""
        interpreter = self._runs[task.execution].interpreter
        visit = interpreter and interpreter.tasks.get(task.event_id)
        return bool(visit and visit.task and visit.task.started_at is not None)

    def stop(self, run: Run, error: str | None, cause: str | None) -> None:
        interpreter = run.interpreter
        if interpreter is not None:
            self._advance(
                run, lambda: interpreter.apply(messages.Stopped(error, cause), self._now())
            )

    async def finished(self, run: Run) -> None:
        """Wait until *run* has finished."""
        if run.interpreter is not None:
            watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            run.watchers.append(watcher)
            try:
                await watcher
            finally:
                if watcher in run.watchers:
                    run.watchers.remove(watcher)

    def _interpreter(self, run: Run) -> Interpreter:
        facts = ExecutionFacts(
            execution_arn=run.arn,
            execution_name=run.name,
            role_arn=run.revision.role_arn,
            state_machine_arn=run.machine.arn,
            state_machine_name=run.machine.name,
        )
        return Interpreter(
            run.revision.definition,
            facts,
            random=lambda event_id: random.Random(f"{run.arn}#{event_id}").random(),
            refuses=self._refuses,
            token=lambda event_id: self._token(TaskId(run.number, event_id)),
        )

    def _refuses(self, resource: str) -> str | None:
        if self._activities.exists(resource):
            return None
        if resource.startswith(self._activities.arn("")):
            return f"The activity {resource} does not exist."
        assert self._surroundings is not None
        return self._surroundings.refusal(resource)

    def _fire(self, key: tuple[int, Timer]) -> None:
        number, timer = key
        run = self._runs[number]
        interpreter = run.interpreter
        if interpreter is not None:
            event = messages.TimerFired(timer)
            self._advance(run, lambda: interpreter.apply(event, self._now()))

    def _advance(self, run: Run, call: Callable[[], Progress]) -> None:
        interpreter = run.interpreter
        if interpreter is None:
            return
        try:
            progress = call()
        except Exception:
            # A defect of ours fails this execution and must not stop the others.
            log.exception("the interpreter failed", extra={"execution": run.arn})
            progress = interpreter.give_up(
                "The embedded engine failed; its log says why.", self._now()
            )
        if progress.events:
            self._store.append(run.number, progress.events)
        for command in progress.commands:
            self._carry_out(run, command)
        if interpreter.status != "RUNNING":
            self._finish(run, interpreter)
        elif interpreter.has_more:
            self.later(functools.partial(self._continue, run))

    def later(self, call: Callable[[], None]) -> None:
        """Do something soon, in a turn of its own."""
        self._todo.append(call)
        self._has_more.set()

    def beside(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do what takes time and raises nothing, while executions go on.

        It is begun again where whoever drives the executions stops before it has ended.
        """
        self.later(functools.partial(self._begin, work))

    def _begin(self, work: Callable[[], Awaitable[None]]) -> None:
        assert self._beside is not None  # `_go_on` is what calls this
        self._beside.start_soon(self._do, work)

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except anyio.get_cancelled_exc_class():
            self.beside(work)
            raise

    def _continue(self, run: Run) -> None:
        interpreter = run.interpreter
        if interpreter is not None:
            self._advance(run, lambda: interpreter.go_on_running(self._now()))

    def _carry_out(self, run: Run, command: messages.Command) -> None:
        match command:
            case ScheduleActivity(event_id, arn, payload):
                run.activities[event_id] = arn
                self._activities.get(arn).offer(TaskId(run.number, event_id), payload)
            case CancelTask(event_id):
                task = TaskId(run.number, event_id)
                activity = run.activities.pop(event_id, None)
                if activity is not None:
                    self._activities.withdraw(activity, task)
                elif self._surroundings is not None:
                    self._surroundings.cancel(task)
            case CallService():
                assert self._surroundings is not None
                self.later(functools.partial(self._surroundings.call, run, command))
            case StartMapRun():
                assert self._surroundings is not None
                self.later(functools.partial(self._surroundings.start_map_run, run, command))
            case StartTimer(timer, at):
                self._timers.start((run.number, timer), at)
            case StopTimer(timer):
                self._timers.stop((run.number, timer))

    def _finish(self, run: Run, interpreter: Interpreter) -> None:
        run.status = interpreter.status
        run.output = interpreter.output
        run.stopped_at = interpreter.stopped_at
        if interpreter.failure is not None:
            run.error, run.cause = interpreter.failure.error, interpreter.failure.cause
        run.interpreter = None
        run.activities = {}
        if self._surroundings is not None:
            self.later(functools.partial(self._surroundings.finished, run))
        for watcher in run.watchers:
            if not watcher.done():
                watcher.set_result(None)
        run.watchers = []
