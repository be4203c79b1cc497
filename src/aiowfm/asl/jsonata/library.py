"""What is used of the library jsonata-python; everything of it comes through here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# The library raises the recursion limit of the whole program when it is imported. It needs
# that much only while it parses and evaluates.
_LIMIT = sys.getrecursionlimit()
# ruff: noqa: E402
# isort: split
from jsonata import (  # type: ignore[import-untyped]  # it ships none
    JException,
    Jsonata,
    Signature,
    datetimeutils,
)
from jsonata.functions import Functions  # type: ignore[import-untyped]
from jsonata.parser import Parser  # type: ignore[import-untyped]
from jsonata.regex_engine import RegexFlags  # type: ignore[import-untyped]
from jsonata.utils import Utils  # type: ignore[import-untyped]

_DEEP = sys.getrecursionlimit()
sys.setrecursionlimit(_LIMIT)


@contextmanager
def deep_stack() -> Iterator[None]:
    """Let functions call one another as deeply as the library wants it."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _DEEP))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


__all__ = [
    "Functions",
    "JException",
    "Jsonata",
    "Parser",
    "RegexFlags",
    "Signature",
    "Utils",
    "datetimeutils",
    "deep_stack",
]
