"""The benchmark of reloading, run small: what it looks at, not how long it takes."""

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import reload


@pytest.fixture(autouse=True)
def _nothing_frozen() -> Iterator[None]:
    """It runs as a process of its own would: what it put away is looked at again afterwards."""
    yield
    gc.unfreeze()


def test_every_answer_is_of_one_revision(tmp_path: Path) -> None:
    figures = reload.measure(tmp_path, policies=200, times=2, rate=500)
    summary = figures[-1]
    assert summary["answers_of_no_one_revision"] == 0
    assert summary["revisions_seen"] == 3
    assert summary["asked"] > 10
    assert len(figures) == 5
    assert all(row["ours_ns"]["p50"] > 0 for row in figures[:-1])


def test_the_figures_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reload.run(policies=200, times=1, rate=200, results=tmp_path / "results")
    (written,) = (tmp_path / "results").glob("reload-*.json")
    assert json.loads(written.read_text("utf-8"))["benchmark"] == "reload"
    assert "answers of no one revision: 0" in " ".join(capsys.readouterr().out.split())
