"""Reads the import statements: a room knows only the rooms below it."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import aiowfm

SOURCE = Path(aiowfm.__file__).parent
FACE = ""  # aiowfm/__init__.py, which shows what there is
GROUND = "the module files beside the rooms"

# From below; rooms on one floor do not know one another.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"asl"}),
    frozenset({GROUND}),
    frozenset({"aws", "local", "definitions", "graphs", "tasks"}),
    frozenset({"workflows", "worker", "callbacks", "iam", "otel"}),
    frozenset({"doctor"}),
    frozenset({"assembly", "environment"}),
    frozenset({"engine"}),
    frozenset({FACE}),
    frozenset({"serve", "testing"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
# The backends are handed in: what an engine does knows the ports only.
BACKENDS = frozenset({"aws", "local"})
KNOW_NO_BACKEND = frozenset({"workflows", "worker", "callbacks", "iam", "doctor"})

NOT_IN_THE_LANGUAGE = frozenset(
    {
        "anyio",
        "asyncio",
        "concurrent",
        "http",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "queue",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
        "sniffio",
        "trio",
        "aioboto3",
        "boto3",
        "botocore",
    }
)
CLOCKS = frozenset({"now", "utcnow", "today", "monotonic", "perf_counter"})
AWS_PACKAGES = frozenset({"aioboto3", "aiobotocore", "boto3", "botocore"})


@dataclass(frozen=True)
class Import:
    """One imported module.

    Attributes:
        is_lazy: Whether it stands in a function.
    """

    module: str
    line: int
    is_lazy: bool

    @property
    def package(self) -> str:
        return self.module.split(".")[0]


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(("aiowfm", *parts)).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}
PACKAGES = [name for name, path in MODULES.items() if path.name == "__init__.py"]


def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imports_of(module: str) -> list[Import]:
    return list(_imports(tree_of(module), is_lazy=False))


def _imports(node: ast.AST, *, is_lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, is_lazy)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            assert child.module is not None
            for alias in child.names:
                inner = f"{child.module}.{alias.name}"
                yield Import(inner if inner in MODULES else child.module, child.lineno, is_lazy)
        in_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports(child, is_lazy=is_lazy or in_function)


def room_of(module: str) -> str:
    name = module.split(".")[1] if "." in module else FACE
    is_room = (SOURCE / name).is_dir() or any(name in floor for floor in FLOORS)
    return name if is_room else GROUND


def floor_of(room: str) -> int:
    for height, floor in enumerate(FLOORS):
        if room in floor:
            return height
    pytest.fail(f"aiowfm/{room} has no place in the house yet: add it to FLOORS")


def may_know(room: str, other: str) -> bool:
    if room in KNOW_NO_BACKEND and other in BACKENDS:
        return False
    return room == other or floor_of(other) < floor_of(room)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_its_own_room_and_those_below(module: str) -> None:
    room = room_of(module)
    breaches = [
        f"line {each.line}: {module} imports {each.module}"
        for each in imports_of(module)
        if each.package == "aiowfm" and not may_know(room, room_of(each.module))
    ]
    assert not breaches


@pytest.mark.parametrize(
    ("room", "other", "allowed"),
    [
        pytest.param("definitions", "asl", True, id="down"),
        pytest.param("asl", GROUND, False, id="up"),
        pytest.param("aws", "local", False, id="to the other backend"),
        pytest.param("worker", "aws", False, id="to a backend"),
        pytest.param("worker", GROUND, True, id="to the ports"),
        pytest.param("worker", "workflows", False, id="across"),
        pytest.param("worker", "engine", False, id="to the engine"),
        pytest.param("cli", "engine", True, id="from a face to the engine"),
        pytest.param("tasks", FACE, False, id="to the face"),
    ],
)
def test_the_walls_are_where_they_should_be(room: str, other: str, allowed: bool) -> None:
    assert may_know(room, other) is allowed


# It undoes what importing a library does to the interpreter of Python.
EXCEPTIONS = {("aiowfm.asl.jsonata.library", "sys")}


@pytest.mark.parametrize("module", [name for name in MODULES if room_of(name) == "asl"])
def test_the_language_has_no_io_no_clock_and_no_event_loop(module: str) -> None:
    found = [
        f"line {each.line}: import {each.module}"
        for each in imports_of(module)
        if each.package in NOT_IN_THE_LANGUAGE and (module, each.package) not in EXCEPTIONS
    ]
    found += [
        f"line {node.lineno}: .{node.attr}"
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Attribute)
        and node.attr in CLOCKS
        and isinstance(node.value, ast.Name)
        and node.value.id in {"datetime", "date", "time"}
    ]
    assert not found


@pytest.mark.parametrize("module", [name for name in MODULES if room_of(name) == "asl"])
def test_the_language_draws_random_numbers_only_from_a_seed_it_is_given(module: str) -> None:
    for node in ast.walk(tree_of(module)):
        match node:
            case ast.ImportFrom(module="random"):
                assert [alias.name for alias in node.names] == ["Random"]
            case ast.Attribute(value=ast.Name(id="random")):
                assert node.attr == "Random"
            case ast.Call(func=ast.Name(id="Random") | ast.Attribute(attr="Random")):
                assert node.args, f"line {node.lineno}: a generator without a seed"


# The server takes the shapes of requests from botocore's model of the service, which is data.
KNOW_THE_SDK = frozenset({"aws", "serve"})


@pytest.mark.parametrize("module", [name for name in MODULES if room_of(name) not in KNOW_THE_SDK])
def test_only_the_aws_backend_sees_the_sdk(module: str) -> None:
    assert not [each for each in imports_of(module) if each.package in AWS_PACKAGES]


@pytest.mark.parametrize("module", [name for name in MODULES if name != "aiowfm.otel"])
def test_only_one_module_sees_opentelemetry_and_is_loaded_where_that_is_asked_for(
    module: str,
) -> None:
    found = imports_of(module)
    assert not [each for each in found if each.package == "opentelemetry"]
    loads = [each.is_lazy for each in found if each.module == "aiowfm.otel"]
    assert loads == ([True] if module == "aiowfm.assembly" else [])


def loaded_with(module: str) -> set[str]:
    """The modules of ours that importing *module* loads too, as far as the text tells."""
    loaded: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in MODULES and name not in loaded:
            loaded.add(name)
            waiting.append(name.rpartition(".")[0])
            waiting += [each.module for each in imports_of(name) if not each.is_lazy]
    return loaded


@pytest.mark.parametrize("module", ["aiowfm", "aiowfm.aws", "aiowfm.aws.backend"])
def test_the_sdk_is_imported_in_functions_until_a_backend_opens(module: str) -> None:
    loaded = loaded_with(module)
    assert "aiowfm.aws.backend" in loaded
    assert not [
        f"{name}, line {each.line}: import {each.module}"
        for name in sorted(loaded)
        for each in imports_of(name)
        if each.package in AWS_PACKAGES and not each.is_lazy
    ]


@pytest.mark.parametrize("module", ["aiowfm", "aiowfm.aws"])
def test_importing_does_not_load_the_sdk(module: str) -> None:
    program = f"import sys, {module}; print(sorted(set(sys.modules) & {set(AWS_PACKAGES)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def _kind_and_name(name: str) -> tuple[int, str]:
    """Constants first, then classes, then functions, as the linter sorts them."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_holds_imports_and_a_sorted_list_of_them_and_nothing_else(package: str) -> None:
    body = tree_of(package).body
    assert ast.get_docstring(tree_of(package)), "it says what the room is for"
    imported: list[str] = []
    for node in body[1:]:
        assert isinstance(node, ast.Import | ast.ImportFrom | ast.Assign), ast.unparse(node)
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            imported += [alias.asname or alias.name for alias in node.names]
    module = importlib.import_module(package)
    exported = list(getattr(module, "__all__", ()))
    assert exported == sorted(exported, key=_kind_and_name)
    assert set(imported) == {name for name in exported if not name.startswith("__")}
    for name in exported:
        assert hasattr(module, name)
