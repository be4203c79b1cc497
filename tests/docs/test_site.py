"""What the site lacks would be missed by readers only: its reference, and its order of pages."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from ruamel.yaml import YAML

import aiowfm
import aiowfm.testing
from tests.docs.blocks import ROOT

_DIRECTIVE = re.compile(r"^::: ([\w.]+)\.(\w+)$", re.MULTILINE)


@pytest.mark.parametrize("module", [aiowfm, aiowfm.testing], ids=lambda each: each.__name__)
def test_the_reference_has_every_public_name_once(module: ModuleType) -> None:
    pages = sorted((ROOT / "docs" / "reference").glob("*.md"))
    listed = [found for page in pages for found in _DIRECTIVE.findall(page.read_text())]
    names = [name for where, name in listed if where == module.__name__]
    assert sorted(names) == sorted(module.__all__)


def test_every_example_is_in_the_table_of_contents() -> None:
    listed = set(_pages(YAML(typ="safe").load(ROOT / "mkdocs.yml")["nav"]))
    examples = {each.parent.name for each in (ROOT / "examples").glob("*/__init__.py")}
    assert {f"examples/{name}.md" for name in examples} <= listed


def test_the_picture_of_the_architecture_has_every_room() -> None:
    picture = (ROOT / "docs" / "architecture.svg").read_text()
    drawn = set(re.findall(r"[a-z]+(?=[ ·<])", picture))
    rooms = {each.parent.name for each in (ROOT / "src" / "aiowfm").glob("*/__init__.py")}
    assert rooms <= drawn


@pytest.mark.slow
def test_the_picture_of_the_readme_shows_what_the_example_does() -> None:
    picture = importlib.import_module("docs.picture")
    assert picture.PICTURE.read_text(encoding="utf-8") == picture.drawn(), "run `make picture`"


def _pages(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        if isinstance(value, str):
            yield value
        else:
            yield from _pages(value)
