"""Drives executions: applies what happens to them and carries out what they ask for."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import TaskGroup

from aiowfm.asl import messages, model
from aiowfm.asl.context import ExecutionFacts
from aiowfm.asl.frames import Visit
from aiowfm.asl.history import MAX_EVENTS, HistoryEvent
from aiowfm.asl.interpreter import Interpreter, Progress
from aiowfm.asl.map_runs import processor_at
from aiowfm.asl.messages import (
    ActivityStarted,
    CallService,
    CancelTask,
    ScheduleActivity,
    StartMapRun,
    StartTimer,
    StopTimer,
    TaskHeartbeat,
    Timer,
)
from aiowfm.asl.payload import Payload
from aiowfm.local.activities import Activities
from aiowfm.local.errors import DEFECT, UNAVAILABLE, ServiceError
from aiowfm.local.machines import Machine, Machines, Revision
from aiowfm.local.runs import NO_ORIGIN, Origin, Run, run_of
from aiowfm.local.storage.store import FIRST_PAUSE_SECONDS, Store
from aiowfm.local.timers import TimerQueue
from aiowfm.local.tokens import TaskId
from aiowfm.names import ExecutionArn

log = logging.getLogger("aiowfm.local")

HEARTBEAT = "heartbeat"  # the kind of documents that note when a task last gave a sign of life
# Reading a history of this length takes some milliseconds: longer ones go to a thread.
LONG_HISTORY = 300


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

    def waits_for(self, run: Run) -> bool:
        """Whether `finished` has something to do when *run* has come to its end."""
        ...

    def finished(self, run: Run) -> None:
        """*run* has come to its end."""
        ...


class Executions:
    """All executions of a backend: those under way here, the others in the store.

    Between `load` and the end of `run` it belongs to one event loop; without one,
    nothing moves.
    """

    def __init__(
        self,
        arn_prefix: str,
        store: Store,
        machines: Machines,
        activities: Activities,
        now: Callable[[], float],
        token: Callable[[TaskId], str],
    ) -> None:
        self._arn_prefix = arn_prefix
        self._store = store
        self._machines = machines
        self._activities = activities
        self._now = now
        self._token = token
        self._timers: TimerQueue[tuple[int, Timer]] = TimerQueue(now)
        self._todo: deque[Callable[[], None]] = deque()
        self._surroundings: Surroundings | None = None
        self._has_more = anyio.Event()
        self._beside: TaskGroup | None = None
        # Those that are running, or whose end is yet to be kept.
        self._live: dict[int, Run] = {}
        self._live_by_arn: dict[str, Run] = {}
        self._newest = 0
        # The newest number of each ARN there is, by hash. An index of the store would do, but
        # ARNs come in no order: keeping it costs ever more, the more there are.
        self._numbers: dict[int, int] = {}
        activities.tell(self.begin)

    def surround(self, surroundings: Surroundings) -> None:
        """Tell what executions can reach, before the first of them starts."""
        self._surroundings = surroundings

    # Finding executions.

    def arn(self, machine: str, name: str) -> ExecutionArn:
        return ExecutionArn(f"{self._arn_prefix}:execution:{machine}:{name}")

    def live(self, number: int) -> Run | None:
        """The execution of this number, if it is under way."""
        return self._live.get(number)

    def has_running(self, machine: Machine) -> bool:
        """Whether executions of a machine are running."""
        return any(
            run.machine is machine and run.interpreter is not None for run in self._live.values()
        )

    async def find(self, arn: str) -> Run | None:
        """The newest execution of this ARN."""
        run = self._live_by_arn.get(arn)
        number = self._numbers.get(hash(arn))
        if run is None and number is not None:
            found = await self.select("number = ? AND arn = ?", (number, arn))
            # There may be another one of the same hash: then all have to be looked through.
            found = found or await self.select("arn = ?", (arn,), limit=1)
            run = self._live_by_arn.get(arn) or (found[0] if found else None)
        return run

    async def get(self, arn: str) -> Run:
        """The newest execution of this ARN.

        Raises:
            ServiceError: ExecutionDoesNotExist.
        """
        run = await self.find(arn)
        if run is None:
            raise ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return run

    async def select(
        self, where: str, values: Sequence[object], *, limit: int = -1, descending: bool = True
    ) -> list[Run]:
        """Executions that fulfil an SQL condition, in the order of their numbers."""
        rows = await self._store.executions(where, values, limit=limit, descending=descending)
        return [self._live.get(row.number) or run_of(row, self._machines.by_id) for row in rows]

    # Going on.

    async def run(self) -> None:
        """Fire timers, and go on with what is long, until cancelled."""
        async with anyio.create_task_group() as group:
            self._beside = group
            group.start_soon(self._timers.run, self._fire, self._store.ready)
            group.start_soon(self._go_on)

    async def _go_on(self) -> None:
        while True:
            self._has_more = anyio.Event()
            while self._todo:
                call = self._todo.popleft()
                try:
                    call()
                except Exception:
                    # A defect of ours, which must not stop everything else.
                    log.exception("a step of an execution failed")
                await anyio.lowlevel.checkpoint()  # let others work between two steps
                await self._store.ready()
            await self._has_more.wait()

    def later(self, call: Callable[[], None]) -> None:
        """Do something soon, in a turn of its own."""
        if not self._todo:
            self._has_more.set()
        self._todo.append(call)

    def beside(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do what takes time and raises nothing, while executions go on.

        It is begun again where whoever drives the executions stops before it has ended,
        or the store was not available to it.
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
        except ServiceError as exc:
            if exc.code != UNAVAILABLE:
                log.exception("work for an execution failed")  # as above
                return
            await anyio.sleep(FIRST_PAUSE_SECONDS)
            await self._store.well()
            self.beside(work)
        except Exception:
            log.exception("work for an execution failed")  # as above

    # What happens to executions.

    def start(
        self,
        machine: Machine,
        revision: Revision,
        name: str,
        input: Payload,
        *,
        arn: ExecutionArn | None = None,
        origin: Origin = NO_ORIGIN,
        definition: model.StateMachine | None = None,
    ) -> Run:
        """Begin an execution under a name that is free.

        Args:
            machine: What it belongs to.
            revision: What it runs.
            name: Its name.
            input: Its input.
            arn: Its ARN, if not the usual one.
            origin: How it came to be.
            definition: The definition at the place that *origin* names, if it names one.
        """
        self._newest += 1
        arn = arn or self.arn(machine.name, name)
        now = self._now()
        run = Run(self._newest, arn, name, machine, revision.number, input, now, origin)
        interpreter = self._interpreter(run, definition or revision.definition, revision.role_arn)
        run.interpreter = interpreter
        self._enter(run)
        self._store.save_execution(run.row())
        self._advance(run, lambda: interpreter.start(input, now))
        return run

    async def redrive(self, run: Run, token: str | None = None) -> Run:
        """Take up again an execution that has failed, timed out or been stopped.

        Args:
            run: The execution.
            token: The client's token of this call.
        """
        await self._store.kept()  # all that happened is in the history that is read
        interpreter = await self.restored(run, await self._store.history(run.number))
        live = self._live.get(run.number)
        if live is not None and live.interpreter is not None:
            return live  # another call was faster
        run.begin_again(interpreter, self._now(), token)
        self._enter(run)
        self._store.save_execution(run.row())
        self._advance(run, lambda: interpreter.redrive(self._now()))
        return run

    def resume(self, run: Run, interpreter: Interpreter) -> None:
        """Go on with an execution that was read from the store."""
        run.interpreter = interpreter
        self._enter(run)
        self._advance(run, lambda: interpreter.resume(self._now(), run.heartbeats))

    async def restored(self, run: Run, history: Sequence[HistoryEvent]) -> Interpreter:
        """The interpreter of *run* as its history left it."""
        revision = await self._machines.revision(run.revision)
        definition = revision.definition
        if run.origin.place:
            definition = definition_at(definition, run.origin.place)
        interpreter = self._interpreter(run, definition, revision.role_arn)
        if len(history) > LONG_HISTORY:
            await anyio.to_thread.run_sync(interpreter.restore, history)
        else:
            interpreter.restore(history)
        return interpreter

    def apply(self, task: TaskId, event: messages.TaskEvent) -> bool:
        """Tell an execution about its task; False if it does not wait for it any more."""
        run = self._live.get(task.execution)
        interpreter = None if run is None else run.interpreter
        if run is None or interpreter is None or not interpreter.awaits(task.event_id):
            return False
        if isinstance(event, TaskHeartbeat):
            run.heartbeats[task.event_id] = self._now()
            self._store.put(HEARTBEAT, heartbeat_key(task), repr(self._now()))
        self._advance(run, lambda: interpreter.apply(event, self._now()))
        return True

    def waiting_for(self, task: TaskId) -> Visit | None:
        """The stay in a state that waits for *task*."""
        run = self._live.get(task.execution)
        if run is None or run.interpreter is None:
            return None
        return run.interpreter.tasks.get(task.event_id)

    def awaits(self, task: TaskId) -> bool:
        """Whether an execution still waits for this task."""
        return self.waiting_for(task) is not None

    def begin(self, task: TaskId, worker_name: str | None) -> bool:
        """Note that a worker takes this task, once; False if it is not awaited any more."""
        visit = self.waiting_for(task)
        if visit is None or visit.task is None:
            return False
        if visit.task.started_at is not None:
            return True  # it was taken before, and never reached the worker
        return self.apply(task, ActivityStarted(task.event_id, worker_name))

    def stop(self, run: Run, error: str | None, cause: str | None) -> None:
        interpreter = run.interpreter
        if interpreter is not None:
            self._advance(
                run, lambda: interpreter.apply(messages.Stopped(error, cause), self._now())
            )

    async def kept(self) -> None:
        """Wait until all that has happened is kept.

        Raises:
            ServiceError: ServiceUnavailable.
        """
        await self._store.flushed()

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

    # What the store had when it was opened.

    def know(self, numbers: Iterable[tuple[str, int]]) -> None:
        """Learn ARNs and numbers of executions, in the order of the numbers."""
        for arn, number in numbers:
            self._numbers[hash(arn)] = self._newest = number

    def number_after(self, newest: int) -> None:
        """Give new executions numbers that are larger than *newest*."""
        self._newest = newest

    def forget(self, gone: Iterable[tuple[str, int]]) -> None:
        """These executions, by ARN and number, are gone from the store."""
        for arn, number in gone:
            if self._numbers.get(hash(arn)) == number:
                del self._numbers[hash(arn)]

    # How it is done.

    def _enter(self, run: Run) -> None:
        self._live[run.number] = self._live_by_arn[run.arn] = run
        self._numbers[hash(run.arn)] = run.number

    def _leave(self, run: Run) -> None:
        """The end of *run* is kept: from now on the store is asked for it."""
        if run.interpreter is None and self._live.get(run.number) is run:
            del self._live[run.number]
            if self._live_by_arn.get(run.arn) is run:
                del self._live_by_arn[run.arn]

    def _interpreter(self, run: Run, definition: model.StateMachine, role_arn: str) -> Interpreter:
        facts = ExecutionFacts(
            execution_arn=run.arn,
            execution_name=run.name,
            role_arn=role_arn,
            state_machine_arn=run.machine.arn,
            state_machine_name=run.machine.name,
        )
        return Interpreter(
            definition,
            facts,
            random=lambda event_id: random.Random(f"{run.arn}#{event_id}").random(),
            refuses=self._refuses,
            token=lambda event_id: self._token(TaskId(run.number, event_id)),
            max_events=math.inf if run.machine.is_express else MAX_EVENTS,
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
        run = self._live.get(number)
        interpreter = None if run is None else run.interpreter
        if run is not None and interpreter is not None:
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
            log.exception("the interpreter failed in %s", run.arn, extra={"execution": run.arn})
            progress = interpreter.give_up(DEFECT, self._now())
        events = progress.events
        if run.machine.is_express:
            # Nobody can read their histories, which have no limit: where they are cut off,
            # they begin anew.
            events = [event for event in events if event.type == "ExecutionStarted"]
        if events:
            self._store.append(run.number, events)
            run.tell_news()
        for command in progress.commands:
            self._carry_out(run, command)
        for command in progress.commands:
            if isinstance(command, ScheduleActivity):
                self._activities.hand_out(command.activity)
        if interpreter.status != "RUNNING":
            self._finish(run, interpreter)
        elif run.machine.is_deleting and any(map(_is_transition, progress.events)):
            self.stop(run, None, None)
        elif interpreter.has_more:
            self.later(functools.partial(self._continue, run))

    def _continue(self, run: Run) -> None:
        interpreter = run.interpreter
        if interpreter is not None:
            self._advance(run, lambda: interpreter.go_on_running(self._now()))

    def _carry_out(self, run: Run, command: messages.Command) -> None:
        match command:
            case ScheduleActivity(event_id, arn, payload):
                run.activities[event_id] = arn
                self._activities.offer(arn, TaskId(run.number, event_id), payload)
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
        run.finish(interpreter)
        for event_id in run.heartbeats:
            self._store.put(HEARTBEAT, heartbeat_key(TaskId(run.number, event_id)), None)
        run.heartbeats = {}
        self._store.save_execution(run.row())
        self._store.when_kept(functools.partial(self._leave, run))
        if self._surroundings is not None and self._surroundings.waits_for(run):
            self.later(functools.partial(self._surroundings.finished, run))


def _is_transition(event: HistoryEvent) -> bool:
    return event.type.endswith("StateEntered")


def heartbeat_key(task: TaskId) -> str:
    """The key of the document that notes when *task* last gave a sign of life."""
    return f"{task.execution}/{task.event_id}"


def definition_at(definition: model.StateMachine, place: Sequence[str | int]) -> model.StateMachine:
    """What the children of the distributed Map at *place* run, as a machine of its own."""
    processor = processor_at(definition, place)
    return model.StateMachine.model_construct(
        start_at=processor.start_at,
        states=processor.states,
        query_language=definition.query_language,
    )
