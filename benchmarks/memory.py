"""Bytes for each template link in a rulebook, and for each entity with five attributes in a store.

Each is measured in a process of its own, by what the process has resident before and after, garbage collected; and by
what CPython's allocator says is in use, which leaves out the holes that loading leaves. Links and entities are made
from text piece by piece, as a loader would, and nothing but the rulebook or the store is kept.

    links, ten a person         100,000 people and 100,000 folders for 1,000,000 links
    links, all distinct         every link names a person and a folder that no other names
    entities                    name, age, two flags and a department; in one of 1,000 groups
"""

import gc
import json
import random
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from rich.table import Table

from benchmarks import report
from pdp.cedar.entities import Entities, Entity
from pdp.cedar.policy import Link, PolicySet, Slot
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.entities import read_entities
from pdp.compiler.program import Program
from pdp.compiler.rulebook import Rulebook

_PIECE: Final = 1_000
_SEED: Final = 11
_TEMPLATE: Final = "permit (principal in ?principal, action, resource in ?resource);"


def run(count: int, results: Path) -> None:
    """Measure each, print a table, write the figures."""
    figures = []
    for name in _MEASURED:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            figures.append(pool.submit(_measure, name, count).result())
    console = report.console()
    console.print(_table(figures))
    console.print(f"written: {report.write(results, 'memory', figures)}")


def _measure(name: str, count: int) -> dict[str, Any]:
    gc.collect()
    before, blocks = _resident(), sys.getallocatedblocks()
    start = perf_counter()
    kept = _MEASURED[name](count)
    spent = perf_counter() - start
    gc.collect()
    figures = {
        "workload": name,
        "count": count,
        "seed": _SEED,
        "bytes_each": round((_resident() - before) / count),
        "blocks_each": round((sys.getallocatedblocks() - blocks) / count, 1),
        "loaded_per_s": round(count / spent),
    }
    del kept
    return figures


def _links(count: int, holders: int) -> Program:
    book = Rulebook(PolicySet(parse_policies(Source("memory", _TEMPLATE))))
    rng = random.Random(_SEED)
    for number in range(count):
        who, where = (number, number) if holders == count else (rng.randrange(holders), rng.randrange(holders))
        principal, folder = EntityUID("User", f"user-{who:07}"), EntityUID("Folder", f"folder-{where:07}")
        book.link(Link(f"grant-{number:07}", "policy0", {Slot.PRINCIPAL: principal, Slot.RESOURCE: folder}))
    return Program(book)


def _entities(count: int) -> Entities:
    read: list[Entity] = []
    for first in range(0, count, _PIECE):
        text = json.dumps([_entity(number) for number in range(first, min(count, first + _PIECE))])
        read += read_entities(json.loads(text), Source("memory", ""))
    return Entities(read)


def _entity(number: int) -> dict[str, Any]:
    return {
        "uid": {"type": "User", "id": f"user-{number:07}"},
        "attrs": {
            "name": f"Somebody {number}",
            "age": 18 + number % 60,
            "active": number % 7 != 0,
            "external": number % 5 == 0,
            "department": {"__entity": {"type": "Department", "id": f"department-{number % 300}"}},
        },
        "parents": [{"type": "Group", "id": f"group-{number % 1_000}"}],
    }


_MEASURED: Final[dict[str, Callable[[int], object]]] = {
    "links, ten a person": lambda count: _links(count, max(1, count // 10)),
    "links, all distinct": lambda count: _links(count, count),
    "entities": _entities,
}


def _resident() -> int:
    """Bytes that this process has in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


def _table(figures: list[dict[str, Any]]) -> Table:
    table = Table(title="memory")
    table.add_column("", no_wrap=True)
    for column in ("of each", "bytes each", "blocks each", "loaded a second, making included"):
        table.add_column(column, justify="right")
    for row in figures:
        table.add_row(
            row["workload"], *[f"{row[name]:,}" for name in ("count", "bytes_each", "blocks_each", "loaded_per_s")]
        )
    return table
