"""`pdp test`: what passes, what fails, how a failure is told, and what is covered."""

import json
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


# Coverage


def test_coverage_is_a_table_of_policies_and_their_conjuncts(files: SmallWorld) -> None:
    result = run("test", files.root, "--coverage")
    assert (result.exit_code, result.stderr) == (0, "")
    central, team = f"{files.root}/guardrails/central.cedar", f"{files.root}/teams/files/files.cedar"
    never = "never true and never false"
    acr = 'context.auth.acr == "phishing-resistant"'
    assert result.stdout == (
        "policy                                   in scope  satisfied  determining\n"
        "entitlement/reader                              1          1            1\n"
        f"files/owners-share                              0          0            0  never in scope: {team}:15:1\n"
        f"       0 true       0 false  when    resource.owner == principal  {never}: {team}:18:8\n"
        f"files/owners-write                              0          0            0  never in scope: {team}:6:1\n"
        f"       0 true       0 false  when    resource.owner == principal  {never}: {team}:10:3\n"
        f"       0 true       0 false  when    context.auth has acr  {never}: {team}:11:3\n"
        f"       0 true       0 false  when    {acr}  {never}: {team}:11:27\n"
        f'       0 true       0 false  when    context.auth.freshness == "fresh"  {never}: {team}:12:3\n'
        "files/readers-read                              2          2            1\n"
        f"guardrail/score                                 0          0            0  never in scope: {central}:13:1\n"
        f"       0 true       0 false  when    context.device has score  {never}: {central}:16:8\n"
        f"       0 true       0 false  when    context.device.score < 50  {never}: {central}:16:36\n"
        "guardrail/secret-needs-encrypted-device         4          0            0  "
        f"never satisfied: {central}:6:1\n"
        f"       0 true       4 false  when    resource.secret  never true: {central}:10:8\n"
        f"       0 true       0 false  unless  context.device has encrypted  {never}: {central}:11:10\n"
        f"       0 true       0 false  unless  context.device.encrypted  {never}: {central}:11:42\n"
        "guardrail/suspended                             4          1            1\n"
        f"       4 true       0 false  when    principal is User  never false: {central}:4:8\n"
        "       1 true       3 false  when    principal.suspended\n"
        "4 passed, 0 failed\n"
        "coverage 21.0%: 3 of 7 policies determined an answer, 1 of 12 conjuncts were both true and false\n"
    )


MORE = """\
now: 2026-03-02T10:00:00Z
cases:
  - name: a file of which nothing is known
    principal: User::"ana"
    action: Files::Action::"read"
    resource: Files::File::"gone"
    expect:
      decision: deny
      reason: policy_error
      policies: [guardrail/secret-needs-encrypted-device]
      obligations: ["notify:security"]
      errors: [guardrail/secret-needs-encrypted-device]
  - name: a suspended owner may not share either
    principal: User::"eve"
    action: Files::Action::"share"
    resource: Files::File::"eves"
    expect: {decision: deny, reason: forbidden, policies: [guardrail/suspended]}
  - name: a request that is refused
    principal: User::"ana"
    action: Files::Action::"read"
    resource: Files::File::"plan"
    context: {auth: {}}
    expect: {decision: deny, reason: invalid_request, policies: []}
"""
EVES = """\
    {"uid": {"type": "Files::File", "id": "eves"}, "parents": [],
     "attrs": {"owner": {"__entity": {"type": "User", "id": "eve"}}, "secret": false}},
"""


def test_what_fails_is_overruled_or_is_refused(files: SmallWorld) -> None:
    files.write("tests/more.yaml", MORE)
    files.write("context/entities/eves.json", f"[{EVES.rstrip().rstrip(',')}]")
    result = run("test", files.root, "--coverage")
    assert result.exit_code == 0, result.stdout
    lines = {line.split("  ")[0]: line for line in result.stdout.splitlines()}
    assert lines["guardrail/secret-needs-encrypted-device"].split() == [
        "guardrail/secret-needs-encrypted-device", "6", "0", "1"
    ]  # fmt: skip
    assert "       0 true       5 false       1 failed  when    resource.secret  never true: " in result.stdout
    assert lines["files/owners-share"].split()[:6] == ["files/owners-share", "1", "1", "0", "never", "determining:"]
    assert "       1 true       0 false  when    resource.owner == principal  never false: " in result.stdout
    assert lines["guardrail/suspended"].split() == ["guardrail/suspended", "6", "2", "2"]


@pytest.mark.parametrize(
    ("wanted", "exit_code", "said"), [("21", 0, "coverage 21.0%: "), ("22", 1, "coverage 21.0%, less than 22%: ")]
)
def test_too_little_coverage_fails(files: SmallWorld, wanted: str, exit_code: int, said: str) -> None:
    # 4 of 19: 21.05 percent.
    result = run("test", files.root, "--fail-under", wanted)
    assert result.exit_code == exit_code
    first, second = result.stdout.splitlines()
    assert first == "4 passed, 0 failed"
    assert second.startswith(said)


def test_a_failed_case_fails_whatever_is_covered(files: SmallWorld) -> None:
    files.replace("tests/files.yaml", "policies: [guardrail/suspended]", "policies: [files/readers-read]")
    result = run("test", files.root, "--fail-under", "0")
    assert result.exit_code == 1
    assert "3 passed, 1 failed\ncoverage 21.0%: " in result.stdout


@pytest.mark.parametrize("wanted", ["-1", "101", "1.5", "all"])
def test_shares_that_are_none(files: SmallWorld, wanted: str) -> None:
    result = run("test", files.root, "--fail-under", wanted)
    assert (result.exit_code, result.stdout) == (2, "")


def test_ids_and_texts_cannot_steer_the_terminal(files: SmallWorld) -> None:
    files.replace("guardrails/central.cedar", "principal is User &&", 'principal != User::"\x1b[2J" &&')
    result = run("test", files.root, "--coverage")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert '       4 true       0 false  when    principal != User::"\\u{1b}[2J"  never false: ' in result.stdout


def test_long_conjuncts_are_cut(files: SmallWorld) -> None:
    files.replace("guardrails/central.cedar", "principal is User &&", f'principal != User::"{"x" * 200}" &&')
    text = f'principal != User::"{"x" * 200}"'
    result = run("test", files.root, "--coverage")
    assert f"  when    {text[:97]}...  never false: " in result.stdout
    shown = json.loads(run("test", files.root, "--coverage", "--json").stdout)
    assert shown["coverage"]["policies"][-1]["conjuncts"][0]["text"] == text


# JSON


def test_json(files: SmallWorld) -> None:
    result = run("test", files.root, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"passed": 4, "failed": 0, "failures": [], "coverage": None}


def test_json_of_failures(files: SmallWorld) -> None:
    files.write("tests/files.yaml", MORE.replace("errors: [guardrail/secret-needs-encrypted-device]", "errors: []"))
    result = run("test", files.root, "--json")
    assert result.exit_code == 1
    shown = json.loads(result.stdout)
    assert (shown["passed"], shown["failed"]) == (1, 2)
    first = shown["failures"][0]
    assert first == {
        "name": "a file of which nothing is known",
        "file": f"{files.root}/tests/files.yaml",
        "line": 3,
        "column": 5,
        "mismatches": [{"part": "errors", "expected": "none", "got": "guardrail/secret-needs-encrypted-device"}],
        "message": "a guardrail could not be evaluated: guardrail/secret-needs-encrypted-device",
        "errors": [
            {
                "policy": "guardrail/secret-needs-encrypted-device",
                "kind": "entity_missing",
                "message": 'entity `Files::File::"gone"` does not exist',
            }
        ],
    }


def test_json_of_coverage(files: SmallWorld) -> None:
    result = run("test", files.root, "--json", "--fail-under", "22")
    assert result.exit_code == 1
    shown = json.loads(result.stdout)["coverage"]
    assert (shown["covered"], shown["total"]) == (4, 19)
    assert shown["policies"][-1] == {
        "id": "guardrail/suspended",
        "effect": "forbid",
        "file": f"{files.root}/guardrails/central.cedar",
        "line": 1,
        "column": 1,
        "in_scope": 4,
        "satisfied": 1,
        "determining": 1,
        "conjuncts": [
            {
                "kind": "when",
                "text": text,
                "file": f"{files.root}/guardrails/central.cedar",
                "line": 4,
                "column": column,
                "true": true,
                "false": false,
                "failed": 0,
            }
            for text, column, true, false in (("principal is User", 8, 4, 0), ("principal.suspended", 29, 1, 3))
        ],
    }
