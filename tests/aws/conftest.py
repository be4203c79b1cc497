from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aiowfm.ports import OpenBackend
from tests.aws.stub import Stub, stub
from tests.ministack import MiniStack


@pytest.fixture
async def aws(ministack: MiniStack) -> AsyncIterator[OpenBackend]:
    async with ministack.backend().open(max_polls=2) as backend:
        yield backend


@pytest.fixture
async def server() -> AsyncIterator[Stub]:
    async with stub() as running:
        yield running


@pytest.fixture
async def stubbed(server: Stub) -> AsyncIterator[OpenBackend]:
    async with server.backend().open(max_polls=2) as backend:
        yield backend
