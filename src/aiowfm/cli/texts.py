"""Words for people: durations, statuses, failures; and rows of a listing."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

import typer
from rich.console import Console
from rich.text import Text

from aiowfm.workflows import Attempt, Job, Workflow, WorkflowStatus

_STYLES = {
    WorkflowStatus.QUEUED: "dim",
    WorkflowStatus.RUNNING: "cyan",
    WorkflowStatus.SUCCEEDED: "green",
    WorkflowStatus.FAILED: "red",
    WorkflowStatus.CANCELLED: "yellow",
}
_MARKS = {
    WorkflowStatus.QUEUED: "·",
    WorkflowStatus.RUNNING: "▸",
    WorkflowStatus.SUCCEEDED: "✓",
    WorkflowStatus.FAILED: "✗",
    WorkflowStatus.CANCELLED: "■",
}
_ASCII_MARKS = dict(zip(_MARKS, ".>+x-", strict=True))
_CAUSE_SHOWN = 200  # characters


def console(*, is_error: bool = False) -> Console:
    """The console of plain lines, which are not cut where a terminal is narrow.

    There is one for each stream: what is logged must know of what is shown live.
    """
    return _console(is_error)


@cache
def _console(is_error: bool) -> Console:
    return _Console(stderr=is_error, soft_wrap=True, highlight=False, markup=False, emoji=False)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave to the end of the command what it would do itself: end the program."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def be_lenient() -> None:
    """Let both streams replace what they cannot show: not every terminal has every character."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def complain(text: str) -> None:
    """Say on standard error what is wrong; nothing if there is nothing to say."""
    if text:
        typer.echo("\n".join(map(printable, text.split("\n"))), err=True)


def near(path: str) -> str:
    """*path*, from the current directory if it is in it."""
    directory = os.path.join(os.getcwd(), "")
    return path.removeprefix(directory)


def mark(status: WorkflowStatus, *, ascii_only: bool) -> Text:
    """A sign for *status*."""
    return Text((_ASCII_MARKS if ascii_only else _MARKS)[status], _STYLES[status])


def coloured(status: WorkflowStatus) -> Text:
    return Text(status.value, _STYLES[status])


def duration(seconds: float) -> str:
    """*seconds* in the two units that matter."""
    if seconds < 60:
        return f"{max(seconds, 0):.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02}m"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}h"


def took(begin: datetime, end: datetime | None) -> str:
    """How long it took, or takes until now."""
    return duration(((end or datetime.now(UTC)) - begin).total_seconds())


def local(at: datetime) -> str:
    """An instant on the clock of the wall."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def failure(of: Workflow | Job | Attempt) -> str:
    """Error and cause in a line; empty if there are none."""
    parsed = of.parsed_cause
    cause = (of.cause or "") if parsed is None else parsed.error_message
    line = printable(" ".join(cause.split()))
    if len(line) > _CAUSE_SHOWN:
        line = f"{line[:_CAUSE_SHOWN]}…"
    return ": ".join(filter(None, (printable(of.error or ""), line)))


def place(job: Job) -> str:
    """Where a job is, as `lines[2].pick`."""
    text = ""
    for part in job.path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return printable(text)


def compact(value: object, limit: int = 1_000) -> str:
    """JSON in a line, cut to so many characters."""
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= limit else f"{text[:limit]}…"


def printable(text: str) -> str:
    """*text* without what would command a terminal."""
    return "".join(each if each.isprintable() or each == "\t" else "\ufffd" for each in text)


def aligned(rows: Sequence[Sequence[Text | str]]) -> list[Text]:
    """A line for each row, columns below one another."""
    cells = [[Text(each) if isinstance(each, str) else each.copy() for each in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        for cell, width in zip(row[:-1], widths, strict=False):
            cell.pad_right(width - cell.cell_len)
        lines.append(Text("  ").join(row))
    return lines
