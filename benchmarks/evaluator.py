"""One uncached decision: the compiled program beside the Rust authorizer's own time, in one run, alternating.

Ours is measured around the Python call. Theirs is what the engine reports of itself (`authz_duration_micros`, whole
microseconds), without its Python binding: so the comparison favours the Rust engine. Every answer is compared first.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks import oopsla, plot, report, sample
from benchmarks.workload import Times, Workload, measure

_SIZES: Final = (5, 50)
_WIDTH: Final = 110


def run(data: Path, policies: Path, passes: int, results: Path) -> None:
    """Measure what is there, print a table, write the figures."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    figures: list[dict[str, Any]] = []
    for name, group in _grouped(_workloads(data, policies, console)).items():
        times = [measure(workload, passes) for workload in group]
        figures.append(_sum_up(name, group, times))
    console.print(_table(figures))
    path = report.write(results, "evaluator", figures)
    console.print(f"written: {path}")
    if (drawn := plot.bars(results / "evaluator.svg", figures)) is not None:
        console.print(f"drawn: {drawn}")


def _workloads(data: Path, policies: Path, console: Console) -> Iterator[Workload]:
    if policies.is_dir():
        yield sample.workload(policies)
    else:
        console.print(f"no sample world in {policies}: left out (--policies PATH)")
    if (data / "oopsla").is_dir():
        for app in oopsla.APPS:
            for size in _SIZES:
                yield from oopsla.workloads(data, app, size)
    else:
        console.print(f"no OOPSLA data in {data}: left out (--data PATH)")


def _grouped(workloads: Iterator[Workload]) -> dict[str, list[Workload]]:
    groups: defaultdict[str, list[Workload]] = defaultdict(list)
    for workload in workloads:
        groups[workload.name].append(workload)
    return groups


def _sum_up(name: str, group: list[Workload], times: list[Times]) -> dict[str, Any]:
    ours = sorted(time for each in times for time in each.ours)
    theirs = sorted(time for each in times for time in each.theirs)
    p50 = report.percentile(ours, 50), report.percentile(theirs, 50)
    return {
        "workload": name,
        "seeds": [workload.seed for workload in group],
        "policies": max(len(workload.policies) for workload in group),
        "entities": max(len(workload.entities) for workload in group),
        "decisions": len(ours),
        "differing": sum(each.differing for each in times),
        "ours_ns": {"p50": p50[0], "p99": report.percentile(ours, 99)},
        "rust_ns": {"p50": p50[1], "p99": report.percentile(theirs, 99)},
        "ratio_p50": round(p50[0] / p50[1], 3) if p50[1] else None,
    }


def _table(figures: list[dict[str, Any]]) -> Table:
    table = Table(title="one uncached decision, microseconds")
    for column in (
        "workload",
        "policies",
        "entities",
        "ours p50",
        "p99",
        "Rust p50",
        "p99",
        "ours/Rust p50",
        "differing",
    ):
        table.add_column(column, justify="left" if column == "workload" else "right")
    for row in figures:
        table.add_row(
            row["workload"],
            str(row["policies"]),
            str(row["entities"]),
            *[f"{row[engine][at] / 1000:.2f}" for engine in ("ours_ns", "rust_ns") for at in ("p50", "p99")],
            str(row["ratio_p50"]),
            str(row["differing"]),
        )
    return table
