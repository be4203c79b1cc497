"""The same tests on both backends: embedded, and an AWS endpoint over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from aiowfm import CallbackTask, Engine, LocalBackend
from aiowfm.ports import Backend

MakeEngine = Callable[..., Engine]


@pytest.fixture(
    params=[
        pytest.param("local"),
        pytest.param("aws", marks=pytest.mark.aws),
    ]
)
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "local":
        return LocalBackend()
    made: Backend = request.getfixturevalue("ministack").backend()
    return made


@pytest.fixture
def make_engine(backend: Backend, environment: str) -> MakeEngine:
    """Makes engines that share a backend and an environment.

    An AWS endpoint holds idle polls for up to a minute, so engines don't wait for them.
    """

    def make(definitions: object = (), **options: object) -> Engine:
        defaults: dict[str, object] = {
            "app": "shop",
            "environment": environment,
            "definitions": definitions,
            "backend": backend,
            "concurrency": 10,
            "grace_seconds": 0.2,
        }
        return Engine(**(defaults | options))  # type: ignore[arg-type]  # checked by the engine itself

    return make


async def waiting(engine: Engine, key: str, *, after: str | None = None) -> CallbackTask:
    """The task, once the token of a wait other than *after* has come."""
    while True:
        task = await engine.finalizer.get(key)
        if task is not None and task.status == "WAITING" and task.wait_id != after:
            return task
        await anyio.sleep(0.01)
