"""Brings into the site what lies beside `docs/`: the README, the changelog, and the examples.

Their links, and links to them, are those of the repository, and are turned into the site's.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
NAMES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"]
TEXTS = {name: f"{name.partition('.')[0].lower()}.md" for name in NAMES}
LANGUAGES = {".py": "python", ".yml": "yaml", ".json": "json"}

_LINK = re.compile(r"(\]\()(?!https?:|mailto:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each text and each example."""
    for name, uri in TEXTS.items():
        text = (ROOT / name).read_text()
        files.append(
            File.generated(config, uri, content=text if name != "LICENSE" else _plain(text))
        )
    for folder in _examples():
        text = "\n".join(_example(folder))
        files.append(File.generated(config, f"examples/{folder.name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make the links of the repository those of the site."""
    uri = page.file.src_uri
    source = {each: name for name, each in TEXTS.items()}.get(uri, f"docs/{uri}")

    def rewritten(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        there = posixpath.relpath(_site_uri(target), posixpath.dirname(uri) or ".")
        return match[1] + there

    return markdown if uri.startswith("examples/") else _LINK.sub(rewritten, markdown)


def _site_uri(path: str) -> str:
    """Where the site has what the repository has at *path*."""
    if path in TEXTS:
        return TEXTS[path]
    folder, _, rest = path.partition("/")
    if folder == "examples":
        return f"examples/{rest.partition('/')[0]}.md"
    return rest if folder == "docs" else f"../{path}"  # the build complains of the latter


def _plain(text: str) -> str:
    return f"# License\n\n```text\n{text}```\n"


def _examples() -> list[Path]:
    return sorted(each.parent for each in (ROOT / "examples").glob("*/__init__.py"))


def _example(folder: Path) -> Iterator[str]:
    """What an example says of itself, and its files; the one that others build on comes first."""
    yield f"# {folder.name}\n"
    yield (ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or "") + "\n"
    order = ["workflows.yml", "app.py"]
    shown = (each for each in folder.iterdir() if each.suffix in LANGUAGES)
    for path in sorted(shown, key=lambda each: (each.name not in order, each.name)):
        if path.name != "__init__.py":
            text = path.read_text().rstrip()
            yield f'```{LANGUAGES[path.suffix]} title="{path.name}"\n{text}\n```\n'
