from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter

from aiowfm import Workflow, WorkflowStatus
from aiowfm.names import ExecutionArn, parse_workflow_id
from aiowfm.ports import Execution, ExecutionStatus
from aiowfm.workflows.workflow import workflow_of

ID = "dev--order--0--charge--o-17"
BEGAN = datetime(2026, 1, 2, tzinfo=UTC)


def execution(status: ExecutionStatus, **fields: str) -> Execution:
    arn = ExecutionArn(f"arn:aws:states:us-east-1:000000000000:execution:m:{ID}")
    ended = BEGAN + timedelta(seconds=9) if status.is_final else None
    return Execution(
        arn=arn, name=ID, status=status, started_at=BEGAN, stopped_at=ended, input="{}", **fields
    )


def shown(status: ExecutionStatus, **fields: str) -> Workflow:
    id = parse_workflow_id(ID)
    assert id is not None
    return workflow_of(execution(status, **fields), id, None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ExecutionStatus.RUNNING, "running"),
        (ExecutionStatus.SUCCEEDED, "succeeded"),
        (ExecutionStatus.FAILED, "failed"),
        (ExecutionStatus.TIMED_OUT, "failed"),
        (ExecutionStatus.ABORTED, "cancelled"),
        (ExecutionStatus.PENDING_REDRIVE, "queued"),
    ],
)
def test_each_status_of_step_functions_is_one_of_the_originals(
    status: ExecutionStatus, expected: str
) -> None:
    workflow = shown(status)
    assert workflow.status == WorkflowStatus(expected) == expected
    assert workflow.status.is_final == status.is_final


def test_a_timed_out_workflow_says_so() -> None:
    workflow = shown(ExecutionStatus.TIMED_OUT)
    assert workflow.error == "States.Timeout"
    assert "TimeoutSeconds" in (workflow.cause or "")


def test_a_workflow_can_be_returned_where_pydantic_writes_json() -> None:
    workflow = shown(ExecutionStatus.SUCCEEDED, output='{"a": [1, null]}')
    written = TypeAdapter(Workflow).dump_python(workflow, mode="json")
    assert written["output"] == {"a": [1, None]}
    assert (written["status"], written["created_at"]) == ("succeeded", "2026-01-02T00:00:00Z")
