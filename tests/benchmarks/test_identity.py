"""The benchmark of credentials, at a small size: it verifies, compares the subjects, and writes down what it says.

Nothing here is about how long anything takes.
"""

import json
from pathlib import Path
from typing import Final

import pytest

from benchmarks import identity
from benchmarks.__main__ import main

SAMPLE_WORLD: Final = Path(__file__).resolve().parents[2] / "policies"
KINDS: Final = (
    *("JWT RS256", "JWT PS256", "JWT ES256", "JWT ES384", "JWT EdDSA", "opaque, asked about"),
    *("JWT ES256 bound by DPoP, proofs EdDSA", "JWT-SVID ES256", "X.509-SVID ES256"),
)


def test_identity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    identity.run(SAMPLE_WORLD, 3, tmp_path)
    (path,) = tmp_path.glob("identity-*.json")
    *kinds, check = json.loads(path.read_text("utf-8"))["figures"]
    assert tuple(row["workload"] for row in kinds) == KINDS
    table = capsys.readouterr().out
    for row in kinds:
        for name in ("raw_ns", "first_ns", "cached_ns"):
            assert 0 < row[name]["p50"] <= row[name]["p99"]
        assert row["workload"] in table
    assert check["added_p50_ns"] == check["token_ns"]["p50"] - check["named_ns"]["p50"]
    assert check["reasons"]["token"] == check["reasons"]["named"], "one question in two forms has one answer"


def test_the_command_says_what_it_measures(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "identity", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "by DPoP" in capsys.readouterr().out
