"""What processes really call is what their policies allow, and their policies allow no more."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import botocore.session
import pytest
from botocore import xform_name

import aiowfm.aws
from aiowfm import Engine, TaskContext, TaskError
from aiowfm.config import Provision
from aiowfm.definitions import CALLBACK_RESOURCE, load_definitions
from aiowfm.iam import Place, policies_for
from tests.end_to_end.conftest import waiting
from tests.iam.evaluation import Need, actions, is_allowed, needs
from tests.ministack import REGION, ROLE_ARN, MiniStack, session
from tests.places import ACCOUNT_ID, OTHER_ROLE_ARN

pytestmark = [pytest.mark.anyio, pytest.mark.aws]

PLACE = Place(partition="aws", region=REGION, account_id=ACCOUNT_ID, role_arn=ROLE_ARN)

# Seldom called, or not to be had from an emulator: see the test of all operations.
SELDOM = {
    "states:DeleteStateMachineVersion",  # of versions older than 15 days
    "states:RedriveExecution",
    "sqs:SetQueueAttributes",  # of a queue without a redrive policy
    "sqs:ChangeMessageVisibility",  # when the table cannot be reached
}


@dataclass
class Calls:
    """A session that notes what is called through it."""

    needs: set[Need] = field(default_factory=set)

    @asynccontextmanager
    async def client(self, service_name: str, **options: Any) -> AsyncIterator[Any]:
        async with session().client(service_name, **options) as made:
            made.meta.events.register("before-parameter-build", self._note)
            yield made

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self.needs.update(needs(model.service_model.service_name, model.name, params))


def definitions(result: str = "old") -> list[dict[str, Any]]:
    body = {"MessageBody": {"TaskKey.$": "$.id"}}
    wait = {"Type": "Task", "Resource": CALLBACK_RESOURCE, "Parameters": body}
    limits = {"TimeoutSeconds": 60, "End": True}
    work = {"Type": "Task", "Resource": "work", "TimeoutSeconds": 60, "Next": "give"}
    give = {"Type": "Pass", "Result": result, "End": True}
    return [
        {
            "name": "approve",
            "version": 0,
            "stateMachine": {"StartAt": "wait", "States": {"wait": wait | limits}},
        },
        {
            "name": "flow",
            "version": -1,
            "stateMachine": {"StartAt": "work", "States": {"work": work, "give": give}},
        },
    ]


def engine_of(
    server: MiniStack, environment: str, calls: Calls, result: str = "old", **options: Any
) -> Engine:
    role_arn = options.pop("role_arn", ROLE_ARN)
    engine = Engine(
        app="shop",
        environment=environment,
        definitions=json.dumps(definitions(result)),
        backend=server.backend(session=calls, account_id=ACCOUNT_ID, role_arn=role_arn),
        grace_seconds=0.1,
        **options,
    )
    engine.task("work")(work)
    return engine


def policy(engine: Engine, name: str) -> Mapping[str, Any]:
    made = policies_for(
        PLACE,
        config=engine.config,
        definitions=engine.definitions,
        handled=engine.tasks,
        provision=engine.config.provision,
    )
    return made.documents[name]


def check(document: Mapping[str, Any], calls: Calls, seldom: set[str] = SELDOM) -> None:
    assert {need for need in calls.needs if not is_allowed(document, need)} == set()
    called = {need.action for need in calls.needs}
    assert actions(document) - called - seldom == set(), "more is allowed than is needed"


async def use(engine: Engine, key: str) -> str:
    """All that a program does; the id of a workflow."""
    first = await engine.start_workflow("approve", {"id": key})
    await waiting(engine, key)
    await engine.finalizer.success(key, {})
    assert (await engine.wait(first.id, timeout=15)).status == "succeeded"
    for wanted in ("succeeded", "failed"):
        flow = await engine.start_workflow("flow", {"outcome": wanted})
        assert (await engine.wait(flow.id, timeout=15)).status == wanted
    other = await engine.start_workflow("approve", {"id": f"{key}-other"})
    listed = [each.id async for each in engine.list_workflows("approve", limit=1)]
    assert listed == [other.id]
    await engine.cancel_workflow(other.id)
    return first.id


async def work(input: dict[str, str], ctx: TaskContext) -> None:
    await ctx.heartbeat()
    if input["outcome"] == "failed":
        raise TaskError("Refused", "as it was asked to")


@pytest.fixture(params=get_args(Provision))
async def provision(
    request: pytest.FixtureRequest, ministack: MiniStack, environment: str
) -> Provision:
    """Each way to provision; where it makes nothing, all is there already."""
    if request.param != "create":
        await engine_of(ministack, environment, Calls()).deploy()
    chosen: Provision = request.param
    return chosen


async def test_a_worker_may_do_what_it_does(
    ministack: MiniStack, environment: str, provision: Provision
) -> None:
    calls = Calls()
    engine = engine_of(ministack, environment, calls, provision=provision)
    async with engine:
        id = await use(engine, "key")
        if provision == "create":
            (changed,) = load_definitions(definitions("new")[1])
            engine.add_definition(changed)
            await engine.start_workflow("flow", {"outcome": "succeeded"})
    await engine.start(worker=False)  # it has to ask now whose workflow it is
    assert (await engine.get_workflow(id, jobs=True)).jobs
    await engine.stop()
    check(policy(engine, "worker"), calls)


async def test_a_finalizer_may_do_what_it_does(
    ministack: MiniStack, environment: str, provision: Provision
) -> None:
    calls = Calls()
    engine = engine_of(ministack, environment, calls, provision=provision)
    await engine.start(worker=False)
    async with engine_of(ministack, environment, Calls()) as worker:
        for key in ("good", "bad"):
            await worker.start_workflow("approve", {"id": key})
            await waiting(engine, key)
        assert {each.key async for each in engine.finalizer.pending()} == {"good", "bad"}
        await engine.finalizer.heartbeat("good")
        await engine.finalizer.success("good", {})
        await engine.finalizer.failure("bad", "Refused", "as it was asked to")
        await engine.finalizer.success("early", {})
    await engine.stop()
    check(policy(engine, "finalizer"), calls)


async def test_a_deployer_may_do_what_it_does(ministack: MiniStack, environment: str) -> None:
    calls, looks = Calls(), Calls()
    await engine_of(ministack, environment, looks).deploy(dry_run=True)
    engine = engine_of(ministack, environment, calls)
    await engine.deploy()
    await engine_of(ministack, environment, calls, "new").deploy()
    await engine_of(ministack, environment, Calls(), "new", role_arn=OTHER_ROLE_ARN).deploy()
    await engine_of(ministack, environment, calls, "new").deploy()
    # Of old versions, which have to be older than 15 days.
    check(policy(engine, "deployer"), calls, SELDOM | {"states:ListExecutions"})

    await engine_of(ministack, environment, looks).deploy(dry_run=True)
    await engine_of(ministack, environment, looks).diagnose(role="doctor")
    check(policy(engine, "doctor"), looks, set())


def test_policies_allow_what_is_called_anywhere_and_nothing_else() -> None:
    """Also what no test of this file makes the library call."""
    called = {
        action
        for service in ("stepfunctions", "sqs", "dynamodb")
        for operation in operations_in_the_source(service)
        for action in actions_of(service, operation)
    }
    called -= {"sqs:SendMessage"}  # of `aiowfm serve`, and of state machines
    allowed: set[str] = set()
    for version in (-1, 0):
        engine = Engine(app="shop", environment="dev", definitions=definitions_of(version))
        engine.task("work")(lambda: None)
        for name in ("worker", "finalizer", "deployer", "doctor"):
            allowed |= actions(policy(engine, name))
    assert allowed == called


def test_the_page_on_aws_lists_what_the_program_may_do() -> None:
    page = (Path(__file__).parents[2] / "docs" / "aws.md").read_text()
    section = page.partition("## Permissions")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`(?:\w+:)?([A-Z]\w+)`", section)) - {
        "A",
        "R",
        "NS",
        "APP",
        "PassedToService",
    }
    engine = Engine(app="shop", environment="dev", definitions=definitions_of(-1))
    engine.task("work")(work)
    allowed = {action.partition(":")[2] for action in actions(policy(engine, "worker"))}
    assert listed == allowed | {"GetCallerIdentity", "Decrypt", "GenerateDataKey"}


def definitions_of(version: int) -> str:
    return json.dumps([each | {"version": version} for each in definitions()])


def operations_in_the_source(service: str) -> set[str]:
    """The operations whose methods are named in the room that sees the SDK."""
    model = botocore.session.Session().get_service_model(service)
    operations = {xform_name(name): name for name in model.operation_names}
    named = {
        node.attr
        for file in Path(aiowfm.aws.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and _is_client(node.value)
    }
    return {operations[name] for name in named if name in operations}


def _is_client(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name.rpartition("_")[2] in ("client", "states", "sqs", "dynamodb")


def actions_of(service: str, operation: str) -> set[str]:
    """With all that an operation may need besides itself."""
    everything: dict[str, Any] = {
        "QueueName": "q",
        "TableName": "t",
        "TransactItems": [{"Put": {"TableName": "t"}}],
        "stateMachineArn": "arn",
    }
    if operation in ("CreateStateMachine", "UpdateStateMachine"):
        everything |= {"publish": True, "roleArn": ROLE_ARN}
    if operation.startswith("Create") and operation != "CreateActivity":  # which gets no tags
        everything |= {"tags": {"a": "b"}}
    return {need.action for need in needs(service, operation, everything)}
