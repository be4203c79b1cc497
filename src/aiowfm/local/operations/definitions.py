"""Definitions that are only looked at: ValidateStateMachineDefinition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiowfm.local import definitions
from aiowfm.local.operations.requests import Answer, Request, present

if TYPE_CHECKING:
    from aiowfm.local.service import Service

MAX_DIAGNOSTICS = 100  # ValidateStateMachineDefinition.maxResults


async def validate_state_machine_definition(service: Service, request: Request) -> Answer:
    found = await definitions.diagnosed(request["definition"], request.get("type", "STANDARD"))
    if request.get("severity", "ERROR") == "ERROR":
        found = [each for each in found if each.severity == "ERROR"]
    most = request.get("maxResults") or MAX_DIAGNOSTICS
    return {
        "result": "FAIL" if any(each.severity == "ERROR" for each in found) else "OK",
        "diagnostics": [
            present(
                {
                    "severity": each.severity,
                    "code": each.code,
                    "message": each.message,
                    "location": each.location,
                }
            )
            for each in found[:most]
        ],
        "truncated": len(found) > most,
    }
