"""Where the command line begins, also where its extra is not installed."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that `sys.argv` names."""
    try:
        from aiowfm.cli.app import app
    except ModuleNotFoundError as exc:
        missing = str(exc.name).partition(".")[0]
        if missing not in ("rich", "typer"):
            raise
        sys.exit(
            f"aiowfm: the command line needs {missing}, which is not installed:"
            " pip install 'aiowfm[cli]'"
        )
    app()
