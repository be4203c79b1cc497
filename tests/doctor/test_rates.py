"""What configurations cost of the quotas."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from aiowfm import Engine
from aiowfm.doctor.rates import busiest, rate_checks
from aiowfm.health import Check, Health


def engine_of(*tasks: str, heartbeat: Literal["auto", "manual"] = "auto", **options: Any) -> Engine:
    engine = Engine(app="shop", environment="dev", **options)
    for task in tasks:
        engine.task(task, heartbeat=heartbeat)(lambda: None)
    return engine


def checks(
    engine: Engine, seconds: dict[str, float] | None = None, processes: int = 1
) -> dict[str, Check]:
    handlers = engine._handlers
    found = rate_checks(handlers, engine.config, seconds or {}, processes)
    return {each.subject: each for each in found}


def beats(engine: Engine, seconds: dict[str, float]) -> float:
    slots = busiest(engine._handlers, engine.config, seconds)
    return sum(count * rate for count, rate in slots)


def test_idle_workers_poll_once_a_minute_for_each_task() -> None:
    found = checks(engine_of("a", "b", "c"), processes=100)["poll rate"]
    assert found.health is Health.OK
    assert found.message.startswith("5.00/s while idle; polls open at once: up to 300.")


def test_a_poll_rate_bounds_what_is_polled() -> None:
    found = checks(engine_of("a", "b", poll_rate=200))["poll rate"]
    assert "400/s at most" in found.message
    assert found.health is Health.WARNING
    assert checks(engine_of("a", "b", poll_rate=300))["poll rate"].health is Health.PROBLEM


def test_one_activity_takes_a_thousand_polls() -> None:
    engine = engine_of("a", concurrency=20)  # ten of which poll, as max_pollers says
    assert checks(engine, processes=100)["poll rate"].health is Health.OK
    found = checks(engine, processes=101)["poll rate"]
    assert found.health is Health.PROBLEM
    assert "1,010 polls of one activity" in found.advice


@pytest.mark.parametrize(
    ("allowed", "every"),
    [(30, 10), (3, 1), (600, 60)],
)
def test_heartbeats_come_at_a_third_of_what_is_allowed(allowed: float, every: float) -> None:
    rate = beats(engine_of("a", concurrency=9), {"a": allowed})
    assert rate == pytest.approx(9 / (every * 0.9))


def test_a_task_that_says_nothing_is_taken_to_allow_a_minute() -> None:
    assert beats(engine_of("a"), {}) == pytest.approx(1 / (20 * 0.9))


def test_tasks_that_beat_by_themselves_are_not_counted() -> None:
    engine = engine_of("a", heartbeat="manual")
    assert beats(engine, {"a": 3}) == 0
    assert checks(engine)["heartbeat rate"].message.startswith("0.00/s")


def test_what_is_shared_goes_to_those_that_beat_most() -> None:
    engine = engine_of("fast", "slow", concurrency=10, max_concurrency=5)
    slots = busiest(engine._handlers, engine.config, {"fast": 3, "slow": 30})
    assert [count for count, _ in slots] == [4, 1]
    assert [rate for _, rate in slots] == pytest.approx([1 / 0.9, 1 / 9])


def test_ten_thousand_tasks_that_beat_every_five_seconds_are_too_many() -> None:
    engine = engine_of("a", concurrency=100)
    found = checks(engine, {"a": 15}, processes=100)["heartbeat rate"]
    assert found.message.startswith("2,222/s while all is busy; tasks at once: 10,000.")
    assert found.health is Health.PROBLEM
    assert "HeartbeatSeconds" in found.advice
    assert "which 22 of them reach" in found.message
    assert checks(engine, {"a": 15}, processes=22)["heartbeat rate"].health is Health.WARNING
    assert checks(engine, {"a": 15}, processes=10)["heartbeat rate"].health is Health.OK


def test_without_handlers_nothing_is_polled_or_beaten() -> None:
    assert checks(engine_of()) == {}
