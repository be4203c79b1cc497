from __future__ import annotations

import json
import logging
from collections import defaultdict
from typing import Any

import anyio
import pytest

from aiowfm.errors import (
    AccessDeniedError,
    AiowfmError,
    BackendError,
    BackendUnavailableError,
    TaskTokenExpiredError,
)
from aiowfm.tasks.outcomes import Failed, Outcome, Succeeded
from aiowfm.testing import VIRTUAL_TIME
from aiowfm.worker.reporter import Reporter
from aiowfm.worker.statistics import Tally
from tests.worker.fakes import Report, Reports, context

pytestmark = pytest.mark.anyio

LOST = BackendUnavailableError("SendTaskSuccess", "ConnectionClosed", "connection lost")
THROTTLED = BackendUnavailableError(
    "SendTaskSuccess", "ThrottlingException", "slower", may_have_arrived=False
)
FORBIDDEN = AccessDeniedError("SendTaskSuccess", "AccessDenied", "expired credentials")
EXPIRED = TaskTokenExpiredError("too late")
REFUSED = BackendError("SendTaskSuccess", "InvalidOutput", "refused")
SUCCEEDED = Succeeded('{"paid":true}')


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


@pytest.mark.parametrize(
    ("outcome", "report"),
    [
        pytest.param(SUCCEEDED, Report("t", "succeed", '{"paid":true}'), id="success"),
        pytest.param(Failed("Broke", "why"), Report("t", "fail", "Broke", "why"), id="failure"),
    ],
)
async def test_an_outcome_is_reported(outcome: Outcome, report: Report) -> None:
    reports = Reports()
    await Reporter(reports, defaultdict(Tally)).report(context("t"), outcome)
    assert reports.taken == [report]


@pytest.mark.parametrize(
    "fault", [pytest.param(LOST, id="fault"), pytest.param(FORBIDDEN, id="forbidden")]
)
async def test_a_report_is_sent_until_it_is_taken(fault: AiowfmError) -> None:
    reports = Reports()
    reports.faults.extend([fault] * 12)
    await Reporter(reports, defaultdict(Tally)).report(context("t"), SUCCEEDED)
    assert reports.tried == 13
    assert len(reports.taken) == 1


async def test_a_token_that_is_dead_is_reported_once_and_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reports = Reports()
    reports.dead["t"] = EXPIRED
    await Reporter(reports, defaultdict(Tally)).report(context("t"), SUCCEEDED)
    assert (reports.tried, reports.taken) == (1, [])
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.WARNING, "task charge was cancelled or timed out before its result came")
    ]


@pytest.mark.parametrize(
    "refusal", [pytest.param(THROTTLED, id="throttled"), pytest.param(FORBIDDEN, id="forbidden")]
)
async def test_a_token_that_is_dead_after_a_refusal_is_too_late(
    refusal: AiowfmError, caplog: pytest.LogCaptureFixture
) -> None:
    reports, tallies = Reports(), defaultdict[str, Tally](Tally)
    reports.faults.extend([refusal] * 2)
    reports.dead["t"] = EXPIRED
    await Reporter(reports, tallies).report(context("t"), SUCCEEDED)
    assert (
        caplog.records[-1].message
        == "task charge was cancelled or timed out before its result came"
    )
    assert tallies == {"charge": Tally(unwanted=1, reports_retried=2)}


@pytest.mark.parametrize(
    ("outcome", "faults", "tally"),
    [
        pytest.param(SUCCEEDED, [], Tally(succeeded=1), id="success"),
        pytest.param(Failed("Broke", "why"), [], Tally(failed=1), id="failure"),
        pytest.param(Failed("aiowfm.WorkerStopped", ""), [], Tally(handed_back=1), id="back"),
        pytest.param(SUCCEEDED, [LOST], Tally(succeeded=1, reports_retried=1), id="fault"),
        pytest.param(SUCCEEDED, [REFUSED], Tally(failed=1), id="refused result"),
        pytest.param(SUCCEEDED, [REFUSED, REFUSED], Tally(lost=1), id="refused failure"),
        pytest.param(SUCCEEDED, [EXPIRED], Tally(unwanted=1), id="too late"),
        pytest.param(
            SUCCEEDED,
            [LOST, THROTTLED, EXPIRED],
            Tally(probably_delivered=1, reports_retried=2),
            id="in doubt",
        ),
    ],
)
async def test_what_becomes_of_a_report_is_counted(
    outcome: Outcome, faults: list[Exception], tally: Tally
) -> None:
    reports, tallies = Reports(), defaultdict[str, Tally](Tally)
    reports.faults.extend(faults)
    await Reporter(reports, tallies).report(context("t"), outcome)
    assert tallies == {"charge": tally}


async def test_a_token_that_is_dead_after_a_fault_means_that_the_report_had_arrived(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "aiowfm.worker")
    reports = Reports()
    reports.faults.append(LOST)
    reports.dead["t"] = EXPIRED
    await Reporter(reports, defaultdict(Tally)).report(context("t"), SUCCEEDED)
    last = caplog.records[-1]
    assert (last.levelno, last.message) == (
        logging.INFO,
        "task charge was probably reported before",
    )


async def test_a_result_that_is_refused_fails_the_task() -> None:
    reports = Reports()
    reports.faults.append(REFUSED)
    await Reporter(reports, defaultdict(Tally)).report(context("t"), SUCCEEDED)
    (report,) = reports.taken
    assert (report.kind, report.text) == ("fail", "aiowfm.InvalidOutput")
    assert "refused" in json.loads(report.cause)["errorMessage"]


async def test_a_failure_that_is_refused_is_given_up_and_logged_as_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reports = Reports()
    reports.faults.extend([REFUSED, REFUSED])
    await Reporter(reports, defaultdict(Tally)).report(context("t"), SUCCEEDED)
    assert (reports.tried, reports.taken) == (2, [])
    assert caplog.records[-1].levelno == logging.ERROR


async def test_an_outage_of_hours_loses_no_report() -> None:
    reports = Reports()
    reports.faults.extend([LOST] * 5_000)
    begun = anyio.current_time()
    await Reporter(reports, defaultdict(Tally)).report(
        context("t", heartbeat_seconds=30), SUCCEEDED
    )
    assert anyio.current_time() - begun > 3_600
    assert len(reports.taken) == 1


async def test_only_a_worker_that_stops_gives_reports_up_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reports = Reports()
    reports.faults.extend([LOST] * 1_000)
    reporter = Reporter(reports, defaultdict(Tally))
    begun = anyio.current_time()
    async with anyio.create_task_group() as group:
        group.start_soon(reporter.report, context("t"), SUCCEEDED)
        await anyio.sleep(100)
        reporter.finish_within(30)
    assert anyio.current_time() - begun == pytest.approx(130)
    assert not reports.taken
    assert caplog.records[-1].levelno == logging.ERROR
    assert caplog.records[-1].message.endswith("its result is lost")


async def test_a_report_that_has_begun_is_finished_though_its_task_is_cancelled() -> None:
    reports = Reports()
    reports.delay_seconds = 1.0
    reports.faults.append(LOST)
    async with anyio.create_task_group() as group:
        group.start_soon(Reporter(reports, defaultdict(Tally)).report, context("t"), SUCCEEDED)
        await reports.wakeup.until(lambda: reports.tried == 1)
        group.cancel_scope.cancel()
    assert (reports.tried, len(reports.taken)) == (2, 1)


async def test_a_report_is_made_in_a_task_that_is_cancelled_already() -> None:
    reports = Reports()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await Reporter(reports, defaultdict(Tally)).report(context("t"), SUCCEEDED)
    assert len(reports.taken) == 1


async def test_tokens_and_results_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    reports = Reports()
    reports.faults.extend([LOST, REFUSED])
    reports.dead["secret-token"] = EXPIRED
    await Reporter(reports, defaultdict(Tally)).report(
        context("secret-token"), Succeeded('"secret-result"')
    )
    assert caplog.records
    for record in caplog.records:
        assert "secret" not in str(record.__dict__)
