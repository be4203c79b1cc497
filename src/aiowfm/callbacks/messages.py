"""What a message in the queue of callbacks says: who waits, under which key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiowfm.definitions.callbacks import TASK_KEY, TASK_TOKEN
from aiowfm.definitions.envelope import KEY as FENCE
from aiowfm.tasks.envelope import seconds_of
from aiowfm.waits import MAX_KEY_BYTES, Fence, Owner, TaskToken, entered_text

MAX_TOKEN_LENGTH = 2_048  # characters; SendTaskSuccess, member `taskToken`
MAX_FIELDS_BYTES = 32_768  # of what is kept of a message


class UnreadableMessageError(Exception):
    """Nothing in a message tells whose it is: nobody can be told."""


class UnusableMessageError(Exception):
    """A message whose task can never be finished by a key.

    Attributes:
        token: That of the task.
    """

    def __init__(self, token: TaskToken, why: str) -> None:
        super().__init__(why)
        self.token = token


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackMessage:
    """A task that waits.

    Attributes:
        token: Secret.
        owner: Who waits; None where another program's definition does not say.
        fence: Which of its waits this is; None as above.
        fields: The other members, as a JSON object.
    """

    token: TaskToken = field(repr=False)
    key: str
    owner: Owner | None = None
    fence: Fence | None = None
    heartbeat_seconds: float | None = None
    timeout_seconds: float | None = None
    fields: str = field(default="{}", repr=False)

    @property
    def wait_id(self) -> str:
        """32 hexadecimal digits that name this wait: it ends with a retry or a new entry."""
        facts = [self.token] if self.owner is None else [self.owner, self.fence]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def read(body: str) -> CallbackMessage:
    """What the text of a message says.

    Raises:
        UnreadableMessageError: it is no JSON object with a task token.
        UnusableMessageError: its key is none.
    """
    try:
        members = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise UnreadableMessageError("it is not JSON") from exc
    if not isinstance(members, dict):
        raise UnreadableMessageError("it is not a JSON object")
    token = members.pop(TASK_TOKEN, None)
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_LENGTH:
        raise UnreadableMessageError(f"it has no {TASK_TOKEN}")
    key = members.pop(TASK_KEY, None)
    problem = key_problem(key)
    if problem is not None:
        raise UnusableMessageError(TaskToken(token), f"{TASK_KEY} {problem}")
    about = members.pop(FENCE, None)
    owner, fence = _identity(about)
    limits = about if isinstance(about, dict) else {}
    return CallbackMessage(
        token=TaskToken(token),
        key=key,
        owner=owner,
        fence=fence,
        heartbeat_seconds=seconds_of(limits.get("heartbeat")),
        timeout_seconds=seconds_of(limits.get("timeout")),
        fields=_fields(members),
    )


def key_problem(key: object) -> str | None:
    """Why *key* cannot name a wait, or None if it can."""
    if not isinstance(key, str):
        return f"must be a string, not {type(key).__name__}"
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError:
        return "has half of a surrogate pair, which is not text"
    if not key:
        return "must not be empty"
    if size_bytes > MAX_KEY_BYTES:
        return f"has {size_bytes:,} bytes, and at most {MAX_KEY_BYTES:,} can be kept"
    return None


def _identity(about: object) -> tuple[Owner | None, Fence | None]:
    """Who waits, and when; neither where *about* is not what the compiler adds."""
    if not isinstance(about, dict):
        return None, None
    execution, state, index = about.get("execution"), about.get("state"), about.get("index")
    entered = _instant(about.get("entered"))
    # An emulator may know of no redrives.
    redrive, attempt = about.get("redrive") or 0, about.get("attempt") or 0
    if (
        not isinstance(execution, str)
        or not isinstance(state, str)
        or not isinstance(index, int | None)
        or not isinstance(redrive, int)
        or not isinstance(attempt, int)
        or entered is None
    ):
        return None, None
    return Owner(execution, state, index), Fence(entered, redrive, attempt)


def _instant(value: object) -> str | None:
    """An instant in ISO 8601, in the one form in which two of them compare as text."""
    if not isinstance(value, str):
        return None
    try:
        return entered_text(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        return None


def _fields(members: dict[str, Any]) -> str:
    try:
        return _cut(members)
    except RecursionError:  # it was read, and cannot be written
        return "{}"


def _cut(members: dict[str, Any]) -> str:
    """*members* as JSON that may be kept; the largest are left out where all are too much."""
    texts = {name: _json({name: value})[1:-1] for name, value in members.items()}
    size_bytes = {name: len(text.encode(errors="replace")) for name, text in texts.items()}
    left = sum(size_bytes.values()) + len(texts) + 1
    for name in sorted(texts, key=size_bytes.__getitem__, reverse=True):
        if left <= MAX_FIELDS_BYTES:
            break
        left -= size_bytes[name] + 1
        del texts[name]
    return "{" + ",".join(texts.values()) + "}"


def _json(value: object) -> str:
    # Escaped where it is no text by itself, as half of a surrogate pair.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() or _is_text(text) else json.dumps(value, separators=(",", ":"))


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
