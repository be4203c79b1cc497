"""Values of the program on their way to Step Functions: JSON text that fits."""

from __future__ import annotations

import json

from pydantic import BaseModel

from aiowfm.errors import NotJsonError, PayloadTooLargeError
from aiowfm.ports import MAX_PAYLOAD_BYTES

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def json_text(value: object, what: str) -> str:
    """*value* as compact JSON text that Step Functions takes.

    Args:
        value: A JSON value, with tuples as lists, or one pydantic model.
        what: What errors call it.

    Raises:
        NotJsonError: it has no JSON form.
        PayloadTooLargeError: it has more than `MAX_PAYLOAD_BYTES`.
    """
    try:
        if isinstance(value, BaseModel):
            value = value.model_dump(mode="json", by_alias=True)
        text = _ENCODER.encode(value)
        size_bytes = len(text.encode())
    except (TypeError, ValueError, RecursionError) as exc:
        raise NotJsonError(f"{what} is not JSON: {exc}") from exc
    if size_bytes > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(what, size_bytes, MAX_PAYLOAD_BYTES)
    return text
