"""Task tokens: they name the task they finish, and nobody can make one up."""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from aiowfm.ports import TaskToken

_NUMBERS = struct.Struct(">QI")
_SIGNATURE_BYTES = 24


class TaskId(NamedTuple):
    """A task: the execution's number and the id of the event that scheduled it."""

    execution: int
    event_id: int


class TokenMint:
    """Makes and reads the tokens of one backend."""

    def __init__(self, secret: bytes = b"") -> None:
        self.secret = secret

    def token(self, task: TaskId) -> TaskToken:
        body = _NUMBERS.pack(*task)
        return TaskToken(base64.urlsafe_b64encode(body + _signature(body, self.secret)).decode())

    def read(self, token: str) -> TaskId | None:
        """The task that *token* is for, or None if this backend did not make it."""
        return _read(token, self.secret)


@lru_cache(maxsize=1024)  # of a task that runs the token is read several times
def _read(token: str, secret: bytes) -> TaskId | None:
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    body, signature = raw[: _NUMBERS.size], raw[_NUMBERS.size :]
    if len(body) != _NUMBERS.size or not hmac.compare_digest(signature, _signature(body, secret)):
        return None
    return TaskId(*_NUMBERS.unpack(body))


def _signature(body: bytes, secret: bytes) -> bytes:
    return blake2b(body, digest_size=_SIGNATURE_BYTES, key=secret).digest()
