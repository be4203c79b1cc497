"""The command line."""

from aiowfm.cli.entry import main

__all__ = ["main"]
