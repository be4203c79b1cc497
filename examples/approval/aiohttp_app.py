"""The same application with aiohttp: the engine lives in a cleanup context."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import ValidationError

from aiowfm import AiowfmError, Engine
from examples.approval.audit import Audit
from examples.approval.decisions import Decision, Desk, status_of
from examples.approval.pages import HEADERS, Page
from examples.approval.shop import Order

AUDIT = web.AppKey("audit", Audit)
DESK = web.AppKey("desk", Desk)

routes = web.RouteTableDef()


@routes.post("/orders")
async def place(request: web.Request) -> web.Response:
    order = Order.model_validate_json(await request.read())
    return web.json_response(await request.app[DESK].place(order), status=201)


@routes.get("/orders/{id}")
async def show(request: web.Request) -> web.Response:
    return web.json_response(await request.app[DESK].order(request.match_info["id"]))


@routes.get("/approvals")
async def pending(request: web.Request) -> web.Response:
    return web.json_response([each async for each in request.app[DESK].pending()])


@routes.post("/approvals/{key}")
async def decide(request: web.Request) -> web.Response:
    key = request.match_info["key"]
    decision = Decision.model_validate_json(await request.read())
    finalization = await request.app[DESK].decide(key, decision)
    request.app[AUDIT].note(key, decision.decision, decision.by)
    return web.json_response({"finalization": finalization})


@routes.get("/decide")  # and HEAD
async def show_link(request: web.Request) -> web.Response:
    return _html(await request.app[DESK].show_link(request.path_qs))


@routes.post("/decide")
async def follow_link(request: web.Request) -> web.Response:
    return _html(await request.app[DESK].follow_link(request.path_qs))


@web.middleware
async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ValidationError as exc:
        return web.json_response({"error": str(exc)}, status=422)
    except AiowfmError as exc:
        return web.json_response({"error": str(exc)}, status=status_of(exc))


async def audit(app: web.Application) -> AsyncIterator[None]:
    """The application's own context, which knows nothing of workflows."""
    with Audit().opened() as app[AUDIT]:
        yield


def make_app(engine: Engine, public_url: str) -> web.Application:
    """The application; *public_url* is where browsers find it."""

    async def workflows(app: web.Application) -> AsyncIterator[None]:
        async with engine:
            yield

    app = web.Application(middlewares=[refuse])
    app[DESK] = Desk(engine, f"{public_url}/decide")
    # Left in reverse: the engine stops before what its handlers may use is closed.
    app.cleanup_ctx.extend([audit, workflows])
    app.add_routes(routes)
    return app


def _html(page: Page) -> web.Response:
    return web.Response(
        text=page.html,
        content_type="text/html",
        charset="utf-8",
        status=page.status,
        headers=HEADERS,
    )
