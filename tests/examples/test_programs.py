"""Media, nightly, saga and anywhere: what they print, and what becomes of their workflows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.media.app import RENDITIONS, STANDS_STILL, Progress, Studio
from examples.media.app import make_engine as make_media
from examples.nightly.app import ACCOUNTS, LOCKED
from examples.nightly.app import make_engine as make_nightly
from examples.nightly.app import run as run_night
from examples.saga.app import Agency, Trip
from examples.saga.app import make_engine as make_saga

from aiowfm import LocalBackend
from aiowfm.ports import Backend
from tests.ministack import REGION, ROLE_ARN, MiniStack

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 18


@pytest.fixture(params=["local", pytest.param("aws", marks=pytest.mark.aws)])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param == "local":
        yield LocalBackend()
    else:
        yield request.getfixturevalue("ministack").backend()


@pytest.mark.slow
def test_saga_books_one_trip_and_takes_the_others_back() -> None:
    output = _output_of("examples.saga")
    said = output.partition("\n\n")[0].splitlines()
    assert [line for line in said if line.startswith("t-3")] == [
        "t-3: flight to Tokyo booked",
        "t-3: hotel to Tokyo booked",
        "t-3: the bank does not answer",
        "t-3: the hotel does not answer",
        "t-3: hotel cancelled",
        "t-3: flight cancelled",
    ]
    assert output.endswith(
        "t-1 to Lisbon succeeded\n"
        "t-2 to Bethlehem failed: NoRoom, no room at the inn\n"
        "t-3 to Tokyo failed: CardDeclined, not enough money\n"
        "t-4 to Atlantis failed: NoSuchPlace, nobody flies to Atlantis\n"
        "booked: 2, all for t-1\n"
    )


@pytest.mark.anyio
async def test_a_trip_that_fails_leaves_nothing_booked(backend: Backend, environment: str) -> None:
    agency = Agency()
    engine = make_saga(agency, backend, environment)
    await engine.start()
    workflow = await engine.start_workflow("trip", Trip(id="t", city="Bethlehem", cents=1))
    done = await engine.wait(workflow.id, timeout=PATIENCE_SECONDS)
    await engine.stop(grace=0)
    assert (done.status, done.error) == ("failed", "NoRoom")
    assert agency.booked == {}


@pytest.mark.slow
def test_nightly_says_what_is_left() -> None:
    output = _output_of("examples.nightly")
    assert output.startswith("10,000 accounts, twenty to a batch:\n")
    assert re.search(r"^9,940 accounts settled in [\d.]+ s, 4,898\.70 in all\.$", output, re.M)
    assert output.endswith("60 are left, in batches with an account that is locked.\n")


@pytest.mark.anyio
async def test_a_night_settles_every_account_that_is_not_in_a_locked_batch() -> None:
    async with make_nightly() as engine:
        report = await run_night(engine, "2025-03-01")
        again = await run_night(engine, "2025-03-01")
        counts = engine.stats().tasks["settle"]
    assert again == report
    assert report.settled + len(report.left) == len(ACCOUNTS)
    assert set(report.left) >= LOCKED
    assert counts.succeeded == (len(ACCOUNTS) - 20 * len(LOCKED)) // 20


@pytest.mark.slow
def test_media_publishes_every_rendition() -> None:
    output = _output_of("examples.media")
    assert f"{STANDS_STILL}, attempt 2: 20 of 20\n" in output
    assert output.endswith("".join(f"nosferatu-{name}.mp4\n" for name in RENDITIONS))


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_coder_that_stands_still_is_noticed_and_its_part_done_by_another() -> None:
    seen: list[Progress] = []
    async with make_media(Studio(seen.append)) as engine:
        workflow = await engine.start_workflow("film", {"film": "nosferatu"})
        done = await engine.wait(workflow.id, timeout=PATIENCE_SECONDS)
    assert done.status == "succeeded"
    attempts = {each.attempt for each in seen if each.rendition == STANDS_STILL}
    assert len(attempts) >= 2
    for name in RENDITIONS:
        last = [each for each in seen if each.rendition == name][-1]
        assert last.done == last.parts


@pytest.mark.slow
def test_anywhere_is_in_memory_where_nothing_is_said() -> None:
    assert _output_of("examples.anywhere") == "Welcome, Ada, confirmed by mail. (in memory)\n"


@pytest.mark.slow
def test_anywhere_is_in_a_file_where_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "workflows.db"
    output = _output_of("examples.anywhere", AIOWFM_LOCAL_PATH=str(file))
    assert output == f"Welcome, Ada, confirmed by mail. (in {file})\n"
    assert file.exists()


@pytest.mark.aws
@pytest.mark.slow
def test_anywhere_is_on_aws_where_the_environment_says_so(
    ministack: MiniStack, environment: str
) -> None:
    output = _output_of(
        "examples.anywhere",
        AIOWFM_BACKEND="aws",
        AIOWFM_ENVIRONMENT=environment,
        AIOWFM_AWS_REGION=REGION,
        AIOWFM_AWS_ROLE_ARN=ROLE_ARN,
        AIOWFM_GRACE_SECONDS="0",
        AWS_ENDPOINT_URL=ministack.url,
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
    )
    assert output == "Welcome, Ada, confirmed by mail. (on AWS)\n"


def test_every_example_has_a_target_that_runs_it() -> None:
    targets = (ROOT / "Makefile").read_text()
    for package in (ROOT / "examples").glob("*/__init__.py"):
        name = package.parent.name
        assert f"$(BIN)/python -m examples.{name}" in targets


def _output_of(module: str, **variables: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if "AIOWFM" not in name}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", module],
        cwd=ROOT,
        env=inherited | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
