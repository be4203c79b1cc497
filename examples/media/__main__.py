"""Codes a film and shows how far each rendition is: bars in a terminal, lines elsewhere."""

from __future__ import annotations

import asyncio
import logging

from rich import progress
from rich.console import Console

from examples.media.app import RENDITIONS, Playlist, Progress, Studio, make_engine


class Bars:
    """A bar for each rendition; where there is no terminal, a line at each half."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = progress.Progress(
            progress.TextColumn("{task.description:>16}"),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._bars = {name: self._progress.add_task(name, total=None) for name in RENDITIONS}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def show(self, now: Progress) -> None:
        again = f", attempt {now.attempt + 1}" if now.attempt else ""
        name = f"{now.rendition}{again}"
        self._progress.update(
            self._bars[now.rendition], description=name, completed=now.done, total=now.parts
        )
        if not self._console.is_terminal and now.done in (now.parts // 2, now.parts):
            self._console.print(f"{name}: {now.done} of {now.parts}", highlight=False)


async def main() -> None:
    console = Console()
    with Bars(console) as bars:
        async with make_engine(Studio(bars.show)) as engine:
            workflow = await engine.start_workflow("film", {"film": "nosferatu"})
            done = await engine.wait(workflow.id, timeout=60)
    if done.status != "succeeded":
        raise SystemExit(f"{done.status}: {done.error}, {done.cause}")
    for name in Playlist.model_validate(done.output).files:
        console.print(name, highlight=False)


logging.basicConfig(level="ERROR")
asyncio.run(main())
