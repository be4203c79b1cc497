"""Where the command line begins, also where its extra is not installed."""

from __future__ import annotations

import sys

from aiowfm.cli.extras import needing


def main() -> None:
    """Run the command that `sys.argv` names."""
    try:
        with needing("the command line", "cli", "rich", "typer"):
            from aiowfm.cli.app import app
        app()
    except KeyboardInterrupt:
        sys.exit(130)  # as shells say it
