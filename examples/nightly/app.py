"""The handlers of the night, and a ledger that some accounts cannot be settled in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
from pydantic import BaseModel, Field

from aiowfm import Engine, TaskContext, TaskError
from aiowfm.ports import Backend

DEFINITIONS = Path(__file__).with_name("workflows.yml")
ACCOUNTS = range(1, 10_001)
LOCKED = frozenset({2_500, 5_000, 7_500})  # somebody has to look at these by day
BUSY_EVERY = 25  # batches: the first attempt at these meets a busy ledger


class Night(BaseModel):
    night: str


class Batch(BaseModel):
    """What an ItemBatcher hands to a task: the items, and its BatchInput."""

    accounts: list[int] = Field(alias="Items")
    common: Night = Field(alias="BatchInput")


class Settled(BaseModel):
    first: int
    accounts: int
    cents: int


class Settlement(Night):
    accounts: Sequence[int]
    batches: list[Settled]


class Report(Night):
    settled: int
    cents: int
    left: list[int]


async def settle(batch: Batch, ctx: TaskContext) -> Settled:
    """All of the batch or nothing: an attempt that failed leaves nothing behind."""
    first = batch.accounts[0]
    if (first // 20) % BUSY_EVERY == 0 and ctx.attempt == 0:
        raise TaskError("LedgerBusy", "try again in a second")
    if locked := LOCKED.intersection(batch.accounts):
        raise TaskError("AccountLocked", f"account {min(locked)}")
    await anyio.sleep(0.001)  # where the ledger would be asked
    cents = sum(account % 100 for account in batch.accounts)
    return Settled(first=first, accounts=len(batch.accounts), cents=cents)


async def report(settlement: Settlement) -> Report:
    done: set[int] = set()
    for batch in settlement.batches:
        done.update(range(batch.first, batch.first + batch.accounts))
    return Report(
        night=settlement.night,
        settled=len(done),
        cents=sum(batch.cents for batch in settlement.batches),
        left=[account for account in settlement.accounts if account not in done],
    )


def make_engine(backend: Backend | None = None, environment: str = "dev") -> Engine:
    """An engine that settles accounts; on the embedded backend unless given another."""
    engine = Engine(
        app="nightly",
        environment=environment,
        definitions=DEFINITIONS,
        backend=backend,
    )
    engine.task("settle", concurrency=20)(settle)
    engine.task("report")(report)
    return engine


async def run(engine: Engine, night: str) -> Report:
    """Settle all accounts, or go on with a night that was begun before."""
    workflow = await engine.start_workflow(
        "nightly", {"night": night, "accounts": list(ACCOUNTS)}, id_suffix=night
    )
    done = await engine.wait(workflow.id, timeout=300)
    if done.status != "succeeded":
        raise RuntimeError(f"the night {night} {done.status}: {done.error}, {done.cause}")
    return Report.model_validate(done.output)
