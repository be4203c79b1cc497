"""`aiowfm vacuum`: gives the space of what was removed from a file back to the file system."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Annotated

import anyio
import typer

from aiowfm.cli import documents, texts
from aiowfm.cli.options import JsonOption
from aiowfm.cli.refusals import CommandError
from aiowfm.local.storage.database import Database


def vacuum(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A file of `aiowfm serve --db` or LocalBackend."),
    ],
    json: JsonOption = False,
) -> None:
    """Shrink a file to what is in it; nothing else may use it meanwhile."""
    if not os.path.isfile(file):
        raise CommandError(f"{file}: there is no such file in {os.getcwd()}")
    before = _size(file)
    try:
        anyio.run(_vacuum, file)
    except (OSError, sqlite3.Error) as exc:
        raise CommandError(f"{file}: it is as it was: {exc}") from exc
    after = _size(file)
    if json:
        documents.print_json({"file": file, "bytes_before": before, "bytes_after": after})
    else:
        typer.echo(f"{texts.printable(file)}: {_shown(before)} before, {_shown(after)} after")


async def _vacuum(path: str) -> None:
    database = Database(path, "commit")
    await database.open()
    try:
        await database.run(lambda connection: connection.execute("VACUUM"))
    finally:
        await database.close()


def _size(path: str) -> int:
    """The bytes of a file and of its log, which a process that was killed leaves behind."""
    files = (Path(path), Path(f"{path}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _shown(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"
