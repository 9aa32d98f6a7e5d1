"""The plot of the README: two bars a workload. Needs matplotlib (`pip install -e '.[bench]'`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

try:
    import matplotlib as mpl
    from matplotlib.figure import Figure
except ImportError:
    _DRAWS = False
else:
    _DRAWS = True

_ENGINES: Final = (
    (-0.2, "ours_ns", "this project: compiled to Python", "#1a7f5a"),
    (0.2, "rust_ns", "the Rust authorizer's own time (whole microseconds)", "#b7723b"),
)


def bars(path: Path, figures: Sequence[dict[str, Any]]) -> Path | None:
    """Writes an SVG of the p50 of every workload, both engines. Gives the path; None where matplotlib is missing."""
    if not _DRAWS:
        return None
    # Text stays text, and ids do not change from run to run.
    with mpl.rc_context({"svg.hashsalt": "pdp", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(8, 0.45 * len(figures) + 1.4), layout="constrained")
        axes = figure.subplots()
        for offset, engine, label, colour in _ENGINES:
            places = [place + offset for place in range(len(figures))]
            drawn = axes.barh(places, [_p50(row, engine) for row in figures], height=0.38, label=label, color=colour)
            axes.bar_label(drawn, fmt="%.1f", padding=3, fontsize=8)
        axes.set_yticks(range(len(figures)), [row["workload"] for row in figures])
        axes.invert_yaxis()
        axes.set_xlabel("microseconds a decision: p50, uncached, full diagnostics (less is better)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower right")
        figure.savefig(path, metadata={"Date": None})
    return path


def _p50(row: dict[str, Any], engine: str) -> float:
    return float(row[engine]["p50"]) / 1000
