"""What `aiowfm deploy` deploys in tests; environment variables say what it is."""

from __future__ import annotations

import json
import os

from aiowfm import AwsBackend, Engine
from tests.ministack import REGION, ROLE_ARN


def make_engine() -> Engine:
    states = {
        "work": {"Type": "Task", "Resource": "work", "Next": "give"},
        "give": {"Type": "Pass", "Result": os.environ["RESULT"], "End": True},
    }
    definition = {
        "name": "flow",
        "version": int(os.environ.get("VERSION", "-1")),
        "stateMachine": {"StartAt": "work", "States": states},
    }
    engine = Engine(
        app=os.environ.get("APP", "shop"),
        environment=os.environ["ENVIRONMENT"],
        definitions=json.dumps(definition),
        backend=AwsBackend(
            region=REGION,
            role_arn=ROLE_ARN,
            account_id="000000000000",
            endpoint_url=os.environ["URL"],
        ),
    )
    engine.task("work")(lambda: None)
    return engine
