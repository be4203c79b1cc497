"""What happens to deployments when others act at the same time, and when AWS says no."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from aiowfm.config import EngineConfig
from aiowfm.definitions import CompilerOptions, WorkflowDefinition
from aiowfm.errors import AccessDeniedError, BackendError, BackendUnavailableError
from aiowfm.names import StateMachineArn
from aiowfm.testing import VIRTUAL_TIME
from aiowfm.workflows import Change, Comparison, Deployments
from aiowfm.workflows.comparison import HASH_TAG
from tests.workflows.machines import ARN, ROLE, Machines, refused

pytestmark = pytest.mark.anyio

NAME = "dev--flow---1--give"
MACHINE_ARN = StateMachineArn(f"{ARN}:stateMachine:{NAME}")
DAY_SECONDS = 24 * 60 * 60.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


@pytest.fixture
def machines() -> Machines:
    return Machines()


def giving(result: object, version: int = -1) -> WorkflowDefinition:
    states = {"give": {"Type": "Pass", "Result": result, "End": True}}
    return WorkflowDefinition(
        name="flow", version=version, state_machine={"StartAt": "give", "States": states}
    )


def deployments(machines: Machines, **options: Any) -> Deployments:
    config = EngineConfig.checked(app="shop", environment="dev", **options)

    async def queue_url() -> str:
        raise AssertionError("no definition has callbacks")

    return Deployments(
        machines,
        machines,
        config=config,
        comparison=Comparison(
            config=config,
            role_arn=ROLE,
            activity_arn=lambda task: f"{ARN}:activity:{task}",
            task_name=lambda arn: arn.rpartition(":")[2],
            options=CompilerOptions(),
        ),
        queue_url=queue_url,
        now=lambda: machines.now,
    )


def result_of(machines: Machines) -> object:
    return json.loads(machines.published[MACHINE_ARN][0].definition or "")["States"]["give"][
        "Result"
    ]


async def test_a_conflict_is_settled_by_looking_again(machines: Machines) -> None:
    await deployments(machines).ready(giving("old"))
    conflict = refused("ConflictException", BackendUnavailableError)
    machines.refusals["update"] = [conflict, conflict]
    machines.called.clear()
    arn = await deployments(machines).ready(giving("new"))
    assert arn == f"{MACHINE_ARN}:2"
    assert machines.called.count("find") == 3
    assert result_of(machines) == "new"


async def test_what_another_process_deployed_meanwhile_is_not_deployed_again(
    machines: Machines,
) -> None:
    await deployments(machines).ready(giving("old"))
    other = deployments(machines)
    machines.refusals["update"] = [refused("ConflictException", BackendUnavailableError)]
    arns = [await deployments(machines).ready(giving("new")), await other.ready(giving("new"))]
    assert arns == [f"{MACHINE_ARN}:2"] * 2
    assert machines.called.count("update") == 2  # one of which was refused


async def test_a_conflict_that_does_not_end_is_told(machines: Machines) -> None:
    await deployments(machines).ready(giving("old"))
    machines.refusals["update"] = [
        refused("ConflictException", BackendUnavailableError) for _ in range(9)
    ]
    with pytest.raises(BackendUnavailableError):
        await deployments(machines).ready(giving("new"))
    assert len(machines.refusals["update"]) == 5


async def test_one_that_another_process_makes_first_is_compared(machines: Machines) -> None:
    machines.refusals["create"] = [refused("StateMachineAlreadyExists")]
    assert await deployments(machines).ready(giving("new")) == f"{MACHINE_ARN}:1"


async def test_a_plan_that_others_overtook_is_made_anew(machines: Machines) -> None:
    mine = deployments(machines)
    change = await mine.plan(giving("new"))
    assert change.change is Change.CREATE
    await deployments(machines).ready(giving("old"))
    assert await mine.apply(change) == f"{MACHINE_ARN}:2"
    assert result_of(machines) == "new"


async def test_a_tag_of_another_definition_does_not_deceive(machines: Machines) -> None:
    """Two processes deploy at once, and the first to update is the last to write its tags."""
    first, second = giving("first"), giving("second")
    await deployments(machines).ready(first)
    await deployments(machines).ready(second)
    late = machines.machines[NAME]
    tags = {**late.tags, HASH_TAG: first.content_hash}
    machines.machines[NAME] = replace(late, tags=tags)

    change = await deployments(machines).plan(second)
    assert (change.change, change.tags) == (Change.REPAIR, {HASH_TAG: second.content_hash})
    assert (await deployments(machines).plan(first)).change is Change.UPDATE


async def test_where_tags_may_not_be_written_the_right_definition_is_started_all_the_same(
    machines: Machines, caplog: pytest.LogCaptureFixture
) -> None:
    await deployments(machines).ready(giving("old"))
    machines.machines[NAME] = replace(machines.machines[NAME], tags={})
    machines.refusals["tag"] = [refused("AccessDeniedException", AccessDeniedError)] * 2
    with caplog.at_level(logging.WARNING, "aiowfm"):
        assert await deployments(machines).ready(giving("old")) == f"{MACHINE_ARN}:1"
    assert "is used as it is" in caplog.text
    mine = deployments(machines)
    with pytest.raises(AccessDeniedError):
        await mine.apply(await mine.plan(giving("old")))


async def test_checking_warns_of_what_drifted_and_changes_nothing(
    machines: Machines, caplog: pytest.LogCaptureFixture
) -> None:
    await deployments(machines).ready(giving("old"))
    machines.machines[NAME] = replace(machines.machines[NAME], role_arn="arn:other")
    versions = machines.published[MACHINE_ARN]
    versions[0] = replace(versions[0], role_arn="arn:other")
    machines.called.clear()
    checking = deployments(machines, provision="check")
    assert await checking.ready(giving("old")) == f"{MACHINE_ARN}:1"
    assert "runs as arn:other" in caplog.text
    assert await checking.ready(giving("new")) == f"{MACHINE_ARN}:1"
    assert "differs from its definition" in caplog.text
    assert set(machines.called) == {"find", "describe"}


async def test_one_that_was_never_published_is_started_by_its_plain_arn(
    machines: Machines,
) -> None:
    await deployments(machines).ready(giving("old"))
    machines.published.clear()
    machines.machines[NAME] = replace(machines.machines[NAME], role_arn="arn:other")
    machines.called.clear()
    assert await deployments(machines).ready(giving("old")) == MACHINE_ARN
    assert machines.called == ["find", "set_role"]


# Old versions.


async def published(machines: Machines, count: int) -> None:
    for number in range(count):
        await deployments(machines, keep_versions=count).ready(giving(number))


async def test_old_versions_that_may_not_be_deleted_are_left(
    machines: Machines, caplog: pytest.LogCaptureFixture
) -> None:
    await published(machines, 4)
    machines.now += 16 * DAY_SECONDS
    machines.refusals["delete"] = [refused("AccessDeniedException", AccessDeniedError)]
    arn = await deployments(machines, keep_versions=1).ready(giving("new"))
    assert arn == f"{MACHINE_ARN}:5"
    assert f"old versions of {NAME} are left" in caplog.text
    assert len(machines.published[MACHINE_ARN]) == 5


async def test_one_that_an_alias_needs_and_one_that_vanishes_do_not_keep_others(
    machines: Machines,
) -> None:
    await published(machines, 4)
    machines.now += 16 * DAY_SECONDS
    machines.refusals["delete"] = [refused("ConflictException", BackendUnavailableError)]
    await deployments(machines, keep_versions=1).ready(giving("new"))
    kept = [each.arn.rpartition(":")[2] for each in machines.published[MACHINE_ARN]]
    assert kept == ["5", "4"]


async def test_where_there_are_too_many_old_ones_go_first(machines: Machines) -> None:
    await published(machines, 4)
    machines.now += 16 * DAY_SECONDS
    machines.refusals["update"] = [refused("ServiceQuotaExceededException")]
    machines.called.clear()
    arn = await deployments(machines, keep_versions=2).ready(giving("new"))
    assert arn == f"{MACHINE_ARN}:5"
    writes = [name for name in machines.called if name in ("update", "delete")]
    assert writes == ["update", "delete", "delete", "update"] + ["delete"] * (len(writes) - 4)


async def test_where_all_are_needed_the_limit_is_told(machines: Machines) -> None:
    await published(machines, 4)
    machines.refusals["update"] = [refused("ServiceQuotaExceededException")]
    with pytest.raises(BackendError) as caught:
        await deployments(machines, keep_versions=2).ready(giving("new"))
    assert caught.value.code == "ServiceQuotaExceededException"
