"""The histories of executions as they cross the port: read page by page, and followed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from aiowfm.asl.history import HistoryEvent
from aiowfm.asl.payload import Payload
from aiowfm.executions import ENDINGS, ExecutionEvent
from aiowfm.local.errors import translated
from aiowfm.local.runs import Run
from aiowfm.local.service import Service

PAGE_SIZE = 1_000  # events; GetExecutionHistory, member `maxResults`
PAGE_CHARACTERS = 1_000_000  # of payloads, after which a page ends early


async def events(service: Service, arn: str) -> AsyncIterator[ExecutionEvent]:
    """The events there are, the oldest first."""
    async for event in _after(service, await _run(service, arn), 0):
        yield event


async def followed(service: Service, arn: str) -> AsyncIterator[ExecutionEvent]:
    """The events there are and those that come, until the execution has ended."""
    last: ExecutionEvent | None = None
    while True:
        run = await _run(service, arn)
        news = run.news()  # before reading: what happens meanwhile is not missed
        async for event in _after(service, run, 0 if last is None else last.id):
            last = event
            yield event
        if last is not None and last.type in ENDINGS:
            return
        await news.wait()


async def _run(service: Service, arn: str) -> Run:
    with translated("GetExecutionHistory"):
        return await service.executions.get(arn)


async def _after(service: Service, run: Run, last_id: int) -> AsyncIterator[ExecutionEvent]:
    while True:
        with translated("GetExecutionHistory"):
            page = await service.store.history(
                run.number, after=last_id, limit=PAGE_SIZE, most_characters=PAGE_CHARACTERS
            )
        for event in page:
            yield _shown(event)
        if not page:
            return
        last_id = page[-1].id


def _shown(event: HistoryEvent) -> ExecutionEvent:
    return ExecutionEvent(
        id=event.id,
        previous_id=event.previous_event_id,
        type=event.type,
        occurred_at=datetime.fromtimestamp(event.timestamp, UTC),
        details={
            name: value.text if isinstance(value, Payload) else value
            for name, value in event.details.items()
        },
    )
