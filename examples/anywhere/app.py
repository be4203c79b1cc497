"""The engine as the variables `AIOWFM_*` describe it, and its two handlers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from aiowfm import Engine, Workflow

DEFINITIONS = Path(__file__).with_name("workflows.yml")
DEFAULTS = {"AIOWFM_APP": "anywhere", "AIOWFM_ENVIRONMENT": "dev"}


def make_engine() -> Engine:
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    engine = Engine.from_env(definitions=DEFINITIONS)

    @engine.task("invite")
    async def invite(person: dict[str, str]) -> str:
        return f"Dear {person['name']}, please confirm."

    @engine.task("welcome")
    async def welcome(person: dict[str, Any]) -> str:
        return f"Welcome, {person['name']}, confirmed by {person['confirmation']['by']}."

    return engine


async def sign_up(engine: Engine, name: str) -> Workflow:
    """Invite somebody, confirm in his place, and wait until he is welcome."""
    workflow = await engine.start_workflow("sign-up", {"name": name})
    await engine.finalizer.success(workflow.id, {"by": "mail"})  # kept, if it comes too early
    return await engine.wait(workflow.id, timeout=60)
