"""The handlers of the order workflow, and what they report of their progress.

The shop is made up: work is sleep, and the same orders always meet the same fate. Nothing
here knows which backend the workflow runs on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import anyio

from aiowfm import TaskContext, TaskError
from examples.orders.models import (
    DispatchedOrder,
    FailedOrder,
    Invoice,
    LineOfOrder,
    Order,
    OrderResult,
    Parcel,
    Payment,
    PricedOrder,
    Reservation,
    Review,
)

PRICES_CENTS = {
    "cup": 1_200,
    "samovar": 21_500,
    "sugar": 240,
    "table": 64_900,
    "tea": 850,
    "teapot": 4_900,
}
STOCK = {"cup": 200, "samovar": 0, "sugar": 300, "table": 10, "tea": 500, "teapot": 40}
CREDIT_LIMIT_CENTS = 300_000
OUTAGES = {"northern": 1, "coastal": 2}  # the gateway of this bank misses the first attempts
BANKS_THAT_DECLINE = {"empty"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A task that began or ended, as its handler saw it."""

    workflow_id: str
    state: str
    attempt: int
    phase: Literal["began", "done", "failed"]
    error: str = ""


def total_cents(order: Order) -> int:
    return sum(PRICES_CENTS[line.sku] * line.quantity for line in order.lines)


class Shop:
    """The handlers; methods make good ones, since they share what the program has."""

    def __init__(self, on_step: Callable[[Step], None]) -> None:
        self._on_step = on_step  # also called from threads, by plain functions
        self._payments: dict[str, Payment] = {}

    def price(self, order: Order, ctx: TaskContext) -> PricedOrder:
        """A plain function: it runs in a worker thread and may block."""
        with self._working(ctx):
            time.sleep(0.2)
            return PricedOrder(**order.model_dump(), total_cents=total_cents(order))

    async def review(self, order: PricedOrder, ctx: TaskContext) -> Review:
        with self._working(ctx):
            await anyio.sleep(0.6)
            if order.total_cents > CREDIT_LIMIT_CENTS:
                return Review(approved=False, reason="above the credit limit")
            return Review(approved=True, reason="known customer")

    async def reserve(self, item: LineOfOrder, ctx: TaskContext) -> Reservation:
        with self._working(ctx):
            await anyio.sleep(0.3)
            line = item.line
            if line.quantity > STOCK[line.sku]:
                raise TaskError("OutOfStock", f"{line.quantity} x {line.sku}")
            return Reservation(sku=line.sku, shelf=f"{line.sku[0].upper()}-{len(line.sku)}")

    async def charge(self, order: PricedOrder, ctx: TaskContext) -> Payment:
        """The idempotency key outlives retries: the card is charged once at most."""
        with self._working(ctx):
            await anyio.sleep(0.4)
            if (ctx.attempt or 0) < OUTAGES.get(order.bank, 0):
                raise TaskError("GatewayUnavailable", f"the {order.bank} bank does not answer")
            if order.bank in BANKS_THAT_DECLINE:
                raise TaskError("CardDeclined", "not enough money")
            key = ctx.idempotency_key or order.id
            payment = Payment(reference=f"pay-{key[:8]}", amount_cents=order.total_cents)
            return self._payments.setdefault(key, payment)

    async def pack(self, order: PricedOrder, ctx: TaskContext) -> int:
        """How many boxes it takes; any JSON value can be a result."""
        with self._working(ctx):
            await anyio.sleep(0.4)
            return 1 + sum(line.quantity for line in order.lines) // 20

    async def ship(self, order: PricedOrder, ctx: TaskContext) -> Parcel:
        with self._working(ctx):
            await anyio.sleep(0.2 if order.express else 0.5)
            carrier = "courier" if order.express else "post"
            return Parcel(carrier=carrier, tracking=f"{carrier}-{order.id}")

    async def bill(self, order: PricedOrder, ctx: TaskContext) -> Invoice:
        with self._working(ctx):
            await anyio.sleep(0.3)
            return Invoice(number=f"invoice-{order.id}")

    async def close(self, order: DispatchedOrder, ctx: TaskContext) -> OrderResult:
        parcel = order.dispatch.parcel
        return await self._ended(order, ctx, "shipped", f"by {parcel.carrier}, {parcel.tracking}")

    async def back_order(self, order: FailedOrder, ctx: TaskContext) -> OrderResult:
        return await self._ended(order, ctx, "back-ordered", f"waits for {order.problem.cause}")

    async def cancel(self, order: FailedOrder, ctx: TaskContext) -> OrderResult:
        return await self._ended(order, ctx, "cancelled", order.problem.cause)

    async def _ended(
        self,
        order: PricedOrder,
        ctx: TaskContext,
        outcome: Literal["shipped", "back-ordered", "cancelled"],
        note: str,
    ) -> OrderResult:
        with self._working(ctx):
            await anyio.sleep(0.2)  # a mail to the customer
            ctx.logger.info("order %s is %s", order.id, outcome)
            return OrderResult(
                order_id=order.id, outcome=outcome, total_cents=order.total_cents, note=note
            )

    @contextmanager
    def _working(self, ctx: TaskContext) -> Iterator[None]:
        """Tell whoever watches that the task began and how it ended."""

        def tell(phase: Literal["began", "done", "failed"], error: str = "") -> None:
            self._on_step(
                Step(
                    workflow_id=ctx.workflow_id or "",
                    state=ctx.state_name or ctx.task_name,
                    attempt=ctx.attempt or 0,
                    phase=phase,
                    error=error,
                )
            )

        tell("began")
        try:
            yield
        except TaskError as exc:
            tell("failed", exc.error)
            raise
        except Exception as exc:
            tell("failed", type(exc).__name__)
            raise
        tell("done")
