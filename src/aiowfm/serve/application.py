"""The HTTP application: each request is one call of the service."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import anyio.to_thread
from aiohttp import web

from aiowfm.local.errors import ServiceError
from aiowfm.local.service import Service
from aiowfm.ports import ActivityTask
from aiowfm.serve import protocol
from aiowfm.serve.parameters import ServiceModel

log = logging.getLogger("aiowfm.serve")

# Twice what the largest definition takes with each of its characters escaped.
MAX_BODY_BYTES = 4 * 1024 * 1024
# Reading and checking this much takes some milliseconds: larger ones go to a thread.
_LARGE_BODY_BYTES = 100_000


def application(service: Service, *routes: web.AbstractRouteDef) -> web.Application:
    """An application that offers *service* to AWS clients, and has *routes* to something else.

    Its runner must cancel the handlers of clients that are gone.
    """
    made = web.Application(client_max_size=MAX_BODY_BYTES)
    made.router.add_routes(routes)
    made.router.add_route("*", "/{path:.*}", _Endpoint(service).handle)
    return made


class _Endpoint:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._model = ServiceModel()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, whatever it is."""
        try:
            return await self._answered(request)
        except ServiceError as error:
            return _response(protocol.error_body(error), protocol.status_of(error))
        except web.RequestPayloadError:
            return _failed("SerializationException", "the body of the request cannot be read")
        except web.HTTPRequestEntityTooLarge:
            return _failed(protocol.TOO_LARGE, f"more than {MAX_BODY_BYTES} bytes")
        except Exception:
            # A defect of ours: the client hears of it, and the next request is served.
            log.exception("a request failed")
            return _failed(protocol.INTERNAL, "The embedded service failed; its log says why.")

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        target = request.headers.get("X-Amz-Target") if request.method == "POST" else None
        operation = protocol.operation_of(target, self._model.target_prefix, self._model.operations)
        body = await request.read()
        if len(body) < _LARGE_BODY_BYTES:
            parameters = self._parameters(operation, body)
        else:
            parameters = await anyio.to_thread.run_sync(self._parameters, operation, body)
        answer = await self._service.call(operation, parameters)
        if operation == "GetActivityTask" and answer.get("taskToken") is not None:
            return await self._handed_out(request, parameters["activityArn"], answer)
        return _response(protocol.answer_body(answer))

    def _parameters(self, operation: str, body: bytes) -> dict[str, Any]:
        return self._model.checked(operation, protocol.parameters_of(body))

    async def _handed_out(
        self, request: web.Request, arn: str, answer: dict[str, object]
    ) -> web.StreamResponse:
        """Write a task to its worker; a worker that is gone does not get it."""
        response = _response(protocol.answer_body(answer))
        try:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError("the worker is gone")
            await response.prepare(request)
            await response.write_eof()
        except BaseException as exc:
            task = ActivityTask(token=answer["taskToken"], input=answer["input"])  # type: ignore[arg-type]  # strings in this answer
            self._service.take_back(arn, task)
            if not isinstance(exc, ConnectionError):
                raise
        return response


def _failed(code: str, message: str) -> web.Response:
    error = ServiceError(code, message)
    return _response(protocol.error_body(error), protocol.status_of(error))


def _response(body: bytes, status: int = 200) -> web.Response:
    return web.Response(
        body=body,
        status=status,
        headers={
            "Content-Type": protocol.CONTENT_TYPE,
            "x-amzn-RequestId": str(uuid.uuid4()),
        },
    )
