"""`VirtualEngine`: an engine for tests, on a virtual clock."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import math
import os
import random
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeAlias

import anyio

from aiowfm.callbacks import CallbackTask
from aiowfm.callbacks.tasks import shown
from aiowfm.definitions import DefinitionSources, own_tasks
from aiowfm.engine import Engine
from aiowfm.errors import UsageError
from aiowfm.lifecycle import EngineState
from aiowfm.local.storage.database import MEMORY
from aiowfm.names import activity_name, callbacks_name
from aiowfm.tasks.context import CancelReason, TaskContext
from aiowfm.tasks.middleware import CallNext
from aiowfm.testing.backend import VirtualBackend
from aiowfm.testing.borrowing import borrowed
from aiowfm.testing.clock import STARTS_AT, VirtualClock
from aiowfm.testing.errors import StalledError
from aiowfm.testing.faults import Faults
from aiowfm.testing.loops import virtual_time
from aiowfm.testing.runs import WorkflowRun
from aiowfm.testing.scripts import Call, Script, handler_of
from aiowfm.waits import WaitStatus
from aiowfm.workflows import Workflow

Tasks: TypeAlias = Mapping[str, object] | Script

_NO_INPUT: dict[str, object] = {}
_OPTIONS: dict[str, Any] = {"app": "test", "environment": "test", "concurrency": 10}
_NAME = "workflow"  # of a machine that comes without one


class VirtualEngine:
    """An engine whose workflows run at once, whatever they wait for.

        async with VirtualEngine("workflows.yml", {"charge": charge, "ship": "shipped"}) as virtual:
            run = await virtual.run({"id": "o-17"})
            run.assert_visited("refund")

    Attributes:
        engine: The engine itself.
        faults: What is to go wrong.
        calls: The calls of handlers, in the order in which they began.
    """

    def __init__(
        self,
        definitions: DefinitionSources | Engine,
        tasks: Tasks | None = None,
        *,
        path: str | os.PathLike[str] = MEMORY,
        starts_at: datetime = STARTS_AT,
        seed: int = 0,
        faults: Faults | None = None,
        **options: Any,
    ) -> None:
        """Make it; nothing runs before it is entered.

        Args:
            definitions: As of `Engine`, or a state machine alone; or an engine, which runs on
                this one's clock and backend while this is entered.
            tasks: What tasks do, by name: a handler, a value to return, an exception to raise,
                `Outcomes`; or a `Script` for all of them. They come before those of an engine.
            path: As of `LocalBackend`.
            starts_at: What the clock shows first.
            seed: Of the module `random` meanwhile; what it was is restored.
            faults: What is to go wrong; more can be ordered later.
            **options: As of `Engine`, for one that is made here.

        Raises:
            DefinitionError: definitions have problems.
            UsageError: options for an engine that is made already.
        """
        self.faults = Faults() if faults is None else faults
        self.calls: list[Call] = []
        self._starts_at = starts_at
        self._seed = seed
        self._clock: VirtualClock | None = None
        self._suffixes = itertools.count(1)
        self._backend = VirtualBackend(path, clock=self._now, faults=self.faults)
        self._open = contextlib.AsyncExitStack()
        self._is_borrowed = isinstance(definitions, Engine)
        if isinstance(definitions, Engine):
            if options:
                raise UsageError(f"the engine has its options already: {', '.join(options)}")
            self.engine = definitions
        else:
            given: dict[str, Any] = {"definitions": _named(definitions)}
            self.engine = Engine(**_OPTIONS | given | options)
        self._tasks = self._handlers(tasks)

    def _handlers(self, tasks: Tasks | None) -> dict[str, Any]:
        if isinstance(tasks, Script):
            found = set().union(*map(own_tasks, self.engine.definitions))
            return dict(tasks.handlers(sorted(found)))
        return {name: handler_of(outcome) for name, outcome in (tasks or {}).items()}

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as opening:
            self._clock = opening.enter_context(virtual_time())
            if self._clock.users == 1:  # others at the same time share what there is
                self._clock.set(self._starts_at)
            opening.callback(random.setstate, random.getstate())
            random.seed(self._seed)
            names = functools.partial(
                activity_name, self.engine.config.environment, self.engine.config.app
            )
            opening.enter_context(
                borrowed(self.engine, self._backend, self._tasks, middleware=self._around)
            )
            tasks = {names(task): task for task in self.engine.stats().tasks}
            self._backend.task_of = lambda activity: tasks.get(activity, activity)
            await self.engine.start()
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        async with self._open:
            if self.engine.state is not EngineState.STOPPED:
                await self.engine.stop(grace=0)

    @property
    def clock(self) -> VirtualClock:
        """The time, while this is entered.

        Raises:
            UsageError: it is not entered yet.
        """
        if self._clock is None:
            raise UsageError("a VirtualEngine has a clock once it is entered: async with …")
        return self._clock

    # Workflows.

    async def run(
        self, input: object = _NO_INPUT, *, name: str | None = None, id_suffix: str | None = None
    ) -> WorkflowRun:
        """Start a workflow, and let time pass until it is in a final state.

        Args:
            input: Its input.
            name: Its definition; None: the only one there is.
            id_suffix: The end of its id; None: 1, 2, 3, …, so that ids are the same each time.

        Raises:
            StalledError: it will never be; shows where it stands.
        """
        return await self.finished((await self.start(input, name=name, id_suffix=id_suffix)).id)

    async def start(
        self, input: object = _NO_INPUT, *, name: str | None = None, id_suffix: str | None = None
    ) -> Workflow:
        """Start a workflow; as `run`."""
        suffix = f"{next(self._suffixes):04}" if id_suffix is None else id_suffix
        return await self.engine.start_workflow(self._name(name), input, id_suffix=suffix)

    async def finished(self, id: str) -> WorkflowRun:
        """Let time pass until the workflow *id* is in a final state; as `run`."""
        try:
            with self.clock.unless_stalled(""):
                await self.engine.wait(id)
        except StalledError:
            raise StalledError(
                f"workflow {id!r} is not finished.\n{await self.show(id)}{await self._pending()}"
            ) from None
        return await self.show(id)

    async def show(self, id: str) -> WorkflowRun:
        """The workflow *id* as it is now, and its path."""
        return WorkflowRun.of(await self.engine.get_workflow(id, jobs=True))

    async def until_pending(self, key: str) -> CallbackTask:
        """Let time pass until a callback task waits under *key*.

        Raises:
            StalledError: none ever will; shows which keys there are.
        """
        waited: dict[str, None] = {}
        storage = callbacks_name(self.engine.config.environment, self.engine.config.app)

        async def find() -> CallbackTask | None:
            # Past the faults: looking uses up none.
            wait = await self._backend.wait_under(storage, key)
            task = None if wait is None else shown(wait, self.clock.now())
            if task is not None and task.status is WaitStatus.WAITING:
                return task
            if not waited:
                waited.update([(each.key, None) async for each in self.engine.finalizer.pending()])
            return None

        try:
            return await self.clock.until(find, "")
        except StalledError:
            keys = ", ".join(map(repr, waited))
            there_were = f"\ncallbacks that waited: {keys}" if keys else ""
            raise StalledError(f"no callback task waits under {key!r}{there_were}") from None

    # How it does that.

    def _now(self) -> float:
        return self.clock.now()

    def _name(self, name: str | None) -> str:
        if name is not None:
            return name
        names = [definition.name for definition in self.engine.definitions]
        if len(names) != 1:
            raise UsageError(f"say which workflow, with name=…: {', '.join(names) or 'none'}")
        return names[0]

    async def _pending(self) -> str:
        keys = [repr(task.key) async for task in self.engine.finalizer.pending()]
        return f"\ncallbacks that wait: {', '.join(keys)}" if keys else ""

    async def _around(self, context: TaskContext, call_next: CallNext) -> object:
        """Note the call, and let the worker die if that was ordered."""
        self.calls.append(
            Call(
                task=context.task_name,
                state=context.state_name,
                attempt=context.attempt,
                map_index=context.map_index,
                workflow_id=context.workflow_id,
                input=context.input,
                at=self.clock.now(),
            )
        )
        seconds = self.faults.seconds_to_live(context)
        if seconds == math.inf:
            return await call_next()
        with anyio.CancelScope() as scope:

            def die() -> None:
                context.cancellation.because(CancelReason.TASK_GONE)  # so that nothing is reported
                scope.cancel()

            if seconds <= 0:
                die()
                return None
            death = asyncio.get_running_loop().call_later(seconds, die)
            try:
                return await call_next()
            finally:
                death.cancel()
        return None


def _named(definitions: DefinitionSources) -> DefinitionSources:
    """*definitions*, or a definition of the state machine that they are."""
    if isinstance(definitions, Mapping) and "States" in definitions:
        return {"name": _NAME, "stateMachine": dict(definitions)}
    return definitions
