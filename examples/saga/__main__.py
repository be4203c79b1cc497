"""Books four trips, one of which comes about."""

from __future__ import annotations

import asyncio
import logging

from examples.saga.app import Agency, Trip, make_engine

TRIPS = [
    Trip(id="t-1", city="Lisbon", cents=62_000),
    Trip(id="t-2", city="Bethlehem", cents=54_000),
    Trip(id="t-3", city="Tokyo", cents=240_000),
    Trip(id="t-4", city="Atlantis", cents=99_000),
]


async def main() -> None:
    agency = Agency(say=print)
    async with make_engine(agency) as engine:
        started = [await engine.start_workflow("trip", trip, id_suffix=trip.id) for trip in TRIPS]
        ended = [await engine.wait(workflow.id, timeout=60) for workflow in started]
    print()
    for trip, workflow in zip(TRIPS, ended, strict=True):
        why = f": {workflow.error}, {workflow.cause}" if workflow.error else ""
        print(f"{trip.id} to {trip.city} {workflow.status}{why}")
    print(f"booked: {len(agency.booked)}, all for {', '.join(sorted(set(agency.booked.values())))}")


logging.basicConfig(level="ERROR")  # failures are part of the show
asyncio.run(main())
