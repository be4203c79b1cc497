"""What testing costs: workflows on virtual time, from nothing to the end of each test.

    python benchmarks/testing.py [--times 30]

Each figure is a whole `run_workflow_sync`: event loop, engine, backend, workflow, stop.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Callable

from aiowfm import TaskError
from aiowfm.testing import Script, WorkflowRun, after, run_workflow_sync

WEEK = 7 * 86_400
DAY = 86_400


def machine(**state: object) -> dict[str, object]:
    return {"StartAt": "state", "States": {"state": state | {"End": True}}}


def nothing() -> WorkflowRun:
    return run_workflow_sync(machine(Type="Pass"))


def wait_a_week() -> WorkflowRun:
    return run_workflow_sync(machine(Type="Wait", Seconds=WEEK))


def retry_for_days() -> WorkflowRun:
    retry = [{"ErrorEquals": ["Busy"], "IntervalSeconds": DAY, "BackoffRate": 1, "MaxAttempts": 7}]
    script = Script({"state": [*[TaskError("Busy")] * 7, "done"]})
    return run_workflow_sync(machine(Type="Task", Resource="work", Retry=retry), {}, script)


def work_for_a_day() -> WorkflowRun:
    """A handler that sleeps for a day, with some 5,000 heartbeats."""
    return run_workflow_sync(
        machine(Type="Task", Resource="work"), {}, {"work": after(DAY, "done")}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=30)
    options = parser.parse_args()
    logging.disable()
    print(f"{'':16}{'virtual':>12}{'median':>12}{'slowest':>12}{'times faster':>16}")
    for test in (nothing, wait_a_week, retry_for_days, work_for_a_day):
        print(line(test, options.times))


def line(test: Callable[[], WorkflowRun], times: int) -> str:
    test()
    seconds: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        run = test()
        seconds.append(time.perf_counter() - began)
        run.assert_succeeded()
    assert run.stopped_at is not None
    virtual = (run.stopped_at - run.created_at).total_seconds()
    median = statistics.median(seconds)
    return (
        f"{test.__name__:16}{virtual:>10,.0f} s{1_000 * median:>9.1f} ms"
        f"{1_000 * max(seconds):>9.1f} ms{virtual / median:>16,.0f}"
    )


if __name__ == "__main__":
    main()
