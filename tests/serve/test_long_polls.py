"""GetActivityTask: held until there is a task, which is lost to nobody who has gone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aiowfm.local.service import Service
from tests.serve.test_clients import ROLE, task_machine

pytestmark = pytest.mark.anyio


async def until(is_so: Callable[[], bool]) -> None:
    """Let others work until *is_so*; the time limit of the test ends this."""
    while not is_so():
        await anyio.lowlevel.checkpoint()


async def machine(service: Service) -> tuple[str, str]:
    activity = (await service.create_activity("work")).arn
    arn = await service.create_state_machine("m", task_machine(activity), ROLE, {})
    return activity, arn


async def send(url: str, operation: str, body: dict[str, Any]) -> anyio.abc.SocketStream:
    """A request on a connection of its own."""
    host, port = url.removeprefix("http://").split(":")
    stream = await anyio.connect_tcp(host, int(port))
    text = json.dumps(body)
    await stream.send(
        (
            f"POST / HTTP/1.1\r\nHost: {host}\r\nX-Amz-Target: AWSStepFunctions.{operation}\r\n"
            f"Content-Length: {len(text)}\r\n\r\n{text}"
        ).encode()
    )
    return stream


async def test_a_task_is_handed_out_the_moment_it_exists(service: Service, client: Any) -> None:
    activity, arn = await machine(service)
    waiting = service.activities.get(activity)
    got: list[dict[str, Any]] = []

    async def poll() -> None:
        got.append(await client.get_activity_task(activityArn=activity))

    async with anyio.create_task_group() as group:
        group.start_soon(poll)
        await until(lambda: bool(waiting.polls))
        began = time.monotonic()
        await service.start_execution(arn, "x", '{"a": 1}')
    assert time.monotonic() - began < 1
    assert got[0]["input"] == '{"a": 1}'


async def test_a_client_that_is_gone_gets_no_task(service: Service, url: str) -> None:
    activity, arn = await machine(service)
    waiting = service.activities.get(activity)
    gone = await send(url, "GetActivityTask", {"activityArn": activity})
    await until(lambda: len(waiting.polls) == 1)
    await gone.aclose()
    await until(lambda: not [poll for poll in waiting.polls if not poll.answer.done()])
    run = await service.start_execution(arn, "x", "1")
    task = await service.get_activity_task(activity, "other")
    assert task is not None
    started = [
        event.details.get("workerName")
        for event in await service.get_execution_history(run.arn)
        if event.type == "ActivityStarted"
    ]
    assert started == ["other"]


async def test_a_task_that_could_not_be_written_is_offered_again(
    service: Service, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client goes while the task that it was given is being made durable."""
    activity, arn = await machine(service)
    flushed = service.flushed
    is_kept = anyio.Event()

    async def slowly() -> None:
        await flushed()
        await is_kept.wait()

    run = await service.start_execution(arn, "x", '"work"')
    monkeypatch.setattr(service, "flushed", slowly)
    gone = await send(url, "GetActivityTask", {"activityArn": activity, "workerName": "gone"})
    await until(lambda: not service.activities.get(activity).waiting)
    await gone.aclose()
    monkeypatch.setattr(service, "flushed", flushed)
    await until(lambda: bool(service.activities.get(activity).waiting))
    is_kept.set()
    task = await service.get_activity_task(activity, "other")
    assert task is not None
    assert task.input == '"work"'
    await service.send_task_success(task.token, "2")
    assert run.status == "SUCCEEDED"
    types = [event.type for event in await service.get_execution_history(run.arn)]
    assert types.count("ActivityStarted") == 1


async def test_a_task_of_an_execution_that_was_stopped_is_not_offered_again(
    service: Service,
) -> None:
    activity, arn = await machine(service)
    run = await service.start_execution(arn, "x", "1")
    task = await service.get_activity_task(activity, "gone")
    assert task is not None
    await service.stop_execution(run.arn, None, None)
    service.take_back(activity, task)
    assert not service.activities.get(activity).waiting


async def test_a_server_that_stops_sends_open_polls_home(service: Service) -> None:
    from aiowfm.serve import serve

    activity, _ = await machine(service)
    async with anyio.create_task_group() as group:
        url = await group.start(serve, service, "127.0.0.1", 0)
        stream = await send(url, "GetActivityTask", {"activityArn": activity})
        await until(lambda: bool(service.activities.get(activity).polls))
        group.cancel_scope.cancel()
    answer = await stream.receive()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'{"taskToken":null}' in answer
    await stream.aclose()


async def test_many_polls_do_not_keep_others_waiting(service: Service, url: str) -> None:
    activity, _ = await machine(service)
    streams = [await send(url, "GetActivityTask", {"activityArn": activity}) for _ in range(50)]
    await until(lambda: len(service.activities.get(activity).polls) == 50)
    other = await send(url, "ListActivities", {})
    assert b'"name":"work"' in await other.receive()
    for stream in [*streams, other]:
        await stream.aclose()
