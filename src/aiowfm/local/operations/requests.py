"""What the operations have in common: the types of requests, and answers without gaps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from aiowfm.local.service import Service

Request: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = dict[str, object]
Operation: TypeAlias = "Callable[[Service, Request], Awaitable[Answer]]"


def present(answer: Mapping[str, object]) -> Answer:
    """*answer* without the members that are None, which AWS leaves out."""
    return {name: value for name, value in answer.items() if value is not None}


def paging(request: Request) -> dict[str, Any]:
    """The members of *request* that ask for a page, as `Pages.page` takes them."""
    return {"token": request.get("nextToken"), "limit": request.get("maxResults")}
