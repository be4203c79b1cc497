"""The operations of the local service, as AWS documents them."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from aiowfm.errors import ConfigError, EngineStateError
from aiowfm.local import LocalBackend
from aiowfm.local.errors import ServiceError
from aiowfm.local.runs import Run
from aiowfm.local.service import Service

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/role"


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service(region="eu-west-1", account_id="123456789012")
    async with made.running():
        yield made


async def machine(service: Service, name: str = "m", **state: Any) -> str:
    states = {"only": {"End": True} | state}
    definition = json.dumps({"StartAt": "only", "States": states})
    return await service.create_state_machine(name, definition, ROLE, {})


async def task_machine(service: Service, **fields: Any) -> tuple[str, str]:
    activity = (await service.create_activity("work")).arn
    arn = await machine(service, "task", Type="Task", Resource=activity, **fields)
    return activity, arn


async def refusal(call: Any) -> str:
    with pytest.raises(ServiceError) as caught:
        await call
    return caught.value.code


async def test_names_become_arns_of_the_region_and_account(service: Service) -> None:
    activity, arn = await task_machine(service)
    run = await service.start_execution(arn, "x", "{}")
    assert activity == "arn:aws:states:eu-west-1:123456789012:activity:work"
    assert arn == "arn:aws:states:eu-west-1:123456789012:stateMachine:task"
    assert run.arn == "arn:aws:states:eu-west-1:123456789012:execution:task:x"


async def test_making_the_same_again_gives_the_same(service: Service) -> None:
    assert await service.create_activity("a") is await service.create_activity("a")
    assert await machine(service, Type="Pass") == await machine(service, Type="Pass")
    definition = '{"StartAt": "x", "States": {"x": {"Type": "Succeed"}}}'
    other = service.create_state_machine("m", definition, ROLE, {})
    assert await refusal(other) == "StateMachineAlreadyExists"


async def test_a_version_stays_what_it_was(service: Service) -> None:
    arn = await machine(service, Type="Pass", Result=1)
    old = service.machines.get(arn).version_arn(service.machines.get(arn).publish(0.0).number)
    changed = json.dumps(
        {"StartAt": "only", "States": {"only": {"Type": "Pass", "Result": 2, "End": True}}}
    )
    new = await service.update_state_machine(arn, changed, ROLE, publish=True)
    again = await service.update_state_machine(arn, changed, ROLE, publish=True)
    assert (old, new, again) == (f"{arn}:1", f"{arn}:2", f"{arn}:2")
    outputs = [
        (await service.start_execution(version, f"run{number}", "{}")).output
        for number, version in enumerate((old, new, arn))
    ]
    assert [output and output.value for output in outputs] == [1, 2, 2]
    assert await refusal(service.start_execution(f"{arn}:3", "x", "{}")) == (
        "StateMachineDoesNotExist"
    )


async def test_the_same_execution_is_started_once(service: Service) -> None:
    arn = await machine(service, Type="Wait", Seconds=600)
    first = await service.start_execution(arn, "x", '{"a": 1}')
    assert await service.start_execution(arn, "x", '{"a":1}') is first
    assert await refusal(service.start_execution(arn, "x", "{}")) == "ExecutionAlreadyExists"
    await service.stop_execution(first.arn, None, None)
    again = service.start_execution(arn, "x", '{"a": 1}')
    assert await refusal(again) == "ExecutionAlreadyExists"


async def test_each_task_is_handed_out_once_oldest_first(service: Service) -> None:
    activity, arn = await task_machine(service)
    for number in range(3):
        await service.start_execution(arn, f"n{number}", str(number))
    tasks = [await service.get_activity_task(activity, "me") for _ in range(3)]
    assert [task and task.input for task in tasks] == ["0", "1", "2"]
    assert len({task and task.token for task in tasks}) == 3


async def test_a_waiting_poll_gets_the_task_the_moment_it_exists(service: Service) -> None:
    activity, arn = await task_machine(service)
    got: list[str] = []

    async def poll() -> None:
        task = await service.get_activity_task(activity, None)
        assert task is not None
        got.append(task.input)

    async with anyio.create_task_group() as group:
        group.start_soon(poll)
        group.start_soon(poll)
        await anyio.wait_all_tasks_blocked()
        await service.start_execution(arn, "a", "1")
        await service.start_execution(arn, "b", "2")
    assert got == ["1", "2"]


async def test_a_cancelled_poll_loses_no_task(service: Service) -> None:
    activity, arn = await task_machine(service)
    polls = [asyncio.ensure_future(service.get_activity_task(activity, None)) for _ in range(2)]
    await anyio.wait_all_tasks_blocked()
    await service.start_execution(arn, "a", "1")  # wakes the first poll …
    polls[0].cancel()  # … which is cancelled before it can look
    task = await polls[1]
    assert task is not None
    assert task.input == "1"
    assert polls[0].cancelled()


async def test_interrupted_polls_return_with_nothing(service: Service) -> None:
    activity, arn = await task_machine(service)
    got: list[object] = []

    async def poll() -> None:
        got.append(await service.get_activity_task(activity, None))

    async with anyio.create_task_group() as group:
        group.start_soon(poll)
        await anyio.wait_all_tasks_blocked()
        service.activities.get(activity).send_home()
    assert got == [None]
    await service.start_execution(arn, "a", "1")
    assert await service.get_activity_task(activity, None) is not None


async def test_a_token_is_good_for_one_answer(service: Service) -> None:
    activity, arn = await task_machine(service)
    run = await service.start_execution(arn, "x", "{}")
    task = await service.get_activity_task(activity, "me")
    assert task is not None
    await service.send_task_heartbeat(task.token)
    await service.send_task_success(task.token, '"done"')
    assert run.output is not None
    assert run.output.value == "done"
    for call in (
        service.send_task_success(task.token, "1"),
        service.send_task_failure(task.token, "E", "c"),
        service.send_task_heartbeat(task.token),
    ):
        assert await refusal(call) == "TaskTimedOut"
    forged = ("A" if task.token[0] != "A" else "B") + task.token[1:]
    for token in ("", "nonsense", forged, "ä"):
        assert await refusal(service.send_task_heartbeat(token)) == "InvalidToken"


async def test_a_stopped_execution_takes_its_tasks_back(service: Service) -> None:
    activity, arn = await task_machine(service)
    queued = await service.start_execution(arn, "queued", "1")
    await service.stop_execution(queued.arn, None, None)
    taken = await service.start_execution(arn, "taken", "2")
    task = await service.get_activity_task(activity, "me")
    assert task is not None
    assert task.input == "2"
    await service.stop_execution(taken.arn, "E", "because")
    assert (taken.status, taken.error, taken.cause) == ("ABORTED", "E", "because")
    assert await refusal(service.send_task_success(task.token, "1")) == "TaskTimedOut"
    await service.stop_execution(taken.arn, "F", "again")
    assert taken.error == "E"


async def test_what_is_not_json_or_too_large_is_refused(service: Service) -> None:
    activity, arn = await task_machine(service)
    assert await refusal(service.start_execution(arn, "x", "{")) == "InvalidExecutionInput"
    assert await refusal(service.start_execution(arn, "x", "NaN")) == "InvalidExecutionInput"
    large = json.dumps("ä" * 140_000, ensure_ascii=False)
    assert await refusal(service.start_execution(arn, "x", large)) == "ValidationException"
    await service.start_execution(arn, "y", "{}")
    task = await service.get_activity_task(activity, "me")
    assert task is not None
    assert await refusal(service.send_task_success(task.token, "oops")) == "InvalidOutput"
    await service.send_task_success(task.token, "1")


async def test_definitions_with_problems_are_refused(service: Service) -> None:
    for definition in ("{", '{"StartAt": "x"}', '{"StartAt": "x", "States": {}}', "[]"):
        call = service.create_state_machine("m", definition, ROLE, {})
        assert await refusal(call) == "InvalidDefinition"


async def test_a_task_of_a_missing_activity_fails_its_execution(service: Service) -> None:
    missing = service.activities.arn("missing")
    arn = await machine(service, Type="Task", Resource=missing)
    run = await service.start_execution(arn, "x", "{}")
    assert (run.status, run.error) == ("FAILED", "States.Runtime")
    assert f"The activity {missing} does not exist." in (run.cause or "")


async def test_a_long_machine_lets_others_work_in_between(service: Service) -> None:
    states: dict[str, Any] = {
        "a": {"Type": "Pass", "Next": "b"},
        "b": {"Type": "Pass", "Next": "a"},
        "c": {"Type": "Succeed"},
    }
    states["b"] = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.never", "IsPresent": True, "Next": "c"}],
        "Default": "a",
    }
    definition = json.dumps({"StartAt": "a", "States": states})
    arn = await service.create_state_machine("loop", definition, ROLE, {})
    run = await service.start_execution(arn, "x", "{}")
    assert run.status == "RUNNING"
    await service.execution_finished(run.arn)
    assert run.status == "FAILED"
    assert "maximum number of history events (25000)" in (run.cause or "")
    assert len(await service.get_execution_history(run.arn)) == 25_000


async def test_executions_are_found_where_their_names_have_the_same_hash(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiowfm.local.executions.hash", lambda text: 7, raising=False)
    arn = await machine(service, Type="Pass")
    started = [await service.start_execution(arn, name, "{}") for name in ("a", "b", "c")]
    found = [await service.describe_execution(run.arn) for run in started]
    assert [run.name for run in found] == ["a", "b", "c"]
    assert await refusal(service.start_execution(arn, "a", "[]")) == "ExecutionAlreadyExists"
    assert (await service.start_execution(arn, "d", "{}")).name == "d"


async def test_executions_that_have_finished_leave_nothing_behind_under_load(
    service: Service,
) -> None:
    arn = await machine(service, Type="Pass")
    for number in range(20):
        # Nothing here lets what is done in between have a turn.
        await service.start_execution(arn, f"under-load-{number}", "{}")
    await service.store.documents("any")  # commits
    runs = [each for each in gc.get_objects() if isinstance(each, Run)]
    assert [run.name for run in runs if run.name.startswith("under-load-")] == []


async def test_deeply_nested_json_passes_through(service: Service) -> None:
    arn = await machine(service, Type="Pass")
    text = "[" * 400 + "]" * 400
    run = await service.start_execution(arn, "deep", text)
    assert run.output is not None
    assert run.output.text == text


def test_a_local_backend_refuses_what_it_cannot_be() -> None:
    with pytest.raises(ConfigError, match="give one of 'none', 'commit', 'fsync'"):
        LocalBackend("orders.db", durability="maybe")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ConfigError, match="give 12 digits as text"):
        LocalBackend(account_id="1")
    with pytest.raises(ConfigError, match="give 12 digits as text"):
        LocalBackend(account_id=123456789012)  # type: ignore[arg-type]  # as YAML reads it


async def test_a_local_backend_belongs_to_one_loop_at_a_time() -> None:
    backend = LocalBackend()

    async def open_it() -> None:
        async with backend.open(max_polls=1):
            pass

    async with backend.open(max_polls=1):
        with pytest.raises(EngineStateError, match="another event loop"):
            await anyio.to_thread.run_sync(lambda: anyio.run(open_it))
    await anyio.to_thread.run_sync(lambda: anyio.run(open_it))
