"""A decision among 100, 1,000, 10,000, 100,000 and 1,000,000 policies, of which each request matches as many.

Policies are of every form of scope, four in five are links of two templates, one in a hundred is a `forbid` (`cells`).
It is measured twice: with principals in three or four groups, and with principals in a thousand and three.

Each size has a process of its own. 200 requests are decided again and again, each time made anew from strings, with
full diagnostics and no cache of decisions. `p50` and the other percentiles are of the pass with the least median, since
the machine has other work, too; `median pass` is the middle one, `asked once` the median of 2,000 requests that were
never asked before. `huge pages` is the least median again when the kernel has been asked for pages of 2 MB (`pages`).
Code is made beforehand for the kinds of question that the schema declares. The Rust engine's own time is measured up
to 100,000 policies, there with 20 requests: its scan takes as long as there are policies.
"""

import gc
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any, Final

import cedarpy
from rich.table import Table

from benchmarks import cells, pages, plot, report
from benchmarks.workload import rust_entities, rust_policies, rust_request
from pdp.cedar.api import parse_schema
from pdp.cedar.entities import Entities
from pdp.cedar.policy import PolicySet
from pdp.cedar.text.printer import print_policies
from pdp.compiler.program import Program
from pdp.compiler.rulebook import Rulebook
from pdp.evaluate.authorize import authorize

_SIZES: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
_MOST_FOR_RUST: Final = 100_000
_RUST_DECISIONS: Final = 2_000_000
"""Policies that the Rust engine looks at in all: so many requests as that allows, and 20 at least."""
_MOST_FOR_INTERPRETER: Final = 1_000
_REQUESTS: Final = 200
_ONCE: Final = 2_000
_SEED: Final = 20_240_229


def run(most: int, passes: int, results: Path) -> None:
    """Measure every size, print a table, write the figures and the plot."""
    figures: list[dict[str, Any]] = []
    for badges in (False, True):
        for size in (size for size in _SIZES if size <= most):
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                figures.append(pool.submit(_measure, size, badges, passes).result())
    console = report.console()
    console.print(_table(figures))
    console.print(f"written: {report.write(results, 'scale', figures)}")
    if (drawn := plot.lines(results / "scale.svg", figures)) is not None:
        console.print(f"drawn: {drawn}")


def _measure(size: int, badges: bool, passes: int) -> dict[str, Any]:
    count = max(1, round(size / cells.POLICIES_IN_CELL))
    store, asked, rng = cells.world(count, _REQUESTS + _ONCE, badges=badges, seed=_SEED)
    schema = parse_schema(cells.SCHEMA)
    book = Rulebook(schema=schema)
    start = perf_counter()
    for policy in cells.policies(count):
        book.add(policy)
    added = perf_counter() - start
    links = list(cells.links(count, rng))
    start = perf_counter()
    for link in links:
        book.link(link)
    linked = perf_counter() - start
    figures = {
        "workload": f"{len(book):,} policies" + (", 1,000 badges" if badges else ""),
        "policies": len(book),
        "badges": badges,
        "seed": _SEED,
        "entities": len(store),
        "links_per_s": round(len(links) / linked),
        "seconds_for_static_policies": round(added, 2),
    }
    program = Program(book)
    program.prepare(schema, store)
    if size <= _MOST_FOR_RUST:
        requests = asked[: max(20, min(_REQUESTS, _RUST_DECISIONS // size))]
        figures |= _rust(PolicySet(cells.policies(count), links), store, requests, program)
    del links
    gc.collect()
    gc.freeze()
    figures |= _ours(program, store, asked, passes)
    figures["huge_pages_mb"] = pages.collapse()
    figures["huge_pages_p50_ns"] = min(_pass(program, store, asked[:_REQUESTS])["p50"] for _ in range(passes))
    return figures


def _ours(program: Program, store: Entities, asked: Sequence[cells.Asked], passes: int) -> dict[str, Any]:
    often, once = asked[:_REQUESTS], asked[_REQUESTS:]
    for _ in range(3):
        _pass(program, store, often)
    sums = sorted((_pass(program, store, often) for _ in range(passes)), key=lambda sums: sums["p50"])
    return {
        "ours_ns": sums[0],
        "median_pass_p50_ns": sums[len(sums) // 2]["p50"],
        "asked_once_p50_ns": _pass(program, store, once)["p50"],
        "matching": round(sum(len(list(program.candidates(each.request(), store))) for each in often) / len(often), 2),
    }


def _pass(program: Program, store: Entities, asked: Sequence[cells.Asked]) -> dict[str, float]:
    times = []
    for each in asked:
        request = each.request()
        start = perf_counter_ns()
        program.authorize(request, store)
        times.append(perf_counter_ns() - start)
    return report.summary(times)


def _rust(policies: PolicySet, store: Entities, asked: Sequence[cells.Asked], program: Program) -> dict[str, Any]:
    """The Rust engine's times; and how many answers differ between it, ours and, where it can, the interpreter's."""
    ordered = sorted((*policies.static.values(), *policies.templates.values()), key=lambda policy: int(policy.id[6:]))
    rust, entities = rust_policies(print_policies(ordered), policies), rust_entities(store)
    times: list[int] = []
    calls: list[int] = []
    differing = 0
    for each in asked:
        request = each.request()
        converted = rust_request(request)
        start = perf_counter_ns()
        result = cedarpy.is_authorized(converted, rust, entities)
        calls.append(perf_counter_ns() - start)
        times.append(result.metrics["authz_duration_micros"] * 1000)
        reasons = [frozenset(result.diagnostics.reasons), program.authorize(request, store).reasons]
        if len(policies) <= _MOST_FOR_INTERPRETER:
            reasons.append(authorize(request, policies, store).reasons)
        differing += len(set(reasons)) > 1
    sums = {"rust_ns": report.whole_microseconds(times), "rust_call_ns": report.summary(calls)}
    return {**sums, "rust_requests": len(asked), "differing": differing}


def _table(figures: list[dict[str, Any]]) -> Table:
    table = Table(title="one decision, microseconds: the quietest pass")
    for column in (
        "policies",
        "badges",
        "matching",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "k/s",
        "median pass",
        "asked once",
        "huge pages",
        "Rust p50",
        "its call",
    ):
        table.add_column(column, justify="right")
    for row in figures:
        ours = row["ours_ns"]
        table.add_row(
            f"{row['policies']:,}",
            "1,000" if row["badges"] else "",
            str(row["matching"]),
            *[report.microseconds(ours[at]) for at in ("p50", "p90", "p99", "p99.9")],
            f"{ours['ops_per_s'] / 1000:,.0f}",
            report.microseconds(row["median_pass_p50_ns"]),
            report.microseconds(row["asked_once_p50_ns"]),
            report.microseconds(row["huge_pages_p50_ns"]),
            *(
                [report.microseconds(row[name]["p50"]) for name in ("rust_ns", "rust_call_ns")]
                if "rust_ns" in row
                else ["", ""]
            ),
        )
    return table
