"""What every benchmark writes down beside its figures, and how it sums them up."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.console import Console

_WIDTH: Final = 118


def console() -> Console:
    """Where tables go; as wide as one needs when nobody looks."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=_WIDTH)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value below which `percent` of the ordered samples lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def summary(samples: Sequence[int]) -> dict[str, float]:
    """Percentiles and mean of nanoseconds, and how many such operations a second one thread does."""
    ordered = sorted(samples)
    mean = sum(ordered) / len(ordered)
    return {
        "p50": percentile(ordered, 50),
        "p90": percentile(ordered, 90),
        "p99": percentile(ordered, 99),
        "p99.9": percentile(ordered, 99.9),
        "mean": round(mean),
        "ops_per_s": round(1e9 / mean),
    }


def whole_microseconds(samples: Sequence[int]) -> dict[str, float]:
    """As `summary`, of times that were cut off to whole microseconds.

    The median is interpolated within its microsecond, and the mean has half of one added, which is what the cut takes
    away on average.
    """
    ordered = sorted(samples)
    sums = summary(ordered)
    whole = int(sums["p50"])
    below, at = sum(time < whole for time in ordered), ordered.count(whole)
    sums["p50_reported"] = whole
    sums["p50"] = round(whole + (len(ordered) / 2 - below) / at * 1000)
    sums["mean"] += 500
    return sums


def microseconds(nanoseconds: float) -> str:
    """For a table."""
    return f"{nanoseconds / 1000:,.2f}" if nanoseconds < 1_000_000 else f"{nanoseconds / 1000:,.0f}"


def machine() -> dict[str, object]:
    """Processor, cores and versions: figures mean nothing without them."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "cedarpy": version("cedarpy"),
        "hash_seed": os.environ.get("PYTHONHASHSEED", "random"),
        "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "command": "python -m benchmarks " + " ".join(sys.argv[1:]),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def write(folder: Path, name: str, figures: Sequence[dict[str, Any]]) -> Path:
    """A JSON file of figures with the machine and the date; gives its path."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = folder / f"{name}-{now:%Y%m%dT%H%M%SZ}.json"
    content = {"benchmark": name, "date": now.isoformat(timespec="seconds"), "machine": machine(), "figures": figures}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
