from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiowfm.cli.loading import NoEngineError, load_engine
from aiowfm.errors import DefinitionError

PROGRAM = """
from aiowfm import Engine

engine = Engine(app="shop", environment="dev")

def make(app="shop"):
    return Engine(app=app, environment="dev")

def needing(app):
    return make(app)

async def later():
    return engine

class nested:
    engine = engine

def wrong():
    return Engine(app="shop", environment="dev", definitions="name: 1")

def failing():
    raise KeyError("x")

number = 1
"""


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "shop_of_test.py").write_text(PROGRAM)
    (tmp_path / "broken_of_test.py").write_text("import nothing_like_this")
    (tmp_path / "asking_of_test.py").write_text("import os\n\nos.environ['NOWHERE']")
    (tmp_path / "leaving_of_test.py").write_text("import sys\nsys.exit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    yield
    sys.modules.pop("shop_of_test", None)


@pytest.mark.parametrize("name", ["engine", "make", "nested.engine"])
def test_an_engine_is_found_in_the_current_directory(name: str) -> None:
    assert load_engine(f"shop_of_test:{name}").config.app == "shop"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        pytest.param("shop_of_test", "is not of the form module:engine", id="no colon"),
        pytest.param(":engine", "is not of the form module:engine", id="no module"),
        pytest.param("shop_of_test:", "is not of the form module:engine", id="no name"),
        pytest.param("shap:engine", r"no module 'shap', neither installed nor in /", id="module"),
        pytest.param("shop_of_test.py:engine", "the module, 'shop_of_test', not", id="file"),
        pytest.param("shap.inner:engine", "there is no module 'shap'", id="package"),
        pytest.param(
            "shop_of_test:engin",
            "module 'shop_of_test' has no attribute 'engin'; did you mean 'engine'",
            id="attribute",
        ),
        pytest.param("shop_of_test:number", "'shop_of_test:number' is a int", id="no engine"),
        pytest.param("shop_of_test:Engine", "needs arguments", id="the class"),
        pytest.param("shop_of_test:needing", "needs arguments", id="with arguments"),
        pytest.param("shop_of_test:later", "is a coroutine function", id="coroutine"),
    ],
)
def test_what_is_no_engine_is_said_in_words(place: str, said: str) -> None:
    with pytest.raises(NoEngineError, match=said):
        load_engine(place)


def test_what_the_program_itself_raises_is_said_with_its_place() -> None:
    for place, error, line in (
        ("broken_of_test:engine", "ModuleNotFoundError: No module named 'nothing_like_this'", 1),
        ("leaving_of_test:engine", "SystemExit: 3", 2),
        ("asking_of_test:engine", "KeyError: 'NOWHERE'", 3),
    ):
        with pytest.raises(NoEngineError) as refused:
            load_engine(place)
        module = place.partition(":")[0]
        where = f"{module}.py:{line}"
        assert str(refused.value) == f"importing {module!r} failed: {error} ({where})"
    with pytest.raises(NoEngineError, match="calling 'shop_of_test:failing' failed: KeyError: 'x'"):
        load_engine("shop_of_test:failing")


def test_definitions_that_cannot_be_used_are_an_error_of_their_own() -> None:
    with pytest.raises(DefinitionError):
        load_engine("shop_of_test:wrong")
