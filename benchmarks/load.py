"""Loading template links, and changing them: the time of one change by how many links there are, alone and under load.

Links are granted to people and teams on folders, ten to a person and ten to a folder. A change is one link added and
one removed, each with the new program made: what a decision point does when a grant begins or ends. Under load, two
other threads decide without a pause, and there is a millisecond's rest after each change; programs of before are kept
for a while, as requests in flight would. The time is that of the change itself, from when its thread has the
interpreter: to get it from a thread that decides may take CPython's switch interval of 5 ms.
"""

import gc
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any, Final

from rich.table import Table

from benchmarks import report
from pdp.cedar.entities import Entities, Entity
from pdp.cedar.policy import Link, PolicySet, Slot
from pdp.cedar.request import Request
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID
from pdp.compiler.program import Program
from pdp.compiler.rulebook import Rulebook

_SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
_READERS: Final = 2
_IN_FLIGHT: Final = 16
_TEMPLATE: Final = 'permit (principal in ?principal, action in Action::"reading", resource in ?resource);'
_READ: Final = EntityUID("Action", "read")
_SEED: Final = 7


def run(most: int, changes: int, results: Path) -> None:
    """Measure every size, print a table, write the figures."""
    figures = []
    for size in (size for size in _SIZES if size <= most):
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            figures += pool.submit(_measure, size, changes).result()
    console = report.console()
    console.print(_table(figures))
    console.print(f"written: {report.write(results, 'load', figures)}")


def links(count: int, first: int, holders: int) -> Iterator[Link]:
    """So many links, by numbers from `first` on, to so many people, as many teams, and on as many folders."""
    rng = random.Random(_SEED + first)
    for number in range(first, first + count):
        kind = "Team" if number % 3 else "User"
        principal = EntityUID(kind, f"{kind.lower()}-{rng.randrange(holders):07}")
        folder = EntityUID("Folder", f"folder-{rng.randrange(holders):07}")
        yield Link(f"grant-{number:07}", "policy0", {Slot.PRINCIPAL: principal, Slot.RESOURCE: folder})


def _measure(size: int, count: int) -> list[dict[str, Any]]:
    book = Rulebook(PolicySet(parse_policies(Source("load", _TEMPLATE))))
    # Blocks of links are made beforehand: what they cost is not the rulebook's.
    spent = 0.0
    for first in range(0, size, 100_000):
        block = list(links(min(size, 100_000), first, size // 10))
        start = perf_counter()
        for link in block:
            book.link(link)
        spent += perf_counter() - start
    gc.collect()
    gc.freeze()
    changes = list(links(count, size, size // 10))
    alone = _changed(book, changes, pause=0.0)
    asked = _Asking(book, size)
    steady = asked.decide(count / 1_000)
    with asked:
        loaded = _changed(book, changes, pause=0.001, current=asked)
    common = {"links": size, "seed": _SEED, "readers": _READERS}
    return [
        {
            "workload": f"link a template, {size:,} links",
            **common,
            "ours_ns": {"mean": spent / size * 1e9},
            "links_per_s": round(size / spent),
        },
        {"workload": f"change alone, {size:,} links", **common, "ours_ns": report.summary(alone)},
        {"workload": f"change under load, {size:,} links", **common, "ours_ns": report.summary(loaded)},
        {"workload": f"decision, no changes, {size:,} links", **common, "ours_ns": report.summary(steady)},
        {"workload": f"decision among changes, {size:,} links", **common, "ours_ns": report.summary(list(asked.times))},
    ]


def _changed(book: Rulebook, changes: list[Link], *, pause: float, current: "_Asking | None" = None) -> list[int]:
    """The times of adding and removing each link, with a new program each time."""
    times = []
    in_flight: deque[Program] = deque(maxlen=_IN_FLIGHT)
    for link in changes:
        for change in (partial(book.link, link), partial(book.remove, link.id)):
            start = perf_counter_ns()
            change()
            program = Program(book)
            times.append(perf_counter_ns() - start)
            in_flight.append(program)
            if current is not None:
                current.program = program
            if pause:
                time.sleep(pause)
    return times


class _Asking:
    """Decides without a pause, in threads of its own while the context lasts, by whatever program is current."""

    def __init__(self, book: Rulebook, size: int) -> None:
        self.program = Program(book)
        self.times: deque[int] = deque(maxlen=500_000)
        self._store, self._requests = _questions(size)
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(_READERS)]

    def decide(self, seconds: float) -> list[int]:
        """Decisions for so long, in this thread."""
        times: list[int] = []
        end = perf_counter() + seconds
        while perf_counter() < end:
            self._round(times)
        return times

    def _round(self, times: list[int] | deque[int]) -> None:
        for request in self._requests:
            start = perf_counter_ns()
            self.program.authorize(request, self._store)
            times.append(perf_counter_ns() - start)

    def _run(self) -> None:
        while not self._done.is_set():
            self._round(self.times)

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()


def _questions(size: int) -> tuple[Entities, list[Request]]:
    """People in three teams each, who ask for documents in folders."""
    rng = random.Random(_SEED)
    holders = size // 10
    entities = [Entity(_READ, parents=frozenset([EntityUID("Action", "reading")]))]
    requests = []
    for number in range(200):
        teams = frozenset(EntityUID("Team", f"team-{rng.randrange(holders):07}") for _ in range(3))
        user, document = EntityUID("User", f"asker-{number}"), EntityUID("Document", f"d-{number}")
        folder = EntityUID("Folder", f"folder-{rng.randrange(holders):07}")
        entities += [Entity(user, parents=teams), Entity(document, parents=frozenset([folder]))]
        requests.append(Request(user, _READ, document))
    return Entities(entities), requests


def _table(figures: list[dict[str, Any]]) -> Table:
    table = Table(title="links: loading and changing, microseconds")
    table.add_column("", no_wrap=True)
    for column in ("p50", "p90", "p99", "p99.9", "a second"):
        table.add_column(column, justify="right")
    for row in figures:
        ours = row["ours_ns"]
        percentiles = [report.microseconds(ours[at]) if at in ours else "" for at in ("p50", "p90", "p99", "p99.9")]
        table.add_row(row["workload"], *percentiles, f"{row.get('links_per_s') or ours['ops_per_s']:,}")
    return table
