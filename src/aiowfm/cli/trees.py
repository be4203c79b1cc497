"""The jobs of a workflow as a tree: states with their times, and a progress bar for a Map."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from aiowfm.cli import texts
from aiowfm.workflows import Job, Workflow, WorkflowStatus

ITERATIONS_SHOWN = 5  # of a Map; those that go on or failed come first
JOBS_SHOWN = 100  # one after the other; a loop may have thousands
_BAR_WIDTH = 24  # columns
_NEED = {WorkflowStatus.FAILED: 0, WorkflowStatus.RUNNING: 0, WorkflowStatus.QUEUED: 1}


class JobTree:
    """What is known of the jobs of a workflow; it may grow and change."""

    def __init__(self, jobs: Iterable[Job] = ()) -> None:
        self._jobs: dict[int, Job] = {}
        # By parent and, for those of a Map or Parallel, by iteration or branch.
        self._lines: defaultdict[int | None, dict[int, list[int]]] = defaultdict(dict)
        for job in jobs:
            self.put(job)

    def put(self, job: Job) -> None:
        """Add a job, or what it has become."""
        if job.id not in self._jobs:
            line = job.path[-2] if job.parent_id is not None else 0
            assert isinstance(line, int)
            self._lines[job.parent_id].setdefault(line, []).append(job.id)
        self._jobs[job.id] = replace(job, input=None, output=None)  # these may be large

    def rendered(self, title: Text, *, ascii_only: bool) -> Tree:
        """The tree as it is now, below *title*."""
        tree = Tree(title, guide_style="dim")
        self._add_line(tree, self._lines[None].get(0, ()), ascii_only)
        return tree

    def _add_line(
        self, node: Tree, ids: Sequence[int], ascii_only: bool, head: Text | None = None
    ) -> None:
        """Add jobs that follow one another, each after *head*."""
        if len(ids) > JOBS_SHOWN:
            node.add(Text(f"… {len(ids) - JOBS_SHOWN:,} earlier", "dim"))
        for id in ids[-JOBS_SHOWN:]:
            job = self._jobs[id]
            lines = self._lines.get(id, {})
            branch = node.add(self._label(job, lines, ascii_only, head))
            numbers = sorted(lines)
            if job.type == "Map":
                numbers = self._most_telling(lines)
            for number in numbers:
                head = Text(f"[{number}]", "dim")
                if len(lines[number]) == 1:
                    self._add_line(branch, lines[number], ascii_only, head)
                else:
                    self._add_line(branch.add(head), lines[number], ascii_only)
            if len(numbers) < len(lines):
                branch.add(Text(f"… {len(lines) - len(numbers):,} more", "dim"))

    def _most_telling(self, lines: dict[int, list[int]]) -> list[int]:
        """The iterations to show: those that go on or failed, then others, in their order."""
        last = {number: self._jobs[ids[-1]] for number, ids in lines.items()}
        by_need = sorted(last, key=lambda each: (_NEED.get(last[each].status, 2), each))
        return sorted(by_need[:ITERATIONS_SHOWN])

    def _label(
        self, job: Job, lines: dict[int, list[int]], ascii_only: bool, head: Text | None
    ) -> RenderableType:
        text = Text.assemble(
            *(() if head is None else (head, " ")),
            texts.mark(job.status, ascii_only=ascii_only),
            " ",
            (texts.printable(job.state), "bold"),
            (f" {job.type}", "dim"),
            f" {texts.took(job.started_at or job.created_at, job.stopped_at)}",
        )
        if job.status is WorkflowStatus.QUEUED:
            text.append(" waiting", "dim")
        if len(job.attempts) > 1:
            text.append(f" attempt {len(job.attempts)}", "yellow")
        if said := texts.failure(job):
            text.append(f" {said}", "yellow" if job.is_caught else "red")
        if job.is_caught:
            text.append(" (caught)", "dim")
        if job.type != "Map" or job.length is None:
            return text
        # An iteration has ended when the last of its jobs has, until the next one begins.
        ended = sum(self._jobs[ids[-1]].stopped_at is not None for ids in lines.values())
        if job.status is WorkflowStatus.SUCCEEDED:
            ended = job.length
        grid = Table.grid(padding=(0, 1))
        grid.add_row(text, _bar(ended, job.length, ascii_only), f"{ended:,}/{job.length:,}")
        return grid


def _bar(ended: int, total: int, ascii_only: bool) -> RenderableType:
    if not ascii_only:
        return ProgressBar(total=total or 1, completed=ended if total else 1, width=_BAR_WIDTH)
    done = _BAR_WIDTH * ended // total if total else _BAR_WIDTH
    return Text(f"[{'=' * done}{' ' * (_BAR_WIDTH - done)}]")


def title(workflow: Workflow) -> Text:
    """The workflow in a line."""
    return Text.assemble(
        (texts.printable(workflow.id), "bold"),
        " ",
        texts.coloured(workflow.status),
        f" {texts.took(workflow.created_at, workflow.stopped_at)}",
    )


class Newest:
    """The end of something, as high as the terminal is: what goes on is at the end."""

    def __init__(self, whole: RenderableType) -> None:
        self._whole = whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(options.size.height - 1, 2)
        # A line that the terminal would break is one more than is taken back afterwards.
        whole = options.update(height=None, no_wrap=True, overflow="ellipsis")
        lines = console.render_lines(self._whole, whole, pad=False)
        if len(lines) > room:
            yield Text(f"… {len(lines) - room + 1:,} lines above", "dim")
            lines = lines[-room + 1 :]
        for number, line in enumerate(lines):
            yield from line
            if number < len(lines) - 1:
                yield Segment.line()
