"""Joins the order workflow and its handlers into an engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter

from aiowfm import Engine, Workflow
from aiowfm.ports import Backend
from examples.orders.handlers import Shop, Step
from examples.orders.models import Order

HERE = Path(__file__).parent
DEFINITIONS = HERE / "workflows.yml"
ORDERS = HERE / "orders.json"


def make_engine(
    backend: Backend | None = None,
    environment: str = "dev",
    on_step: Callable[[Step], None] = lambda step: None,
) -> Engine:
    """An engine that handles orders; on the embedded backend unless given another."""
    engine = Engine(
        app="orders",
        environment=environment,
        definitions=DEFINITIONS,
        backend=backend,
        concurrency=5,  # of each task
    )
    shop = Shop(on_step)
    engine.task("price")(shop.price)
    engine.task("review", concurrency=1)(shop.review)  # the one person who may
    engine.task("reserve", concurrency=10)(shop.reserve)
    engine.task("charge")(shop.charge)
    engine.task("pack")(shop.pack)
    engine.task("ship")(shop.ship)
    engine.task("bill")(shop.bill)
    engine.task("close")(shop.close)
    engine.task("back-order")(shop.back_order)
    engine.task("cancel")(shop.cancel)
    return engine


def load_orders() -> list[Order]:
    return TypeAdapter(list[Order]).validate_json(ORDERS.read_bytes())


async def run_order(engine: Engine, order: Order, *, timeout: float = 60) -> Workflow:
    """Take *order* through the workflow; its id is the workflow's, so it is done once only."""
    workflow = await engine.start_workflow("order", order.model_dump(), id_suffix=order.id)
    return await engine.wait(workflow.id, timeout=timeout)
