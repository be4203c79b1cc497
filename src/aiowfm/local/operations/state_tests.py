"""TestState: one state, run by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from aiowfm.local.arns import checked_role
from aiowfm.local.operations.requests import Answer, Request, present
from aiowfm.local.trials.subject import subject
from aiowfm.local.trials.trial import Trial

if TYPE_CHECKING:
    from aiowfm.local.service import Service


async def test_state(service: Service, request: Request) -> Answer:
    role_arn = checked_role(request.get("roleArn", service.role_arn))
    checked = await anyio.to_thread.run_sync(
        subject, request["definition"], request.get("input", "{}"), request.get("variables")
    )
    trial = Trial(checked, service, role_arn)
    await trial.run()
    outcome = trial.outcome()
    answer: Answer = {
        "status": outcome.status,
        "output": outcome.output,
        "error": outcome.error,
        "cause": outcome.cause,
        "nextState": outcome.next_state,
    }
    # TRACE adds the requests and responses of HTTP Tasks, which do not run here.
    if request.get("inspectionLevel", "INFO") != "INFO":
        answer["inspectionData"] = await trial.inspection()
    return present(answer)
