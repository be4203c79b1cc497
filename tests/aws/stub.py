"""A server that answers Step Functions requests by a script, faults included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import Enum
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import aioboto3

from aiowfm.aws import AwsBackend


class Fault(Enum):
    RESET = "the connection is cut"
    HANG = "no answer comes"


@dataclass(frozen=True, slots=True)
class Answer:
    body: Mapping[str, Any] | str
    status: int = 200


def refusal(code: str, message: str = "no", status: int = 400) -> Answer:
    return Answer({"__type": code, "message": message}, status)


OK = Answer({})
FAILURE = Answer("<html>upstream failed</html>", 500)


@dataclass(slots=True)
class Stub:
    """Answers by operation; the last answer of a list is given again and again."""

    url: str
    answers: dict[str, list[Answer | Fault]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    signed_with: list[str] = field(default_factory=list)  # access keys
    user_agents: list[str] = field(default_factory=list)
    date: float | None = None  # what answers are dated; None: they are not
    hanging: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.requests]

    def backend(self, **options: Any) -> AwsBackend:
        defaults: dict[str, Any] = {
            "region": "eu-central-1",
            "role_arn": "arn:aws:iam::123456789012:role/workflows",
            "account_id": "123456789012",
            "endpoint_url": self.url,
        }
        if "session" not in options:
            defaults["session"] = session()
        return AwsBackend(**(defaults | options))

    def answer_to(self, operation: str) -> Answer | Fault:
        script = self.answers[operation]
        return script.pop(0) if len(script) > 1 else script[0]

    async def hang(self) -> None:
        async with self._changed:
            self.hanging += 1
            self._changed.notify_all()

    async def until_hanging(self, count: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.hanging >= count)


@cache
def session() -> Any:
    """One for all tests: loading the service's model takes longer than most of them."""
    return aioboto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")


class ImpatientSession:
    """Makes clients that wait only a moment for an answer."""

    def client(self, service_name: str, **options: Any) -> Any:
        options["config"].read_timeout = 0.2
        return session().client(service_name, **options)


@asynccontextmanager
async def stub() -> AsyncIterator[Stub]:
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while await _answer_one(state, reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()
            writers.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    state = Stub(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield state
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


async def _answer_one(
    state: Stub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Answer one request; False when the connection is over."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if "x-amz-target" in headers:
        operation, members = headers["x-amz-target"].rpartition(".")[2], json.loads(body)
    else:  # as STS is asked
        members = dict(parse_qsl(body.decode()))
        operation = members["Action"]
    state.requests.append((operation, members))
    state.signed_with.append(headers["authorization"].partition("Credential=")[2].split("/")[0])
    state.user_agents.append(headers["user-agent"])
    answer = state.answer_to(operation)
    if answer is Fault.RESET:
        return False
    if answer is Fault.HANG:
        await state.hang()
        await reader.read()
        return False
    assert isinstance(answer, Answer)
    content = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
    date = "" if state.date is None else f"date: {formatdate(state.date, usegmt=True)}\r\n"
    writer.write(
        f"HTTP/1.1 {answer.status} X\r\ncontent-type: application/x-amz-json-1.0\r\n{date}"
        f"content-length: {len(content)}\r\n\r\n{content}".encode()
    )
    await writer.drain()
    return True
