"""The examples, and the programs in the documents: what readers are shown runs as shown."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aiowfm import Engine
from aiowfm.aws.token_items import LISTED, result_item, wait_item
from aiowfm.definitions import CompilerOptions, compile_definition
from aiowfm.waits import Acceptance, Delivery, Fence, Owner, TaskToken, Wait, WaitStatus
from tests.docs.blocks import DOCUMENTS

ROOT = Path(__file__).parents[2]
CALLBACKS = ROOT / "docs" / "callbacks.md"
PATIENCE_SECONDS = 15
PRINTING = [
    "README.md",
    "docs/callbacks.md",
    "docs/idempotency.md",
    "docs/payloads.md",
    "docs/testing.md",
    "docs/tutorial.md",
]
WORK_TOGETHER = {"shop.py", "place.py", "decide.py", "worker.py"}  # in tests/docs/test_programs.py

_FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A fenced block: a file if it has a title, else the output of the program before it."""

    language: str
    title: str
    text: str


@pytest.mark.slow
@pytest.mark.timeout(60)  # several programs, one after the other
@pytest.mark.parametrize("name", PRINTING)
def test_the_programs_of_a_document_print_what_it_says(name: str, tmp_path: Path) -> None:
    programs = 0
    printed: str | None = None
    for listing in _listings(ROOT / name):
        if listing.title:
            (tmp_path / listing.title).write_text(listing.text)
            if listing.title.startswith("test_"):
                _output_of("-m", "pytest", "-p", "no:asyncio", listing.title, cwd=tmp_path)
            elif listing.language == "python" and listing.title not in WORK_TOGETHER:
                printed = _output_of(tmp_path / listing.title, cwd=tmp_path)
                programs += 1
        elif listing.language == "text" and printed is not None:
            assert printed == listing.text
            printed = None
    assert programs > 0
    assert printed is None, "a program is not followed by what it prints"


@pytest.mark.slow
def test_the_tutorial_quotes_the_problem_of_a_misspelt_resource(tmp_path: Path) -> None:
    tutorial = ROOT / "docs" / "tutorial.md"
    workflows, app = [each for each in _listings(tutorial) if each.title][:2]
    misspelt = workflows.text.replace("Resource: charge", "Resource: chrge")
    (tmp_path / workflows.title).write_text(misspelt)
    (tmp_path / app.title).write_text(app.text)
    done = _run(app.title, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].partition(": ")[2] in tutorial.read_text()


@pytest.mark.slow
def test_the_client_of_the_server_prints_what_the_document_says(tmp_path: Path) -> None:
    client, printed = list(_listings(ROOT / "docs" / "serve.md"))[2:4]
    program = [sys.executable, "-m", "aiowfm", "serve", "--port", "0"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            url = re.search(r"http://\S+:\d+", server.stderr.readline())
            assert url is not None
            text = client.text.replace("http://127.0.0.1:8083", url[0])
            (tmp_path / client.title).write_text(text)
            assert _output_of(client.title, cwd=tmp_path) == printed.text
        finally:
            server.terminate()


@pytest.mark.anyio
@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
async def test_the_states_of_the_page_on_callbacks_wait_and_go_on(
    language: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Engine(app="shop", environment="dev", definitions=_waiting(language)) as engine:
        workflow = await engine.start_workflow("order", {"id": "o-17", "amount": 120})
        key = f"o-17/{workflow.id}"
        assert await engine.finalizer.success(key, {"by": "ops"})
        done = await engine.wait(workflow.id, timeout=PATIENCE_SECONDS)
        task = await engine.finalizer.get(key)
    assert (done.status, done.output) == ("succeeded", {"by": "ops"})
    assert task is not None
    assert task.message == {"amount": 120}
    assert caplog.messages == []


def test_the_page_on_callbacks_shows_what_is_compiled_in() -> None:
    shown = next(each for each in _listings(CALLBACKS) if each.language == "json")
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/dev--shop-callbacks"
    (definition,) = Engine(
        app="shop", environment="dev", definitions=_waiting("JSONPath")
    ).definitions
    deployed: Any = compile_definition(
        definition, activity_arn=str, queue_url=url, options=CompilerOptions()
    )
    assert deployed["States"]["approve"]["Parameters"] == json.loads(shown.text)


def test_the_page_on_callbacks_lists_every_attribute_of_the_table() -> None:
    acceptance = Acceptance(
        kind="failure", digest="d", error="Rejected", at=1.0, delivery=Delivery.DELIVERED
    )
    wait = Wait(
        key="o-17",
        status=WaitStatus.WAITING,
        revision="r",
        wait_id="w",
        token=TaskToken("t"),
        owner=Owner("arn", "approve", 0),
        fence=Fence("2025-01-31T09:15:00.123Z", 0, 0),
        heartbeat_seconds=1.0,
        timeout_seconds=2.0,
        arrived_at=1.0,
        due_at=3.0,
        expires_at=4.0,
        acceptance=acceptance,
    )
    page = CALLBACKS.read_text()
    for item in (wait_item(wait), result_item(wait, "{}")):
        assert [name for name in item if f"`{name}`" not in page] == []
    assert ", ".join(f"`{name}`" for name in LISTED) in page


@pytest.mark.slow
def test_hello_greets() -> None:
    assert _output_of("-m", "examples.hello", cwd=ROOT) == "Hello, world!\n"


@pytest.mark.slow
def test_each_order_comes_to_its_end() -> None:
    output = _output_of("-m", "examples.orders", cwd=ROOT)
    assert "10 orders: 6 shipped, 2 back-ordered, 1 cancelled, 1 refused." in output
    assert "71 tasks, 4 of them retries" in output
    for line in (
        "o-03  charge   GatewayUnavailable, attempt 1",
        "o-04  -> back-ordered, waits for 1 x samovar",
        "o-05  -> cancelled, not enough money",
        "o-07  charge   done, attempt 3",
        "o-08  -> refused, OrderRefused: the review did not approve of the order",
    ):
        assert line in output


@pytest.mark.slow
def test_orders_log_what_a_handler_logs() -> None:
    arguments = ["-X", "dev", "-m", "examples.orders", "--plain", "--log-level", "info"]
    done = _run(*arguments, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "INFO aiowfm.tasks: order o-01 is shipped" in done.stderr
    assert "Traceback" not in done.stderr
    assert "never awaited" not in done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target, anchor in _LINK.findall(document.read_text()):
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), f"{document.name} links to {target}"
        if anchor:
            headings = [_slug(each) for each in _HEADING.findall(path.read_text())]
            assert anchor in headings, f"{document.name} links to {target}#{anchor}"


def _waiting(language: str) -> str:
    """A definition with the callback state that the page shows in *language*."""
    by_language = [each.text for each in _listings(CALLBACKS) if each.language == "yaml"]
    state = by_language[["JSONPath", "JSONata"].index(language)]
    ends = "ship: {Type: Succeed}\ncancel: {Type: Succeed}\n"
    states = textwrap.indent(state + ends, " " * 6)
    return f"name: order\nstateMachine:\n    StartAt: approve\n    States:\n{states}"


def _listings(document: Path) -> Iterator[Listing]:
    for language, title, text in _FENCE.findall(document.read_text()):
        yield Listing(language=language, title=title, text=text)


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _output_of(*arguments: str | Path, cwd: Path) -> str:
    done = _run("-W", "error", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
