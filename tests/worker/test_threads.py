from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from aiowfm.worker.threads import Threads

pytestmark = pytest.mark.anyio

TIMEOUT = 10.0
variable: ContextVar[str] = ContextVar("variable", default="unset")


class Gate:
    """A function that says when it begins and returns when it may."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.may_return = threading.Event()
        self.returned = threading.Event()

    def __call__(self) -> str:
        anyio.from_thread.run_sync(self.begun.set)
        assert self.may_return.wait(TIMEOUT)
        self.returned.set()
        return "done"


async def test_a_function_runs_in_a_thread_of_its_own_and_its_result_comes_back() -> None:
    name = await Threads(1).run(lambda: threading.current_thread().name)
    assert name != threading.current_thread().name


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(KeyError("x"), id="exception"),
        pytest.param(SystemExit(3), id="SystemExit"),
        pytest.param(GeneratorExit(), id="GeneratorExit"),
    ],
)
async def test_what_a_function_raises_comes_back(error: BaseException) -> None:
    def fail() -> None:
        raise error

    threads = Threads(1)
    with pytest.raises(type(error)):
        await threads.run(fail)
    assert await threads.run(lambda: "free again") == "free again"


async def test_context_variables_reach_the_function() -> None:
    variable.set("set")
    assert await Threads(1).run(variable.get) == "set"


async def test_no_more_functions_run_at_once_than_there_are_threads() -> None:
    threads = Threads(2)
    gates = [Gate() for _ in range(3)]
    with anyio.fail_after(TIMEOUT):
        async with anyio.create_task_group() as group:
            for gate in gates:
                group.start_soon(threads.run, gate)
            await gates[0].begun.wait()
            await gates[1].begun.wait()
            await anyio.wait_all_tasks_blocked()
            assert not gates[2].begun.is_set()
            gates[0].may_return.set()
            await gates[2].begun.wait()
            gates[1].may_return.set()
            gates[2].may_return.set()


async def test_a_function_whose_task_was_cancelled_counts_until_it_returns() -> None:
    threads = Threads(1)
    abandoned, later = Gate(), Gate()
    with anyio.fail_after(TIMEOUT):
        async with anyio.create_task_group() as group:
            await _abandon(threads, abandoned)
            group.start_soon(threads.run, later)
            await anyio.wait_all_tasks_blocked()
            assert not later.begun.is_set()
            abandoned.may_return.set()
            await later.begun.wait()
            assert abandoned.returned.is_set()
            later.may_return.set()


async def test_a_task_cancelled_while_it_waits_for_a_thread_takes_none() -> None:
    threads = Threads(1)
    gate = Gate()
    called: list[str] = []
    with anyio.fail_after(TIMEOUT):
        async with anyio.create_task_group() as group:
            group.start_soon(threads.run, gate)
            await gate.begun.wait()
            with anyio.CancelScope() as scope:
                scope.cancel()
                await threads.run(lambda: called.append("waiting"))
            gate.may_return.set()
        await threads.run(lambda: called.append("free"))
    assert called == ["free"]


async def test_a_task_cancelled_before_its_function_begins_gives_its_thread_back() -> None:
    threads = Threads(1)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await threads.run(lambda: None)
    with anyio.fail_after(TIMEOUT):
        assert await threads.run(lambda: "free") == "free"


def test_a_function_may_outlive_its_event_loop(anyio_backend_name: str) -> None:
    gate = Gate()

    async def main() -> None:
        await _abandon(Threads(1), gate)

    anyio.run(main)
    gate.may_return.set()
    assert gate.returned.wait(TIMEOUT)


async def _abandon(threads: Threads, function: Callable[[], object]) -> None:
    assert isinstance(function, Gate)
    async with anyio.create_task_group() as group:
        group.start_soon(threads.run, function)
        await function.begun.wait()
        group.cancel_scope.cancel()
