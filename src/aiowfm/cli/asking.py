"""Callback tasks over HTTP: what `aiowfm dev` answers, and how it is asked.

The embedded engine keeps callbacks where it keeps workflows, and Step Functions' own API does
not know their keys. So a server with an engine takes what is asked as JSON, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import web

from aiowfm.cli.answers import answer
from aiowfm.engine import Engine
from aiowfm.errors import AiowfmError, BackendUnavailableError, ConfigError

PATH = "/aiowfm/callbacks"
_TIMEOUT_SECONDS = 30.0


def route(engine: Engine) -> web.RouteDef:
    """Where a server answers for *engine*."""

    async def handle(request: web.Request) -> web.Response:
        if request.content_type != "application/json":  # so that no page of a browser can ask
            raise web.HTTPUnsupportedMediaType
        try:
            result = await answer(engine, await request.json())
        except AiowfmError as exc:
            return web.json_response({"error": str(exc)}, status=409)
        except (KeyError, TypeError, ValueError) as exc:
            return web.json_response({"error": f"not a question: {exc}"}, status=400)
        return web.json_response({"result": result})

    return web.post(PATH, handle)


async def asked(server: str, question: Mapping[str, Any]) -> object:
    """What the engine of the *server* says.

    Raises:
        ConfigError: there is none, or it refuses.
        BackendUnavailableError: the server cannot be reached.
    """
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(server.rstrip("/") + PATH, json=question) as response,
        ):
            body = await response.read()
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise BackendUnavailableError(
            "Callbacks", type(exc).__name__, f"{server} cannot be reached: {exc}"
        ) from exc
    try:
        said: dict[str, Any] = json.loads(body)
    except ValueError:
        said = {}
    if "result" in said:
        return said["result"]
    if isinstance(said.get("error"), str):
        raise ConfigError(f"{server}: {said['error']}")
    raise ConfigError(
        f"{server} knows no callbacks: `aiowfm serve` has no engine, which keeps them; leave"
        " --server out, or ask an `aiowfm dev`"
    )
