"""Options that say where on AWS something is, checked as they are given."""

from __future__ import annotations

import re
from typing import TypeVar

import typer

Given = TypeVar("Given", str, str | None)

_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")


def a_region(given: Given) -> Given:
    """*given*, which is like a region."""
    if given is not None and not _REGION.fullmatch(given):
        raise typer.BadParameter("not a region like eu-central-1")
    return given


def an_account_id(given: Given) -> Given:
    """*given*, which is like the id of an account."""
    if given is not None and not _ACCOUNT_ID.fullmatch(given):
        raise typer.BadParameter("not 12 digits")
    return given
