"""The engine's worker against the bare calls of aioboto3, on the same HTTP server.

    python benchmarks/worker.py [--concurrency 10] [--tasks 500] [--rounds 15]

The server is a process of its own, always has a task and does nothing with the results.
Both sides get a task (GetActivityTask) and answer it (SendTaskSuccess) as fast as they can,
taking turns; the medians of their rounds are printed. In further rounds, at the same load
and at half of it, each task's way from the poll's answer to its handler is timed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aioboto3
import anyio
from aiobotocore.config import AioConfig
from aiohttp import web

from aiowfm import Engine, TaskContext
from aiowfm.aws import AwsBackend

REGION = "us-east-1"
ACTIVITY = f"arn:aws:states:{REGION}:000000000000:activity:bench--bench-work"
EXECUTION = f"arn:aws:states:{REGION}:000000000000:execution:bench--b--0--work:bench--b--0--work--1"
WARM_UP = 0.2  # of the tasks of a round
GOAL, FLOOR = 0.95, 0.85  # engine's rate to the bare calls'
GOAL_MS = 2.0

session = aioboto3.Session(
    aws_access_key_id="bench", aws_secret_access_key="bench", region_name=REGION
)


# The server.


def stub() -> None:
    """Serve on a free port, which is printed, until killed."""
    tokens = itertools.count()

    def task() -> dict[str, Any]:
        number = next(tokens)
        about = {
            "execution": EXECUTION,
            "redrive": 0,
            "state": "work",
            "entered": "2026-01-01T00:00:00.000Z",
            "attempt": 0,
            "heartbeat": 60,
        }
        envelope = {"aiowfm": about, "input": {"n": number}}
        return {"taskToken": f"{number:0100}", "input": json.dumps(envelope)}

    def activity() -> dict[str, Any]:
        return {"activityArn": ACTIVITY, "name": "bench--bench-work", "creationDate": 1.0}

    answers: dict[str, Callable[[], dict[str, Any]]] = {
        "GetActivityTask": task,
        "SendTaskSuccess": dict,
        "SendTaskHeartbeat": dict,
        "CreateActivity": activity,
        "DescribeActivity": activity,
    }

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        text = json.dumps(answers[operation]())
        return web.Response(text=text, content_type="application/x-amz-json-1.0")

    async def serve() -> None:
        application = web.Application()
        application.router.add_post("/", answer)
        runner = web.AppRunner(application, access_log=None, keepalive_timeout=600)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await anyio.sleep_forever()

    asyncio.run(serve())


@contextmanager
def stub_process() -> Iterator[str]:
    """The server's URL."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--stub"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


# The two sides.


@dataclass(slots=True)
class Meter:
    """Times the tasks of a round, but for those that only warm up."""

    tasks: int
    warm_up: int = 0
    seen: int = 0
    seconds: float = 0.0
    processor: float = 0.0
    enough: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self.warm_up = int(self.tasks * WARM_UP)

    def count(self) -> None:
        self.seen += 1
        if self.seen == self.warm_up:
            self.seconds, self.processor = time.perf_counter(), time.process_time()
        elif self.seen == self.warm_up + self.tasks:
            self.seconds = time.perf_counter() - self.seconds
            self.processor = time.process_time() - self.processor
            self.enough.set()

    @property
    def rate(self) -> float:
        """Tasks per second."""
        return self.tasks / self.seconds

    @property
    def processor_us(self) -> float:
        """Microseconds of processor per task."""
        return self.processor / self.tasks * 1e6


async def bare(url: str, concurrency: int, meter: Meter) -> None:
    """Work as a program would that has nothing but aioboto3."""
    config = AioConfig(max_pool_connections=concurrency + 10)
    async with session.client("stepfunctions", endpoint_url=url, config=config) as client:

        async def work() -> None:
            while not meter.enough.is_set():
                task = await client.get_activity_task(activityArn=ACTIVITY, workerName="bench")
                meter.count()
                order = json.loads(task["input"])["input"]
                output = json.dumps({"n": order["n"] + 1})
                await client.send_task_success(taskToken=task["taskToken"], output=output)

        async with anyio.create_task_group() as group:
            for _ in range(concurrency):
                group.start_soon(work)


async def worker(
    url: str,
    concurrency: int,
    meter: Meter,
    *,
    way: StopWatch | None = None,
    poll_rate: float | None = None,
) -> None:
    """Work as a program does that has an engine."""
    engine = Engine(
        app="bench",
        environment="bench",
        backend=AwsBackend(
            region=REGION,
            role_arn="arn:aws:iam::000000000000:role/bench",
            session=way or session,
            endpoint_url=url,
        ),
        concurrency=concurrency,
        max_pollers=concurrency,
        poll_rate=poll_rate,
    )
    if way is None:

        @engine.task("work")
        async def work(order: dict[str, int]) -> dict[str, int]:
            meter.count()
            return {"n": order["n"] + 1}

    else:

        @engine.task("work")
        async def timed(order: dict[str, int], ctx: TaskContext) -> dict[str, int]:
            way.arrived(ctx.task_token)
            meter.count()
            return {"n": order["n"] + 1}

    async with engine:
        await meter.enough.wait()


class StopWatch:
    """A session that notes when polls were answered, to time the tasks' ways from there."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._answered_at: dict[str, float] = {}

    @asynccontextmanager
    async def client(self, service_name: str, **options: Any) -> AsyncIterator[Any]:
        async with session.client(service_name, **options) as made:
            assert service_name == "stepfunctions", "there are no callbacks"
            poll = made.get_activity_task

            async def noted(**parameters: Any) -> Any:
                answer = await poll(**parameters)
                self._answered_at[answer["taskToken"]] = time.perf_counter()
                return answer

            made.get_activity_task = noted
            yield made

    def arrived(self, token: str) -> None:
        self.seconds.append(time.perf_counter() - self._answered_at.pop(token))


# What is printed.


async def main(options: argparse.Namespace, url: str) -> None:
    concurrency, tasks = options.concurrency, options.tasks
    bares, workers = [], []
    full, half = StopWatch(), StopWatch()
    for _ in range(options.rounds):
        bares.append(Meter(tasks))
        await bare(url, concurrency, bares[-1])
        workers.append(Meter(tasks))
        await worker(url, concurrency, workers[-1])
        await worker(url, concurrency, Meter(tasks // 2), way=full)
        rate = workers[-1].rate / 2
        await worker(url, concurrency, Meter(tasks // 2), way=half, poll_rate=rate)
    print(f"{concurrency} at a time, medians of {options.rounds} rounds of {tasks:,} tasks")
    show("bare aioboto3", bares)
    show("engine", workers)
    ratios = [each.rate / its.rate for each, its in zip(workers, bares, strict=True)]
    costs = [its.processor_us / each.processor_us for each, its in zip(workers, bares, strict=True)]
    print(
        f"engine to bare: rate {statistics.median(ratios):.2f}"
        f"   ({min(ratios):.2f} - {max(ratios):.2f}; goal {GOAL}, floor {FLOOR}),"
        f" tasks per second of processor {statistics.median(costs):.2f}"
    )
    for load, way in (("full", full), ("half", half)):
        percentiles = statistics.quantiles(way.seconds, n=100)
        print(
            f"from answer to handler, {load} load   p50 {percentiles[49] * 1e3:.2f} ms"
            f"   p99 {percentiles[98] * 1e3:.2f} ms   (goal {GOAL_MS:g} ms)"
        )


def show(name: str, meters: list[Meter]) -> None:
    rates = [each.rate for each in meters]
    print(
        f"{name:14} {statistics.median(rates):6,.0f} tasks/s"
        f"   ({min(rates):,.0f} - {max(rates):,.0f})"
        f"   {statistics.median(each.processor_us for each in meters):6,.0f} µs of processor each"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--concurrency", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--stub", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stub:
        stub()
    else:
        with stub_process() as address:
            asyncio.run(main(given, address))
