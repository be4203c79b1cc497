"""Workflows of two tasks per second, and how long one takes alone.

    python benchmarks/throughput.py [--workflows 5000] [--in-flight 200] [--alone 500]

Everything goes the public way: engine, worker, handlers, `wait`.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import time

import anyio

from aiowfm import Engine, LocalBackend

DEFINITIONS = """
- name: two-tasks
  stateMachine:
    StartAt: first
    States:
      first: {Type: Task, Resource: first, Next: second}
      second: {Type: Task, Resource: second, End: true}
"""


def make_engine(in_flight: int) -> Engine:
    engine = Engine(
        app="bench",
        environment="bench",
        definitions=DEFINITIONS,
        backend=LocalBackend(),
        concurrency=in_flight,
        max_pollers=in_flight,
    )

    @engine.task("first")
    async def first(order: dict[str, int]) -> dict[str, int]:
        return {"n": order["n"] + 1}

    @engine.task("second")
    async def second(order: dict[str, int]) -> dict[str, int]:
        return {"n": order["n"] * 2}

    return engine


async def run_one(engine: Engine, number: int) -> float:
    """Run a workflow to its end; the seconds it took."""
    began = time.perf_counter()
    workflow = await engine.start_workflow("two-tasks", {"n": number})
    done = await engine.wait(workflow.id)
    if done.output != {"n": (number + 1) * 2}:
        raise SystemExit(f"workflow {done.id} gave {done.output}: {done.error} {done.cause}")
    return time.perf_counter() - began


async def run_many(engine: Engine, count: int, in_flight: int) -> tuple[float, list[float]]:
    """Run *count* workflows, *in_flight* at a time; the seconds in all and of each."""
    numbers = iter(range(count))
    latencies: list[float] = []

    async def client() -> None:
        for number in numbers:
            latencies.append(await run_one(engine, number))

    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(in_flight):
            group.start_soon(client)
    return time.perf_counter() - began, latencies


def percentile(seconds: list[float], percent: int) -> float:
    """In milliseconds."""
    return statistics.quantiles(seconds, n=100)[percent - 1] * 1_000


async def main(workflows: int, in_flight: int, alone: int) -> None:
    engine = make_engine(in_flight)
    async with engine:
        await run_many(engine, in_flight, in_flight)  # warm-up
        _, latencies = await run_many(engine, alone, 1)
        print(
            f"one alone        p50 {percentile(latencies, 50):7.2f} ms"
            f"   p99 {percentile(latencies, 99):7.2f} ms   (of {alone})"
        )
        seconds, latencies = await run_many(engine, workflows, in_flight)
        print(
            f"{in_flight:4} in flight   p50 {percentile(latencies, 50):7.2f} ms"
            f"   p99 {percentile(latencies, 99):7.2f} ms   {workflows / seconds:,.0f} workflows/s"
            f"   (of {workflows})"
        )
    # The peak, in bytes on macOS and in KiB elsewhere.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory      {peak / (2**20 if sys.platform == 'darwin' else 2**10):,.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--workflows", type=int, default=5_000)
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--alone", type=int, default=500)
    options = parser.parse_args()
    asyncio.run(main(options.workflows, options.in_flight, options.alone))
