"""The handlers of the trip: three that book, and two that take it back.

The idempotency key is what makes each safe to repeat: a booking is made under it once, and
cancelling what is not booked any more changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from aiowfm import Engine, TaskContext, TaskError
from aiowfm.ports import Backend

DEFINITIONS = Path(__file__).with_name("workflows.yml")


class Trip(BaseModel):
    id: str
    city: str
    cents: int


class BookedTrip(Trip):
    flight: str
    hotel: str | None = None  # none where the hotel is what failed


class Agency:
    """Books and cancels; `booked` is what it has to pay for."""

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        self.booked: dict[str, str] = {}  # what is booked, by its reference
        self._say = say

    async def book_flight(self, trip: Trip, ctx: TaskContext) -> str:
        if trip.city == "Atlantis":
            raise TaskError("NoSuchPlace", "nobody flies to Atlantis")
        return self._book(trip, ctx, "flight")

    async def book_hotel(self, trip: Trip, ctx: TaskContext) -> str:
        if trip.city == "Bethlehem":
            raise TaskError("NoRoom", "no room at the inn")
        return self._book(trip, ctx, "hotel")

    async def pay(self, trip: BookedTrip, ctx: TaskContext) -> str:
        if ctx.attempt == 0:
            self._say(f"{trip.id}: the bank does not answer")
            raise TaskError("BankUnavailable", "the bank does not answer")
        if trip.cents > 100_000:
            raise TaskError("CardDeclined", "not enough money")
        self._say(f"{trip.id}: paid")
        return f"payment-{trip.id}"

    async def cancel_hotel(self, trip: BookedTrip, ctx: TaskContext) -> None:
        if ctx.attempt == 0:
            self._say(f"{trip.id}: the hotel does not answer")
            raise ConnectionError("the hotel does not answer")
        self._cancel(trip, trip.hotel or "")

    async def cancel_flight(self, trip: BookedTrip) -> None:
        self._cancel(trip, trip.flight)

    def _book(self, trip: Trip, ctx: TaskContext, what: str) -> str:
        reference = f"{what}-{(ctx.idempotency_key or trip.id)[:8]}"
        self.booked[reference] = trip.id
        self._say(f"{trip.id}: {what} to {trip.city} booked")
        return reference

    def _cancel(self, trip: Trip, reference: str) -> None:
        if self.booked.pop(reference, None):
            self._say(f"{trip.id}: {reference.partition('-')[0]} cancelled")


def make_engine(agency: Agency, backend: Backend | None = None, environment: str = "dev") -> Engine:
    """An engine that books trips; on the embedded backend unless given another."""
    engine = Engine(
        app="saga",
        environment=environment,
        definitions=DEFINITIONS,
        backend=backend,
        concurrency=5,
    )
    engine.task("book-flight")(agency.book_flight)
    engine.task("book-hotel")(agency.book_hotel)
    engine.task("pay")(agency.pay)
    engine.task("cancel-hotel")(agency.cancel_hotel)
    engine.task("cancel-flight")(agency.cancel_flight)
    return engine
