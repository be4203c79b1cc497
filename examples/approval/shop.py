"""The shop: what an order is, the handlers of its workflow, and the engine that runs it.

Nothing here knows of HTTP.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from aiowfm import Engine, TaskError
from aiowfm.ports import Backend

DEFINITIONS = Path(__file__).with_name("workflows.yml")
PRICES_CENTS = {"samovar": 21_500, "tea": 850, "teapot": 4_900}


class Order(BaseModel):
    item: str
    quantity: int = Field(gt=0)


class CheckedOrder(Order):
    total_cents: int


class Approval(BaseModel):
    """What `approve` comes to when somebody approves."""

    by: str


class ApprovedOrder(CheckedOrder):
    approval: Approval


class Refusal(BaseModel):
    """What a Catch makes of a failure."""

    model_config = ConfigDict(extra="ignore")

    Error: str
    Cause: str = ""


class RefusedOrder(CheckedOrder):
    refusal: Refusal


class OrderResult(BaseModel):
    outcome: str
    note: str


async def check(order: Order) -> CheckedOrder:
    price_cents = PRICES_CENTS.get(order.item)
    if price_cents is None:
        raise TaskError("UnknownItem", f"there is no {order.item} in this shop")
    return CheckedOrder(**order.model_dump(), total_cents=price_cents * order.quantity)


async def ship(order: ApprovedOrder) -> OrderResult:
    return OrderResult(outcome="shipped", note=f"approved by {order.approval.by}")


async def cancel(order: RefusedOrder) -> OrderResult:
    is_late = order.refusal.Error == "States.Timeout"
    note = "nobody decided in time" if is_late else order.refusal.Cause
    return OrderResult(outcome="cancelled", note=note)


def make_engine(backend: Backend | None = None, **options: Any) -> Engine:
    """The engine, on the embedded backend unless given another; *options* are those of `Engine`."""
    engine = Engine(
        app="approval",
        environment="dev",
        definitions=DEFINITIONS,
        backend=backend,
        concurrency=10,
        **options,
    )
    engine.task("check")(check)
    engine.task("ship")(ship)
    engine.task("cancel")(cancel)
    return engine
