"""Task tokens: they name the task they finish, and nobody can make one up."""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
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
        return TaskToken(base64.urlsafe_b64encode(body + self._signature(body)).decode())

    def read(self, token: str) -> TaskId | None:
        """The task that *token* is for, or None if this backend did not make it."""
        try:
            raw = base64.b64decode(token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body, signature = raw[: _NUMBERS.size], raw[_NUMBERS.size :]
        if len(body) != _NUMBERS.size or not hmac.compare_digest(signature, self._signature(body)):
            return None
        return TaskId(*_NUMBERS.unpack(body))

    def _signature(self, body: bytes) -> bytes:
        return blake2b(body, digest_size=_SIGNATURE_BYTES, key=self.secret).digest()
