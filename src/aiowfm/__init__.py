"""An asyncio-native, embedded workflow manager backed by AWS Step Functions."""

from aiowfm.assembly import EngineStats
from aiowfm.aws import AwsBackend
from aiowfm.callbacks import (
    AcceptedResult,
    CallbackLink,
    CallbackStats,
    CallbackTask,
    Finalization,
    Finalizer,
)
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
    FileInUseError,
    FinalizationConflictError,
    HandlerTypeError,
    InvalidLinkError,
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
    WorkflowNotResumableError,
)
from aiowfm.lifecycle import EngineState
from aiowfm.local import LocalBackend
from aiowfm.ports import Backend
from aiowfm.tasks import CallNext, CancelReason, Middleware, TaskContext, current_task
from aiowfm.waits import Acceptance, Delivery, WaitStatus
from aiowfm.worker.statistics import TaskStats
from aiowfm.workflows import Attempt, Cause, Job, Repair, Workflow, WorkflowStatus

__all__ = [
    "Acceptance",
    "AcceptedResult",
    "AccessDeniedError",
    "AiowfmError",
    "Attempt",
    "AwsBackend",
    "Backend",
    "BackendError",
    "BackendUnavailableError",
    "CallNext",
    "CallbackLink",
    "CallbackStats",
    "CallbackTask",
    "CancelReason",
    "Cause",
    "ConfigError",
    "DefinitionChangedError",
    "DefinitionError",
    "Delivery",
    "DuplicateTaskError",
    "Engine",
    "EngineConfig",
    "EngineState",
    "EngineStateError",
    "EngineStats",
    "FileInUseError",
    "Finalization",
    "FinalizationConflictError",
    "Finalizer",
    "HandlerTypeError",
    "InvalidLinkError",
    "Job",
    "LocalBackend",
    "Middleware",
    "NotFoundError",
    "NotJsonError",
    "PayloadError",
    "PayloadTooLargeError",
    "Problem",
    "Repair",
    "TaskContext",
    "TaskError",
    "TaskStats",
    "TaskTokenExpiredError",
    "UnknownDefinitionError",
    "UnknownTaskKeyError",
    "UsageError",
    "WaitStatus",
    "Workflow",
    "WorkflowDefinition",
    "WorkflowExistsError",
    "WorkflowNotFoundError",
    "WorkflowNotResumableError",
    "WorkflowStatus",
    "current_task",
]
