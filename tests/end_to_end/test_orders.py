"""The orders example, on both backends."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from examples.orders.app import load_orders, make_engine, run_order

pytestmark = pytest.mark.anyio

OUTCOMES = {
    "o-01": "shipped",
    "o-02": "shipped",
    "o-03": "shipped",
    "o-04": "back-ordered",
    "o-05": "cancelled",
    "o-06": "shipped",
    "o-07": "shipped",
    "o-08": "OrderRefused",
    "o-09": "back-ordered",
    "o-10": "shipped",
}


@pytest.mark.timeout(60)  # the emulator answers polls half a second late
async def test_ten_orders_go_every_way_there_is(backend: Any, environment: str) -> None:
    steps: list[Any] = []
    engine = make_engine(backend, environment, steps.append)
    outcomes: dict[str, object] = {}

    async def run(order: Any) -> None:
        done = await run_order(engine, order, timeout=55)
        output = done.output
        outcomes[order.id] = output["outcome"] if isinstance(output, dict) else done.error

    await engine.start()
    async with anyio.create_task_group() as group:
        for order in load_orders():
            group.start_soon(run, order)
    await engine.stop(grace=0)
    assert outcomes == OUTCOMES
    assert steps
