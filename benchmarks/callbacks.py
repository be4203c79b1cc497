"""Callback tasks: how long a token takes to be kept, and a result to let its workflow go on.

    python benchmarks/callbacks.py [--alone 500] [--finalizations 5000] [--in-flight 50]
        [--rounds 3] [--parked 100000]

One task after the other on each backend: in memory, in a file, and on the emulator MiniStack
where `make test` has installed it. Then as many finalizations per second as a file takes. With
`--parked`, only: the memory of workflows that wait for their callbacks, in a file. Everything
goes the public way: engine, `finalizer`, `wait`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio

from aiowfm import Engine, LocalBackend
from aiowfm.aws import AwsBackend
from aiowfm.ports import Backend, OpenBackend, QueueMessage
from aiowfm.waits import Wait, WaitStatus
from memory import resident_mib

MINISTACK = Path(__file__).parents[1] / ".venv-aws" / "bin" / "ministack"
START_LIMIT_SECONDS = 30.0
REGION = "us-east-1"
FLOOR = 1_000  # finalizations per second, in a file
PARKED_LIMIT_MIB = 1_024  # for 100,000

DEFINITIONS = """
- name: approval
  stateMachine:
    StartAt: approve
    States:
      approve:
        Type: Task
        Resource: arn:aws:states:::sqs:sendMessage.waitForTaskToken
        TimeoutSeconds: 86400
        Parameters:
          MessageBody: {TaskKey.$: "$.id", amount.$: "$.amount"}
        End: true
"""

numbers = itertools.count()


class StopWatch:
    """A backend that notes when messages were received, to time them until they are kept."""

    def __init__(self, backend: Backend) -> None:
        self.seconds: list[float] = []
        self.kept = Signal()
        self._backend = backend
        self._received_at: dict[str, float] = {}

    @asynccontextmanager
    async def open(self, *, max_polls: int) -> AsyncIterator[OpenBackend]:
        async with self._backend.open(max_polls=max_polls) as opened:
            make = opened.callbacks

            def callbacks(name: str) -> Any:
                storage = make(name)
                self._watch(storage)
                return storage

            yield Instead(opened, callbacks=callbacks)

    def _watch(self, storage: Any) -> None:
        receive, replace = storage.queue.receive, storage.tokens.replace

        async def watched_receive() -> Sequence[QueueMessage]:
            messages: Sequence[QueueMessage] = await receive()
            now = time.perf_counter()
            for message in messages:
                self._received_at[json.loads(message.body)["TaskKey"]] = now
            return messages

        async def watched_replace(old: Wait | None, new: Wait, result: str | None = None) -> bool:
            is_done: bool = await replace(old, new, result)
            if is_done and new.status is WaitStatus.WAITING:
                self.seconds.append(time.perf_counter() - self._received_at.pop(new.key))
                self.kept.set()
            return is_done

        storage.queue.receive, storage.tokens.replace = watched_receive, watched_replace


class Instead:
    """An object some of whose attributes are others."""

    def __init__(self, instead_of: Any, **attributes: Any) -> None:
        self._instead_of = instead_of
        self.__dict__.update(attributes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._instead_of, name)


class Signal:
    """Tells those who wait that something happened."""

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    def set(self) -> None:
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()


def make_engine(backend: Backend) -> Engine:
    environment = f"bench{next(numbers)}"
    return Engine(
        app="bench",
        environment=environment,
        definitions=DEFINITIONS,
        backend=backend,
        grace_seconds=0,
    )


async def started(engine: Engine, watch: StopWatch) -> tuple[str, str]:
    """A workflow that waits: its id and the key of its callback."""
    key = f"o-{next(numbers)}"
    before = len(watch.seconds)
    workflow = await engine.start_workflow("approval", {"id": key, "amount": 12})
    while len(watch.seconds) == before:
        await watch.kept.wait()
    return workflow.id, key


async def finish(engine: Engine, id: str, key: str) -> None:
    await engine.finalizer.success(key, {"approved_by": "ops"})
    done = await engine.wait(id)
    if done.output != {"approved_by": "ops"}:
        raise SystemExit(f"workflow {id} gave {done.output}: {done.error} {done.cause}")


async def one_by_one(name: str, backend: Backend, count: int) -> None:
    watch = StopWatch(backend)
    latencies: list[float] = []
    async with make_engine(watch) as engine:
        for number in range(count + count // 10):
            if number == count // 10:  # until then it warms up
                watch.seconds.clear()
                latencies.clear()
            id, key = await started(engine, watch)
            began = time.perf_counter()
            await finish(engine, id, key)
            latencies.append(time.perf_counter() - began)
    print(
        f"{name:10} token arrived to kept {shown(watch.seconds)}"
        f"   success() to workflow gone on {shown(latencies)}   (of {count})"
    )


def shown(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1e3:6.2f} ms  p99 {cuts[98] * 1e3:6.2f} ms"


async def park(engine: Engine, count: int, in_flight: int) -> list[tuple[str, str]]:
    """Start *count* workflows and wait until all tokens are kept: ids and keys."""
    left = iter(range(count))
    parked: list[tuple[str, str]] = []
    stored = engine.stats().callbacks.stored + count

    async def client() -> None:
        for _ in left:
            key = f"o-{next(numbers)}"
            workflow = await engine.start_workflow("approval", {"id": key, "amount": 12})
            parked.append((workflow.id, key))

    async with anyio.create_task_group() as group:
        for _ in range(in_flight):
            group.start_soon(client)
    while engine.stats().callbacks.stored < stored:  # noqa: ASYNC110  # nothing tells of it
        await anyio.sleep(0.01)
    return parked


async def many_at_once(path: Path, count: int, in_flight: int, rounds: int) -> None:
    async with make_engine(LocalBackend(path)) as engine:
        for _ in range(rounds):
            parked = await park(engine, count, in_flight)
            left = iter(parked)

            async def client(left: Iterator[tuple[str, str]] = left) -> None:
                for _, key in left:
                    await engine.finalizer.success(key, {"approved_by": "ops"})

            processor, began = time.process_time(), time.perf_counter()
            async with anyio.create_task_group() as group:
                for _ in range(in_flight):
                    group.start_soon(client)
            seconds = time.perf_counter() - began
            processor = time.process_time() - processor
            for id, _ in parked:
                done = await engine.wait(id)
                if done.output != {"approved_by": "ops"}:
                    raise SystemExit(f"workflow {id} gave {done.output}: {done.error}")
            print(
                f"file, {in_flight} in flight   {count / seconds:,.0f} finalizations/s,"
                f" {processor / count * 1e6:,.0f} µs of processor each"
                f"   (of {count}; the least is {FLOOR:,})"
            )


async def memory(path: Path, count: int, in_flight: int) -> None:
    async with make_engine(LocalBackend(path)) as engine:
        await park(engine, in_flight, in_flight)
        gc.collect()
        before = resident_mib()
        await park(engine, count, in_flight)
        gc.collect()
        grown = resident_mib() - before
    each = grown * 1024 / count
    size = (await anyio.Path(path).stat()).st_size
    limit = PARKED_LIMIT_MIB * count / 100_000
    print(
        f"{count:,} parked   {grown:,.0f} MiB more, {each:.1f} KiB each"
        f"   (at most {limit:,.0f} MiB), file {size / 2**20:,.0f} MiB"
    )


@contextmanager
def ministack(directory: Path) -> Iterator[str]:
    """The URL of the emulator, which runs until this is left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    variables = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "HOME": str(directory),
        "TMPDIR": str(directory),
    }
    with (directory / "ministack.log").open("wb") as log:
        process = subprocess.Popen(
            [MINISTACK], cwd=directory, env=os.environ | variables, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(process, f"{url}/_ministack/health")
            yield url
        finally:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], health: str) -> None:
    give_up_at = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            with urllib.request.urlopen(health, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise SystemExit("MiniStack did not start")


def emulated(url: str) -> AwsBackend:
    import aioboto3

    session = aioboto3.Session(
        aws_access_key_id="bench", aws_secret_access_key="bench", region_name=REGION
    )
    role = "arn:aws:iam::000000000000:role/bench"
    return AwsBackend(region=REGION, role_arn=role, session=session, endpoint_url=url)


async def main(options: argparse.Namespace, directory: Path) -> None:
    if options.parked:
        await memory(directory / "parked.db", options.parked, options.in_flight)
        return
    await one_by_one("memory", LocalBackend(), options.alone)
    await one_by_one("file", LocalBackend(directory / "alone.db"), options.alone)
    if MINISTACK.exists():
        with ministack(directory) as url:
            await one_by_one("MiniStack", emulated(url), options.alone)
    else:
        print(f"MiniStack is left out: there is no {MINISTACK}; `make test` installs it")
    await many_at_once(
        directory / "many.db", options.finalizations, options.in_flight, options.rounds
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--alone", type=int, default=500)
    parser.add_argument("--finalizations", type=int, default=5_000)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parked", type=int, default=0)
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(main(parser.parse_args(), Path(made)))
