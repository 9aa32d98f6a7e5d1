"""Parsing, validating and formatting: this project beside the Rust engine through its Python binding, in one run.

Texts: the sample world, file by file, and the policies of the official corpus where it is at hand. Each step is timed
on all texts together, best of several rounds, the two engines in turn; figures are per 1,000 policies. The binding
validates texts only, so parsing both policies and schema is part of that step, for both.
"""

import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import cedarpy
from rich.console import Console
from rich.table import Table

from benchmarks import report
from pdp.cedar import format_policies, parse_policies, parse_schema, validate_policies

_CORPUS: Final = "corpus-tests-4.10.tar.gz"
_CASES: Final = 1_000


@dataclass(frozen=True)
class Texts:
    """Policy texts with the schema of each."""

    name: str
    policies: Sequence[str]
    schemas: Sequence[str]


def run(data: Path, policies: Path, rounds: int, results: Path) -> None:
    """Measure what is there, print a table, write the figures."""
    console = Console()
    groups = []
    if policies.is_dir():
        groups.append(_sample(policies))
    if (data / _CORPUS).is_file():
        groups.append(_corpus(data / _CORPUS))
    else:
        console.print(f"no {_CORPUS} in {data}: left out (--data PATH)")
    figures = [row for texts in groups for row in _measure(texts, rounds)]
    console.print(_table(figures))
    console.print(f"written: {report.write(results, 'language', figures)}")


def _sample(folder: Path) -> Texts:
    schema = (folder / "schema.cedarschema").read_text("utf-8")
    texts = [path.read_text("utf-8") for path in sorted(folder.rglob("*.cedar"))]
    return Texts("sample world", texts, [schema] * len(texts))


def _corpus(archive: Path) -> Texts:
    """The first cases of the corpus by name, which is a hash."""
    texts: dict[str, str] = {}
    schemas: dict[str, str] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name
            file = tar.extractfile(member) if name.endswith((".cedar", ".cedarschema")) and "/._" not in name else None
            if file is not None:
                target = texts if name.endswith(".cedar") else schemas
                target[name.rsplit(".", 1)[0]] = file.read().decode()
    names = [name for name in sorted(texts) if name in schemas][:_CASES]
    return Texts("official corpus", [texts[name] for name in names], [schemas[name] for name in names])


def _measure(texts: Texts, rounds: int) -> list[dict[str, Any]]:
    count = sum(len(parse_policies(text).static) + len(parse_policies(text).templates) for text in texts.policies)
    pairs = list(zip(texts.policies, texts.schemas, strict=True))
    steps: tuple[tuple[str, Callable[[], object], Callable[[], object]], ...] = (
        (
            "parse",
            lambda: [parse_policies(text) for text in texts.policies],
            lambda: [cedarpy.PolicySet.from_str(text) for text in texts.policies],
        ),
        (
            "validate, from text",
            lambda: [validate_policies(parse_policies(text), parse_schema(schema)) for text, schema in pairs],
            lambda: [cedarpy.validate_policies(text, schema) for text, schema in pairs],
        ),
        (
            "format",
            lambda: [format_policies(text) for text in texts.policies],
            lambda: [cedarpy.format_policies(text, 80, 2) for text in texts.policies],
        ),
    )
    return [_row(texts, count, name, *_best(ours, rust, rounds)) for name, ours, rust in steps]


def _best(ours: Callable[[], object], rust: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Seconds of the fastest round of each, in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for step, found in zip((ours, rust), times, strict=True):
            start = perf_counter()
            step()
            found.append(perf_counter() - start)
    return min(times[0]), min(times[1])


def _row(texts: Texts, count: int, step: str, ours: float, rust: float) -> dict[str, Any]:
    return {
        "texts": texts.name,
        "step": step,
        "policies": count,
        "bytes": sum(len(text.encode()) for text in texts.policies),
        "ours_ms": round(ours / count * 1e6, 2),
        "rust_ms": round(rust / count * 1e6, 2),
        "ratio": round(ours / rust, 2),
    }


def _table(figures: Sequence[dict[str, Any]]) -> Table:
    table = Table(title="milliseconds per 1,000 policies, best round")
    for column in ("texts", "step", "policies", "ours", "Rust, through its binding", "ours/Rust"):
        table.add_column(column, justify="left" if column in ("texts", "step") else "right")
    for row in figures:
        table.add_row(
            row["texts"], row["step"], str(row["policies"]), str(row["ours_ms"]), str(row["rust_ms"]), str(row["ratio"])
        )
    return table
