"""Two worker processes on one server, one of them killed and one stopped again and again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process, TaskGroup
from anyio.streams.text import TextReceiveStream

from aiowfm import Engine
from tests.faults.load import Account, IdleSession, backend, definition, handled, output
from tests.faults.worker_program import CONCURRENCY, HEARTBEAT_SECONDS
from tests.serve.test_files import Server

REGION = "us-east-1"
ROUNDS = 2
IN_FLIGHT = 60  # workflows; what a dead worker had waits for twelve seconds
TASKS_PER_LIFE = CONCURRENCY  # how many a worker is given before it dies

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(90),
]


class Worker:
    """One worker process after the other, in the same place."""

    def __init__(self, url: str, environment: str, account: Account, group: TaskGroup) -> None:
        self._program = [sys.executable, "-m", "tests.faults.worker_program"]
        self._program += [url, REGION, environment]
        self._account = account
        self._group = group
        self._process: Process | None = None
        self._given = 0
        self._changed = anyio.Condition()

    async def start(self) -> None:
        self._given = 0
        self._process = await anyio.open_process(self._program, stderr=subprocess.DEVNULL)
        self._group.start_soon(self._listen, self._process)

    async def until_given(self, count: int) -> None:
        """Wait until this process has been given so many tasks."""
        async with self._changed:
            while self._given < count:
                await self._changed.wait()

    async def end(self, by: signal.Signals) -> int:
        """End the process; what it returned."""
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(by)
        return await process.wait()

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None
        async with process:
            rest = ""
            async for text in TextReceiveStream(process.stdout):
                *lines, rest = (rest + text).split("\n")
                async with self._changed:
                    for line in lines:
                        number, task, attempt = line.split()
                        self._account.ran(int(number), task, int(attempt))
                        self._given += 1
                    self._changed.notify_all()


class Load:
    """Workflows without end, so many at once, until it is told to stop."""

    def __init__(self, engine: Engine, account: Account) -> None:
        self._engine = engine
        self._account = account
        self._begun = 0
        self._is_enough = False

    def enough(self) -> None:
        """Begin no more."""
        self._is_enough = True

    async def run(self) -> None:
        async with anyio.create_task_group() as group:
            for _ in range(IN_FLIGHT):
                group.start_soon(self._client)

    async def _client(self) -> None:
        while not self._is_enough:
            number = self._begun
            self._begun += 1
            self._account.outputs[number] = await output(self._engine, number)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "workflows.db")
    made.start()
    yield made
    made.kill()


async def test_workers_that_are_killed_and_stopped_lose_no_workflow(
    server: Server, environment: str
) -> None:
    account = Account()
    starter = Engine(
        app="shop",
        environment=environment,
        definitions=definition(HeartbeatSeconds=HEARTBEAT_SECONDS),
        backend=backend(server.url, REGION, IdleSession()),
        grace_seconds=0,
    )
    handled(starter, account.ran, 0)
    began = time.monotonic()
    async with starter, anyio.create_task_group() as group:
        killed = Worker(server.url, environment, account, group)
        stopped = Worker(server.url, environment, account, group)
        load = Load(starter, account)
        async with anyio.create_task_group() as loads:
            loads.start_soon(load.run)
            await killed.start()
            await stopped.start()
            for _ in range(ROUNDS):
                await killed.until_given(TASKS_PER_LIFE)
                assert await killed.end(signal.SIGKILL) == -signal.SIGKILL
                await killed.start()
                await stopped.until_given(TASKS_PER_LIFE)
                assert await stopped.end(signal.SIGTERM) == 0
                await stopped.start()
            load.enough()
        account.seconds = time.monotonic() - began
        assert await killed.end(signal.SIGTERM) == 0
        assert await stopped.end(signal.SIGTERM) == 0
    print("\n" + account.line(f"{ROUNDS} kills and {ROUNDS} stops"))
    assert account.wrong == {}
    assert account.repeated == []
    # Every kill and every stop cost somebody an attempt.
    assert account.late_runs >= ROUNDS
