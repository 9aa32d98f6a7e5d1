"""The plots. They need matplotlib (`pip install -e '.[bench]'`)."""

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

_OURS: Final = "#1a7f5a"
_THEIRS: Final = "#b7723b"
_ENGINES: Final = (
    (-0.2, "ours_ns", "this project: compiled to Python", _OURS),
    (0.2, "rust_ns", "the Rust authorizer's own time, without its binding", _THEIRS),
)
# Text stays text, and ids do not change from run to run.
_STYLE: Final[dict[Any, Any]] = {"svg.hashsalt": "pdp", "svg.fonttype": "none", "font.size": 9}


def bars(path: Path, figures: Sequence[dict[str, Any]]) -> Path | None:
    """Writes an SVG of the p50 of every workload, both engines. Gives the path; None without matplotlib."""
    if not _DRAWS:
        return None
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 0.45 * len(figures) + 1.4), layout="constrained")
        axes = figure.subplots()
        for offset, engine, label, colour in _ENGINES:
            places = [place + offset for place in range(len(figures))]
            drawn = axes.barh(places, [_p50(row, engine) for row in figures], height=0.38, label=label, color=colour)
            axes.bar_label(drawn, fmt="%.1f", padding=3, fontsize=8)
        axes.set_yticks(range(len(figures)), [row["workload"] for row in figures])
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlim(0.1, 2_000)
        axes.margins(y=0.01)
        axes.set_xlabel("microseconds a decision: p50, uncached, full diagnostics (less is better)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower right")
        figure.savefig(path, metadata={"Date": None})
    return path


def lines(path: Path, figures: Sequence[dict[str, Any]]) -> Path | None:
    """Writes an SVG of the p50 by number of policies, both engines. Gives the path; None without matplotlib."""
    if not _DRAWS:
        return None
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 4.2), layout="constrained")
        axes = figure.subplots()
        for engine, badges, label, colour, style, side in (
            ("rust_ns", False, "the Rust authorizer's own time, without its binding", _THEIRS, "o-", 6),
            ("ours_ns", True, "this project, principals in 1,000 groups", _OURS, "s--", 6),
            ("ours_ns", False, "this project", _OURS, "o-", -14),
        ):
            rows = [row for row in figures if row["badges"] is badges and engine in row]
            axes.plot(
                [row["policies"] for row in rows], [_p50(row, engine) for row in rows], style, color=colour, label=label
            )
            for row in rows[:1] + rows[-1:]:
                place = row["policies"], _p50(row, engine)
                text = f"{place[1]:,.0f}" if place[1] > 100 else f"{place[1]:.1f}"
                axes.annotate(text, place, (0, side), textcoords="offset points", ha="center", fontsize=8)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(1, 1_000_000)
        axes.set_xlabel("policies and links")
        axes.set_ylabel("microseconds a decision: p50 (less is better)")
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="center right")
        figure.savefig(path, metadata={"Date": None})
    return path


def _p50(row: dict[str, Any], engine: str) -> float:
    return float(row[engine]["p50"]) / 1000
