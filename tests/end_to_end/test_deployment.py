"""What deploying changes and what it leaves, on all backends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from aiowfm import (
    Change,
    DefinitionChangedError,
    DefinitionError,
    DeploymentPlan,
    Engine,
    MachineChange,
    NotFoundError,
)
from tests.places import OTHER_ROLE_ARN, Place, aws_place, local_place

pytestmark = pytest.mark.anyio

DAY_SECONDS = 24 * 60 * 60.0
MakeEngine = Callable[..., Engine]


def flow(*, name: str = "flow", version: int = 0, result: object = "old", **fields: Any) -> str:
    states = {
        "work": {"Type": "Task", "Resource": "work", "Next": "give"},
        "give": {"Type": "Pass", "Result": result, "End": True},
    }
    machine = {"StartAt": "work", "States": states}
    return json.dumps([{"name": name, "version": version, "stateMachine": machine} | fields])


@pytest.fixture
def make_engine(place: Place, environment: str) -> MakeEngine:
    return lambda *definitions, **options: made(place, environment, *definitions, **options)


def made(place: Place, environment: str, *definitions: str, **options: Any) -> Engine:
    defaults: dict[str, Any] = {
        "app": "shop",
        "environment": environment,
        "definitions": list(definitions),
        "backend": place.backend,
        "grace_seconds": 0,
    }
    engine = Engine(**(defaults | options))
    engine.task("work")(lambda: None)
    return engine


def changes(plan: DeploymentPlan) -> dict[str, Change]:
    return {each.name: each.change for each in plan}


def machine_of(plan: DeploymentPlan) -> MachineChange:
    (machine,) = plan.machines
    return machine


async def test_a_dry_run_says_what_is_missing_and_writes_nothing(
    place: Place, make_engine: MakeEngine, environment: str
) -> None:
    engine = make_engine(flow())
    plan = await engine.deploy(dry_run=True)
    assert changes(plan) == {
        f"{environment}--shop-work": Change.CREATE,
        f"{environment}--flow--0--work": Change.CREATE,
    }
    assert plan.has_changes
    assert plan.problems == ()
    assert place.writes == []
    assert await engine.deploy(dry_run=True) == plan


@pytest.mark.parametrize("version", [0, -1])
async def test_what_is_deployed_is_not_written_again(
    place: Place, make_engine: MakeEngine, version: int
) -> None:
    await make_engine(flow(version=version)).deploy()
    assert place.writes == ["CreateActivity", "CreateStateMachine"]
    place.called.clear()

    plan = await make_engine(flow(version=version)).deploy()
    assert set(changes(plan).values()) == {Change.NONE}
    assert not plan.has_changes
    assert place.writes == []
    assert len((await place.describe(machine_of(plan).name))["versions"]) == (version == -1)


async def test_the_order_of_keys_is_no_change(place: Place, make_engine: MakeEngine) -> None:
    await make_engine(flow(version=-1)).deploy()
    (definition,) = json.loads(flow(version=-1))
    definition["stateMachine"] = dict(reversed(definition["stateMachine"].items()))
    plan = await make_engine(json.dumps(definition)).deploy()
    assert not plan.has_changes


async def test_a_change_is_shown_as_a_diff_of_what_the_author_wrote_and_published(
    place: Place, make_engine: MakeEngine
) -> None:
    await make_engine(flow(version=-1)).deploy()
    place.called.clear()
    engine = make_engine(flow(version=-1, result="new"))
    plan = await engine.deploy(dry_run=True)
    change = machine_of(plan)
    assert change.change is Change.UPDATE
    lines = change.diff.splitlines()
    assert lines[:2] == ["--- deployed", "+++ definition"]
    assert [line for line in lines[2:] if line[0] in "+-"] == [
        '-      "Result": "old",',
        '+      "Result": "new",',
    ]
    assert "aiowfm" not in change.diff
    assert place.writes == []

    await engine.deploy(plan=plan)
    assert place.writes[0] == "UpdateStateMachine"
    now = await place.describe(change.name)
    assert len(now["versions"]) == 2
    assert json.loads(now["definition"])["States"]["give"]["Result"] == "new"
    assert not (await engine.deploy()).has_changes


async def test_a_role_and_tags_that_drifted_are_repaired_without_a_version(
    place: Place, make_engine: MakeEngine
) -> None:
    engine = make_engine(flow(defaultTags={"team": "core"}))
    name = machine_of(await engine.deploy()).name
    arn = place.machine_arn(name)
    await place.call("UpdateStateMachine", stateMachineArn=arn, roleArn=OTHER_ROLE_ARN)
    theirs = [{"key": "team", "value": "sales"}, {"key": "cost-centre", "value": "7"}]
    await place.call("TagResource", resourceArn=arn, tags=theirs)
    place.called.clear()

    plan = await engine.deploy(dry_run=True)
    change = machine_of(plan)
    assert change.change is Change.REPAIR
    assert change.role == (OTHER_ROLE_ARN, place.role_arn)
    assert change.tags == {"team": "core"}
    assert place.writes == []

    await engine.deploy(plan=plan)
    assert place.writes == ["UpdateStateMachine", "TagResource"]
    now = await place.describe(name)
    assert now["role"] == place.role_arn
    assert (now["tags"]["team"], now["tags"]["cost-centre"]) == ("core", "7")
    assert now["versions"] == []
    assert not (await engine.deploy(dry_run=True)).has_changes


async def test_a_version_with_the_wrong_role_is_replaced_by_one_with_the_right_one(
    place: Place, make_engine: MakeEngine
) -> None:
    engine = make_engine(flow(version=-1))
    name = machine_of(await engine.deploy()).name
    arn = place.machine_arn(name)
    await place.call(
        "UpdateStateMachine", stateMachineArn=arn, roleArn=OTHER_ROLE_ARN, publish=True
    )
    change = machine_of(await engine.deploy())
    assert (change.change, change.role) == (Change.REPAIR, (OTHER_ROLE_ARN, place.role_arn))
    now = await place.describe(name)
    assert [each.rpartition(":")[2] for each in now["versions"]] == ["3", "2", "1"]
    newest = await place.call("DescribeStateMachine", stateMachineArn=now["versions"][0])
    assert newest["roleArn"] == place.role_arn
    assert not (await engine.deploy(dry_run=True)).has_changes


async def test_only_tags_that_drifted_publish_nothing(
    place: Place, make_engine: MakeEngine
) -> None:
    await make_engine(flow(version=-1)).deploy()
    place.called.clear()
    plan = await make_engine(flow(version=-1, defaultTags={"team": "core"})).deploy()
    assert machine_of(plan).change is Change.REPAIR
    assert place.writes == ["TagResource"]
    now = await place.describe(machine_of(plan).name)
    assert now["tags"]["team"] == "core"
    assert len(now["versions"]) == 1


async def test_starting_a_workflow_repairs_too(place: Place, make_engine: MakeEngine) -> None:
    engine = make_engine(flow())
    name = machine_of(await engine.deploy()).name
    arn = place.machine_arn(name)
    await place.call("UpdateStateMachine", stateMachineArn=arn, roleArn=OTHER_ROLE_ARN)
    await engine.start(worker=False)
    workflow = await engine.start_workflow("flow")
    await engine.cancel_workflow(workflow.id)
    await engine.stop()
    assert (await place.describe(name))["role"] == place.role_arn


async def test_an_immutable_difference_is_a_problem_and_nothing_at_all_is_deployed(
    place: Place, make_engine: MakeEngine, environment: str
) -> None:
    await make_engine(flow()).deploy()
    place.called.clear()
    engine = make_engine(flow(result="new"), flow(name="other"))
    plan = await engine.deploy(dry_run=True)
    assert changes(plan) == {
        f"{environment}--shop-work": Change.NONE,
        f"{environment}--flow--0--work": Change.DIFFERS,
        f"{environment}--other--0--work": Change.CREATE,
    }
    (problem,) = plan.problems
    assert "version 0 may not change" in problem.message
    with pytest.raises(DefinitionChangedError) as caught:
        await engine.deploy()
    assert '+      "Result": "new",' in caught.value.diff
    with pytest.raises(DefinitionChangedError):
        await engine.deploy(plan=plan)
    assert place.writes == []


async def test_all_problems_are_reported_at_once(place: Place, make_engine: MakeEngine) -> None:
    await make_engine(flow(), flow(name="other")).deploy()
    engine = make_engine(flow(result="new"), flow(name="other", result="new"))
    with pytest.raises(DefinitionError) as caught:
        await engine.deploy()
    assert [each.where for each in caught.value.problems] == ["flow", "other"]
    with pytest.raises(DefinitionError) as caught:
        await engine.start(worker=False, deploy=True)
    assert [each.where for each in caught.value.problems] == ["flow", "other"]


async def test_another_applications_machine_is_neither_changed_nor_repaired(
    place: Place, make_engine: MakeEngine
) -> None:
    await make_engine(flow(version=-1), app="bank").deploy()
    engine = make_engine(flow(version=-1, defaultTags={"team": "core"}))
    await engine.deploy(dry_run=True)
    place.called.clear()
    plan = await engine.deploy(dry_run=True)
    assert machine_of(plan).change is Change.FOREIGN
    assert machine_of(plan).tags == {}
    with pytest.raises(DefinitionError, match="belongs to the application 'bank'"):
        await engine.deploy()
    assert place.writes == []


async def test_a_machine_made_by_other_means_is_adopted_with_tags(
    place: Place, make_engine: MakeEngine, environment: str
) -> None:
    engine = make_engine(flow())
    name = f"{environment}--flow--0--work"
    definition = {
        "StartAt": "work",
        "States": {
            "work": {
                "Type": "Task",
                "Resource": f"{place.arn_prefix}:activity:{environment}--shop-work",
                "Next": "give",
            },
            "give": {"Type": "Pass", "Result": "old", "End": True},
        },
    }
    await place.call(
        "CreateStateMachine",
        name=name,
        definition=json.dumps(definition),
        roleArn=place.role_arn,
    )
    change = machine_of(await engine.deploy())
    assert change.change is Change.REPAIR
    assert change.note == "it was compiled differently, and is kept as deployed"
    now = await place.describe(name)
    assert json.loads(now["definition"]) == definition
    assert now["tags"]["application"] == "shop"
    assert now["tags"]["workflow-definition-start-at"] == "work"
    assert not (await engine.deploy(dry_run=True)).has_changes


async def test_a_start_that_deploys_has_all_state_machines_before_it_returns(
    place: Place, make_engine: MakeEngine
) -> None:
    engine = make_engine(flow(), flow(name="other", version=-1))
    await engine.start(worker=False, deploy=True)
    assert place.writes.count("CreateStateMachine") == 2
    place.called.clear()
    workflow = await engine.start_workflow("other")
    await engine.cancel_workflow(workflow.id)
    await engine.stop()
    assert place.writes == []


async def test_a_start_that_only_checks_makes_nothing(
    place: Place, make_engine: MakeEngine
) -> None:
    await make_engine().deploy()  # the activity
    place.called.clear()
    with pytest.raises(NotFoundError, match="creates nothing"):
        await make_engine(flow(), provision="check").start(deploy=True)
    assert place.writes == []


async def test_being_told_to_deploy_is_more_than_what_an_engine_may_by_itself(
    place: Place, make_engine: MakeEngine
) -> None:
    engine = make_engine(flow(), provision="check")
    await engine.deploy()
    await engine.start(worker=False, deploy=True)
    await engine.stop()


async def test_what_is_deployed_can_be_read(place: Place, make_engine: MakeEngine) -> None:
    change = machine_of(await make_engine(flow()).deploy())
    text = (await place.describe(change.name))["definition"]
    assert text == change.text
    assert text == json.dumps(json.loads(text), indent=2)
    assert list(json.loads(text)) == ["StartAt", "States"]


async def test_characters_that_tags_do_not_take_are_replaced(
    place: Place, make_engine: MakeEngine, environment: str
) -> None:
    states = {"paid?yes": {"Type": "Pass", "End": True}}
    definition = {"name": "pay,now", "stateMachine": {"StartAt": "paid?yes", "States": states}}
    change = machine_of(await make_engine(json.dumps(definition)).deploy())
    tags = (await place.describe(change.name))["tags"]
    assert tags["workflow-definition-name"] == "pay-now"
    assert tags["workflow-definition-start-at"] == "paid-yes"


@pytest.mark.aws
async def test_callbacks_need_a_queue_a_dead_letter_queue_and_a_table(
    ministack: Any, environment: str
) -> None:
    place = aws_place(ministack.url)
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"MessageBody": {"TaskKey.$": "$$.Execution.Name"}},
        "TimeoutSeconds": 60,
        "End": True,
    }
    machine = {"StartAt": "wait", "States": {"wait": state}}
    engine = made(place, environment, json.dumps({"name": "ask", "stateMachine": machine}))
    plan = await engine.deploy(dry_run=True)
    name = f"{environment}--shop-callbacks"
    expected = {"queue": name, "dead-letter queue": f"{name}-dlq", "table": name}
    found = {each.kind: each.name for each in plan.resources if each.kind != "activity"}
    assert found == expected
    assert all(each.change is Change.CREATE for each in plan)
    assert place.writes == []

    await engine.deploy(plan=plan)
    place.called.clear()
    assert not (await engine.deploy()).has_changes
    assert place.writes == []
    deployed = json.loads(machine_of(await engine.deploy()).text)
    backend = place.backend
    async with backend.open(max_polls=0) as opened:
        url = await opened.callbacks(name).queue_url()
    assert deployed["States"]["wait"]["Parameters"]["QueueUrl"] == url


# Old versions.


async def test_old_versions_are_collected_but_not_the_newest_the_young_and_those_in_use(
    environment: str,
) -> None:
    now = [1_800_000_000.0]
    place = local_place(clock=lambda: now[0])

    def engine(result: int) -> Engine:
        return made(place, environment, flow(version=-1, result=result), keep_versions=2)

    async def numbers() -> list[int]:
        described = await place.describe(f"{environment}--flow---1--work")
        return [int(arn.rpartition(":")[2]) for arn in described["versions"]]

    for result in range(1, 4):
        await engine(result).deploy()
    running = engine(3)
    await running.start(worker=False)
    workflow = await running.start_workflow("flow")
    await running.stop()

    now[0] += 10 * DAY_SECONDS
    for result in range(4, 7):
        await engine(result).deploy()
    assert await numbers() == [6, 5, 4, 3, 2, 1]  # none is old enough

    now[0] += 5 * DAY_SECONDS + 1
    await engine(6).deploy()
    assert await numbers() == [6, 5, 4, 3, 2, 1]  # nothing was published
    await engine(7).deploy()
    # 7 and 6 are the newest, 5 and 4 are young, an execution runs on 3.
    assert await numbers() == [7, 6, 5, 4, 3]

    await running.start(worker=False)
    await running.cancel_workflow(workflow.id)
    await running.stop()
    now[0] += 20 * DAY_SECONDS
    await engine(8).deploy()
    assert await numbers() == [8, 7]


async def test_a_version_that_an_alias_refers_to_stays(environment: str) -> None:
    now = [1_800_000_000.0]
    place = local_place(clock=lambda: now[0])
    name = f"{environment}--flow---1--work"
    for result in range(3):
        engine = made(place, environment, flow(version=-1, result=result), keep_versions=1)
        await engine.deploy()
        if result == 0:
            route = {"stateMachineVersionArn": f"{place.machine_arn(name)}:1", "weight": 100}
            await place.call("CreateStateMachineAlias", name="live", routingConfiguration=[route])
        now[0] += 16 * DAY_SECONDS
    assert [arn[-1] for arn in (await place.describe(name))["versions"]] == ["3", "1"]
