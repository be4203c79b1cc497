"""Results that cannot be delivered for a while."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aiowfm.errors import BackendUnavailableError
from aiowfm.testing import VIRTUAL_TIME
from tests.worker.fakes import Reports, activity_task
from tests.worker.test_runner import result_of

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(20)]

HEARTBEAT_SECONDS = 3
THROTTLED = BackendUnavailableError("SendTaskSuccess", "ThrottlingException", "Rate exceeded")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


async def test_a_task_is_beaten_for_until_its_result_is_taken() -> None:
    async def function() -> None:
        await anyio.lowlevel.checkpoint()

    reports = Reports()
    reports.faults.extend([THROTTLED] * 40)
    began = anyio.current_time()
    await result_of(reports, function, activity_task("t", heartbeat=HEARTBEAT_SECONDS))
    took_seconds = anyio.current_time() - began
    assert took_seconds > HEARTBEAT_SECONDS
    assert len(reports.beats) >= took_seconds // HEARTBEAT_SECONDS
