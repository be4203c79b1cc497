"""What `aiowfm doctor` and `aiowfm iam` are about in tests; environment variables say more."""

from __future__ import annotations

import json
import os
from typing import Any

from aiowfm import AwsBackend, Engine, LocalBackend
from aiowfm.definitions import CALLBACK_RESOURCE
from aiowfm.ports import Backend
from tests.ministack import REGION, ROLE_ARN
from tests.places import ACCOUNT_ID


def definitions(result: str = "old") -> str:
    body = {"MessageBody": {"TaskKey.$": "$.id"}}
    wait = {"Type": "Task", "Resource": CALLBACK_RESOURCE, "Parameters": body}
    states: dict[str, Any] = {
        "work": {"Type": "Task", "Resource": "work", "TimeoutSeconds": 60, "Next": "wait"},
        "wait": wait | {"TimeoutSeconds": 60, "Next": "give"},
        "give": {"Type": "Pass", "Result": result, "End": True},
    }
    if os.environ.get("CALLBACKS") == "no":
        del states["wait"]
        states["work"]["Next"] = "give"
    machine = {"StartAt": "work", "TimeoutSeconds": 600, "States": states}
    return json.dumps({"name": "flow", "version": -1, "stateMachine": machine})


def make_engine() -> Engine:
    engine = Engine(
        app="shop",
        environment=os.environ["ENVIRONMENT"],
        definitions=definitions(os.environ.get("RESULT", "old")),
        backend=backend(),
        provision=os.environ.get("PROVISION", "check"),  # type: ignore[arg-type]  # checked
    )
    engine.task("work")(lambda: None)
    return engine


def backend() -> Backend:
    if "URL" not in os.environ:
        return LocalBackend(os.environ.get("LOCAL_PATH", ":memory:"))
    return AwsBackend(
        region=REGION,
        role_arn=ROLE_ARN,
        account_id=ACCOUNT_ID,
        endpoint_url=os.environ["URL"],
    )
