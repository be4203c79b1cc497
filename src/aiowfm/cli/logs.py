"""What commands that work show of the log."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Annotated

import typer
from rich.logging import RichHandler

from aiowfm.cli import texts


class LogLevel(StrEnum):
    """What is shown of the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LogLevelOption = Annotated[
    LogLevel, typer.Option("--log-level", help="What to show of the log, on standard error.")
]


def log_to_stderr(level: LogLevel) -> None:
    """Show the log, unless the program that was loaded sees to that itself."""
    console = texts.console(is_error=True)
    handler: logging.Handler = logging.StreamHandler()
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, markup=False, highlighter=None)
        logging.basicConfig(level=level.upper(), format="%(message)s", handlers=[handler])
        return
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[handler],
    )
