"""A program in a real pseudo-terminal, and what its screen shows."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import MappingProxyType

import pexpect.fdpexpect
import pyte

PATIENCE_SECONDS = 30.0
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Has loaded the command line, which takes half a second. For each line that it reads it forks,
# runs a command in a session of its own on the terminal that the line names, and writes its
# process id and what it ended with.
LOADED = """
import fcntl, json, os, sys, termios
import aiowfm.cli.app, aiowfm.serve
from aiowfm.cli import main

for line in sys.stdin:
    arguments, directory, environment, terminal = json.loads(line)
    opened = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    child = os.fork()
    if child == 0:
        os.setsid()
        fcntl.ioctl(opened, termios.TIOCSCTTY, 0)
        for number in range(3):
            os.dup2(opened, number)
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(environment)
        encoding = environment.get("PYTHONIOENCODING", "utf-8")
        sys.stdin = open(0, encoding=encoding)
        sys.stdout = open(1, "w", encoding=encoding)
        sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace")
        sys.argv = ["aiowfm", *arguments]
        main()
    os.close(opened)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@cache
def _loaded() -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", LOADED], text=True, **pipes)  # type: ignore[call-overload,no-any-return]  # of two pipes


def close() -> None:
    """End what was loaded, if it was."""
    if _loaded.cache_info().currsize:
        program = _loaded()
        _loaded.cache_clear()
        program.communicate()


class Terminal:
    """The command line in a terminal of so many lines and columns."""

    def __init__(
        self, arguments: list[str], lines: int, columns: int, variables: Mapping[str, str]
    ) -> None:
        environment = {**os.environ, "TERM": "xterm-256color", **variables}
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
            environment.pop(name, None)
        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._program = _loaded()
        assert self._program.stdin is not None
        wish = [arguments, os.getcwd(), environment, os.ttyname(its)]
        self._program.stdin.write(f"{json.dumps(wish)}\n")
        self._program.stdin.flush()
        self._pid = self._said()
        os.close(its)
        self._code: int | None = None
        self.child = pexpect.fdpexpect.fdspawn(ours, encoding="utf-8")
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
        self._code = self._said()
        return self._code

    def close(self) -> None:
        """See that it has ended."""
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)
            self._said()
        self.child.close()

    def _said(self) -> int:
        assert self._program.stdout is not None
        return int(self._program.stdout.readline())

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
        opened.close()
