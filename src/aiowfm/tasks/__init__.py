"""Task handlers and what they learn of the task: signatures, conversion, context, outcomes."""

from aiowfm.tasks.context import TaskContext

__all__ = ["TaskContext"]
