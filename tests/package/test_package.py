"""The wheel, as somebody installs it: with the newest of everything, and with the oldest.

`make test-package` runs this; it downloads what it installs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
UV = ROOT / ".venv-package" / "bin" / "uv"
EXTRAS = ("cli", "otel", "serve")
# Those that go through every dependency; what the language does in depth is tested elsewhere.
TESTS = [
    "tests/asl/test_intrinsics.py",
    "tests/aws",
    "tests/cli/test_app.py",
    "tests/definitions/test_compiler.py",
    "tests/definitions/test_document.py",
    "tests/definitions/test_loader.py",
    "tests/end_to_end/test_workflows.py",
    "tests/serve",
    "tests/tasks",
    "tests/test_engine.py",
]
NEEDED_BY_TESTS = ("httpx", "hypothesis", "pexpect", "pyte", "pytest", "pytest-timeout")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    _run([sys.executable, "-m", "hatchling", "build", "--directory", folder])
    (found,) = folder.glob("*.whl")
    assert len(list(folder.glob("*.tar.gz"))) == 1
    return found


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        facts = f"aiowfm-{version('aiowfm')}.dist-info"
        metadata = archive.read(f"{facts}/METADATA").decode()
        entries = archive.read(f"{facts}/entry_points.txt").decode()
    source = ROOT / "src"
    package = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and path.suffix in (".py", ".json", ".typed")
    }
    about = {name for name in names if name.startswith(f"{facts}/")}
    assert names - about == package
    assert "aiowfm/py.typed" in names
    assert {Path(name).name for name in about} == {
        "LICENSE",
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
    }
    assert "License-Expression: Apache-2.0" in metadata
    assert "aiowfm = aiowfm_command:main" in entries


@pytest.mark.parametrize("resolution", ["highest", "lowest-direct"])
def test_an_installed_wheel_works(wheel: Path, resolution: str, tmp_path: Path) -> None:
    python = _environment(tmp_path / "venv")
    _install(python, wheel, resolution, tmp_path)
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    where = _run([python, "-c", "import aiowfm; print(aiowfm.__file__)"], cwd=nowhere)
    assert str(tmp_path / "venv") in where
    assert "serve" in _run([python, "-m", "aiowfm", "--help"], cwd=nowhere)
    assert version("aiowfm") in _run([python, "-c", _SHOW_VERSION], cwd=nowhere)
    assert _run([python, "-m", "examples.hello"]) == "Hello, world!\n"
    assert "all for t-1" in _run([python, "-m", "examples.saga"])
    arguments = ["-p", "no:cacheprovider", "-o", "filterwarnings=default"]
    marks = ["-m", "not aws and not slow and not long"]
    print(_run([python, "-m", "pytest", *arguments, *marks, *TESTS]))


def test_it_works_without_extras(wheel: Path, tmp_path: Path) -> None:
    python = _environment(tmp_path / "venv")
    _uv(["pip", "install", "--python", python, str(wheel)])
    assert _run([python, "-m", "examples.hello"]) == "Hello, world!\n"
    done = subprocess.run(
        [python, "-m", "aiowfm", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'aiowfm[cli]'" in done.stderr


_SHOW_VERSION = "from importlib.metadata import version; print(version('aiowfm'))"


def _environment(folder: Path) -> str:
    _uv(["venv", "--python", sys.executable, folder])
    return str(folder / "bin" / "python")


def _install(python: str, wheel: Path, resolution: str, folder: Path) -> None:
    """The wheel with all extras, and what the tests need, at the versions that *resolution* says.

    A wheel's own dependencies are not direct ones, so they are resolved from the project first.
    """
    versions = folder / "versions.txt"
    resolved: list[str | Path] = ["--resolution", resolution]
    resolved += ["--all-extras", "--output-file", versions]
    _uv(["pip", "compile", "--python", python, *resolved, ROOT / "pyproject.toml"])
    pins = (ROOT / "requirements" / "dev.txt").read_text().splitlines()
    tools = [pin for pin in pins if pin.partition("==")[0] in NEEDED_BY_TESTS]
    assert len(tools) == len(NEEDED_BY_TESTS)
    target = f"aiowfm[{','.join(EXTRAS)}] @ {wheel.as_uri()}"
    _uv(["pip", "install", "--python", python, "--constraint", versions, target, *tools])


def _uv(arguments: Sequence[str | Path]) -> None:
    if not UV.exists():
        pytest.fail(f"{UV} is missing: run `make test-package`, which installs it", pytrace=False)
    _run([UV, *arguments])


def _run(command: Sequence[str | Path], cwd: Path = ROOT) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout
