"""The program `aiowfm`.

It stands beside the package, so that Ctrl-C ends it without a word while that is imported.
"""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command that `sys.argv` names."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from aiowfm.cli import main

    main()
