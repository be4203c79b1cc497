"""What `aiowfm doctor` finds, as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"  # it works, and may hurt
    PROBLEM = "problem"  # it does not work, or work is stuck
    UNKNOWN = "unknown"  # it could not be found out


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        subject: What it is, as `activity prod--orders-charge`.
        health: How it is.
        message: What was found, in words.
        advice: What to do about it; empty where there is nothing to do.
    """

    subject: str
    health: Health
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All that was looked at.

    Attributes:
        checks: In the order in which one would look.
    """

    checks: tuple[Check, ...]

    def __iter__(self) -> Iterator[Check]:
        yield from self.checks

    @property
    def is_healthy(self) -> bool:
        """Whether there is no problem; warnings may be."""
        return all(each.health is not Health.PROBLEM for each in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How a backend can be reached.

    Attributes:
        is_usable: Whether it is worth asking anything else.
    """

    checks: tuple[Check, ...]
    is_usable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """How the queue of callbacks and its dead-letter queue are.

    Attributes:
        waiting: Messages that wait to be received; None: there is no such queue.
        hidden: Those that were received and are being worked on.
        buried: Dead letters; None: there is no such queue.
        differences: How the queue differs from what would have been made, in words.
    """

    waiting: int | None = None
    hidden: int = 0
    buried: int | None = None
    differences: tuple[str, ...] = ()
