"""The activities of the local backend: tasks queue here until a poll takes them."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiowfm.asl.payload import Payload
from aiowfm.local.arns import Arns, checked_arn, checked_name
from aiowfm.local.errors import ServiceError
from aiowfm.local.storage.store import Store
from aiowfm.local.tokens import TaskId
from aiowfm.names import ActivityArn

_ACTIVITY = "activity"  # the kind of their documents
LONG_POLL_SECONDS = 60.0  # GetActivityTask


@dataclass(slots=True)
class Activity:
    """An activity with its waiting tasks and its open polls; of the two, one is empty."""

    name: str
    arn: ActivityArn
    created_at: float
    waiting: OrderedDict[TaskId, Payload] = field(default_factory=OrderedDict)
    tags: dict[str, str] = field(default_factory=dict)
    polls: deque[asyncio.Future[bool]] = field(default_factory=deque)

    def offer(self, task: TaskId, payload: Payload) -> None:
        self.waiting[task] = payload
        self.wake_one()

    def give_back(self, task: TaskId, payload: Payload) -> None:
        """Offer a task again before all others: it was taken and never reached a worker."""
        self.waiting[task] = payload
        self.waiting.move_to_end(task, last=False)
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
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + LONG_POLL_SECONDS
        while not self.waiting:
            poll: asyncio.Future[bool] = loop.create_future()
            self.polls.append(poll)
            end = loop.call_at(ends_at, self._give_up, poll)
            try:
                look_again = await poll
            except BaseException:
                if poll.done() and not poll.cancelled() and self.waiting:
                    self.wake_one()  # it was our turn: another's now
                raise
            finally:
                end.cancel()
            if not look_again:
                return False
        return True

    def _give_up(self, poll: asyncio.Future[bool]) -> None:
        if not poll.done():
            self.polls.remove(poll)
            poll.set_result(False)


class Activities:
    """All activities, by ARN."""

    def __init__(self, arns: Arns, store: Store) -> None:
        self._arns = arns
        self._store = store
        self._activities: dict[str, Activity] = {}
        self._orphans: dict[str, OrderedDict[TaskId, Payload]] = {}

    async def load(self) -> None:
        """Read what the store has."""
        for arn, text in await self._store.documents(_ACTIVITY):
            self._activities[arn] = Activity(arn=ActivityArn(arn), **json.loads(text))

    def save(self, activity: Activity) -> None:
        """Keep *activity* as it is now; executions know of its tasks."""
        document = {
            "name": activity.name,
            "created_at": activity.created_at,
            "tags": activity.tags,
        }
        self._store.put(_ACTIVITY, activity.arn, json.dumps(document))

    def arn(self, name: str) -> ActivityArn:
        return self._arns.activity(name)

    def get(self, arn: str) -> Activity:
        activity = self._activities.get(checked_arn(arn, "activity"))
        if activity is None:
            raise ServiceError("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
        return activity

    def exists(self, arn: str) -> bool:
        return arn in self._activities

    def create(self, name: str, now: float) -> Activity:
        """Make an activity; making it again gives it back."""
        arn = self.arn(checked_name(name))
        if arn not in self._activities:
            # Tasks that waited when it was deleted wait on.
            waiting = self._orphans.pop(arn, None) or OrderedDict()
            activity = self._activities[arn] = Activity(name, arn, now, waiting)
            self.save(activity)
        return self._activities[arn]

    def delete(self, arn: str) -> None:
        """Forget an activity; one that does not exist is forgotten already."""
        activity = self._activities.pop(checked_arn(arn, "activity"), None)
        if activity is not None:
            self._store.put(_ACTIVITY, arn, None)
            activity.send_home()
            if activity.waiting:
                self._orphans[arn] = activity.waiting

    def offer(self, arn: str, task: TaskId, payload: Payload) -> None:
        """Let a task wait at an activity or, where that is deleted, for its return."""
        if arn in self._activities:
            self._activities[arn].offer(task, payload)
        else:
            self._orphans.setdefault(arn, OrderedDict())[task] = payload

    def withdraw(self, arn: str, task: TaskId) -> None:
        """Take back a task that nobody needs to do any more."""
        if arn in self._activities:
            self._activities[arn].withdraw(task)
        elif arn in self._orphans:
            self._orphans[arn].pop(task, None)

    def all(self) -> Iterable[Activity]:
        return self._activities.values()
