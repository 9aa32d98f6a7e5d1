"""`pdp test`: what passes, what fails, and how a failure is told."""

from pathlib import Path

import pytest
from command_line import run
from small_world import SmallWorld


def test_all_cases_pass(files: SmallWorld) -> None:
    result = run("test", files.root)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "4 passed, 0 failed\n", "")


def test_the_folder_is_policies_unless_another_is_named(
    files: SmallWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    files.root.rename(tmp_path / "policies")
    assert run("test").stdout == "4 passed, 0 failed\n"


def test_a_failure_is_told_with_its_place_what_was_expected_and_what_came(files: SmallWorld) -> None:
    files.replace("tests/files.yaml", "policies: [guardrail/suspended]", "policies: [files/readers-read]")
    files.replace(
        "tests/files.yaml", "decision: allow\n      reason: allowed\n", "decision: deny\n      reason: forbidden\n"
    )
    result = run("test", files.root)
    assert result.exit_code == 1
    assert result.stdout == (
        "FAILED  a reader reads\n"
        f"  {files.root}/tests/files.yaml:3:5\n"
        "  decision      expected deny, got allow\n"
        "  reason        expected forbidden, got allowed\n"
        "  message       readers read\n"
        "FAILED  suspended people do not\n"
        f"  {files.root}/tests/files.yaml:12:5\n"
        "  policies      expected files/readers-read, got guardrail/suspended\n"
        "  message       suspended people may do nothing\n"
        "2 passed, 2 failed\n"
    )


def test_errors_of_policies_are_told(files: SmallWorld) -> None:
    files.write(
        "tests/files.yaml",
        """\
now: 2026-03-02T10:00:00Z
cases:
  - name: a file of which nothing is known
    principal: User::"ana"
    action: Files::Action::"read"
    resource: Files::File::"gone"
    expect: {decision: deny, reason: policy_error, policies: [guardrail/secret-needs-encrypted-device]}
""",
    )
    result = run("test", files.root)
    assert result.exit_code == 1
    assert "  errors        expected none, got guardrail/secret-needs-encrypted-device\n" in result.stdout
    assert "  error         guardrail/secret-needs-encrypted-device: entity_missing: " in result.stdout


def test_each_file_is_asked_at_its_own_time(files: SmallWorld) -> None:
    # A grant that begins and ends at instants: relative times would follow each file's `now`.
    files.replace("context/grants.json", '"-1h"', '"2026-03-02T09:00:00Z"')
    files.replace("context/grants.json", '"1h"', '"2026-03-02T11:00:00Z"')
    later = (files.root / "tests/files.yaml").read_text("utf-8").replace("10:00:00Z", "12:00:00Z")
    later = later.replace("name: ", "name: later, ")
    files.write("tests/later.yaml", later)
    result = run("test", files.root)
    assert result.exit_code == 1
    assert "FAILED  later, a grant lets read\n" in result.stdout
    assert result.stdout.endswith("7 passed, 1 failed\n")


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("reason: forbidden", "reason: forbiden", "tests/files.yaml:18:15", "did you mean `forbidden`?"),
        ("at: 1h", "at: soon", "tests/files.yaml:29:9", "duration"),
        ("name: a grant ends", "name: a reader reads", "tests/files.yaml:25:5", "two cases"),
        ("at: 1h", 'context: {ip: "x"}', "tests/files.yaml:29:19", "ip"),
    ],
)
def test_a_case_at_fault_ends_with_2(files: SmallWorld, old: str, new: str, place: str, message: str) -> None:
    files.replace("tests/files.yaml", old, new)
    result = run("test", files.root)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{files.root}/{place}: "), result.stderr
    assert message in result.stderr
    assert "passed" not in result.stdout


def test_no_cases_are_no_success(files: SmallWorld) -> None:
    (files.root / "tests/files.yaml").unlink()
    result = run("test", files.root)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no test case here" in result.stderr
