"""The call that a Task under trial makes of a service, outside of any execution."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from aiowfm.asl.errors import RUNTIME
from aiowfm.asl.frames import Visit
from aiowfm.asl.messages import CallService, TaskEvent, TaskFailed
from aiowfm.local.calls import ServiceCalls
from aiowfm.local.errors import DEFECT
from aiowfm.local.tokens import TaskId

if TYPE_CHECKING:
    from aiowfm.local.service import Service

log = logging.getLogger("aiowfm.local")


class Calls:
    """Calls services as executions do, for a task that no execution has."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._desk = _Desk()
        self._calls = ServiceCalls(
            self._desk,
            service.queues,
            service.begin_execution,
            lambda task, child: None,  # nothing that waits is tried
            service.calls.sender,
        )

    def refusal(self, resource: str) -> str | None:
        """Why no Task with this resource can run, or None if it can."""
        return self._calls.refusal(resource)

    async def answer(self, call: CallService, seconds: float) -> TaskEvent | None:
        """What the service answered; None if it took longer than *seconds*.

        Cancelling this leaves open whether the service was called.
        """
        try:
            async with anyio.create_task_group() as group:
                self._desk.group = group
                self._calls.call(TaskId(0, call.event_id), call)
                with anyio.move_on_after(seconds):
                    await self._desk.is_answered.wait()
                group.cancel_scope.cancel()
        except Exception:
            log.exception("a service could not be called")
            return TaskFailed(call.event_id, RUNTIME, DEFECT)
        await self._service.flushed()  # what the call began
        return self._desk.answer


class _Desk:
    """One task that is waited for."""

    def __init__(self) -> None:
        self.group: TaskGroup | None = None
        self.is_answered = anyio.Event()
        self.answer: TaskEvent | None = None

    def awaits(self, task: TaskId) -> bool:
        return self.answer is None

    def waiting_for(self, task: TaskId) -> Visit | None:
        """No execution has it."""
        return None

    def apply(self, task: TaskId, event: TaskEvent) -> bool:
        self.answer = event
        self.is_answered.set()
        return True

    def beside(self, work: Callable[[], Awaitable[None]]) -> None:
        assert self.group is not None
        self.group.start_soon(self._do, work)

    async def kept(self) -> None:
        """Nothing of it is kept."""

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        await work()
