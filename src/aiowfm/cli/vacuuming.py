"""`aiowfm vacuum`: gives the space of what was removed from a file back to the file system."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from typing import Annotated

import anyio
import typer

from aiowfm.errors import ConfigError
from aiowfm.local.storage.database import Database


def vacuum(
    file: Annotated[str, typer.Argument(help="A file of `aiowfm serve --db` or LocalBackend.")],
) -> None:
    """Shrink a file to what is in it; nothing else may use it meanwhile."""
    if not os.path.isfile(file):
        sys.exit(f"aiowfm: {file}: there is no such file")
    before = _size(file)
    try:
        anyio.run(_vacuum, file)
    except ConfigError as exc:
        sys.exit(refusal(file, exc))
    except (OSError, sqlite3.Error) as exc:
        sys.exit(f"aiowfm: {file}: it is as it was: {exc}")
    print(f"{file}: {_shown(before)} before, {_shown(_size(file))} after")


def refusal(path: str, error: BaseException) -> str:
    """Why a file cannot be used, in a line."""
    return f"aiowfm: {path}: {str(error).removeprefix(f'LocalBackend({path!r}): ')}"


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
