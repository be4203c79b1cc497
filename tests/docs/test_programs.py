"""Programs of the documents that serve, wait for signals, or work together."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import httpx
import pytest
from aiohttp.test_utils import TestClient as AiohttpClient
from aiohttp.test_utils import TestServer

from aiowfm import Engine, LocalBackend
from aiowfm.ports import Backend
from tests.docs.blocks import ROOT, blocks_of
from tests.end_to_end.conftest import waiting
from tests.ministack import REGION, ROLE_ARN, MiniStack

PATIENCE_SECONDS = 18
ORDER = {"item": "samovar"}
KEY = "dev--order--0--price--o-2"


def saved(document: str, folder: Path) -> None:
    """Save the files of *document*; of those with one name, the last."""
    for block in blocks_of(ROOT / "docs" / document):
        if block.title:
            (folder / block.title).write_text(block.text)


def _module(path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.chdir(path.parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, loaded)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["fastapi_app", "starlette_app"])
async def test_the_application_takes_an_order_and_ships_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved("web.md", tmp_path)
    async with _served(tmp_path / f"{name}.py", monkeypatch) as (loaded, http):
        placed = await http.post("/orders", json=ORDER)
        id = placed.json()["id"]
        assert (placed.status_code, await _shown(http, id)) == (201, ("running", None))
        await waiting(loaded.engine, id)
        approved = await http.post(f"/orders/{id}/approval?by=ada")
        assert approved.json() == {"approval": "DELIVERED"}
        await loaded.engine.wait(id, timeout=PATIENCE_SECONDS)
        assert await _shown(http, id) == (
            "succeeded",
            "samovar is on its way, approved by ada",
        )


@pytest.mark.anyio
async def test_the_fastapi_application_says_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved("web.md", tmp_path)
    async with _served(tmp_path / "fastapi_app.py", monkeypatch) as (_, http):
        assert (await http.get("/orders/nope")).status_code == 404
        assert (await http.post("/orders/nope/approval?by=ada")).status_code == 404


@pytest.mark.anyio
async def test_the_fastapi_application_takes_one_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved("web.md", tmp_path)
    async with _served(tmp_path / "fastapi_app.py", monkeypatch) as (loaded, http):
        id = (await http.post("/orders", json=ORDER)).json()["id"]
        await waiting(loaded.engine, id)
        url = f"/orders/{id}/approval"
        assert (await http.post(f"{url}?by=ada")).status_code == 200
        assert (await http.post(f"{url}?by=ada")).json() == {"approval": "ALREADY_FINALIZED"}
        assert (await http.post(f"{url}?by=bob")).status_code == 409


@pytest.mark.anyio
async def test_the_fastapi_application_says_what_waits_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved("web.md", tmp_path)
    async with _served(tmp_path / "fastapi_app.py", monkeypatch) as (loaded, http):
        id = (await http.post("/orders", json=ORDER)).json()["id"]
        await waiting(loaded.engine, id)
        await loaded.engine.cancel_workflow(id)
        assert (await http.post(f"/orders/{id}/approval?by=ada")).status_code == 410


@asynccontextmanager
async def _served(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[ModuleType, httpx.AsyncClient]]:
    loaded = _module(path, monkeypatch)
    transport = httpx.ASGITransport(loaded.app)
    async with (
        loaded.app.router.lifespan_context(loaded.app),
        httpx.AsyncClient(transport=transport, base_url="http://shop") as http,
    ):
        yield loaded, http


async def _shown(http: httpx.AsyncClient, id: str) -> tuple[str, str | None]:
    shown = (await http.get(f"/orders/{id}")).json()
    return shown["status"], shown["output"]


@pytest.mark.anyio
async def test_the_aiohttp_application_takes_an_order_and_ships_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved("web.md", tmp_path)
    loaded = _module(tmp_path / "aiohttp_app.py", monkeypatch)
    async with AiohttpClient(TestServer(loaded.make_app())) as http:
        placed = await http.post("/orders", json=ORDER)
        url = f"/orders/{(await placed.json())['id']}"
        answer = await http.post(f"{url}/approval?by=ada")
        assert (await answer.json())["approval"] in ("DELIVERED", "DEFERRED")
        await loaded.engine.wait(url.rpartition("/")[2], timeout=PATIENCE_SECONDS)
        shown: Any = await (await http.get(url)).json()
    assert shown == {"status": "succeeded", "output": "samovar is on its way, approved by ada"}


@pytest.mark.slow
def test_the_worker_stops_at_sigterm(tmp_path: Path) -> None:
    saved("workers.md", tmp_path)
    variables = {"AIOWFM_APP": "shop", "AIOWFM_ENVIRONMENT": "dev"}
    with _working(tmp_path, variables | {"AIOWFM_LOCAL_PATH": "shop.db"}) as worker:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_SECONDS) == 0


@pytest.mark.slow
@pytest.mark.timeout(60)  # seven programs, one after the other
@pytest.mark.anyio
async def test_the_shop_of_the_tutorial_comes_back_later(tmp_path: Path) -> None:
    saved("tutorial.md", tmp_path)
    variables = {"AIOWFM_LOCAL_PATH": "shop.db"}
    assert _output(tmp_path, variables, "place.py", "o-2", "samovar") == f"{KEY} running\n"
    assert _output(tmp_path, variables, "decide.py", KEY, "yes") in ("DELIVERED\n", "DEFERRED\n")
    status: object = "running"
    while status == "running":
        with _working(tmp_path, variables) as worker:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE_SECONDS) == 0
        status = await _status(LocalBackend(tmp_path / "shop.db"), tmp_path)
    assert status == "samovar is on its way, approved by ada"


@pytest.mark.aws
@pytest.mark.slow
@pytest.mark.timeout(60)  # seven programs, one after the other
@pytest.mark.anyio
async def test_the_shop_of_the_tutorial_works_on_aws(tmp_path: Path, ministack: MiniStack) -> None:
    saved("tutorial.md", tmp_path)
    variables = {
        "AIOWFM_BACKEND": "aws",
        "AIOWFM_AWS_REGION": REGION,
        "AIOWFM_AWS_ROLE_ARN": ROLE_ARN,
        "AIOWFM_GRACE_SECONDS": "0",
        "AWS_ENDPOINT_URL": ministack.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    with _working(tmp_path, variables) as worker:
        assert _output(tmp_path, variables, "place.py", "o-2", "samovar") == f"{KEY} running\n"
        decided = _output(tmp_path, variables, "decide.py", KEY, "no")
        assert decided in ("DELIVERED\n", "DEFERRED\n")
        status: object = "running"
        while status == "running":
            await anyio.sleep(0.1)
            status = await _status(ministack.backend(), tmp_path)
        assert status == "samovar is cancelled"
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_SECONDS) == 0


async def _status(backend: Backend, folder: Path) -> object:
    """What became of the order: its output, or its status."""
    engine = Engine(
        app="shop", environment="dev", definitions=folder / "workflows.yml", backend=backend
    )
    await engine.start(worker=False)
    workflow = await engine.get_workflow(KEY)
    await engine.stop()
    return workflow.output or workflow.status


@contextmanager
def _working(folder: Path, variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The program `worker.py`, from when its engine has a backend."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WORKER], cwd=folder, env=_environ(variables), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"signals are received\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


# Says when a signal can be sent; before that it would end Python as it always does.
_WORKER = """
import runpy, anyio
receiver = anyio.open_signal_receiver
def telling(*signals):
    opened = receiver(*signals)
    class Telling:
        def __enter__(self):
            entered = opened.__enter__()
            print("signals are received", flush=True)
            return entered
        def __exit__(self, *error):
            return opened.__exit__(*error)
    return Telling()
anyio.open_signal_receiver = telling
runpy.run_path("worker.py", run_name="__main__")
"""


def _output(folder: Path, variables: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=_environ(variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environ(variables: dict[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if "AIOWFM" not in name}
    return inherited | variables
