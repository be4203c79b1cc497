"""Faults to order: requests that are throttled; results, messages, heartbeats lost; death.

They are put between an engine and its backend, at the ports; see `backend`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aiowfm.errors import BackendUnavailableError, UsageError
from aiowfm.tasks.context import TaskContext

Operation: TypeAlias = Literal["start", "poll", "heartbeat", "report", "receive", "table"]
Kind: TypeAlias = Literal[Operation, "result", "answer", "heartbeats", "worker", "message"]

_OPERATIONS = {
    "start": "StartExecution",
    "poll": "GetActivityTask",
    "heartbeat": "SendTaskHeartbeat",
    "report": "SendTaskSuccess",
    "receive": "ReceiveMessage",
    "table": "PutItem",
}


@dataclass(slots=True, kw_only=True)
class _Order:
    kind: Kind
    times: int
    task: str | None = None
    attempt: int | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.times < 1:
            raise UsageError(f"times={self.times!r}: it must be at least 1")
        if not self.seconds >= 0:
            raise UsageError(f"after={self.seconds!r}: it must not be negative")

    def is_for(self, kind: Kind, names: Iterable[str | None], attempt: int | None) -> bool:
        return (
            self.kind == kind
            and self.times > 0
            and (self.task is None or self.task in names)
            and (self.attempt is None or self.attempt == attempt)
        )

    def __str__(self) -> str:
        whose = "" if self.task is None else f" of {self.task!r}"
        return f"{self.kind}{whose}, {self.times} more"


class Faults:
    """What is to go wrong. Each order is carried out at the next occasions, and no more.

    *task* is the name of a task or of a state; None: any. *attempt* is the one that is meant, 0
    for the first; None: any.
    """

    def __init__(self) -> None:
        self._orders: list[_Order] = []

    def throttle(self, operation: Operation, *, task: str | None = None, times: int = 1) -> None:
        """Refuse an operation as Step Functions does that has too many requests.

        Args:
            operation: `start` a workflow, `poll` for a task, send a `heartbeat` of one, or
                `report` its end; `receive` messages of callbacks, or look into their `table`.
            task: Of which; for `table` the key of a callback; not for `start` and `receive`.
            times: How often in all.

        Raises:
            UsageError: there is no such operation, or *times* is not positive.
        """
        if operation not in _OPERATIONS:
            known = ", ".join(map(repr, _OPERATIONS))
            raise UsageError(f"throttle(): there is no operation {operation!r}; one of {known}")
        self._orders.append(_Order(kind=operation, task=task, times=times))

    def lose_result(
        self, task: str | None = None, *, attempt: int | None = None, times: int = 1
    ) -> None:
        """The worker believes that it has reported the task's end, which never arrives."""
        self._orders.append(_Order(kind="result", task=task, attempt=attempt, times=times))

    def lose_answer(
        self, task: str | None = None, *, attempt: int | None = None, times: int = 1
    ) -> None:
        """The report arrives, and the connection breaks before the worker learns of that."""
        self._orders.append(_Order(kind="answer", task=task, attempt=attempt, times=times))

    def lose_heartbeats(self, task: str | None = None, *, attempt: int | None = None) -> None:
        """The heartbeats of one task do not arrive any more, while its handler goes on."""
        self._orders.append(_Order(kind="heartbeats", task=task, attempt=attempt, times=1))

    def lose_message(self, key: str | None = None, *, times: int = 1) -> None:
        """The message that a callback task waits under *key* never arrives; None: any."""
        self._orders.append(_Order(kind="message", task=key, times=times))

    def kill_worker(
        self,
        task: str | None = None,
        *,
        attempt: int | None = None,
        after: float = 0.0,
        times: int = 1,
    ) -> None:
        """The worker dies *after* so many seconds with a task: no heartbeat, no result, no word.

        Its handler is cancelled there and then or, at 0 seconds, never called.
        """
        self._orders.append(
            _Order(kind="worker", task=task, attempt=attempt, seconds=after, times=times)
        )

    @property
    def left(self) -> tuple[str, ...]:
        """The orders that have not been carried out, in words."""
        return tuple(str(order) for order in self._orders if order.times)

    def assert_none_left(self) -> None:
        """Check that all that was ordered went wrong.

        Raises:
            AssertionError: some did not; it names them.
        """
        if self.left:
            raise AssertionError(f"faults that never came about: {'; '.join(self.left)}")

    # For what carries them out.

    def throttled(self, operation: Operation, *names: str | None) -> None:
        """Refuse *operation*, if that was ordered for one of *names*."""
        if self._taken(operation, names, None) is not None:
            raise BackendUnavailableError(
                _OPERATIONS[operation],
                "ThrottlingException",
                "Rate exceeded, as the test ordered",
                may_have_arrived=False,
            )

    def loses_message(self, key: str) -> bool:
        """Whether the message of the callback *key* is to get lost."""
        return self._taken("message", (key,), None) is not None

    def hits(self, kind: Kind, context: TaskContext | None) -> bool:
        """Whether *kind* was ordered for this attempt."""
        return self._of(kind, context) is not None

    def seconds_to_live(self, context: TaskContext) -> float:
        """How long the worker has for this attempt."""
        order = self._of("worker", context)
        return math.inf if order is None else order.seconds

    def _of(self, kind: Kind, context: TaskContext | None) -> _Order | None:
        if context is None:
            return self._taken(kind, (), None)
        return self._taken(kind, (context.task_name, context.state_name), context.attempt)

    def _taken(self, kind: Kind, names: Iterable[str | None], attempt: int | None) -> _Order | None:
        for order in self._orders:
            if order.is_for(kind, tuple(names), attempt):
                order.times -= 1
                return order
        return None
