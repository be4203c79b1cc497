"""Workflows of two tasks per second, how long one takes alone, and what a waiting one needs.

    python benchmarks/throughput.py [--db FILE] [--durability commit] [--in-flight 50]
        [--workflows 5000] [--alone 500] [--parked 10000] [--growth]

Without `--db` all is in memory. Everything goes the public way: engine, worker,
handlers, `wait`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import time
from pathlib import Path

import anyio

from aiowfm import Engine, LocalBackend
from memory import resident_mib

DEFINITIONS = """
- name: two-tasks
  stateMachine:
    StartAt: first
    States:
      first: {Type: Task, Resource: first, Next: second}
      second: {Type: Task, Resource: second, End: true}
- name: parked
  stateMachine:
    StartAt: wait
    States:
      wait: {Type: Wait, Seconds: 86400, End: true}
"""
GROWTH = (1_000, 10_000, 100_000)
MEASURED_WORKFLOWS = 2_000  # at each step of the growth

numbers = itertools.count()


def make_engine(options: argparse.Namespace) -> Engine:
    engine = Engine(
        app="bench",
        environment="bench",
        definitions=DEFINITIONS,
        backend=LocalBackend(options.db or ":memory:", durability=options.durability),
        concurrency=options.in_flight,
        max_pollers=options.in_flight,
    )

    @engine.task("first")
    async def first(order: dict[str, int]) -> dict[str, int]:
        return {"n": order["n"] + 1}

    @engine.task("second")
    async def second(order: dict[str, int]) -> dict[str, int]:
        return {"n": order["n"] * 2}

    return engine


async def run_one(engine: Engine) -> float:
    """Run a workflow to its end; the seconds it took."""
    number = next(numbers)
    began = time.perf_counter()
    workflow = await engine.start_workflow("two-tasks", {"n": number})
    done = await engine.wait(workflow.id)
    if done.output != {"n": (number + 1) * 2}:
        raise SystemExit(f"workflow {done.id} gave {done.output}: {done.error} {done.cause}")
    return time.perf_counter() - began


async def run_many(engine: Engine, count: int, in_flight: int) -> tuple[float, list[float]]:
    """Run *count* workflows, *in_flight* at a time; the seconds in all and of each."""
    left = iter(range(count))
    latencies: list[float] = []

    async def client() -> None:
        for _ in left:
            latencies.append(await run_one(engine))

    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(in_flight):
            group.start_soon(client)
    return time.perf_counter() - began, latencies


async def park(engine: Engine, count: int, in_flight: int) -> None:
    """Start *count* workflows that wait for a day, and say what they need."""
    left = iter(range(count))

    async def client() -> None:
        for _ in left:
            await engine.start_workflow("parked", {"n": next(numbers)})

    before = resident_mib()
    async with anyio.create_task_group() as group:
        for _ in range(in_flight):
            group.start_soon(client)
    grown = resident_mib() - before
    each = grown * 1024 / count
    print(f"{count:,} parked   {grown:,.0f} MiB more, {each:.1f} KiB each")


async def grow(engine: Engine, in_flight: int) -> None:
    """Show what a workflow costs when ever more have finished."""
    finished, first = 0, 0.0
    for size in GROWTH:
        await run_many(engine, size - finished, in_flight)
        cpu = time.process_time()
        seconds, _ = await run_many(engine, MEASURED_WORKFLOWS, in_flight)
        cpu = (time.process_time() - cpu) / MEASURED_WORKFLOWS
        finished = size + MEASURED_WORKFLOWS
        first = first or seconds
        print(
            f"after {size:7,} finished   {MEASURED_WORKFLOWS / seconds:,.0f} workflows/s,"
            f" {cpu * 1e6:,.0f} µs of processor each"
            f"   ({seconds / first:.2f} times the time after {GROWTH[0]:,})"
        )


def percentile(seconds: list[float], percent: int) -> float:
    """In milliseconds."""
    return statistics.quantiles(seconds, n=100)[percent - 1] * 1_000


async def main(options: argparse.Namespace) -> None:
    in_flight = options.in_flight
    engine = make_engine(options)
    async with engine:
        await run_many(engine, in_flight * 4, in_flight)  # warm-up
        _, latencies = await run_many(engine, options.alone, 1)
        print(
            f"one alone        p50 {percentile(latencies, 50):7.2f} ms"
            f"   p99 {percentile(latencies, 99):7.2f} ms   (of {options.alone})"
        )
        cpu = time.process_time()
        seconds, latencies = await run_many(engine, options.workflows, in_flight)
        cpu = time.process_time() - cpu
        print(
            f"{in_flight:4} in flight   p50 {percentile(latencies, 50):7.2f} ms"
            f"   p99 {percentile(latencies, 99):7.2f} ms   {options.workflows / seconds:,.0f}"
            f" workflows/s, {cpu / options.workflows * 1e6:,.0f} µs of processor each"
            f"   (of {options.workflows})"
        )
        if options.parked:
            await park(engine, options.parked, in_flight)
        if options.growth:
            await grow(engine, in_flight)
    print(f"memory at the end {resident_mib():,.0f} MiB")
    if options.db:
        size = (await anyio.Path(options.db).stat()).st_size
        print(f"file at the end   {size / 2**20:,.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--backend", choices=["local"], default="local")
    parser.add_argument("--db", help="a file, which must not exist; in memory without")
    parser.add_argument("--durability", choices=["none", "commit", "fsync"], default="commit")
    parser.add_argument("--workflows", type=int, default=5_000)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--alone", type=int, default=500)
    parser.add_argument("--parked", type=int, default=0)
    parser.add_argument("--growth", action="store_true")
    given = parser.parse_args()
    if given.db and Path(given.db).exists():
        parser.error(f"--db {given.db}: the file exists; measure with a new one")
    asyncio.run(main(given))
