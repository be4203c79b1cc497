"""What commands print with `--json`, and how."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime

import typer

from aiowfm.callbacks import CallbackTask
from aiowfm.engine import Engine
from aiowfm.errors import Problem
from aiowfm.health import Diagnosis
from aiowfm.workflows import (
    Attempt,
    DeploymentPlan,
    Job,
    MachineChange,
    Repair,
    ResourceChange,
    Workflow,
)


def print_json(value: object) -> None:
    """Print *value*; characters that a terminal or a pipe may lack are escaped."""
    typer.echo(json.dumps(value, indent=2))


def print_line(value: object) -> None:
    """Print *value* on one line, as JSON Lines have it."""
    typer.echo(json.dumps(value))


def listed_fields(workflow: Workflow) -> dict[str, object]:
    """What listings know of a workflow."""
    return {
        "id": workflow.id,
        "name": workflow.name,
        "status": workflow.status,
        "namespace": workflow.namespace,
        "tags": dict(workflow.tags),
        "created_at": _instant(workflow.created_at),
        "stopped_at": _instant(workflow.stopped_at),
    }


def workflow_fields(workflow: Workflow) -> dict[str, object]:
    """A workflow, with its jobs where they were asked for."""
    fields = listed_fields(workflow) | {
        "input": workflow.input,
        "output": workflow.output,
        "retry_for": workflow.retry_for,
        **_failure_fields(workflow),
    }
    if workflow.jobs is not None:
        failed = workflow.failed_job
        fields["failed_job"] = None if failed is None else failed.id
        fields["jobs"] = [job_fields(job) for job in workflow.jobs]
    return fields


def job_fields(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "state": job.state,
        "type": job.type,
        "status": job.status,
        "path": list(job.path),
        "parent_id": job.parent_id,
        "map_index": job.map_index,
        "branch_index": job.branch_index,
        "length": job.length,
        "map_run_arn": job.map_run_arn,
        "input": job.input,
        "output": job.output,
        **_failure_fields(job),
        "is_caught": job.is_caught,
        "worker": job.worker,
        "created_at": _instant(job.created_at),
        "started_at": _instant(job.started_at),
        "stopped_at": _instant(job.stopped_at),
        "attempts": [_attempt_fields(attempt) for attempt in job.attempts],
    }


def _attempt_fields(attempt: Attempt) -> dict[str, object]:
    return {
        "number": attempt.number,
        "status": attempt.status,
        **_failure_fields(attempt),
        "worker": attempt.worker,
        "created_at": _instant(attempt.created_at),
        "started_at": _instant(attempt.started_at),
        "stopped_at": _instant(attempt.stopped_at),
    }


def _failure_fields(of: Workflow | Job | Attempt) -> dict[str, object]:
    parsed = of.parsed_cause
    return {
        "error": of.error,
        "cause": of.cause,
        "parsed_cause": parsed
        and {
            "error_type": parsed.error_type,
            "error_message": parsed.error_message,
            "trace": list(parsed.trace),
        },
    }


def repair_fields(repair: Repair) -> dict[str, object]:
    return {
        "id": repair.workflow.id,
        "is_done": repair.is_done,
        "result": None if repair.result is None else repair.result.id,
        "error": None if repair.error is None else str(repair.error),
    }


def engine_fields(engine: Engine) -> dict[str, object]:
    """Which application works here, and on what."""
    config = engine.config
    return {
        "app": config.app,
        "environment": config.environment,
        "tasks": list(engine.stats().tasks),
    }


def problem_fields(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "where": problem.where,
        "severity": problem.severity,
        "code": problem.code,
        "message": problem.message,
    }


def change_fields(change: MachineChange | ResourceChange) -> dict[str, object]:
    """What deploying does about one thing."""
    fields: dict[str, object] = {
        "kind": change.kind if isinstance(change, ResourceChange) else "state machine",
        "name": change.name,
        "change": change.change,
    }
    if isinstance(change, MachineChange):
        role = change.role
        fields |= {
            "diff": change.diff,
            "role": None if role is None else {"from": role[0], "to": role[1]},
            "tags": dict(change.tags),
            "note": change.note,
        }
    return fields


def plan_fields(plan: DeploymentPlan, *, is_done: bool) -> dict[str, object]:
    """What deploying changes, whether it was done, and what forbids it."""
    return {
        "is_done": is_done,
        "has_changes": plan.has_changes,
        "changes": [change_fields(each) for each in plan],
        "problems": [problem_fields(each) for each in plan.problems],
    }


def diagnosis_fields(diagnosis: Diagnosis) -> dict[str, object]:
    return {
        "healthy": diagnosis.is_healthy,
        "checks": [asdict(check) for check in diagnosis],
    }


def callback_fields(task: CallbackTask) -> dict[str, object]:
    """A callback task; its token stays where it is."""
    return {
        "key": task.key,
        "wait_id": task.wait_id,
        "status": task.status,
        "workflow_id": task.workflow_id,
        "workflow_name": task.workflow_name,
        "state_name": task.state_name,
        "attempt": task.attempt,
        "map_index": task.map_index,
        "waiting_since": _instant(task.waiting_since),
        "expires_at": _instant(task.expires_at),
        "heartbeat_seconds": task.heartbeat_seconds,
        "message": dict(task.message),
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
