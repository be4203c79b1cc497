"""Task handlers and what they learn of the task: signatures, conversion, context, outcomes."""

from aiowfm.tasks.context import CancelReason, TaskContext
from aiowfm.tasks.current import current_task
from aiowfm.tasks.middleware import CallNext, Middleware

__all__ = ["CallNext", "CancelReason", "Middleware", "TaskContext", "current_task"]
