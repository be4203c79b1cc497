"""Puts event loops on a virtual clock: those of asyncio that run already, and new ones."""

from __future__ import annotations

import asyncio
import contextvars
import importlib.util
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from anyio._backends import _asyncio as anyio_backend

from aiowfm.errors import UsageError
from aiowfm.idling import is_idling
from aiowfm.testing.clock import LOOP_STARTS_AT, VirtualClock

# Private, but alike in each asyncio there is; looptime and others rely on them as well.
_SELECTOR, _TIMERS = "_selector", "_scheduled"

_CLOCKS: WeakKeyDictionary[asyncio.AbstractEventLoop, VirtualClock] = WeakKeyDictionary()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that is on a virtual clock all its life."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock(LOOP_STARTS_AT)
        _take(self, self.clock)


# What a fixture `anyio_backend` returns whose tests want such a loop.
VIRTUAL_TIME: Final[tuple[str, dict[str, Any]]] = ("asyncio", {"loop_factory": VirtualTimeLoop})


@contextmanager
def virtual_time() -> Iterator[VirtualClock]:
    """The running loop is on a virtual clock in here; it has one, for all that want it.

    Timers that were begun before go with it, such as the end of an outer `asyncio.timeout`.
    Afterwards time goes on at its usual pace, from where it is.

    Raises:
        UsageError: the loop is not one of asyncio's own.
    """
    loop = asyncio.get_running_loop()
    clock = _CLOCKS.get(loop) or _put_on(loop)
    clock.users += 1
    try:
        yield clock
    finally:
        clock.users -= 1
        if not clock.users and clock.give_back is not None:
            clock.give_back()


def _put_on(loop: asyncio.AbstractEventLoop) -> VirtualClock:
    """Put a loop that runs on a clock, until that has no users any more."""
    if not isinstance(loop, asyncio.BaseEventLoop) or not hasattr(loop, _SELECTOR):
        raise UsageError(
            f"{type(loop).__module__}.{type(loop).__qualname__} cannot be put on a virtual clock:"
            " run such tests on a loop of asyncio's own, for example on VIRTUAL_TIME or"
            " VirtualTimeLoop of aiowfm.testing"
        )
    # On the full second fractions of seconds add up to the same each time.
    clock = VirtualClock(math.ceil(loop.time()))
    give_back = _take(loop, clock)
    for timer in getattr(loop, _TIMERS, ()):
        if timer.when() < math.inf:
            clock.begun(timer)

    def go_on() -> None:
        give_back()
        _put_ahead(loop, clock.time())

    clock.give_back = go_on
    return clock


def _take(loop: asyncio.BaseEventLoop, clock: VirtualClock) -> Callable[[], None]:
    """Put *loop* on *clock*; what puts it off again."""
    selector = getattr(loop, _SELECTOR)
    call_at, run_in_executor = loop.call_at, loop.run_in_executor
    at_work = 0

    def begin_timer(when: float, *args: Any, **options: Any) -> asyncio.TimerHandle:
        timer = call_at(when, *args, **options)
        if not is_idling() and when < math.inf:  # as that of `anyio.sleep_forever` is
            clock.begun(timer)
        return timer

    def begin_work(*args: Any) -> asyncio.Future[Any]:
        nonlocal at_work

        def ended(_: object) -> None:
            nonlocal at_work
            at_work -= 1

        work = run_in_executor(*args)
        at_work += 1
        work.add_done_callback(ended)
        return work

    before = dict(vars(loop))
    changed = {
        "time": clock.time,
        "call_at": begin_timer,
        "run_in_executor": begin_work,
        _SELECTOR: _Selector(selector, clock),
    }
    vars(loop).update(changed)
    of_anyio = _context_of_anyio()
    clock.watch_threads(lambda: at_work > 0 or of_anyio.run(_busy_threads) > 0)
    _CLOCKS[loop] = clock

    def give_back() -> None:
        for name in changed:
            if name in before:
                vars(loop)[name] = before[name]
            else:
                del vars(loop)[name]
        del _CLOCKS[loop]

    return give_back


def _put_ahead(loop: asyncio.BaseEventLoop, shown: float) -> None:
    """Let *loop*, whose time is real again, go on from where it was *shown* to be."""
    seconds = shown - loop.time()
    if isinstance(loop.time, _TimeAhead):
        loop.time.seconds += seconds
    else:
        vars(loop)["time"] = _TimeAhead(loop.time, seconds)


@dataclass(slots=True)
class _TimeAhead:
    real: Callable[[], float]
    seconds: float

    def __call__(self) -> float:
        return self.real() + self.seconds


def _context_of_anyio() -> contextvars.Context:
    """Where anyio knows that it runs on asyncio: sniffio, if it is there, asks for the task.

    Older versions of anyio need it, and newer ones use what others have installed; between two
    tasks there is none.
    """
    context = contextvars.Context()
    if importlib.util.find_spec("sniffio") is not None:
        sniffio = importlib.import_module("sniffio")
        context.run(sniffio.current_async_library_cvar.set, "asyncio")
    return context


def _busy_threads() -> int:
    """How many threads of `anyio.to_thread` work for the running loop.

    One that nobody waits for any more counts until its function returns.
    """
    workers = anyio_backend._threadpool_workers.get(None)
    idle = anyio_backend._threadpool_idle_workers.get(None)
    return len(workers or ()) - len(idle or ())


class _Selector:
    """Lets the clock decide what becomes of the time in which nothing is ready."""

    def __init__(self, selector: Any, clock: VirtualClock) -> None:
        self._real = selector
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        events: list[Any] = self._real.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        return self._clock.rest(timeout, self._real.select)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
