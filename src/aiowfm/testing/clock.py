"""Time that stands still while something runs, and jumps when nothing does.

What a clock cannot see, such as an answer on its way over a socket, is told to it with `hold`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import anyio

from aiowfm.testing.errors import StalledError

Value = TypeVar("Value")
Wait = Callable[[float | None], list[object]]  # for what happens outside of the loop

STARTS_AT = datetime(2024, 1, 1, tzinfo=UTC)
LOOP_STARTS_AT = 1_000_000.0  # shown by no other clock, so that mixing them up is noticed
PATIENCE_SECONDS = 1.0  # real ones, for a thread that does not return
LEAST_PAUSE_SECONDS = 0.001  # real ones, before what only looks again does so
FEW_TIMERS = 64


class VirtualClock:
    """The time of one event loop.

    It moves to the next timer when all tasks of the loop wait, and nothing is under way in a
    thread. Timers of `aiowfm.idling` are passed over while there are others. Where a thread
    does not return for `PATIENCE_SECONDS`, time passes as it does elsewhere until it does.
    """

    def __init__(self, starts_at: float = LOOP_STARTS_AT) -> None:
        """Make a clock that shows *starts_at*, in seconds."""
        self.users = 0
        self.give_back: Callable[[], None] | None = None  # once it has no users any more
        self._time = starts_at
        self._holds = 0
        self._threads_at_work: Callable[[], bool] = lambda: False
        self._worked_since: float | None = None
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._few = FEW_TIMERS
        self._order = itertools.count()
        self._settling: list[asyncio.Future[None]] = []
        self._on_stall: dict[int, Callable[[], None]] = {}
        self._on_move: list[asyncio.Future[None]] = []
        self._epoch = (self._time, STARTS_AT.timestamp())

    # Reading and setting it.

    def time(self) -> float:
        """What the loop shows."""
        return self._time

    def now(self) -> float:
        """Seconds since the epoch, as workflows see it; exact to the microsecond."""
        began, epoch = self._epoch
        return round(epoch + (self._time - began), 6)

    def today(self) -> datetime:
        """As `now`, in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    def set(self, instant: datetime) -> None:
        """Let it be *instant* now; what waits goes on waiting for as long."""
        self._epoch = (self._time, instant.timestamp())

    def block(self, seconds: float) -> None:
        """Move the time, as if the caller had kept the loop busy for so long."""
        self._time += seconds

    # Waiting.

    async def advance(self, seconds: float) -> None:
        """Let *seconds* pass, and then all happen that can happen without more of them."""
        await anyio.sleep(seconds)
        await self.settled()

    async def settled(self) -> None:
        """Wait until nothing else can happen unless time moves; it does not."""
        await _resolved(self._settling)

    async def until(self, find: Callable[[], Awaitable[Value | None]], what: str) -> Value:
        """What *find* gives, once it is not None: it is asked whenever nothing else can happen.

        Raises:
            StalledError: that will never be, for nothing can happen any more; it names *what*.
        """
        while True:
            await self.settled()
            found = await find()
            if found is not None:
                return found
            with self.unless_stalled(what):
                await _resolved(self._on_move)

    @contextmanager
    def unless_stalled(self, what: str) -> Iterator[None]:
        """Cancel what is inside when nothing can happen any more.

        Raises:
            StalledError: that came about; it names *what*.
        """
        number = next(self._order)
        with anyio.CancelScope() as scope:
            self._on_stall[number] = scope.cancel
            try:
                yield
                return
            finally:
                self._on_stall.pop(number, None)
        raise StalledError(what)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Time does not jump in here, whatever waits: for answers from outside the loop."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    # For the loop.

    def watch_threads(self, at_work: Callable[[], bool]) -> None:
        """Ask *at_work* whether threads do something for the loop."""
        self._threads_at_work = at_work

    def begun(self, timer: asyncio.TimerHandle) -> None:
        """Something has to happen when *timer* is due."""
        heapq.heappush(self._timers, (timer.when(), next(self._order), timer))
        if len(self._timers) > self._few:
            self._timers = [each for each in self._timers if not each[2].cancelled()]
            heapq.heapify(self._timers)
            self._few = max(FEW_TIMERS, 2 * len(self._timers))

    def rest(self, timeout: float | None, wait: Wait) -> list[object]:
        """Do what there is to do where no task can run: move, or wait for what is outside.

        Args:
            timeout: Seconds until the next timer, idle ones too; None: there is none.
            wait: Waits for real; gives what came.
        """
        if self._holds or self._threads_at_work():
            return self._work(timeout, wait)
        self._worked_since = None
        if self._settling:
            _resolve(self._settling)
            return []
        due = self._next_due()
        if due is not None:
            self._move(due)
            return []
        if self._on_stall:
            calls, self._on_stall = list(self._on_stall.values()), {}
            for call in calls:
                call()
            return []
        events = wait(None if timeout is None else LEAST_PAUSE_SECONDS)
        if events:
            _resolve(self._on_move)
        elif timeout is not None and timeout < math.inf:
            self._move(self._time + timeout)
        return events

    def _next_due(self) -> float | None:
        while self._timers:
            due, _, timer = self._timers[0]
            if due > self._time and not timer.cancelled():
                return due
            heapq.heappop(self._timers)
        return None

    def _move(self, due: float) -> None:
        self._time = due
        _resolve(self._on_move)

    def _work(self, timeout: float | None, wait: Wait) -> list[object]:
        """Wait for a thread, or for the end of a hold, without moving or, later, as others do."""
        began = time.monotonic()
        self._worked_since = began if self._worked_since is None else self._worked_since
        patience = self._worked_since + PATIENCE_SECONDS - began
        if patience > 0:
            events = wait(patience)
        else:
            events = wait(timeout)
            self._time += min(time.monotonic() - began, math.inf if timeout is None else timeout)
        if events:
            self._worked_since = None
            _resolve(self._on_move)
        return events


async def _resolved(waiters: list[asyncio.Future[None]]) -> None:
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiters.append(waiter)
    await waiter


def _resolve(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()
