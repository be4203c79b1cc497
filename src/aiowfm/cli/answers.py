"""What is asked about callback tasks, and the answer of an engine."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, cast

from aiowfm.cli import documents
from aiowfm.engine import Engine
from aiowfm.errors import ConfigError


async def answer(engine: Engine, question: Mapping[str, Any]) -> object:
    """What the finalizer of *engine* says to a call of it, as JSON.

    Args:
        engine: It runs.
        question: `call` is `pending`, `success` or `failure`; the others are what that takes.

    Raises:
        AiowfmError: as the call raises it.
        ConfigError: *question* is for another application, or not one.
    """
    config = engine.config
    if (question["app"], question["environment"]) != (config.app, config.environment):
        raise ConfigError(
            f"the engine there is of {config.app!r} in {config.environment!r}, not of"
            f" {question['app']!r} in {question['environment']!r}"
        )
    finalizer = engine.finalizer
    if question["call"] == "pending":
        pending = cast("Any", finalizer.pending(question["limit"]))
        async with aclosing(pending) as tasks:
            return [documents.callback_fields(task) async for task in tasks]
    key, wait_id, early = question["key"], question["wait_id"], question["early"]
    if question["call"] == "success":
        return await finalizer.success(key, question["output"], wait_id=wait_id, early=early)
    return await finalizer.failure(
        key, question["error"], question["cause"], wait_id=wait_id, early=early
    )
