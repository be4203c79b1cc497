"""What an application costs of the quotas of Step Functions, computed from its configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aiowfm.config import EngineConfig
from aiowfm.health import Check, Health
from aiowfm.tasks.handlers import TaskHandler
from aiowfm.worker.heartbeats import DEFAULT_HEARTBEAT_SECONDS, LONGEST_INTERVAL_SECONDS
from aiowfm.worker.worker import most_polls, slot_limits

# Step Functions' quota of GetActivityTask, and of each SendTask…, per account in large regions,
# beyond a burst of 3,000. It is lower elsewhere, and can be raised.
QUOTA_PER_SECOND = 500
MAX_POLLERS_PER_ACTIVITY = 1_000

IDLE_POLL_SECONDS = 60.0  # GetActivityTask holds as long when there is no task
MEAN_JITTER = 0.9  # heartbeats come at 0.8 to 1 of their interval
_NOTABLE = 0.5  # of a quota that others share


def rate_checks(
    handlers: Mapping[str, TaskHandler],
    config: EngineConfig,
    heartbeat_seconds: Mapping[str, float],
    processes: int,
) -> Iterator[Check]:
    """How often *processes* workers poll and beat.

    Args:
        handlers: By task name.
        config: Limits.
        heartbeat_seconds: What states allow between heartbeats at least, by task name.
        processes: So many processes work at the same time.
    """
    if handlers:
        yield _polls(handlers, config, processes)
        yield _heartbeats(handlers, config, heartbeat_seconds, processes)


def _polls(handlers: Mapping[str, TaskHandler], config: EngineConfig, processes: int) -> Check:
    idle = len(handlers) / IDLE_POLL_SECONDS * processes
    is_limited = config.poll_rate is not None
    rate = len(handlers) * (config.poll_rate or 0.0) * processes if is_limited else idle
    opened = most_polls(handlers, config) * processes
    limits = slot_limits(handlers, config)
    pollers = max(min(config.max_pollers, limit) for limit in limits.values()) * processes
    health, advice = _against_quota(rate)
    if pollers > MAX_POLLERS_PER_ACTIVITY:
        health = Health.PROBLEM
        advice = (
            f"{pollers:,} polls of one activity may be open, and Step Functions takes"
            f" {MAX_POLLERS_PER_ACTIVITY:,}: lower max_pollers or the number of processes"
        )
    elif advice:
        advice = f"{advice}: fewer task names or processes, a lower poll_rate, or a raised quota"
    return Check(
        subject="poll rate",
        health=health,
        message=f"{_shown(idle)}/s while idle"
        + (f", {_shown(rate)}/s at most" if is_limited else "")
        + f"; polls open at once: up to {opened:,}. This is with {_processes(processes)}, and the"
        f" quota is about {QUOTA_PER_SECOND}/s for the account",
        advice=advice,
    )


def _heartbeats(
    handlers: Mapping[str, TaskHandler],
    config: EngineConfig,
    heartbeat_seconds: Mapping[str, float],
    processes: int,
) -> Check:
    slots = busiest(handlers, config, heartbeat_seconds)
    busy = sum(count for count, _ in slots)
    per_process = sum(count * rate for count, rate in slots)
    rate = per_process * processes
    health, advice = _against_quota(rate)
    if advice:
        advice = f"{advice}: give states a longer HeartbeatSeconds, or have the quota raised"
    message = (
        f"{_shown(rate)}/s while all is busy; tasks at once: {busy * processes:,}. This is with"
        f" {_processes(processes)}, and the quota is about {QUOTA_PER_SECOND}/s for the account"
    )
    if per_process:
        message += f", which {max(1, int(QUOTA_PER_SECOND / per_process)):,} of them reach"
    return Check(subject="heartbeat rate", health=health, message=message, advice=advice)


def busiest(
    handlers: Mapping[str, TaskHandler],
    config: EngineConfig,
    heartbeat_seconds: Mapping[str, float],
) -> list[tuple[int, float]]:
    """The slots of one process as they beat most: how many, and beats per second of each.

    With `max_concurrency` each task keeps one slot, and the rest may go to those that beat most.
    """
    limits = slot_limits(handlers, config)
    spare = sum(limits.values())
    if config.max_concurrency is not None:
        spare = min(spare, config.max_concurrency)
    spare -= len(limits)
    rates = {
        name: _beats_per_second(heartbeat_seconds.get(name, DEFAULT_HEARTBEAT_SECONDS))
        for name, handler in handlers.items()
        if handler.heartbeat == "auto"
    }
    slots: list[tuple[int, float]] = []
    for name in sorted(rates, key=lambda each: -rates[each]):
        more = max(0, min(spare, limits[name] - 1))
        spare -= more
        slots.append((1 + more, rates[name]))
    return slots


def _beats_per_second(allowed_seconds: float) -> float:
    return 1 / (min(allowed_seconds / 3, LONGEST_INTERVAL_SECONDS) * MEAN_JITTER)


def _against_quota(rate: float) -> tuple[Health, str]:
    if rate > QUOTA_PER_SECOND:
        return Health.PROBLEM, "this exceeds the quota, and will be throttled"
    if rate > QUOTA_PER_SECOND * _NOTABLE:
        return Health.WARNING, "this is most of the quota, which the whole account shares"
    return Health.OK, ""


def _shown(rate: float) -> str:
    return f"{rate:.2f}" if rate < 10 else f"{rate:,.0f}"


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count:,} processes"
