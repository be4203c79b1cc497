"""The application with FastAPI: the engine lives in the lifespan, beside what was there before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.types import Lifespan

from aiowfm import AiowfmError, Engine, Finalization
from examples.approval.audit import Audit
from examples.approval.decisions import Decision, Desk, status_of
from examples.approval.pages import HEADERS, Page
from examples.approval.shop import Order


def with_engine(engine: Engine, lifespan: Lifespan[FastAPI]) -> Lifespan[FastAPI]:
    """*lifespan*, and inside it the engine's: what it opens outlives the last handler.

    For an application that was made elsewhere:
    `app.router.lifespan_context = with_engine(engine, app.router.lifespan_context)`.
    """

    @asynccontextmanager
    async def both(app: FastAPI) -> AsyncIterator[Any]:
        async with lifespan(app) as state, engine:
            yield state

    return both


@asynccontextmanager
async def own_lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
    """The application's own, which knows nothing of workflows."""
    with Audit().opened() as audit:
        yield {"audit": audit}


def make_app(engine: Engine, public_url: str) -> FastAPI:
    """The application; *public_url* is where browsers find it."""
    app = FastAPI(title="Orders", lifespan=with_engine(engine, own_lifespan))
    desk = Desk(engine, f"{public_url}/decide")

    @app.post("/orders", status_code=201)
    async def place(order: Order) -> dict[str, Any]:
        return await desk.place(order)

    @app.get("/orders/{id}")
    async def show(id: str) -> dict[str, Any]:
        return await desk.order(id)

    @app.get("/approvals")
    async def pending() -> list[dict[str, Any]]:
        return [each async for each in desk.pending()]

    @app.post("/approvals/{key}")
    async def decide(key: str, decision: Decision, request: Request) -> dict[str, Finalization]:
        finalization = await desk.decide(key, decision)
        request.state.audit.note(key, decision.decision, decision.by)
        return {"finalization": finalization}

    @app.api_route("/decide", methods=["GET", "HEAD"], include_in_schema=False)
    async def show_link(request: Request) -> HTMLResponse:
        return _html(await desk.show_link(str(request.url)))

    @app.post("/decide", include_in_schema=False)
    async def follow_link(request: Request) -> HTMLResponse:
        return _html(await desk.follow_link(str(request.url)))

    @app.exception_handler(AiowfmError)
    async def refuse(request: Request, error: AiowfmError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_of(error))

    return app


def _html(page: Page) -> HTMLResponse:
    return HTMLResponse(page.html, page.status, HEADERS)
