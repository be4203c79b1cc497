"""The activities of the local backend: tasks queue here until a poll takes them."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from aiowfm.asl.payload import Payload
from aiowfm.idling import idling
from aiowfm.local.arns import Arns, checked_arn, checked_name
from aiowfm.local.errors import ServiceError
from aiowfm.local.storage.store import Store
from aiowfm.local.tokens import TaskId
from aiowfm.names import ActivityArn

_ACTIVITY = "activity"  # the kind of their documents
LONG_POLL_SECONDS = 60.0  # GetActivityTask


Taken: TypeAlias = tuple[TaskId, Payload]


@dataclass(slots=True, eq=False)
class Poll:
    """A worker that waits for a task; None is what it gets where none comes."""

    worker_name: str | None
    answer: asyncio.Future[Taken | None]


@dataclass(slots=True, eq=False)
class Activity:
    """An activity with its waiting tasks and its open polls; of the two, one is empty."""

    name: str
    arn: ActivityArn
    created_at: float
    waiting: OrderedDict[TaskId, Payload] = field(default_factory=OrderedDict)
    tags: dict[str, str] = field(default_factory=dict)
    polls: deque[Poll] = field(default_factory=deque)

    def offer(self, task: TaskId, payload: Payload) -> None:
        """Let a task wait until it is taken or, by `Activities.hand_out`, handed out."""
        self.waiting[task] = payload

    def withdraw(self, task: TaskId) -> None:
        self.waiting.pop(task, None)

    def send_home(self) -> None:
        """Let all open polls return with nothing."""
        while self.polls:
            poll = self.polls.popleft()
            if not poll.answer.done():
                poll.answer.set_result(None)

    def give_up(self, poll: Poll) -> None:
        """Let one open poll return with nothing."""
        if not poll.answer.done():
            self.polls.remove(poll)
            poll.answer.set_result(None)


class Activities:
    """All activities, by ARN."""

    def __init__(self, arns: Arns, store: Store) -> None:
        self._arns = arns
        self._store = store
        self._begin: Callable[[TaskId, str | None], bool] = lambda task, worker_name: True
        self._activities: dict[str, Activity] = {}
        self._orphans: dict[str, OrderedDict[TaskId, Payload]] = {}
        self._recalls: dict[TaskId, Callable[[], None]] = {}

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

    def tell(self, begin: Callable[[TaskId, str | None], bool]) -> None:
        """Say whom to tell that a worker takes a task; False: nobody waits for it any more."""
        self._begin = begin

    async def take(self, arn: str, worker_name: str | None) -> Taken | None:
        """The task that has waited longest, once there is one; None after a minute.

        Cancelling loses none: what was handed out to this call waits again.

        Raises:
            ServiceError: InvalidArn, ActivityDoesNotExist.
        """
        activity = self.get(arn)
        loop = asyncio.get_running_loop()
        poll = Poll(worker_name, loop.create_future())
        activity.polls.append(poll)
        self.hand_out(arn)
        if poll.answer.done():
            return poll.answer.result()
        with idling():
            end = loop.call_later(LONG_POLL_SECONDS, activity.give_up, poll)
        try:
            return await poll.answer
        except BaseException:
            if poll.answer.done() and not poll.answer.cancelled():
                taken = poll.answer.result()
                if taken is not None:
                    self.give_back(arn, *taken)
            raise
        finally:
            end.cancel()

    def hand_out(self, arn: str) -> None:
        """Give tasks that wait to polls that wait, in the step in which both are there.

        What executions note of it is kept together with what made them offer the task.
        """
        activity = self._activities.get(arn)
        while activity is not None and activity.waiting and activity.polls:
            poll = activity.polls.popleft()
            if poll.answer.done():
                continue
            taken = activity.waiting.popitem(last=False)
            if self._begin(taken[0], poll.worker_name):
                poll.answer.set_result(taken)
            else:
                activity.polls.appendleft(poll)

    def give_back(self, arn: str, task: TaskId, payload: Payload) -> None:
        """Offer a task again before all others: it was taken and never reached a worker."""
        self.offer(arn, task, payload)
        if arn in self._activities:
            self._activities[arn].waiting.move_to_end(task, last=False)
            self.hand_out(arn)

    def offer(self, arn: str, task: TaskId, payload: Payload) -> None:
        """Let a task wait at an activity or, where that is deleted, for its return."""
        if arn in self._activities:
            self._activities[arn].offer(task, payload)
        else:
            self._orphans.setdefault(arn, OrderedDict())[task] = payload

    def expect_recall(self, task: TaskId, call: Callable[[], None]) -> None:
        """Call *call* when a task that was taken is withdrawn; until `forget_recall`."""
        self._recalls[task] = call

    def forget_recall(self, task: TaskId) -> None:
        self._recalls.pop(task, None)

    def withdraw(self, arn: str, task: TaskId) -> None:
        """Take back a task that nobody needs to do any more."""
        recall = self._recalls.pop(task, None)
        if recall is not None:
            recall()
        if arn in self._activities:
            self._activities[arn].withdraw(task)
        elif arn in self._orphans:
            self._orphans[arn].pop(task, None)

    def all(self) -> Iterable[Activity]:
        return self._activities.values()
