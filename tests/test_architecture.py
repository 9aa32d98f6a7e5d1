"""What import-linter cannot see: docstrings, purity, sizes, reasons for suppressions; and import-linter itself."""

import ast
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
GENERATED: Final = ROOT / "pdp" / "transport" / "grpc" / "gen"
"""Written by protoc: none of the rules is for it."""

PURE: Final = ("cedar", "evaluate", "compiler")
"""Floors 2 to 4: values in, values out."""

PURE_IMPORTS: Final = frozenset(
    {
        "ast",
        "bisect",
        "collections",
        "contextlib",
        "dataclasses",
        "difflib",
        "enum",
        "functools",
        "heapq",
        "itertools",
        "json",
        "operator",
        "pdp",
        "re",
        "types",
        "typing",
        "unicodedata",
    }
)
"""All that the pure floors need. No clock, no randomness, no file, no socket, no log, no thread, and no dependency."""

OTHER_IMPORTS: Final[Mapping[str, str]] = {
    "pdp/cedar/__init__.py importlib": "the door for whoever wants Cedar alone finds what it names when asked for it",
    "pdp/cedar/wire/values.py sys": "interns the names of attributes: a million entities have the same few",
    "pdp/compiler/rulebook.py threading": "writers of a rulebook wait for each other; readers never do",
    "pdp/compiler/views.py weakref": "knows which versions still have a reader, and keeps what those can see",
    "pdp/compiler/spelled.py abc": "the forms of operations are one family with one method to write",
}
"""Imports beyond those, each with the reason."""

UPWARD_IMPORTS: Final = frozenset(("pdp.cedar -> pdp.compiler.program", "pdp.cedar -> pdp.evaluate.authorize"))
"""What the same door names of the floors above; nothing else is ignored."""

IMPURE_CALLS: Final = frozenset(
    ("open", "print", "input", "exec", "eval", "breakpoint", "__import__", "globals", "vars")
)
COMPILES: Final = ROOT / "pdp" / "compiler" / "link.py"
"""The one place where code comes into being."""

MAX_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 60
MAX_INTERPRETER_LINES: Final = 250
LONG_FILES: Final[Mapping[str, str]] = {}
"""Files above MAX_LINES, each with the reason."""
LONG_FUNCTIONS: Final[Mapping[str, str]] = {}
"""Functions above MAX_FUNCTION_LINES as `path::name`, each with the reason."""

_SUPPRESSION: Final = re.compile(r"#\s*(?:type:\s*ignore|noqa)\b")
_REASONED: Final = re.compile(
    r"# (?:type: ignore\[[a-z-]+(?:, ?[a-z-]+)*\]|noqa: [A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)*)\W+\w"
)
_UNFINISHED: Final = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if GENERATED not in path.parents:
                yield path


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def pure() -> Iterator[Path]:
    return sources(*(f"pdp/{package}" for package in PURE))


def test_the_rules_look_at_something() -> None:
    assert len(list(sources("pdp"))) > 100
    assert len(list(pure())) > 50
    assert len(list(sources("tests"))) > 80
    assert any(GENERATED.rglob("*.py")), "generated code has moved: exclude it where it is now"
    assert COMPILES.exists()


def test_every_module_says_what_it_is() -> None:
    assert [name(path) for path in sources("pdp") if not ast.get_docstring(tree(path))] == []


def test_the_pure_floors_import_nothing_that_has_effects() -> None:
    others = [found for path in pure() for found in _imports(path) if found.split()[-1] not in PURE_IMPORTS]
    assert {re.sub(r":[0-9]+", "", found) for found in others} == set(OTHER_IMPORTS)


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (f"{name(path)}:{node.lineno} {alias.name.split('.')[0]}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno} imports relatively"
            yield f"{name(path)}:{node.lineno} {str(node.module).split('.')[0]}"


def test_every_import_that_is_allowed_there_is_needed_there() -> None:
    used = {found.split()[-1] for path in pure() for found in _imports(path)}
    assert PURE_IMPORTS - used == set()


def test_the_pure_floors_call_nothing_that_has_effects() -> None:
    assert [found for path in pure() for found in _calls(path, IMPURE_CALLS)] == []


def test_code_comes_into_being_in_one_place() -> None:
    found = [found for path in sources("pdp") for found in _calls(path, frozenset(("compile", "exec", "eval")))]
    assert [call.partition(":")[0] for call in found] == [name(COMPILES)]


def test_code_is_unpacked_in_one_place() -> None:
    # What `marshal` reads can be code, and can crash the process: it is for bytes that have the hash they must have.
    found = {name(path) for path in sources("pdp") for import_ in _imports(path) if import_.endswith(" marshal")}
    assert {path.rpartition("/")[0] for path in found} == {"pdp/policies/built"}
    assert not [
        found for path in sources("pdp") for found in _imports(path) if found.split()[-1] in {"pickle", "shelve"}
    ]


def _calls(path: Path, names: frozenset[str]) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield f"{name(path)}:{node.lineno} {node.func.id}"


def test_files_are_short() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources("pdp")}
    assert {path for path, lines in lengths.items() if lines > MAX_LINES} == set(LONG_FILES)


def test_functions_are_short() -> None:
    assert {function for path in sources("pdp") for function in _long_functions(path)} == set(LONG_FUNCTIONS)


def _long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if (node.end_lineno or first) - first + 1 > MAX_FUNCTION_LINES:
                yield f"{name(path)}::{node.name}"


def test_exceptions_have_a_reason() -> None:
    assert all(len(reason) > 10 for reason in (*LONG_FILES.values(), *LONG_FUNCTIONS.values(), *OTHER_IMPORTS.values()))


def test_the_oracle_fits_in_one_sitting() -> None:
    interpreter = ROOT / "pdp" / "evaluate" / "interpreter.py"
    assert len(interpreter.read_text(encoding="utf-8").splitlines()) <= MAX_INTERPRETER_LINES
    evaluate = next(
        node for node in tree(interpreter).body if isinstance(node, ast.FunctionDef) and node.name == "evaluate"
    )
    assert sum(isinstance(node, ast.Match) for node in ast.walk(evaluate)) == 1


@cache
def comments(path: Path) -> tuple[tuple[int, str], ...]:
    with path.open("rb") as file:
        tokens = tokenize.tokenize(file.readline)
        return tuple((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)


def test_every_suppression_names_its_code_and_its_reason() -> None:
    bare = [
        f"{name(path)}:{line} {comment}"
        for path in sources("pdp", "tests", "benchmarks")
        for line, comment in comments(path)
        if _SUPPRESSION.search(comment) and not _REASONED.search(comment)
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("comment", "reasoned"),
    [
        ("# type: ignore[arg-type]  # the point of the test", True),
        ("# noqa: ARG002  the protocol's", True),
        ("# noqa: ARG002 - the port of every adapter", True),
        ("# type: ignore[misc, attr-defined] # loaded from a path", True),
        ("# type: ignore", False),
        ("# type: ignore[arg-type]", False),
        ("# type: ignore[arg-type]  #", False),
        ("# type: ignore  # a reason without a code", False),
        ("# noqa", False),
        ("# noqa: B023", False),
        ("# noqa: a reason without a code", False),
    ],
)
def test_what_counts_as_a_reason(comment: str, reasoned: bool) -> None:
    assert _SUPPRESSION.search(comment)
    assert (_REASONED.search(comment) is not None) is reasoned


def test_nothing_is_left_for_later() -> None:
    left = [
        f"{name(path)}:{line} {comment}"
        for path in sources("pdp", "tests", "benchmarks")
        for line, comment in (*comments(path), *_docstrings(path))
        if _UNFINISHED.search(comment)
    ]
    assert left == []


def _docstrings(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield getattr(node, "lineno", 1), ast.get_docstring(node) or ""


def test_a_new_package_must_be_given_a_floor() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        (contract,) = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    assert contract["type"] == "layers"
    assert contract["containers"] == ["pdp"]
    assert contract["exhaustive"] is True
    assert "exhaustive_ignores" not in contract
    assert set(contract["ignore_imports"]) == UPWARD_IMPORTS
    floors = [part.strip() for layer in contract["layers"] for part in re.split(r"[|:]", layer)]
    assert floors.index("cedar") > floors.index("evaluate") > floors.index("compiler") > floors.index("engine")
    assert floors.index("engine") > floors.index("transport")


def test_a_floor_imports_only_from_floors_below_it() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "1 kept, 0 broken" in checked.stdout


def test_pytest_turns_warnings_into_errors_and_refuses_what_it_does_not_know() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        options = tomllib.load(file)["tool"]["pytest"]["ini_options"]
    assert options["filterwarnings"][0] == "error"
    assert {"--strict-markers", "--strict-config"} <= set(options["addopts"].split())
    assert options["xfail_strict"] is True
