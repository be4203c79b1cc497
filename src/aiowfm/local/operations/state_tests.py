"""TestState: one state, run by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from aiowfm.local.operations.requests import Answer, Request, present
from aiowfm.local.trial import Trial

if TYPE_CHECKING:
    from aiowfm.local.service import Service


async def test_state(service: Service, request: Request) -> Answer:
    trial = Trial(
        request["definition"],
        request.get("input", "{}"),
        role_arn=request.get("roleArn") or service.role_arn,
        arns=service.arns,
        variables=request.get("variables"),
        now=service.now(),
    )
    # A state may compute for long: others go on meanwhile.
    outcome = await anyio.to_thread.run_sync(trial.outcome)
    answer: Answer = {
        "status": outcome.status,
        "output": outcome.output,
        "error": outcome.error,
        "cause": outcome.cause,
        "nextState": outcome.next_state,
    }
    if request.get("inspectionLevel", "INFO") != "INFO":
        answer["inspectionData"] = await anyio.to_thread.run_sync(trial.inspection)
    return present(answer)
