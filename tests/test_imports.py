"""What `import aiowfm` leaves alone: the SDK, the extras, the faces, and what they need."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "aioboto3",
    "aiobotocore",
    "aiohttp",
    "boto3",
    "botocore",
    "opentelemetry",
    "pytest",
    "rich",
    "typer",
    "aiowfm.cli",
    "aiowfm.otel",
    "aiowfm.serve",
    "aiowfm.testing",
}
EMBEDDED = {"aiowfm.asl.interpreter", "aiowfm.local.service", "aiowfm.local.storage.store"}
FOR_TEXT = {"ruamel.yaml", "aiowfm.definitions.yaml_text"}

ON_AWS = f"""
import sys
import aiowfm
engine = aiowfm.Engine(app="shop", environment="dev", backend=aiowfm.AwsBackend(
    region="eu-central-1", role_arn="arn:aws:iam::123456789012:role/workflows"))
print(sorted({HEAVY | EMBEDDED | FOR_TEXT!r} & set(sys.modules)))
"""
MODELS = """
import aiowfm
from aiowfm.asl.model import STATE_TYPES, StateMachine
models = [StateMachine, aiowfm.EngineConfig, aiowfm.WorkflowDefinition, *STATE_TYPES.values()]
print([model.__name__ for model in models if model.__pydantic_complete__])
"""
# It prints what was loaded while the event loop ran, of our modules and of the language's.
EMBEDDED_RUN = """
import asyncio, sys
import aiowfm
from aiowfm.asl.model import StateMachine

engine = aiowfm.Engine(app="shop", environment="dev")
built = StateMachine.__pydantic_complete__
done = aiowfm.WorkflowDefinition(
    name="pay",
    stateMachine={
        "StartAt": "Pay",
        "States": {"Pay": {"Type": "Task", "Resource": "pay", "End": True}},
    },
)

@engine.task("pay")
async def pay() -> None: ...

async def main():
    async with engine:
        engine.add_definition(done)
        workflow = await engine.start_workflow("pay", {})
        return (await engine.wait(workflow.id)).status

before = set(sys.modules)
status = asyncio.run(main())
late = [m for m in set(sys.modules) - before if m.startswith(("aiowfm", "jsonata", "pydantic"))]
print(built, status, sorted(late))
"""


def printed_by(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_importing_and_making_an_engine_loads_nothing_that_may_not_be_needed() -> None:
    assert printed_by(ON_AWS) == "[]\n"


def test_importing_builds_no_models() -> None:
    assert printed_by(MODELS) == "[]\n"


def test_what_an_engine_needs_is_there_before_its_event_loop_runs() -> None:
    assert printed_by(EMBEDDED_RUN) == "True succeeded []\n"
