"""One uncached decision with full diagnostics, beside the Rust authorizer's own time, in one run, taking turns.

Ours is measured around the Python call. Theirs is what the engine reports of itself (`authz_duration_micros`), without
its Python binding, whose call is given beside it. It reports whole microseconds, cut off: its median is interpolated
within the microsecond, and `p50_reported` in the JSON is the whole one. Every answer is compared first.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks import oopsla, plot, report, sample
from benchmarks.workload import Times, Workload, measure

SIZES: Final = (5, 10, 20, 30, 40, 50)
_DRAWN: Final = ("sample world", "N=5", "N=50")


def run(data: Path, policies: Path, passes: int, results: Path, sizes: Sequence[int] = SIZES) -> None:
    """Measure what is there, print a table, write the figures."""
    console = report.console()
    figures = [
        _sum_up(name, group, [measure(workload, passes) for workload in group])
        for name, group in _grouped(_workloads(data, policies, sizes, console)).items()
    ]
    console.print(_ours_table(figures))
    console.print(_ratio_table(figures))
    console.print(f"written: {report.write(results, 'evaluator', figures)}")
    drawn_rows = [row for row in figures if row["workload"].endswith(_DRAWN)]
    if (drawn := plot.bars(results / "evaluator.svg", drawn_rows)) is not None:
        console.print(f"drawn: {drawn}")


def _workloads(data: Path, policies: Path, sizes: Sequence[int], console: Console) -> Iterator[Workload]:
    if policies.is_dir():
        yield sample.workload(policies)
    else:
        console.print(f"no sample world in {policies}: left out (--policies PATH)")
    if (data / "oopsla").is_dir():
        for app in oopsla.APPS:
            for size in sizes:
                yield from oopsla.workloads(data, app, size)
    else:
        console.print(f"no OOPSLA data in {data}: left out (--data PATH)")


def _grouped(workloads: Iterable[Workload]) -> dict[str, list[Workload]]:
    groups: defaultdict[str, list[Workload]] = defaultdict(list)
    for workload in workloads:
        groups[workload.name].append(workload)
    return groups


def _sum_up(name: str, group: list[Workload], times: list[Times]) -> dict[str, Any]:
    ours = report.summary([time for each in times for time in each.ours])
    by_schema = report.summary([time for each in times for time in each.ours_by_schema])
    theirs = report.whole_microseconds([time for each in times for time in each.theirs])
    their_call = report.summary([time for each in times for time in each.their_call])
    return {
        "workload": name,
        "seeds": [workload.seed for workload in group],
        "policies": max(len(workload.policies) for workload in group),
        "entities": max(len(workload.entities) for workload in group),
        "decisions": sum(len(each.ours) for each in times),
        "differing": sum(each.differing for each in times),
        "ours_ns": ours,
        "ours_by_schema_ns": by_schema,
        "rust_ns": theirs,
        "rust_call_ns": their_call,
        "ratio_p50": round(ours["p50"] / theirs["p50"], 3),
        "ratio_p50_reported": round(ours["p50"] / theirs["p50_reported"], 3) if theirs["p50_reported"] else None,
        "ratio_mean": round(ours["mean"] / theirs["mean"], 3),
        "ratio_call_p50": round(ours["p50"] / their_call["p50"], 3),
    }


def _ours_table(figures: list[dict[str, Any]]) -> Table:
    table = Table(title="one uncached decision, microseconds")
    table.add_column("workload", no_wrap=True)
    for column in ("policies", "entities", "p50", "p90", "p99", "p99.9", "a second", "by schema p50", "differing"):
        table.add_column(column, justify="right")
    for row in figures:
        ours = row["ours_ns"]
        table.add_row(
            row["workload"],
            str(row["policies"]),
            str(row["entities"]),
            *[report.microseconds(ours[at]) for at in ("p50", "p90", "p99", "p99.9")],
            f"{ours['ops_per_s']:,}",
            report.microseconds(row["ours_by_schema_ns"]["p50"]),
            str(row["differing"]),
        )
    return table


def _ratio_table(figures: list[dict[str, Any]]) -> Table:
    table = Table(title="beside the Rust engine: p50, microseconds")
    table.add_column("workload", no_wrap=True)
    for column in ("ours", "Rust, own time", "whole us", "its call", "ours/ own time", "of the means", "ours/ call"):
        table.add_column(column, justify="right")
    for row in figures:
        theirs = row["rust_ns"]
        times = row["ours_ns"]["p50"], theirs["p50"], theirs["p50_reported"], row["rust_call_ns"]["p50"]
        ratios = row["ratio_p50"], row["ratio_mean"], row["ratio_call_p50"]
        table.add_row(row["workload"], *map(report.microseconds, times), *[f"{ratio:.3f}" for ratio in ratios])
    return table
