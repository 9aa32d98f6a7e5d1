"""The benchmarks' commands, at small sizes: they run, they compare answers first, and they write down what they say.

Nothing here is about how long anything takes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from shared_data import shared_data

from benchmarks import cache, compare, evaluator, load, memory, report, scale
from benchmarks.__main__ import main
from benchmarks.oopsla import APPS

PERCENTILES: Final = ("p50", "p90", "p99", "p99.9")
SAMPLE_WORLD: Final = Path(__file__).resolve().parents[2] / "policies"


def written(results: Path, name: str) -> dict[str, Any]:
    """The one result of a benchmark."""
    (path,) = results.glob(f"{name}-*.json")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    assert found["benchmark"] == name
    assert {"processor", "cores", "system", "python", "cedarpy", "load_average", "command"} <= found["machine"].keys()
    return found


def assert_ordered(sums: dict[str, float]) -> None:
    values = [sums[at] for at in PERCENTILES]
    assert values == sorted(values)
    assert values[0] > 0
    assert sums["ops_per_s"] > 0


def test_evaluator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluator.run(shared_data("cedar"), SAMPLE_WORLD, 1, tmp_path, sizes=(5,))
    figures = written(tmp_path, "evaluator")["figures"]
    table = capsys.readouterr().out
    assert [row["workload"] for row in figures] == ["sample world", *(f"{app} N=5" for app in APPS)]
    for row in figures:
        assert row["differing"] == 0
        assert row["workload"] in table
        for engine in ("ours_ns", "ours_by_schema_ns", "rust_call_ns"):
            assert_ordered(row[engine])
        assert all(isinstance(seed, int) for seed in row["seeds"]) or row["workload"] == "sample world"


def test_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache.run(SAMPLE_WORLD, 100, 400, 5, cache.PARTS, tmp_path)
    figures = {row["workload"]: row for row in written(tmp_path, "cache")["figures"]}
    table = capsys.readouterr().out
    assert all(workload in table for workload in figures)
    hits = [row for workload, row in figures.items() if workload.startswith("hit: ")]
    assert len(hits) == 5
    assert all(row["requests"] > 50 and row["hit_ns"]["least"] > 0 for row in hits)  # each compared with the uncached
    assert figures["mix: nine of ten asked before"]["hit_rate"] == 0.9
    assert [row["entries"] for workload, row in figures.items() if workload.startswith("change: ")] == [100] * 3
    flood = figures["flood: requests that never come again"]
    assert (flood["flood"], flood["hit_rate_flooded"]) == (400, 1.0)
    assert flood["most_bytes"] <= flood["limit_bytes"]


def test_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scale.run(100, 1, tmp_path)
    figures = written(tmp_path, "scale")["figures"]
    assert [(row["policies"], row["badges"]) for row in figures] == [(98, False), (98, True)]
    table = capsys.readouterr().out
    for row in figures:
        assert row["differing"] == 0  # the Rust engine's answers, the interpreter's and ours
        assert row["matching"] > 1
        assert_ordered(row["ours_ns"])
        assert f"{row['policies']:,}" in table


def test_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load.run(1_000, 20, tmp_path)
    figures = written(tmp_path, "load")["figures"]
    assert len(figures) == 5
    table = capsys.readouterr().out
    for row in figures:
        assert row["links"] == 1_000
        assert row["workload"] in table
        if "links_per_s" not in row:
            assert_ordered(row["ours_ns"])


def test_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    memory.run(2_000, tmp_path)
    figures = written(tmp_path, "memory")["figures"]
    assert [row["count"] for row in figures] == [2_000] * 3
    assert all(row["blocks_each"] > 2 for row in figures)
    table = capsys.readouterr().out
    assert all(row["workload"] in table for row in figures)


def result(path: Path, p50: Mapping[str, float], name: str = "evaluator") -> Path:
    figures = [{"workload": key, "ours_ns": {"p50": value, "p99": value * 2}} for key, value in p50.items()]
    path.write_text(json.dumps({"benchmark": name, "machine": report.machine(), "figures": figures}), "utf-8")
    return path


@pytest.mark.parametrize(
    ("before", "after", "code", "words"),
    [
        ({"a": 100, "b": 100}, {"a": 109, "b": 91}, 0, "0 of 4 figures are worse"),
        ({"a": 100, "b": 100}, {"a": 111, "b": 50}, 1, "2 of 4 figures are worse"),
        ({"a": 100}, {"a": 300, "new": 5}, 1, "3.00"),
        ({"a": 100, "old": 5}, {"a": 50}, 0, "0.50"),
    ],
)
def test_compare(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    before: dict[str, float],
    after: dict[str, float],
    code: int,
    words: str,
) -> None:
    first, second = result(tmp_path / "a.json", before), result(tmp_path / "b.json", after)
    assert compare.run(first, second, 0.1) == code
    assert words in capsys.readouterr().out


def test_results_of_two_benchmarks_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = result(tmp_path / "a.json", {"a": 1}), result(tmp_path / "b.json", {"a": 9}, "scale")
    assert compare.run(first, second, 0.1) == 2
    assert "`evaluator`" in capsys.readouterr().out


def test_the_commands_say_what_they_measure(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("evaluator", "scale", "load", "memory", "compare"):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("sys.argv", ["benchmarks", name, "--help"])
            with pytest.raises(SystemExit) as ended:
                main()
        assert ended.value.code == 0
        assert len(capsys.readouterr().out) > 400
