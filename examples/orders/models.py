"""What travels through the workflow.

A handler names the part it needs: pydantic ignores the members of a state's data that a
model does not have.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class OrderLine(BaseModel):
    sku: str
    quantity: Annotated[int, Field(gt=0)]


class Order(BaseModel):
    id: str
    customer: str
    bank: str
    express: bool = False
    lines: Annotated[list[OrderLine], Field(min_length=1)]


class PricedOrder(Order):
    total_cents: int


class Review(BaseModel):
    approved: bool
    reason: str


class LineOfOrder(BaseModel):
    """What the Map's ItemSelector makes for each line."""

    order_id: str
    line: OrderLine


class Reservation(BaseModel):
    sku: str
    shelf: str


class Payment(BaseModel):
    reference: str
    amount_cents: int


class Parcel(BaseModel):
    carrier: str
    tracking: str


class Invoice(BaseModel):
    number: str


class Dispatch(BaseModel):
    parcel: Parcel
    invoice: Invoice


class DispatchedOrder(PricedOrder):
    payment: Payment
    dispatch: Dispatch


class Problem(BaseModel):
    """What a Catch puts at its ResultPath."""

    error: Annotated[str, Field(alias="Error")]
    cause: Annotated[str, Field(alias="Cause")]


class FailedOrder(PricedOrder):
    problem: Problem


class OrderResult(BaseModel):
    """The output of the workflow."""

    order_id: str
    outcome: Literal["shipped", "back-ordered", "cancelled"]
    total_cents: int
    note: str
