"""Settles one night's accounts, says how far it is, and what is left for the day."""

from __future__ import annotations

import asyncio
import logging
import time

import anyio

from aiowfm import Engine
from examples.nightly.app import ACCOUNTS, make_engine, run


async def watch(engine: Engine) -> None:
    while True:
        counts = engine.stats().tasks["settle"]
        print(f"  {counts.succeeded:4} batches settled, {counts.failed:2} attempts failed")
        await anyio.sleep(0.5)


async def main() -> None:
    print(f"{len(ACCOUNTS):,} accounts, twenty to a batch:")
    began = time.monotonic()
    async with make_engine() as engine, anyio.create_task_group() as group:
        group.start_soon(watch, engine)
        report = await run(engine, "2025-03-01")
        group.cancel_scope.cancel()
    print(
        f"{report.settled:,} accounts settled in {time.monotonic() - began:.1f} s,"
        f" {report.cents / 100:,.2f} in all.\n"
        f"{len(report.left)} are left, in batches with an account that is locked."
    )


logging.basicConfig(level="ERROR")  # failures are part of the show
asyncio.run(main())
