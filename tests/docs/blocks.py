"""The fenced blocks of the README and the documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
TEXTS = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
DOCUMENTS = [*(ROOT / name for name in TEXTS), *sorted((ROOT / "docs").rglob("*.md"))]

_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block.

    Attributes:
        document: Its file, from the root of the repository.
        line: Where its text begins, counted from 1.
        title: The file that a reader saves it as, or empty: part of something.
    """

    document: str
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@cache
def blocks_of(document: Path) -> tuple[Block, ...]:
    return tuple(_blocks(document))


def all_blocks(*languages: str) -> list[Block]:
    found = [block for document in DOCUMENTS for block in blocks_of(document)]
    return [block for block in found if block.language in languages or not languages]


def _blocks(document: Path) -> Iterator[Block]:
    for token in MarkdownIt().parse(document.read_text()):
        if token.type != "fence":
            continue
        assert token.map is not None
        language, _, rest = token.info.strip().partition(" ")
        title = _TITLE.search(rest)
        yield Block(
            document=str(document.relative_to(ROOT)),
            line=token.map[0] + 2,
            language=language,
            title=title[1] if title else "",
            text=token.content,
        )
