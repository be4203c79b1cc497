"""Listings that AWS gives in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiowfm.aws.errors import translated


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
