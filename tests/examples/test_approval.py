"""Orders that wait for a person, over HTTP: both applications, each in a process of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from aiohttp import web
from examples.approval import aiohttp_app
from examples.approval.fastapi_app import with_engine
from examples.approval.shop import make_engine
from fastapi import FastAPI

from aiowfm import EngineState
from aiowfm.callbacks.links import LinkFacts, signed

ROOT = Path(__file__).parents[2]
FRAMEWORKS = [pytest.param("FastAPI", id="fastapi"), pytest.param("aiohttp", id="aiohttp")]
PATIENCE_SECONDS = 10
SECRET = "not much of a secret"

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Shop:
    """A shop that is open, as its customers and staff see it."""

    http: httpx.Client
    process: subprocess.Popen[str]

    def order(self, item: str = "samovar", quantity: int = 2) -> str:
        answer = self.http.post("/orders", json={"item": item, "quantity": quantity})
        assert answer.status_code == 201
        return str(answer.json()["id"])

    def ordered(self) -> dict[str, Any]:
        """An order, once it waits for approval."""
        id = self.order()
        return self.until(lambda: self.pending().get(id))

    def pending(self) -> dict[str, dict[str, Any]]:
        return {each["key"]: each for each in self.http.get("/approvals").json()}

    def decide(self, key: str, decision: str, **fields: str) -> httpx.Response:
        return self.http.post(
            f"/approvals/{key}", json={"decision": decision, "by": "ada", **fields}
        )

    def status(self, key: str) -> str:
        return str(self.http.get(f"/orders/{key}").json()["status"])

    def result(self, key: str) -> dict[str, str]:
        """What came of an order, once something has."""

        def finished() -> dict[str, Any] | None:
            order = self.http.get(f"/orders/{key}").json()
            return None if order["status"] == "running" else order

        order = self.until(finished)
        assert order["status"] == "succeeded", order
        result: dict[str, str] = order["result"]
        return result

    def until(self, find: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
        """What *find* finds as soon as it does."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := find()) is None:
            assert time.monotonic() < deadline, "nothing was found"
            time.sleep(0.02)
        return found


@contextmanager
def opened(framework: str, *arguments: str | Path) -> Iterator[Shop]:
    program = [sys.executable, "-W", "error", "-m", "examples.approval", "--port", "0", *arguments]
    if framework == "aiohttp":
        program.append("--aiohttp")
    environment = os.environ | {"AIOWFM_LINK_SECRET": SECRET}
    with subprocess.Popen(
        program, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = re.match(rf"(http://127\.0\.0\.1:\d+) serves orders with {framework}", line)
            assert url is not None, line
            with httpx.Client(base_url=url[1], timeout=PATIENCE_SECONDS) as client:
                yield Shop(client, process)
        finally:
            process.terminate()


def test_a_port_that_is_taken_is_said_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = [sys.executable, "-m", "examples.approval", "--port", str(port)]
        ended = subprocess.run(
            program,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert ended.returncode == 2
    assert f"port {port}: Address already in use; give another" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture(scope="module", params=FRAMEWORKS)
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    with opened(request.param) as shop:
        yield shop


def local(link: str) -> str:
    """What of *link* comes after the host, which may have changed."""
    return link[link.index("/decide") :]


def changed(link: str, **fields: str) -> str:
    query = dict(parse_qsl(urlsplit(link).query))
    query |= {f"aiowfm-{name}": value for name, value in fields.items()}
    return "/decide?" + urlencode(query)


def test_an_order_waits_until_it_is_approved(shop: Shop) -> None:
    waiting = shop.ordered()
    key = waiting["key"]
    assert waiting["order"] == {"item": "samovar", "quantity": 2, "total_cents": 43_000}
    assert waiting["waiting_since"] < waiting["expires_at"]
    assert shop.status(key) == "running"

    answer = shop.decide(key, "approve", wait_id=waiting["wait_id"])
    assert (answer.status_code, answer.json()) == (200, {"finalization": "DELIVERED"})
    assert shop.result(key) == {"outcome": "shipped", "note": "approved by ada"}
    assert key not in shop.pending()


def test_an_order_that_is_rejected_is_cancelled(shop: Shop) -> None:
    key = shop.ordered()["key"]
    assert shop.decide(key, "reject", reason="too dear").status_code == 200
    assert shop.result(key) == {"outcome": "cancelled", "note": "too dear (ada)"}


def test_an_order_that_fails_its_check_waits_for_nobody(shop: Shop) -> None:
    key = shop.order(item="moon")

    def failed() -> dict[str, Any] | None:
        order = shop.http.get(f"/orders/{key}").json()
        return order if order["status"] == "failed" else None

    assert shop.until(failed)["error"] == "UnknownItem"
    assert key not in shop.pending()


def test_the_list_shows_all_that_waits_longest_first(shop: Shop) -> None:
    keys = [shop.ordered()["key"] for _ in range(3)]
    assert [key for key in shop.pending() if key in keys] == keys


def test_the_first_decision_is_the_only_one(shop: Shop) -> None:
    key = shop.ordered()["key"]
    assert shop.decide(key, "approve").status_code == 200
    again = shop.decide(key, "approve")
    assert (again.status_code, again.json()) == (200, {"finalization": "ALREADY_FINALIZED"})
    other = shop.decide(key, "reject")
    assert other.status_code == 409
    assert "another result was accepted first, a success" in other.json()["error"]
    assert shop.result(key)["outcome"] == "shipped"


def test_of_many_decisions_at_once_one_is_taken(shop: Shop) -> None:
    key = shop.ordered()["key"]
    decisions = ["approve", "reject"] * 10
    with ThreadPoolExecutor(len(decisions)) as people:
        answers = list(people.map(lambda decision: shop.decide(key, decision), decisions))
    taken = [
        decision
        for decision, answer in zip(decisions, answers, strict=True)
        if answer.json() == {"finalization": "DELIVERED"}
    ]
    assert len(taken) == 1
    for decision, answer in zip(decisions, answers, strict=True):
        assert answer.status_code == (200 if decision == taken[0] else 409)
    assert shop.result(key)["outcome"] == ("shipped" if taken == ["approve"] else "cancelled")


@pytest.mark.parametrize(
    ("path", "json", "status"),
    [
        pytest.param("/approvals/nope", {"decision": "approve", "by": "ada"}, 404, id="key"),
        pytest.param("/approvals/nope", {"decision": "perhaps", "by": "ada"}, 422, id="decision"),
        pytest.param(
            "/approvals/" + "k" * 2_049, {"decision": "reject", "by": "ada"}, 400, id="long"
        ),
        pytest.param("/orders", {"item": "samovar", "quantity": 0}, 422, id="order"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    shop: Shop, path: str, json: dict[str, Any], status: int
) -> None:
    assert shop.http.post(path, json=json).status_code == status


def test_an_unknown_order_is_not_found(shop: Shop) -> None:
    assert shop.http.get("/orders/nope").status_code == 404
    assert shop.http.get("/orders/dev--order--0--check--nope").status_code == 404


def test_a_decision_about_another_wait_is_refused(shop: Shop) -> None:
    key = shop.ordered()["key"]
    assert shop.decide(key, "approve", wait_id="0" * 32).status_code == 410
    assert key in shop.pending()


@pytest.mark.parametrize(
    ("outcome", "done", "result"),
    [
        pytest.param("approve", "approved", "shipped", id="approve"),
        pytest.param("reject", "rejected", "cancelled", id="reject"),
    ],
)
def test_a_link_shows_a_form_and_the_form_decides(
    shop: Shop, outcome: str, done: str, result: str
) -> None:
    waiting = shop.ordered()
    key, link = waiting["key"], waiting["links"][outcome]

    shown = [shop.http.request(method, link) for method in ("HEAD", "GET", "GET")]
    assert [answer.status_code for answer in shown] == [200, 200, 200]
    for answer in shown:
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    assert '<form method="post">' in shown[-1].text
    assert "samovar" in shown[-1].text
    assert key in shop.pending()
    assert shop.status(key) == "running"

    answer = shop.http.post(link)
    assert (answer.status_code, done in answer.text) == (200, True)
    assert shop.result(key)["outcome"] == result
    again = shop.http.post(link)
    assert (again.status_code, f"{done} already" in again.text) == (200, True)
    over = shop.http.get(link)
    assert (over.status_code, "<form" in over.text) == (200, False)


def test_a_link_does_nothing_once_somebody_else_has_decided(shop: Shop) -> None:
    waiting = shop.ordered()
    shop.decide(waiting["key"], "reject")
    answer = shop.http.post(waiting["links"]["approve"])
    assert (answer.status_code, "somebody has decided" in answer.text) == (409, True)
    assert shop.result(waiting["key"])["outcome"] == "cancelled"


def test_a_link_that_is_not_ours_or_has_expired_is_refused(shop: Shop) -> None:
    waiting = shop.ordered()
    link = waiting["links"]["reject"]
    address = link.partition("?")[0]
    facts = {"key": waiting["key"], "wait_id": waiting["wait_id"], "outcome": "approve"}
    forged = signed(address, LinkFacts(**facts, expires=2**32), "a secret of another")
    expired = signed(address, LinkFacts(**facts, expires=int(time.time()) - 1), SECRET)
    refused = [
        changed(link, outcome="approve"),
        changed(link, key=shop.ordered()["key"]),
        changed(link, expires=str(2**32)),
        "/decide",
        forged,
        expired,
    ]
    for each in refused:
        for method in ("GET", "POST"):
            answer = shop.http.request(method, each)
            assert (answer.status_code, "<form" in answer.text) == (403, False)
    assert "has expired" in shop.http.get(expired).text
    assert shop.status(waiting["key"]) == "running"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_order_is_approved_after_the_process_was_killed(framework: str, tmp_path: Path) -> None:
    file = tmp_path / "orders.db"
    with opened(framework, "--db", file) as shop:
        by_post, by_link = shop.ordered(), shop.ordered()
        shop.process.kill()
    with opened(framework, "--db", file) as shop:
        assert list(shop.pending()) == [by_post["key"], by_link["key"]]
        assert shop.decide(by_post["key"], "approve", wait_id=by_post["wait_id"]).is_success
        assert shop.http.post(local(by_link["links"]["reject"])).is_success
        assert shop.result(by_post["key"])["outcome"] == "shipped"
        assert shop.result(by_link["key"])["outcome"] == "cancelled"


@pytest.mark.anyio
async def test_the_engine_lives_inside_the_lifespan_that_was_there_before() -> None:
    engine = make_engine()
    states = []

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        states.append(engine.state)
        yield {"greeting": "hello"}
        states.append(engine.state)

    app = FastAPI(lifespan=own)
    app.router.lifespan_context = with_engine(engine, app.router.lifespan_context)
    async with app.router.lifespan_context(app) as state:
        assert state == {"greeting": "hello"}
        assert engine.state is EngineState.RUNNING
    assert states == [EngineState.STOPPED, EngineState.STOPPED]


@pytest.mark.anyio
async def test_the_engine_lives_inside_the_context_that_was_there_before() -> None:
    engine = make_engine()
    app = aiohttp_app.make_app(engine, "http://127.0.0.1")
    states = []

    async def around(app: web.Application) -> AsyncIterator[None]:
        states.append(engine.state)
        yield
        states.append(engine.state)

    app.cleanup_ctx.insert(0, around)
    runner = web.AppRunner(app)
    await runner.setup()
    assert (engine.state, app[aiohttp_app.AUDIT].is_open) == (EngineState.RUNNING, True)
    await runner.cleanup()
    assert (engine.state, app[aiohttp_app.AUDIT].is_open) == (EngineState.STOPPED, False)
    assert states == [EngineState.STOPPED, EngineState.STOPPED]
