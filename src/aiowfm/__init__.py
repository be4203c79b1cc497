"""An asyncio-native, embedded workflow manager backed by AWS Step Functions."""

from aiowfm.aws import AwsBackend
from aiowfm.config import EngineConfig
from aiowfm.definitions import WorkflowDefinition
from aiowfm.engine import Engine
from aiowfm.errors import (
    AccessDeniedError,
    AiowfmError,
    BackendError,
    BackendUnavailableError,
    ConfigError,
    DefinitionChangedError,
    DefinitionError,
    DuplicateTaskError,
    EngineStateError,
    FinalizationConflictError,
    HandlerTypeError,
    NotFoundError,
    NotJsonError,
    PayloadError,
    PayloadTooLargeError,
    Problem,
    TaskError,
    TaskTokenExpiredError,
    UnknownDefinitionError,
    UnknownTaskKeyError,
    UsageError,
    WorkflowExistsError,
    WorkflowNotFoundError,
)
from aiowfm.lifecycle import EngineState
from aiowfm.local import LocalBackend
from aiowfm.ports import Backend
from aiowfm.tasks import CallNext, CancelReason, Middleware, TaskContext, current_task
from aiowfm.worker.statistics import EngineStats, TaskStats
from aiowfm.workflows import Workflow, WorkflowStatus

__all__ = [
    "AccessDeniedError",
    "AiowfmError",
    "AwsBackend",
    "Backend",
    "BackendError",
    "BackendUnavailableError",
    "CallNext",
    "CancelReason",
    "ConfigError",
    "DefinitionChangedError",
    "DefinitionError",
    "DuplicateTaskError",
    "Engine",
    "EngineConfig",
    "EngineState",
    "EngineStateError",
    "EngineStats",
    "FinalizationConflictError",
    "HandlerTypeError",
    "LocalBackend",
    "Middleware",
    "NotFoundError",
    "NotJsonError",
    "PayloadError",
    "PayloadTooLargeError",
    "Problem",
    "TaskContext",
    "TaskError",
    "TaskStats",
    "TaskTokenExpiredError",
    "UnknownDefinitionError",
    "UnknownTaskKeyError",
    "UsageError",
    "Workflow",
    "WorkflowDefinition",
    "WorkflowExistsError",
    "WorkflowNotFoundError",
    "WorkflowStatus",
    "current_task",
]
