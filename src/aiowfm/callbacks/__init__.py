"""Callback tasks: keeps their tokens, and finishes them by the application's own keys."""

from aiowfm.callbacks.callbacks import Callbacks
from aiowfm.callbacks.finalizer import CallbackLink, Finalizer
from aiowfm.callbacks.results import AcceptedResult, Finalization
from aiowfm.callbacks.statistics import CallbackStats
from aiowfm.callbacks.tasks import CallbackTask

__all__ = [
    "AcceptedResult",
    "CallbackLink",
    "CallbackStats",
    "CallbackTask",
    "Callbacks",
    "Finalization",
    "Finalizer",
]
