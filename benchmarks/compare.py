"""What became slower, or larger, between two results of one benchmark: every figure that grew by more than tolerated.

Only figures of one machine can be compared, and only from runs at rest. Gives 1 if there is a regression, else 0.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from benchmarks import report

_COMPARED: Final = ("p50", "p99", "mean")
_MACHINE: Final = ("processor", "cores", "python")


def run(before: Path, after: Path, tolerance: float) -> int:
    """Print the regressions and the improvements."""
    console = report.console()
    old, new = (json.loads(path.read_text("utf-8")) for path in (before, after))
    if old["benchmark"] != new["benchmark"]:
        console.print(f"{before.name} is of `{old['benchmark']}`, {after.name} of `{new['benchmark']}`")
        return 2
    for name in _MACHINE:
        if old["machine"][name] != new["machine"][name]:
            console.print(f"not the same {name}: {old['machine'][name]}, {new['machine'][name]}")
    changes = list(_changes(_by_name(old), _by_name(new)))
    table = Table(title=f"{old['benchmark']}: changes of more than {tolerance:.0%}")
    for column in ("workload", "figure", "before", "after", "after/ before"):
        table.add_column(column, justify="left" if column in {"workload", "figure"} else "right")
    for workload, figure, first, second in sorted(changes, key=lambda change: change[2] / change[3]):
        if abs(second / first - 1) > tolerance:
            table.add_row(workload, figure, f"{first:,.0f}", f"{second:,.0f}", f"{second / first:.2f}")
    console.print(table)
    regressions = sum(second > first * (1 + tolerance) for _, _, first, second in changes)
    console.print(f"{regressions} of {len(changes)} figures are worse")
    return 1 if regressions else 0


def _by_name(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["workload"]: row for row in result["figures"]}


def _changes(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, float, float]]:
    """Workload, figure, value before and after: of ours only, and where both have one. Less is better in all."""
    for workload in (name for name in old if name in new):
        for figure, value in old[workload].items():
            other = new[workload].get(figure)
            if figure.startswith("ours") and isinstance(value, dict) and isinstance(other, dict):
                for at in _COMPARED:
                    if at in value and at in other:
                        yield workload, f"{figure} {at}", value[at], other[at]
            elif figure == "bytes_each" and isinstance(other, int):
                yield workload, figure, value, other
