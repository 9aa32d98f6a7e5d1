"""`pdp conformance`: the figures, how a disagreement is told, what is refused; and the official corpus itself."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from command_line import run, spawn
from fuzzing import rounds
from shared_data import shared_data
from small_corpus import small_corpus, write_archive, write_folder

ONE: Final = "tests/one.json"
AGREED: Final = """\
3 cases, 8 requests
                  decision  reasons  errors  validation
interpreter         8 of 8   8 of 8  8 of 8      3 of 3
compiled program    8 of 8   8 of 8  8 of 8      3 of 3
text round trip     8 of 8   8 of 8  8 of 8      3 of 3
JSON round trip     8 of 8   8 of 8  8 of 8      3 of 3
"""


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """The small corpus with one case that expects what it should not, and one whose entities the schema refuses."""
    files = small_corpus()
    document: dict[str, Any] = json.loads(files[ONE])
    document["requests"][1].update(decision="deny", reason=[], errors=[])
    document["shouldValidate"] = True
    files[ONE] = json.dumps(document)
    files["data/links.entities.json"] = '[{"uid": {"type": "User", "id": "ana"}, "attrs": {}, "parents": []}]'
    return write_folder(tmp_path / "corpus", files)


def test_all_agree(tmp_path: Path) -> None:
    result = run("conformance", write_folder(tmp_path / "corpus", small_corpus()))
    assert (result.exit_code, result.stdout, result.stderr) == (0, AGREED, "")


def test_an_archive_as_a_process(tmp_path: Path) -> None:
    done = spawn("conformance", write_archive(tmp_path / "corpus.tar.gz", small_corpus()), "--jobs", "2")
    assert (done.returncode, done.stdout, done.stderr) == (0, AGREED, "")


def test_disagreements_are_told(wrong: Path) -> None:
    result = run("conformance", wrong, "--show=99")
    refusal = f"refused: {wrong}/data/links.entities.json:1:"
    lines = result.stdout.splitlines()
    everywhere = "(interpreter, compiled program, text round trip, JSON round trip)"
    assert result.exit_code == 1
    assert lines[0] == "DISAGREES  tests/more/links"
    assert lines[1].startswith(f"  validation    expected valid, got {refusal}")
    assert lines[2:4] == ["DISAGREES  tests/more/links", "  request       request 0: ana asks"]
    assert [line[:16] for line in lines[4:7]] == ["  decision      ", "  reasons       ", "  errors        "]
    assert all(f"expected an answer, got {refusal}" in line and line.endswith(everywhere) for line in lines[4:7])
    assert "\n".join(lines[12:]) == (
        f"""\
DISAGREES  tests/one
  validation    expected valid, got invalid  {everywhere}
DISAGREES  tests/one
  request       request 1: bob asks
  decision      expected deny, got allow  {everywhere}
  reasons       expected none, got policy0  {everywhere}
  errors        expected none, got policy1  {everywhere}
3 cases, 8 requests
                  decision  reasons  errors  validation
interpreter         5 of 8   5 of 8  5 of 8      1 of 3
compiled program    5 of 8   5 of 8  5 of 8      1 of 3
text round trip     5 of 8   5 of 8  5 of 8      1 of 3
JSON round trip     5 of 8   5 of 8  5 of 8      1 of 3"""
    )


@pytest.mark.parametrize(("show", "left"), [(0, 5), (2, 3), (4, 1), (5, 0), (6, 0)])
def test_so_many_questions_are_shown(wrong: Path, show: int, left: int) -> None:
    result = run("conformance", wrong, f"--show={show}")
    assert result.exit_code == 1
    assert result.stdout.count("DISAGREES") == 5 - left
    assert ("... and about 1 question more\n" in result.stdout) == (left == 1)
    assert (f"... and about {left} questions more\n" in result.stdout) == (left > 1)


def test_a_limit_takes_the_first_cases(wrong: Path) -> None:
    assert run("conformance", wrong, "--limit=1").stdout.count("\nDISAGREES") == 2
    assert "1 case, 2 requests" in run("conformance", wrong, "--limit=1").stdout
    assert "3 cases, 8 requests" in run("conformance", wrong, "--limit=4").stdout


def test_a_seed_draws_always_the_same(wrong: Path) -> None:
    drawn = {seed: run("conformance", wrong, "--limit=1", f"--seed={seed}", "--show=0").stdout for seed in range(20)}
    assert len(set(drawn.values())) == 3
    assert drawn == {
        seed: run("conformance", wrong, "--limit=1", f"--seed={seed}", "--show=0").stdout for seed in range(20)
    }


def test_a_seed_without_a_limit_draws_nothing(wrong: Path) -> None:
    result = run("conformance", wrong, "--seed=1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "`--seed` draws some of the cases\n  help: say with `--limit` how many\n"


def test_a_bar_is_for_those_who_watch(tmp_path: Path) -> None:
    corpus = write_folder(tmp_path, small_corpus())
    watched = run("conformance", corpus, env={"FORCE_COLOR": "1", "TERM": "xterm"}).stdout
    assert "cases" in watched.partition("3 cases")[0]
    assert "100%" in watched


def test_what_a_file_says_cannot_steer_the_terminal(tmp_path: Path) -> None:
    files = small_corpus()
    files[ONE] = files[ONE].replace("bob asks", "\\u001b[2J").replace('"policy1"', '"\\u001b[31m"')
    result = run("conformance", write_folder(tmp_path, files))
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert "request 1: \\u{1b}[2J" in result.stdout


def test_an_unknown_key_ends_with_2(tmp_path: Path) -> None:
    files = small_corpus()
    files[ONE] = files[ONE].replace('"shouldValidate"', '"shouldValidated": 1, "shouldValidate"')
    result = run("conformance", write_folder(tmp_path, files))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f'{tmp_path}/{ONE}:1:123: unknown key "shouldValidated"' in result.stderr


@pytest.mark.parametrize("words", [(), ("--limit", "0"), ("--jobs", "0"), ("--show", "-1"), ("--limit", "few")])
def test_wrong_usage(words: tuple[str, ...], tmp_path: Path) -> None:
    result = run("conformance", tmp_path / "nothing", *words)
    assert (result.exit_code, result.stdout) == (2, "")


def test_the_handwritten_cases() -> None:
    result = run("conformance", shared_data("cedar/handwritten"))
    assert (result.exit_code, result.stdout.partition("\n")[0]) == (0, "22 cases, 74 requests")
    assert result.stdout.count("74 of 74") == 12
    assert result.stdout.count("22 of 22") == 4


def test_the_official_corpus() -> None:
    """A sample of it; all under the profile `nightly`."""
    cases = min(rounds(400), 7_809)
    corpus = shared_data("cedar/corpus-tests-4.10.tar.gz")
    done = spawn("conformance", corpus, "--limit", str(cases), "--seed", "410", "--jobs", "2", timeout=1_800)
    answers = f"{cases * 8:,} of {cases * 8:,}"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{cases:,} cases, {cases * 8:,} requests\n")
    assert done.stdout.count(answers) == 12
    assert done.stdout.count(f"  {cases:,} of {cases:,}\n") == 4
