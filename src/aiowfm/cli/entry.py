"""Where the command line begins, also where its extra is not installed."""

from __future__ import annotations

import signal
import sys

from aiowfm.cli.extras import needing
from aiowfm.errors import ConfigError


def main() -> None:
    """Run the command that `sys.argv` names, and end the program."""
    try:
        with needing("the command line", "cli", "rich", "typer"):
            from aiowfm.cli.app import app
        # Until here Ctrl-C may have ended it, as it may afterwards, when nothing is left to do.
        _replace_on_ctrl_c(signal.SIG_DFL, signal.default_int_handler)
        try:
            app()
        finally:
            _replace_on_ctrl_c(signal.default_int_handler, signal.SIG_DFL)
    except ConfigError as exc:
        sys.exit(f"aiowfm: {exc}")
    except KeyboardInterrupt:
        sys.exit(130)  # as shells say it


def _replace_on_ctrl_c(present: signal._HANDLER, then: signal._HANDLER) -> None:
    """Let Ctrl-C do something else; whoever ignores it goes on to do so."""
    if signal.getsignal(signal.SIGINT) == present:
        signal.signal(signal.SIGINT, then)
