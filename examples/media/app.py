"""The handlers of the pipeline, and a coder that stands still once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
from pydantic import BaseModel

from aiowfm import Engine, TaskContext
from aiowfm.ports import Backend

DEFINITIONS = Path(__file__).with_name("workflows.yml")
RENDITIONS = ["240p", "480p", "720p", "1080p", "2160p"]
STANDS_STILL = "720p"  # at its first attempt, for longer than the state allows
STILL_SECONDS = 2.5
SECONDS_PER_PART = {"240p": 0.02, "480p": 0.03, "720p": 0.04, "1080p": 0.06, "2160p": 0.1}


class Film(BaseModel):
    film: str


class ProbedFilm(Film):
    parts: int
    renditions: list[str]


class Work(Film):
    parts: int
    rendition: str


class RenditionFile(BaseModel):
    name: str
    attempts: int


class CodedFilm(ProbedFilm):
    files: list[RenditionFile]


class Playlist(BaseModel):
    film: str
    files: list[str]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rendition is."""

    rendition: str
    attempt: int
    done: int
    parts: int


class Studio:
    """The handlers; they tell `on_progress` how far they are."""

    def __init__(self, on_progress: Callable[[Progress], None] = lambda progress: None) -> None:
        self._on_progress = on_progress

    async def probe(self, film: Film) -> ProbedFilm:
        return ProbedFilm(film=film.film, parts=20, renditions=RENDITIONS)

    async def transcode(self, work: Work, ctx: TaskContext) -> RenditionFile:
        """One beat for each part: a beat says that there is progress, not that we are alive.

        `ctx.heartbeat()` raises `TaskTokenExpiredError` where the task was given to another:
        the coder that stood still ends there, and what it has done is not reported.
        """
        attempt = ctx.attempt or 0
        for part in range(work.parts):
            if (work.rendition, attempt, part) == (STANDS_STILL, 0, work.parts // 2):
                await anyio.sleep(STILL_SECONDS)
            await anyio.sleep(SECONDS_PER_PART[work.rendition])
            await ctx.heartbeat()
            self._on_progress(Progress(work.rendition, attempt, part + 1, work.parts))
        return RenditionFile(name=f"{work.film}-{work.rendition}.mp4", attempts=attempt + 1)

    async def publish(self, film: CodedFilm) -> Playlist:
        return Playlist(film=film.film, files=[each.name for each in film.files])


def make_engine(studio: Studio, backend: Backend | None = None, environment: str = "dev") -> Engine:
    """An engine that codes films; on the embedded backend unless given another."""
    engine = Engine(app="media", environment=environment, definitions=DEFINITIONS, backend=backend)
    engine.task("probe")(studio.probe)
    engine.task("transcode", concurrency=4, heartbeat="manual")(studio.transcode)
    engine.task("publish")(studio.publish)
    return engine
