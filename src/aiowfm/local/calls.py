"""Calls of services: `sqs:sendMessage` and `states:startExecution`."""

from __future__ import annotations

import functools
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

import anyio

from aiowfm.asl.errors import RUNTIME
from aiowfm.asl.frames import Visit
from aiowfm.asl.messages import (
    CallService,
    TaskEvent,
    TaskFailed,
    TaskSubmitted,
    TaskSucceeded,
)
from aiowfm.asl.payload import JsonValue, Payload, dump
from aiowfm.asl.recovery import located
from aiowfm.asl.resources import ServiceResource, service_resource
from aiowfm.errors import AiowfmError, BackendError, BackendUnavailableError
from aiowfm.local import integration_rules
from aiowfm.local.errors import UNAVAILABLE, ServiceError
from aiowfm.local.queues import MessageSender, Queues, SentMessage
from aiowfm.local.runs import Run
from aiowfm.local.tokens import TaskId

log = logging.getLogger("aiowfm.local")

MAX_SENDS = 5  # of one message
FIRST_PAUSE_SECONDS = 0.2
LONGEST_HOLD_SECONDS = 5.0
_CLIENT_FAILED = "SdkClientException"

Send: TypeAlias = Callable[[], Awaitable[SentMessage]]


class Tasks(Protocol):
    """The tasks that services are called for."""

    def awaits(self, task: TaskId) -> bool:
        """Whether this task still waits."""
        ...

    def waiting_for(self, task: TaskId) -> Visit | None:
        """The stay in a state that waits for *task*, where an execution has it."""
        ...

    def apply(self, task: TaskId, event: TaskEvent) -> bool:
        """Tell what happened to a task; False if it does not wait any more."""
        ...

    def beside(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do what takes time and raises nothing but that the store is not available."""
        ...

    async def kept(self) -> None:
        """Wait until it is kept that the tasks wait; raises where it cannot be."""
        ...


class ServiceCalls:
    """Calls services for tasks, and tells them what came of it.

    Attributes:
        sender: Where messages go; None: to the queues in the process.
    """

    def __init__(
        self,
        tasks: Tasks,
        queues: Queues,
        begin_execution: Callable[[str, str | None, str], Awaitable[Run]],
        await_end: Callable[[TaskId, Run], None],
        sender: MessageSender | None = None,
    ) -> None:
        self.sender = sender
        self._tasks = tasks
        self._queues = queues
        self._begin_execution = begin_execution
        self._await_end = await_end
        # Messages on their way.
        self._sending: dict[TaskId, anyio.Event] = {}

    def refusal(self, resource: str) -> str | None:
        """Why no Task with this resource can run, or None if it can."""
        called = service_resource(resource)
        if called and integration_rules.is_run(called):
            return None
        return (
            f"The embedded engine does not run the resource {resource}: it runs activities,"
            f" {', '.join(integration_rules.RESOURCES)}"
        )

    def call(self, task: TaskId, command: CallService) -> None:
        """Call the service; what comes of it is applied to *task*."""
        if not self._tasks.awaits(task):
            return
        parameters = command.parameters.value
        faults = integration_rules.faults(command.resource, parameters)
        if faults or not isinstance(parameters, dict):
            self._refuse(task, command, faults)
        elif command.resource.service == "sqs":
            self._send_message(task, command.resource, parameters)
        else:
            self._tasks.beside(
                functools.partial(self._start_execution, task, command.resource, parameters)
            )

    async def called(self, task: TaskId) -> None:
        """Wait, for some seconds at most, until the service that a task calls has answered.

        Whoever gets a message may use its token before we hear that it was sent.
        """
        sending = self._sending.get(task)
        if sending is not None:
            with anyio.move_on_after(LONGEST_HOLD_SECONDS):
                await sending.wait()

    def _send_message(
        self, task: TaskId, resource: ServiceResource, parameters: dict[str, JsonValue]
    ) -> None:
        url, body = str(parameters["QueueUrl"]), parameters["MessageBody"]
        text = body if isinstance(body, str) else dump(body)
        if self.sender is None:
            self._sent(task, resource, self._queues.send(url, text))
            return
        options = {
            name: value
            for name, value in parameters.items()
            if name not in ("QueueUrl", "MessageBody")
        }
        send = functools.partial(self.sender.send, url, text, options)
        self._sending[task] = anyio.Event()
        self._tasks.beside(functools.partial(self._deliver, task, resource, send))

    async def _deliver(self, task: TaskId, resource: ServiceResource, send: Send) -> None:
        # Whoever gets the message uses its token, which must mean this task for ever.
        await self._tasks.kept()
        await self._try(task, resource, send)
        self._sending.pop(task).set()

    async def _try(self, task: TaskId, resource: ServiceResource, send: Send) -> None:
        """Send a message, several times if need be, while the task still waits for that."""
        for pause in (*_pauses(), None):
            if not self._tasks.awaits(task):
                return
            try:
                message = await send()
            except BackendUnavailableError as exc:
                if pause is None:
                    cause = f"{exc} (tried {MAX_SENDS} times)"
                    self._fail(task, f"SQS.{_CLIENT_FAILED}", cause)
                    return
                log.warning("a message could not be sent, which is tried again: %s", exc)
                await anyio.sleep(pause)
            except AiowfmError as exc:
                code = exc.code if isinstance(exc, BackendError) else _CLIENT_FAILED
                self._fail(task, f"SQS.{code}", str(exc))
                return
            except Exception as exc:
                # A defect of ours fails this task and must not stop the executions.
                log.exception("a message could not be sent")
                self._fail(task, f"SQS.{_CLIENT_FAILED}", f"{type(exc).__name__}; the log says why")
                return
            else:
                self._sent(task, resource, message)
                return

    def _sent(self, task: TaskId, resource: ServiceResource, message: SentMessage) -> None:
        answer: JsonValue = {"MD5OfMessageBody": message.md5, "MessageId": message.id}
        self._answered(task, resource, answer)

    async def _start_execution(
        self, task: TaskId, resource: ServiceResource, parameters: dict[str, JsonValue]
    ) -> None:
        if not self._tasks.awaits(task):
            return  # it was given up before this had its turn, or its turn again
        arn, name = str(parameters["StateMachineArn"]), parameters.get("Name")
        data = parameters.get("Input")
        text = "{}" if data is None else data if isinstance(data, str) else dump(data)
        try:
            child = await self._begin_execution(arn, None if name is None else str(name), text)
        except ServiceError as exc:
            if exc.code == UNAVAILABLE:
                raise  # it is tried again
            cause = (
                f"{exc.message} (Service: AWSStepFunctions; Status Code: 400;"
                f" Error Code: {exc.code}; Request ID: local; Proxy: null)"
            )
            self._fail(task, f"StepFunctions.{exc.code.removesuffix('Exception')}Exception", cause)
            return
        answer: JsonValue = {
            "ExecutionArn": child.arn,
            "StartDate": milliseconds(child.started_at),
        }
        self._answered(task, resource, answer)
        if resource.is_sync:
            self._await_end(task, child)

    def _answered(self, task: TaskId, resource: ServiceResource, answer: JsonValue) -> None:
        """The service answered: that is the result, or the wait begins."""
        made = TaskSucceeded if resource.pattern is None else TaskSubmitted
        self._tasks.apply(task, made(task.event_id, Payload(answer)))

    def _refuse(self, task: TaskId, command: CallService, faults: Sequence[str]) -> None:
        """Fail a task whose parameters are not what its service takes."""
        visit = self._tasks.waiting_for(task)
        state = None if visit is None else visit.state
        field = "Parameters" if getattr(state, "arguments", None) is None else "Arguments"
        cause = (
            f"The {field} '{command.parameters.text}' could not be used to start the Task:"
            f" [{', '.join(faults)}]"
        )
        self._fail(task, RUNTIME, cause if visit is None else located(visit, cause))

    def _fail(self, task: TaskId, error: str, cause: str) -> None:
        self._tasks.apply(task, TaskFailed(task.event_id, error, cause))


def _pauses() -> list[float]:
    """Between one try and the next: exponential, with jitter."""
    return [
        random.uniform(0.5, 1.0) * FIRST_PAUSE_SECONDS * 2**fault for fault in range(MAX_SENDS - 1)
    ]


def milliseconds(instant: float) -> int:
    """Seconds since the epoch as the milliseconds that integrations show."""
    return round(instant * 1_000)
