"""The activities of the local backend: tasks queue here until a poll takes them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import anyio

from aiowfm.asl.payload import Payload
from aiowfm.local.errors import ServiceError
from aiowfm.local.tokens import TaskId
from aiowfm.names import ActivityArn

LONG_POLL_SECONDS = 60.0  # GetActivityTask


@dataclass(slots=True)
class Activity:
    """An activity with its waiting tasks and its open polls; of the two, one is empty."""

    arn: ActivityArn
    created_at: float
    waiting: OrderedDict[TaskId, Payload] = field(default_factory=OrderedDict)
    polls: deque[asyncio.Future[bool]] = field(default_factory=deque)

    def offer(self, task: TaskId, payload: Payload) -> None:
        self.waiting[task] = payload
        self.wake_one()

    def withdraw(self, task: TaskId) -> None:
        self.waiting.pop(task, None)

    def wake_one(self) -> None:
        """Let one open poll look again."""
        while self.polls:
            poll = self.polls.popleft()
            if not poll.done():
                poll.set_result(True)
                return

    def send_home(self) -> None:
        """Let all open polls return with nothing."""
        while self.polls:
            poll = self.polls.popleft()
            if not poll.done():
                poll.set_result(False)

    async def take(self) -> tuple[TaskId, Payload] | None:
        """The task that has waited longest, once there is one; None after a minute.

        The task leaves the queue in the step in which this returns: cancelling loses none.
        """
        if not self.waiting and not await self._something_waits():
            return None
        return self.waiting.popitem(last=False)

    async def _something_waits(self) -> bool:
        with anyio.move_on_after(LONG_POLL_SECONDS):
            while not self.waiting:
                poll: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                self.polls.append(poll)
                try:
                    look_again = await poll
                except BaseException:
                    if poll.done() and not poll.cancelled() and self.waiting:
                        self.wake_one()  # it was our turn: another's now
                    raise
                if not look_again:
                    return False
            return True
        return False


class Activities:
    """All activities, by name."""

    def __init__(self, arn_prefix: str) -> None:
        self._arn_prefix = arn_prefix
        self._activities: dict[str, Activity] = {}

    def arn(self, name: str) -> ActivityArn:
        return ActivityArn(f"{self._arn_prefix}:activity:{name}")

    def get(self, arn: str) -> Activity:
        activity = self._activities.get(arn)
        if activity is None:
            raise ServiceError("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
        return activity

    def exists(self, arn: str) -> bool:
        return arn in self._activities

    def create(self, name: str, now: float) -> Activity:
        """Make an activity; making it again gives it back."""
        arn = self.arn(name)
        return self._activities.setdefault(arn, Activity(arn, now))

    def all(self) -> Iterable[Activity]:
        return self._activities.values()
