"""The services that a Task can call: `sqs:sendMessage` and `states:startExecution`."""

from __future__ import annotations

import functools
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import anyio

from aiowfm.asl.messages import (
    CallService,
    StartMapRun,
    TaskFailed,
    TaskSubmitted,
    TaskSucceeded,
)
from aiowfm.asl.payload import JsonValue, Payload, dump
from aiowfm.asl.resources import ServiceResource, service_resource
from aiowfm.errors import AiowfmError, BackendError, BackendUnavailableError
from aiowfm.local.distribution import Distribution
from aiowfm.local.errors import ServiceError
from aiowfm.local.executions import Run
from aiowfm.local.map_runs import MapRun
from aiowfm.local.queues import SentMessage
from aiowfm.local.tokens import TaskId

if TYPE_CHECKING:
    from aiowfm.local.service import Service

log = logging.getLogger("aiowfm.local")

MOST_SENDS = 5  # of one message
FIRST_PAUSE_SECONDS = 0.2
LONGEST_HOLD_SECONDS = 5.0
_CLIENT_FAILED = "SdkClientException"

Send: TypeAlias = Callable[[], Awaitable[SentMessage]]

_PATTERNS = {
    ("sqs", "sendMessage"): (None, "waitForTaskToken"),
    ("states", "startExecution"): (None, "sync", "sync:2", "waitForTaskToken"),
}
_SHOWN = ", ".join(
    f"{service}:{action}" + (f".{pattern}" if pattern else "")
    for (service, action), patterns in _PATTERNS.items()
    for pattern in patterns
)


class Integrations:
    """Calls services for tasks, and tells them what came of it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._distribution = Distribution(service)
        # Tasks that wait for an execution they started, by its number.
        self._waiting: dict[int, tuple[TaskId, ServiceResource]] = {}
        # Messages on their way.
        self._sending: dict[TaskId, anyio.Event] = {}

    def refusal(self, resource: str) -> str | None:
        called = service_resource(resource)
        if called and called.pattern in _PATTERNS.get((called.service, called.action), ()):
            return None
        return (
            f"The embedded engine does not run the resource {resource}: it runs activities,"
            f" {_SHOWN}"
        )

    def call(self, run: Run, command: CallService) -> None:
        task = TaskId(run.number, command.event_id)
        if not self._service.executions.awaits(task):
            return
        parameters = command.parameters.value
        if not isinstance(parameters, dict):
            self._fail(task, "States.Runtime", "the parameters of a service are an object")
        elif command.resource.service == "sqs":
            self._send_message(task, command.resource, parameters)
        else:
            self._start_execution(task, command.resource, parameters)

    async def called(self, task: TaskId) -> None:
        """Wait, for some seconds at most, until the service that a task calls has answered.

        Whoever gets a message may use its token before we hear that it was sent.
        """
        sending = self._sending.get(task)
        if sending is not None:
            with anyio.move_on_after(LONGEST_HOLD_SECONDS):
                await sending.wait()

    def start_map_run(self, run: Run, command: StartMapRun) -> None:
        self._distribution.start(run, command)

    def map_run_changed(self, run: MapRun) -> None:
        self._distribution.changed(run)

    def cancel(self, task: TaskId) -> None:
        self._distribution.cancel(task)
        for number, (waiting, _) in list(self._waiting.items()):
            if waiting == task:
                del self._waiting[number]

    def finished(self, run: Run) -> None:
        self._distribution.finished(run)
        waiting = self._waiting.pop(run.number, None)
        if waiting is not None:
            self._answer(run, *waiting)

    def _send_message(
        self, task: TaskId, resource: ServiceResource, parameters: dict[str, JsonValue]
    ) -> None:
        url, body = parameters.get("QueueUrl"), parameters.get("MessageBody")
        if not isinstance(url, str) or body is None:
            self._fail(task, "SQS.SqsException", "QueueUrl and MessageBody are required")
            return
        text = body if isinstance(body, str) else dump(body)
        sender = self._service.sender
        if sender is None:
            self._sent(task, resource, self._service.queues.send(url, text))
            return
        options = {
            name: value
            for name, value in parameters.items()
            if name not in ("QueueUrl", "MessageBody")
        }
        send = functools.partial(sender.send, url, text, options)
        self._sending[task] = anyio.Event()
        self._service.executions.beside(functools.partial(self._deliver, task, resource, send))

    async def _deliver(self, task: TaskId, resource: ServiceResource, send: Send) -> None:
        await self._try(task, resource, send)
        self._sending.pop(task).set()

    async def _try(self, task: TaskId, resource: ServiceResource, send: Send) -> None:
        """Send a message, several times if need be, while the task still waits for that."""
        for pause in (*_pauses(), None):
            if not self._service.executions.awaits(task):
                return
            try:
                message = await send()
            except BackendUnavailableError as exc:
                if pause is None:
                    cause = f"{exc} (tried {MOST_SENDS} times)"
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

    def _start_execution(
        self, task: TaskId, resource: ServiceResource, parameters: dict[str, JsonValue]
    ) -> None:
        arn, name = parameters.get("StateMachineArn"), parameters.get("Name")
        data = parameters.get("Input")
        text = "{}" if data is None else data if isinstance(data, str) else dump(data)
        try:
            child = self._service.begin_execution(
                str(arn), None if name is None else str(name), text
            )
        except ServiceError as exc:
            cause = (
                f"{exc.message} (Service: AWSStepFunctions; Status Code: 400;"
                f" Error Code: {exc.code}; Request ID: local; Proxy: null)"
            )
            self._fail(task, f"StepFunctions.{exc.code.removesuffix('Exception')}Exception", cause)
            return
        answer: JsonValue = {
            "ExecutionArn": child.arn,
            "StartDate": _milliseconds(child.started_at),
        }
        self._answered(task, resource, answer)
        if resource.pattern in ("sync", "sync:2"):
            if child.interpreter is None:
                self._answer(child, task, resource)
            else:
                self._waiting[child.number] = (task, resource)

    def _answered(self, task: TaskId, resource: ServiceResource, answer: JsonValue) -> None:
        """The service answered: that is the result, or the wait begins."""
        made = TaskSucceeded if resource.pattern is None else TaskSubmitted
        self._service.executions.apply(task, made(task.event_id, Payload(answer)))

    def _answer(self, child: Run, task: TaskId, resource: ServiceResource) -> None:
        """Tell the task that the execution it started has ended."""
        shown = _described(child, as_json=resource.pattern == "sync:2")
        if child.status == "SUCCEEDED":
            event = TaskSucceeded(task.event_id, Payload(shown))
            self._service.executions.apply(task, event)
        else:
            self._fail(task, "States.TaskFailed", dump(shown))

    def _fail(self, task: TaskId, error: str, cause: str) -> None:
        self._service.executions.apply(task, TaskFailed(task.event_id, error, cause))


def _pauses() -> list[float]:
    """Between one try and the next: exponential, with jitter."""
    return [
        random.uniform(0.5, 1.0) * FIRST_PAUSE_SECONDS * 2**fault for fault in range(MOST_SENDS - 1)
    ]


def _described(run: Run, *, as_json: bool) -> JsonValue:
    """DescribeExecution, as its integration gives it."""

    def data(payload: Payload) -> JsonValue:
        return payload.value if as_json else payload.text

    shown: dict[str, JsonValue] = {
        "ExecutionArn": run.arn,
        "Input": data(run.input),
        "InputDetails": {"Included": True},
        "Name": run.name,
        "RedriveCount": run.redrive_count,
        "RedriveStatus": "NOT_REDRIVABLE" if run.status == "SUCCEEDED" else "REDRIVABLE",
        "StartDate": _milliseconds(run.started_at),
        "StateMachineArn": run.machine.arn,
        "Status": run.status,
        "StopDate": _milliseconds(run.stopped_at or run.started_at),
    }
    if run.status == "SUCCEEDED":
        shown["RedriveStatusReason"] = "Execution is SUCCEEDED and cannot be redriven"
    if run.output is not None:
        shown["Output"] = data(run.output)
        shown["OutputDetails"] = {"Included": True}
    if run.error is not None:
        shown["Error"] = run.error
    if run.cause is not None:
        shown["Cause"] = run.cause
    return shown


def _milliseconds(instant: float) -> int:
    return round(instant * 1_000)
