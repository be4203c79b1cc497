"""A server of the embedded engine as a backend: Step Functions without SQS and DynamoDB."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import anyio

from aiowfm.aws.backend import AwsBackend
from aiowfm.errors import BackendUnavailableError, UsageError
from aiowfm.ports import OpenBackend, QueueMessage
from aiowfm.waits import Wait

REGION = "us-east-1"
ACCOUNT_ID = "000000000000"
_LONG_POLL_SECONDS = 20.0


class ServerBackend:
    """What `aiowfm serve` listens with, where its region and account are the default ones.

    Callbacks are kept by the engine whose backend the server offers, and by nobody here:
    workflows with callback states can be started and watched, and their results not given.
    """

    def __init__(self, url: str) -> None:
        """Make it; nothing is opened yet.

        Raises:
            ConfigError: *url* is not one.
        """
        self.url = url
        self._backend = AwsBackend(
            region=REGION,
            account_id=ACCOUNT_ID,
            role_arn=f"arn:aws:iam::{ACCOUNT_ID}:role/any",
            session=_AnyKeys(),
            endpoint_url={"stepfunctions": url},
        )

    @asynccontextmanager
    async def open(self, *, max_polls: int) -> AsyncIterator[OpenBackend]:
        """Open it on the running loop, ready for *max_polls* polls at once.

        Raises:
            BackendUnavailableError: nothing listens there; clients of AWS would try for seconds.
        """
        await self._reach()
        async with self._backend.open(max_polls=max_polls) as opened:
            yield _OpenServerBackend(opened)

    async def _reach(self) -> None:
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with await anyio.connect_tcp(parts.hostname or "", port):
                return
        except OSError as exc:
            raise BackendUnavailableError(
                "Connect",
                type(exc).__name__,
                f"nothing listens at {self.url}; start `aiowfm serve` or `aiowfm dev` there",
            ) from exc


class _AnyKeys:
    """A session with credentials that nobody checks: those of the environment stay there."""

    @cached_property
    def _session(self) -> Any:
        import aioboto3  # takes 0.4 s, only when needed

        return aioboto3.Session(aws_access_key_id="any", aws_secret_access_key="any")

    def client(self, service_name: str, **options: Any) -> AbstractAsyncContextManager[Any]:
        client: AbstractAsyncContextManager[Any] = self._session.client(service_name, **options)
        return client


class _OpenServerBackend:
    def __init__(self, opened: OpenBackend) -> None:
        self.tasks = opened.tasks
        self.reporter = opened.reporter
        self.activities = opened.activities
        self.state_machines = opened.state_machines
        self.executions = opened.executions
        self.machine_versions = opened.machine_versions
        self.diagnostics = opened.diagnostics
        self.search = opened.search
        self.recalls = opened.recalls
        self.now = opened.now

    def callbacks(self, name: str) -> _NoCallbacks:
        return _NoCallbacks(name)


class _NoCallbacks:
    """Queue and store of an application, of which nothing but the name is known here."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.queue = _NoQueue()
        self.tokens = _NoStore()

    async def queue_url(self) -> str:
        """The one that the embedded engine sends to."""
        return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT_ID}/{self._name}"

    async def create(self, tags: Mapping[str, str]) -> None:
        """Do nothing: the embedded engine has them."""

    async def missing(self) -> Sequence[str]:
        return []


class _NoQueue:
    """Brings nothing: whoever embeds the engine reads the queue."""

    def __init__(self) -> None:
        self._interrupted = anyio.Event()

    async def receive(self) -> Sequence[QueueMessage]:
        with anyio.move_on_after(_LONG_POLL_SECONDS):
            await self._interrupted.wait()
        return []

    def interrupt(self) -> None:
        self._interrupted.set()

    async def delete(self, messages: Sequence[QueueMessage]) -> None:
        """Never called: nothing was received."""

    async def hide(self, messages: Sequence[QueueMessage], seconds: float) -> None:
        """Never called: nothing was received."""


class _NoStore:
    async def find(self, key: str) -> Wait | None:
        raise _unknown()

    async def result(self, key: str) -> str | None:
        raise _unknown()

    async def replace(self, old: Wait | None, new: Wait, result: str | None = None) -> bool:
        raise _unknown()

    async def pending(self) -> AsyncGenerator[Wait, None]:
        raise _unknown()
        yield  # makes this a generator

    async def due(self, now: float) -> Sequence[str]:
        return []


def _unknown() -> UsageError:
    return UsageError(
        "a server of the embedded engine knows no callbacks: they are kept by the program that"
        " embeds it, so finish them there"
    )
