"""The benchmark of cold starts, run small: what it looks at, not how long it takes."""

import json
from pathlib import Path

import pytest

from benchmarks import startup


def test_each_kind_of_start_is_measured_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    startup.run(policies=200, starts=1, results=tmp_path)
    (written,) = tmp_path.glob("startup-*.json")
    figures = json.loads(written.read_text("utf-8"))["figures"]
    kinds = [row["workload"] for row in figures]
    assert [kind.partition(",")[0] for kind in kinds] == ["nothing", "deciding", "deciding", "serving", "serving"]
    assert set(figures[2]["stages_s"]) == {"imports", "bundle", "facts", "world", "prepare", "answer"}
    assert set(figures[4]["stages_s"]) == {"imports", "start"}
    assert "deciding, from a built bundle" in capsys.readouterr().out
