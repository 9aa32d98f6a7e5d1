"""What every benchmark writes down beside its figures, and how it sums them up."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The value below which `percent` of the ordered samples lie."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


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


def write(folder: Path, name: str, figures: object) -> Path:
    """A JSON file of figures with the machine and the date; gives its path."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = folder / f"{name}-{now:%Y%m%dT%H%M%SZ}.json"
    content = {"benchmark": name, "date": now.isoformat(timespec="seconds"), "machine": machine(), "figures": figures}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path
