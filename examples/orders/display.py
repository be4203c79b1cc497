"""Shows orders on their way: a live table in a terminal, lines of text elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from aiowfm import Workflow
from examples.orders.handlers import Step, total_cents
from examples.orders.models import Order, OrderResult

COLOURS = {
    "shipped": "green",
    "back-ordered": "yellow",
    "cancelled": "magenta",
    "refused": "red",
    "failed": "bold white on red",
}
MARKS = {"shipped": "✓", "back-ordered": "↺", "cancelled": "✗", "refused": "✗", "failed": "!"}


@dataclass(slots=True)
class Visits:
    """What is known of one state of one workflow."""

    running: int = 0
    done: int = 0
    attempts: int = 0
    has_failed: bool = False


@dataclass(slots=True)
class Track:
    """One order and what has become of it."""

    order: Order
    states: dict[str, Visits] = field(default_factory=dict)
    tasks: int = 0
    retries: int = 0
    workflow: Workflow | None = None

    def take(self, step: Step) -> None:
        visits = self.states.setdefault(step.state, Visits())
        if step.phase == "began":
            self.tasks += 1
            self.retries += step.attempt > 0
            visits.running += 1
            visits.attempts = max(visits.attempts, step.attempt + 1)
            visits.has_failed = False
        else:
            visits.running -= 1
            visits.done += step.phase == "done"
            visits.has_failed = step.phase == "failed"

    @property
    def outcome(self) -> str | None:
        """None while the workflow runs; `failed` if it ended in a way nobody meant."""
        if self.workflow is None:
            return None
        if self.workflow.status == "succeeded":
            return self._result.outcome
        return "refused" if self.workflow.error == "OrderRefused" else "failed"

    @property
    def reason(self) -> str:
        """What there is to say about a workflow that has ended."""
        if self.workflow is None:
            return ""
        if self.workflow.status == "succeeded":
            return self._result.note
        return f"{self.workflow.error}: {self.workflow.cause}"

    @property
    def _result(self) -> OrderResult:
        return OrderResult.model_validate(self.workflow and self.workflow.output)

    @property
    def activity(self) -> str:
        """What goes on while there is no outcome."""
        if not self.states:
            return "waiting"
        return "retrying" if self.states[next(reversed(self.states))].has_failed else "running"

    @property
    def seconds(self) -> float:
        if self.workflow is None or self.workflow.stopped_at is None:
            return 0.0
        return (self.workflow.stopped_at - self.workflow.created_at).total_seconds()


class Board:
    """Follows all orders; draws itself, or prints a line for each event."""

    def __init__(self, orders: Sequence[Order], console: Console, *, is_live: bool) -> None:
        self._console = console
        self._is_live = is_live
        self._began = time.monotonic()
        self._tracks = {order.id: Track(order) for order in orders}
        # One for all, and for good: a spinner that is made anew does not turn.
        self._spinner = Spinner("line" if console.options.ascii_only else "dots", style="cyan")

    @contextmanager
    def shown(self) -> Iterator[None]:
        if not self._is_live:
            yield
            return
        with Live(get_renderable=self.drawn, console=self._console, refresh_per_second=12):
            yield

    def on_step(self, step: Step) -> None:
        """Take note of *step*; called by handlers, from threads too."""
        order_id = step.workflow_id.rpartition("--")[2]  # the suffix that it was started with
        track = self._tracks[order_id]
        track.take(step)
        if step.phase != "began":
            again = f", attempt {step.attempt + 1}" if step.attempt or step.error else ""
            self._print(order_id, f"{step.state:8} {step.error or step.phase}{again}")

    def finished(self, order: Order, workflow: Workflow) -> None:
        track = self._tracks[order.id]
        track.workflow = workflow
        self._print(order.id, f"-> {track.outcome}, {track.reason}")

    @property
    def all_as_meant(self) -> bool:
        return all(track.outcome not in (None, "failed") for track in self._tracks.values())

    def summary(self) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in ("order", "customer"):
            table.add_column(name)
        table.add_column("total", justify="right", min_width=8)
        table.add_column("outcome", min_width=12)
        for name in ("tasks", "retries", "time"):
            table.add_column(name, justify="right")
        for track in self._tracks.values():
            outcome = track.outcome or "unknown"
            table.add_row(
                track.order.id,
                track.order.customer,
                f"{total_cents(track.order) / 100:,.2f}",
                Text(outcome, style=COLOURS.get(outcome, "")),
                str(track.tasks),
                str(track.retries or "-"),
                f"{track.seconds:.1f} s",
            )
        return Group(table, self._in_all())

    def _in_all(self) -> Text:
        tracks = self._tracks.values()
        counts = Counter(track.outcome or "unknown" for track in tracks)
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
        tasks = sum(track.tasks for track in tracks)
        retries = sum(track.retries for track in tracks)
        elapsed = time.monotonic() - self._began
        return Text(
            f"{len(tracks)} orders: {outcomes}.\n"
            f"{tasks} tasks, {retries} of them retries, in {elapsed:.1f} s.\n"
        )

    def drawn(self) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        for width in (4, 1, 12):
            grid.add_column(width=width, no_wrap=True)
        grid.add_column()
        for track in self._tracks.values():
            outcome = track.outcome
            if outcome is None:
                grid.add_row(track.order.id, self._spinner, track.activity, _path(track))
                continue
            style = COLOURS[outcome]
            mark = "*" if self._console.options.ascii_only else MARKS[outcome]
            grid.add_row(track.order.id, Text(mark, style), Text(outcome, style), _path(track))
        return grid

    def _print(self, order_id: str, text: str) -> None:
        if not self._is_live:
            elapsed = time.monotonic() - self._began
            self._console.print(f"{elapsed:6.2f} s  {order_id}  {text}", soft_wrap=True)


def _path(track: Track) -> Text:
    """The states that the order came through, coloured by how they went."""
    parts = []
    for state, visits in list(track.states.items()):  # threads may add to it meanwhile
        text = state
        lines = len(track.order.lines)
        if state == "reserve":
            text += f" {lines}" if visits.done == lines else f" {visits.done}/{lines}"
        if visits.attempts > 1:
            text += f" x{visits.attempts}"
        if visits.has_failed:
            text += "!"
        colour = "red" if visits.has_failed else "bold cyan" if visits.running else "green"
        parts.append(Text(text, style=colour))
    return Text("  ").join(parts)
