"""Microburst, the proxy that injects faults between an engine and its endpoint.

It knows AWS's protocols, so what it refuses looks like a refusal of AWS's. It lives in
`.venv-aws`, beside the emulator.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from tests.serve.test_files import free_port

PROGRAM = Path(__file__).parents[2] / ".venv-aws" / "bin" / "microburst"
START_LIMIT_SECONDS = 15.0
POLL = "GetActivityTask"
REPORTS = ("SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat")
CONTROL = (
    "StartExecution",
    "DescribeExecution",
    "CreateActivity",
    "DescribeActivity",
    "CreateStateMachine",
    "DescribeStateMachine",
    "ListTagsForResource",
)
# What callbacks need besides.
MESSAGES = ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
ITEMS = ("GetItem", "PutItem", "TransactWriteItems", "Query")
_QUEUES = ("CreateQueue", "GetQueueUrl", "GetQueueAttributes")
_TABLES = ("CreateTable", "DescribeTable")
PROVISIONING = (*_QUEUES, *_TABLES)


class Fault(Enum):
    """What happens to a request."""

    THROTTLED = "it is refused for now"
    FAILED = "it is answered with 500"
    RESET_BEFORE = "the connection is reset, and the server never saw it"
    RESET_AFTER = "the connection is reset when the server has acted"
    SLOW = "it arrives two seconds late"
    TIMED_OUT = "it is answered with 504 after a second, and the server never saw it"
    LATE = "the answer takes six seconds or so, where it holds a task"
    SILENT_BEFORE = "the connection stays open, and the server never saw it"
    SILENT_AFTER = "the connection stays open without the answer that the server gave"


_FOR_EVER_MS = 3_600_000
_THROTTLED = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "sqs": "RequestThrottled",
    "stepfunctions": "ThrottlingException",
}
_FAILED = {
    "dynamodb": "InternalServerError",
    "sqs": "InternalError",
    "stepfunctions": "InternalServerError",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How often a fault meets an operation.

    Attributes:
        share: Of all requests for the operation.
        times: At most so often; None: no such limit.
    """

    operation: str
    fault: Fault
    share: float
    times: int | None = None


def spread(share: float, operations: Iterable[str], faults: Collection[Fault]) -> list[Rule]:
    """Rules by which *share* of the requests for each operation meet one of *faults*."""
    return [
        Rule(operation=operation, fault=fault, share=share / len(faults))
        for operation in operations
        for fault in faults
    ]


class Proxy:
    """A running microburst."""

    def __init__(self, url: str, rules: list[Rule]) -> None:
        self.url = url
        self._rules = rules

    def injected(self) -> Counter[tuple[str, Fault]]:
        """How many faults there were so far, by operation and kind."""
        with urllib.request.urlopen(f"{self.url}/_microburst/rules", timeout=10) as answer:
            said = json.load(answer)
        counts: Counter[tuple[str, Fault]] = Counter()
        for rule, each in zip(self._rules, said, strict=True):
            counts[rule.operation, rule.fault] += each["fired_count"]
        return counts


@contextmanager
def proxy(upstream: str, rules: list[Rule], directory: Path) -> Iterator[Proxy]:
    """Run microburst before *upstream*; skips the test where it is not installed.

    Args:
        upstream: The URL of an endpoint.
        rules: What goes wrong there.
        directory: For files; two proxies must not share one.
    """
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is missing: run `make test`, which installs it")
    port = free_port()
    config = directory / "microburst.json"
    config.write_text(json.dumps({"rules": _written(rules)}))
    command = [str(PROGRAM), "--upstream", upstream, "--port", str(port), "--config", str(config)]
    with (directory / "microburst.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            made = Proxy(f"http://127.0.0.1:{port}", rules)
            _wait_until_ready(process, made.url)
            yield made
        finally:
            process.kill()  # it has nothing to keep, and would wait for silent connections
            process.wait()


def _written(rules: list[Rule]) -> list[dict[str, Any]]:
    """*rules* as microburst takes them: each is tried only if none before it applied."""
    written = []
    left: dict[str, float] = {}
    for rule in rules:
        rest = left.setdefault(rule.operation, 1.0)
        written.append(
            {
                "service": _service(rule.operation),
                "operation": rule.operation,
                "probability": rule.share / rest,
                "times": rule.times,
                **_effect(rule),
            }
        )
        left[rule.operation] = rest - rule.share
    return written


def _service(operation: str) -> str:
    if operation in (*MESSAGES, *_QUEUES):
        return "sqs"
    return "dynamodb" if operation in (*ITEMS, *_TABLES) else "stepfunctions"


def _effect(rule: Rule) -> dict[str, Any]:
    service = _service(rule.operation)
    match rule.fault:
        case Fault.THROTTLED:
            return {"error": {"code": _THROTTLED[service], "status": 400}}
        case Fault.FAILED:
            return {"error": {"code": _FAILED[service], "status": 500}}
        case Fault.RESET_BEFORE:
            return {"reset": True}
        case Fault.RESET_AFTER:
            return {"response": {"abort_bytes": 0}}
        case Fault.SLOW:
            return {"latency": 2_000}
        case Fault.TIMED_OUT:
            return {"timeout_ms": 1_000}
        case Fault.LATE:
            return {"response": {"bandwidth_kbps": 0.08}}
        case Fault.SILENT_BEFORE:
            return {"timeout_ms": _FOR_EVER_MS}
        case Fault.SILENT_AFTER:
            return {"response": {"bandwidth_kbps": 1e-6}}


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    give_up_at = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            pytest.fail(f"microburst ended at once, with {process.returncode}", pytrace=False)
        try:
            with urllib.request.urlopen(f"{url}/_microburst/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail(f"microburst was not ready after {START_LIMIT_SECONDS:g} s", pytrace=False)
