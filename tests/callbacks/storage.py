"""The storage of callbacks on each backend, by its ports only."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from aiowfm import LocalBackend, names
from aiowfm.ports import Backend, CallbackStorage, OpenBackend
from aiowfm.waits import Fence, Owner, TaskToken, Wait, WaitStatus, entered_text, token_hash
from tests.ministack import REGION, Emulator, session

NOW = 1_800_000_000.0

Send = Callable[[str], Awaitable[None]]
CALLBACK_BACKENDS = [
    pytest.param("memory"),
    pytest.param("file"),
    pytest.param("ministack", marks=pytest.mark.aws),
    pytest.param("moto", marks=pytest.mark.aws),
]


@pytest.fixture(params=CALLBACK_BACKENDS)
def callback_backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    if request.param == "memory":
        return LocalBackend()
    if request.param == "file":
        return LocalBackend(tmp_path / "workflows.db")
    emulator: Emulator = request.getfixturevalue(request.param)
    return emulator.backend()


@pytest.fixture
async def opened(callback_backend: Backend) -> AsyncIterator[OpenBackend]:
    async with callback_backend.open(max_polls=1) as backend:
        yield backend


@pytest.fixture
def storage_name(environment: str) -> str:
    return names.callbacks_name(environment, "shop")


@pytest.fixture
async def storage(opened: OpenBackend, storage_name: str) -> CallbackStorage:
    made = opened.callbacks(storage_name)
    await made.create({"application": "shop"})
    return made


@pytest.fixture
async def send(
    request: pytest.FixtureRequest, callback_backend: Backend, storage: CallbackStorage
) -> AsyncIterator[Send]:
    """Puts a message into the queue, as Step Functions does."""
    url = await storage.queue_url()
    if isinstance(callback_backend, LocalBackend):
        queues = callback_backend._service.queues

        async def send_here(body: str) -> None:
            queues.send(url, body)

        yield send_here
        return
    emulator: Emulator = request.getfixturevalue(request.node.callspec.params["callback_backend"])
    async with session().client("sqs", region_name=REGION, endpoint_url=emulator.url) as client:

        async def send_one(body: str) -> None:
            await client.send_message(QueueUrl=url, MessageBody=body)

        yield send_one


def waiting(key: str, entered_at: float = NOW, **changes: object) -> Wait:
    """A wait as the first message makes it."""
    token = TaskToken(f"token-of-{key[:40]}-{secrets.token_hex(4)}")
    wait = Wait(
        key=key,
        status=WaitStatus.WAITING,
        revision=secrets.token_hex(8),
        wait_id=secrets.token_hex(8),
        token=token,
        token_hash=token_hash(token),
        owner=Owner("arn:aws:states:eu-central-1:000000000000:execution:m:e", "approve", None),
        fence=Fence(entered_text(entered_at), 0, 0),
        message='{"order": "o-17"}',
        arrived_at=entered_at,
        expires_at=entered_at + 3_600,
    )
    return replace(wait, **changes)  # type: ignore[arg-type]  # of its own attributes


def later(wait: Wait, status: WaitStatus, **changes: object) -> Wait:
    """*wait* with another status, and a revision of its own."""
    revision = secrets.token_hex(8)
    return replace(wait, status=status, revision=revision, **changes)  # type: ignore[arg-type]  # as above
