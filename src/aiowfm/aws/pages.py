"""Listings that AWS gives in pages."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import islice
from typing import Any

import anyio

from aiowfm.aws.errors import translated
from aiowfm.aws.instants import delays
from aiowfm.errors import BackendUnavailableError

PATIENCE = 12  # tries of one page; the waits between them grow to ten seconds


async def pages(
    operation: str, call: Callable[..., Awaitable[Any]], **parameters: Any
) -> AsyncIterator[Any]:
    """The answers to *call*, each asked for when it is needed."""
    while True:
        with translated(operation):
            page = await call(**parameters)
        yield page
        if not page.get("nextToken"):
            return
        parameters["nextToken"] = page["nextToken"]


async def patient_pages(
    operation: str, call: Callable[..., Awaitable[Any]], **parameters: Any
) -> AsyncIterator[Any]:
    """As `pages`; a page that is not available now is asked for again, ever more slowly.

    Some quotas are refilled at 5 pages a second for the whole account: to have read half
    of a listing for nothing would make that worse.
    """

    async def patient_call(**request: Any) -> Any:
        for delay_seconds in islice(delays(random.random), PATIENCE - 1):
            try:
                with translated(operation):
                    return await call(**request)
            except BackendUnavailableError:
                await anyio.sleep(delay_seconds)
        return await call(**request)

    async for page in pages(operation, patient_call, **parameters):
        yield page
