"""The histories of executions: read page by page, and followed."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio

from aiowfm.aws.errors import translated
from aiowfm.aws.instants import delays, instant
from aiowfm.aws.pages import patient_pages
from aiowfm.errors import BackendUnavailableError
from aiowfm.executions import ENDINGS, ExecutionEvent
from aiowfm.names import ExecutionArn

log = logging.getLogger("aiowfm.aws")

PAGE_SIZE = 1_000  # events; GetExecutionHistory, member `maxResults`
NEWS_PAGE_SIZE = 100  # events; mostly there are few


async def events(client: Any, arn: ExecutionArn) -> AsyncIterator[ExecutionEvent]:
    """The events there are, the oldest first."""
    listing = patient_pages(
        "GetExecutionHistory",
        client.get_execution_history,
        executionArn=arn,
        maxResults=PAGE_SIZE,
    )
    async for page in listing:
        with translated("GetExecutionHistory"):
            found = [_event(item) for item in page["events"]]
        for event in found:
            yield event


async def followed(client: Any, arn: ExecutionArn) -> AsyncIterator[ExecutionEvent]:
    """The events there are and those that come, until the execution has ended.

    New ones are looked for ever more slowly while there are none; see `finished` of
    `aiowfm.aws.executions` for why being throttled ends nothing.
    """
    last: ExecutionEvent | None = None
    async for event in events(client, arn):
        last = event
        yield event
    waits = delays(random.random)
    while last is None or last.type not in ENDINGS:
        await anyio.sleep(next(waits))
        try:
            news = await _newer(client, arn, 0 if last is None else last.id)
        except BackendUnavailableError as exc:
            log.warning("still following %s: %s", arn, exc, extra={"execution": arn})
            continue
        if news:
            waits = delays(random.random)
        for event in news:
            last = event
            yield event


async def _newer(client: Any, arn: ExecutionArn, last_id: int) -> list[ExecutionEvent]:
    """Those after *last_id*: the API gives no more than them from the end backwards."""
    news: list[ExecutionEvent] = []
    parameters: dict[str, Any] = {}
    while True:
        with translated("GetExecutionHistory"):
            page = await client.get_execution_history(
                executionArn=arn, maxResults=NEWS_PAGE_SIZE, reverseOrder=True, **parameters
            )
            found = [_event(item) for item in page["events"]]
        news += [event for event in found if event.id > last_id]
        token = page.get("nextToken")
        if not found or found[-1].id <= last_id + 1 or not token:
            return news[::-1]
        parameters = {"nextToken": token}


def _event(item: Mapping[str, Any]) -> ExecutionEvent:
    details: Mapping[str, Any] = {}
    for name, value in item.items():
        if name.endswith("EventDetails"):
            details = value
    return ExecutionEvent(
        id=item["id"],
        previous_id=item.get("previousEventId", 0),
        type=item["type"],
        occurred_at=instant(item["timestamp"]),
        details=details,
    )
