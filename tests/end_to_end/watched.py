"""Backends on which workflows can be watched and repaired, with a clock that can be moved."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from aiowfm import Engine, Job, LocalBackend
from aiowfm.local.service import Service
from aiowfm.ports import Backend
from aiowfm.serve import serve
from tests.ministack import Emulator

MakeWatched = Callable[..., Engine]


class Clock:
    """The time, some days later if need be."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_seconds

    def pass_days(self, days: float) -> None:
        self.ahead_seconds += days * 86_400


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def served(clock: Clock) -> AsyncIterator[Backend]:
    """The embedded engine behind `aiowfm serve`, by way of aioboto3."""
    service = Service(region="eu-central-1", account_id="000000000000", now=clock)
    async with anyio.create_task_group() as group:
        url = await group.start(serve, service, "127.0.0.1", 0)
        yield Emulator(url=url).backend(account_id="000000000000")
        group.cancel_scope.cancel()


@pytest.fixture
def local(clock: Clock) -> Backend:
    return LocalBackend(clock=clock)


@pytest.fixture(params=["local", "served"])
async def watched(request: pytest.FixtureRequest, local: Backend, served: Backend) -> Backend:
    """Each backend that has histories and redrives; an engine on AWS is as one on `served`."""
    return local if request.param == "local" else served


@pytest.fixture
def make_watched(watched: Backend, environment: str) -> MakeWatched:
    return lambda *definitions, **options: engine_on(watched, environment, *definitions, **options)


def engine_on(
    backend: Backend, environment: str, *definitions: dict[str, Any], **options: Any
) -> Engine:
    defaults: dict[str, Any] = {"app": "shop", "concurrency": 10, "grace_seconds": 0.2}
    return Engine(
        environment=environment,
        definitions=json.dumps(definitions),
        backend=backend,
        **(defaults | options),
    )


def flow(states: dict[str, Any], name: str = "flow", **fields: Any) -> dict[str, Any]:
    machine = {"StartAt": next(iter(states)), "States": states} | fields.pop("machine", {})
    return {"name": name, "stateMachine": machine} | fields


def task(resource: str, next: str | None = None, **fields: Any) -> dict[str, Any]:
    way = {"End": True} if next is None else {"Next": next}
    return {"Type": "Task", "Resource": resource} | way | fields


def shape(jobs: tuple[Job, ...] | None) -> list[tuple[str, str]]:
    assert jobs is not None
    return [(".".join(map(str, job.path)), job.status.value) for job in jobs]
