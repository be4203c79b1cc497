"""Runs the conformance cases against a server of ours, and knows which may fail.

`python -m tests.conformance.runs` prints what the test would complain about; with
`--sqs-endpoint URL` it also runs the cases that need a queue, with `--prune` it also
takes the exceptions out that pass.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASES = Path(os.environ.get("AIOWFM_CONFORMANCE", ROOT.parent / "shared" / "conformance"))
EXCEPTIONS = Path(__file__).with_name("exceptions.toml")
LONGEST_WAIT_SECONDS = 10  # cases that wait longer by their definition are left out
# Here the long times in definitions are limits that no case comes to.
ANSWERED = ("callback.json", "sqs.json")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@dataclass(frozen=True, slots=True)
class Result:
    """How a case went.

    Attributes:
        id: Its category and name; a case is in one category only.
        difference: The first difference to what was recorded; None where it passed.
    """

    id: str
    difference: str | None


@contextmanager
def server(sqs_endpoint: str | None) -> Iterator[str]:
    """A server in a process of its own, and its URL."""
    program = [sys.executable, "-m", "aiowfm", "serve", "--port", "0"]
    if sqs_endpoint is not None:
        program += ["--sqs-endpoint", sqs_endpoint]
    with subprocess.Popen(
        program, stderr=subprocess.PIPE, text=True, env=os.environ | CREDENTIALS
    ) as running:
        assert running.stderr is not None
        line = running.stderr.readline()
        found = re.search(r"http://\S+:\d+", line)
        assert found, line
        # Nobody reads what it logs: it must not fill the pipe.
        with subprocess.Popen(["cat"], stdin=running.stderr, stdout=subprocess.DEVNULL):
            yield found[0]
            running.terminate()


def results(sqs_endpoint: str | None = None) -> list[Result]:
    """All cases that were run; those that need a queue only with an endpoint of SQS."""
    short = ["--skip-longer-than", str(LONGEST_WAIT_SECONDS)]
    with server(sqs_endpoint) as url:
        options = ["--endpoint", url, "-j", "16", "--timeout", "20", "--quiet"]
        if sqs_endpoint is None:
            ran = _ran([*options, *short])
        else:
            options += ["--sqs-endpoint", sqs_endpoint]
            answered = [part for name in ANSWERED for part in ("--cases", str(CASES / name))]
            ran = {**_ran([*options, *short]), **_ran([*options, *answered])}
    return [Result(case, difference) for case, difference in ran.items()]


def _ran(options: list[str]) -> dict[str, str | None]:
    """What differed, or None, by the ids of the cases that one call of the runner ran."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "results.json"
        program = [sys.executable, str(CASES / "run.py"), *options, "--json", str(written)]
        done = subprocess.run(program, capture_output=True, text=True)
        if not written.exists():
            raise RuntimeError(f"the runner failed: {done.stdout}{done.stderr}")
        shown = json.loads(written.read_text(encoding="utf-8"))["results"]
    return {
        f"{case['category']}: {case['id']}": None if case["strict"] else str(case.get("diff"))
        for case in shown
        if not case.get("skipped")
    }


def exceptions() -> dict[str, str]:
    """The reasons for the cases that may fail, by their ids."""
    listed = tomllib.loads(EXCEPTIONS.read_text(encoding="utf-8"))["exception"]
    return {case: group["reason"] for group in listed for case in group["cases"]}


def complaints(ran: list[Result]) -> tuple[list[str], list[str]]:
    """Cases that fail and should not, and ids of exceptions that are none (any more)."""
    known = exceptions()
    failing = {result.id: result.difference for result in ran if result.difference is not None}
    unexpected = [f"{case}: {what}" for case, what in failing.items() if case not in known]
    return unexpected, [case for case in known if case not in failing]


def _prune(cases: list[str]) -> None:
    lines = EXCEPTIONS.read_text(encoding="utf-8").splitlines(keepends=True)
    gone = {f"    {json.dumps(case, ensure_ascii=False)},\n" for case in cases}
    text = "".join(line for line in lines if line not in gone)
    text = re.sub(r"\[\[exception\]\]\nreason = [^\n]*\ncases = \[\n\]\n\n?", "", text)
    EXCEPTIONS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    at = sys.argv.index("--sqs-endpoint") + 1 if "--sqs-endpoint" in sys.argv else 0
    ran_now = results(sys.argv[at] if at else None)
    unexpected_now, passing_now = complaints(ran_now)
    passed = sum(result.difference is None for result in ran_now)
    print(*(f"FAILS  {line[:300]}" for line in unexpected_now), sep="\n")
    print(*(f"PASSES {line}" for line in passing_now), sep="\n")
    print(f"{passed} of {len(ran_now)} pass")
    if "--prune" in sys.argv:
        _prune(passing_now)
