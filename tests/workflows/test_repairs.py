"""Repairing many while the list of them breaks off."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest

from aiowfm import BackendUnavailableError, Workflow
from aiowfm.workflows.job import WorkflowStatus
from aiowfm.workflows.repairs import repaired

pytestmark = pytest.mark.anyio


async def test_what_was_done_before_the_list_broke_off_is_told() -> None:
    done: list[str] = []

    async def listed() -> AsyncGenerator[Workflow, None]:
        for id in ("w-1", "w-2", "w-3"):
            yield Workflow(
                id=id,
                name="flow",
                status=WorkflowStatus.FAILED,
                created_at=datetime(2026, 1, 2, tzinfo=UTC),
                namespace="dev",
            )
        raise BackendUnavailableError("ListExecutions", "ThrottlingException", "Rate exceeded")

    async def repair(id: str) -> None:
        done.append(id)

    with pytest.raises(BackendUnavailableError) as broken:
        await repaired(listed(), repair, concurrency=2, rate=None, dry_run=False)
    assert done == ["w-1", "w-2", "w-3"]
    assert broken.value.__notes__ == ["3 workflows were done before that, the last 'w-3'"]
