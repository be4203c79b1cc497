"""A program in a real pseudo-terminal, and what its screen shows."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import pexpect
import pyte

PATIENCE_SECONDS = 30.0
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PROGRAM = str(Path(sys.executable).with_name("aiowfm"))


class Terminal:
    """The command line in a terminal of so many lines and columns."""

    def __init__(
        self, arguments: list[str], lines: int, columns: int, variables: Mapping[str, str]
    ) -> None:
        environment = {**os.environ, "TERM": "xterm-256color", **variables}
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
            environment.pop(name, None)
        self.child: pexpect.spawn[str] = pexpect.spawn(
            PROGRAM,
            arguments,
            dimensions=(lines, columns),
            encoding="utf-8",
            env=environment,
        )
        self._screen = pyte.HistoryScreen(columns, lines, history=10_000, ratio=0.001)
        self._stream = pyte.Stream(self._screen)
        self.text = ""  # all that came

    @property
    def shown(self) -> str:
        """The screen now."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def plain(self) -> str:
        """All that came, without what moves and colours it."""
        return _CODES.sub("", self.text)

    def until(self, is_there: Callable[[str], bool]) -> str:
        """The first screen for which *is_there*."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_there(self.shown):
            assert time.monotonic() < deadline, self.text
            assert self._read(), f"it ended: {self.text}"
        return self.shown

    def until_shows(self, text: str) -> str:
        return self.until(lambda shown: text in shown)

    def press(self, keys: str) -> None:
        self.child.send(keys)

    def end(self) -> int:
        """Its exit code, once it has ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._read():
            assert time.monotonic() < deadline, self.text
        self.child.close()
        assert self.child.signalstatus is None
        assert self.child.exitstatus is not None
        return self.child.exitstatus

    def _read(self) -> bool:
        """Take what has come, if something has; False: it has ended."""
        try:
            text = self.child.read_nonblocking(65_536, timeout=0.1)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.text += text
        self._stream.feed(text)
        return True


@contextmanager
def terminal(
    *arguments: str,
    lines: int = 30,
    columns: int = 100,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Terminal]:
    """The command in a terminal, which is closed afterwards."""
    opened = Terminal(list(arguments), lines, columns, variables)
    try:
        yield opened
    finally:
        opened.child.close(force=True)
