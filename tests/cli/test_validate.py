"""`pdp validate`: everything that is wrong is told with its place, and what passes and what does not."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from command_line import run, spawn
from small_world import SCHEMA, SmallWorld

from pdp.cedar.schema.json_writer import write_json_schema
from pdp.cedar.schema.text import parse_fragment
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policy_set
from pdp.cedar.wire.policies import write_policy_set

READ: Final = 'action == Files::Action::"read"'
GOOD: Final = f"permit(principal, {READ}, resource) when {{ resource.owner == principal }};\n"
FAULTY: Final = f"""\
// two faults of syntax, and one of meaning between them
permit(principal, action, resource) when {{ 1 + }};
@id("files/typo")
permit(principal, {READ}, resource) when {{ resource.ownr == principal }};
forbid(principal action, resource);
"""
NEVER: Final = f'@id("never") permit(principal, {READ}, resource) when {{ resource.secret && false }};\n'


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "files.cedarschema"
    path.write_text(SCHEMA)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def report(*words: str | Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run("validate", *words, "--json").stdout)
    return document


def test_a_bundle_with_its_own_schema(files: SmallWorld) -> None:
    result = run("validate", files.root)
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "7 policies in 3 files: 0 errors, 0 warnings\n",
        "",
    )


def test_the_folder_is_policies_unless_another_is_named(
    files: SmallWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("validate").exit_code == 2
    files.root.rename(tmp_path / "policies")
    assert run("validate").stdout == "7 policies in 3 files: 0 errors, 0 warnings\n"


def test_everything_that_is_wrong_is_told(schema: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "faulty.cedar", FAULTY)
    result = run("validate", path, "--schema", schema)
    assert (result.exit_code, result.stderr) == (1, "")
    typo = f"permit(principal, {READ}, resource) when {{ resource.ownr == principal }};"
    assert result.stdout == (
        f"""\
{path}:2:48: error[policy_syntax]: expected an expression, found `}}`
  |
2 | permit(principal, action, resource) when {{ 1 + }};
  |                                                ^
  help: write a condition between the braces, `true` if there is none
{path}:4:69: error[unknown_attribute] in policy `files/typo`: `Files::File` has no attribute `ownr`
  |
4 | {typo}
  |                                                                     ^^^^^^^^^^^^^
  help: did you mean `owner`?; found for principal `User`, action `Files::Action::"read"`, resource `Files::File`
{path}:5:18: error[policy_syntax]: expected `,`, found `action`
  |
5 | forbid(principal action, resource);
  |                  ^^^^^^
  help: a scope names `principal`, `action` and `resource`, in this order
1 policy in 1 file: 3 errors, 0 warnings
"""
    )


def test_the_same_as_json(schema: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "faulty.cedar", FAULTY)
    result = run("validate", path, "--schema", schema, "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    document = json.loads(result.stdout)
    findings = document.pop("findings")
    assert document == {"passed": False, "files": 1, "policies": 1, "errors": 3, "warnings": 0}
    assert [finding["code"] for finding in findings] == ["policy_syntax", "unknown_attribute", "policy_syntax"]
    assert findings[1] == {
        "severity": "error",
        "code": "unknown_attribute",
        "message": "`Files::File` has no attribute `ownr`",
        "policy": "files/typo",
        "file": str(path),
        "line": 4,
        "column": 69,
        "end_line": 4,
        "end_column": 82,
        "help": "did you mean `owner`?",
        "found_for": 'principal `User`, action `Files::Action::"read"`, resource `Files::File`',
    }
    assert findings[0]["policy"] is findings[0]["found_for"] is None
    assert [finding.keys() for finding in findings] == [findings[1].keys()] * 3


def test_all_faults_of_a_schema_are_told(tmp_path: Path) -> None:
    schema = write(tmp_path / "s.cedarschema", "entty A;\nentity B { x: };\n")
    result = run("validate", write(tmp_path / "x.cedar", GOOD), "--schema", schema)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{schema}:1:1: expected `entity`, `action` or `type`, found `entty`\n" in result.stderr
    assert f"{schema}:2:15: expected a type, found `}}`\n" in result.stderr


def test_warnings_pass_unless_they_are_denied(schema: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "never.cedar", NEVER)
    passed = run("validate", path, "--schema", schema)
    assert passed.exit_code == 0
    assert passed.stdout.startswith(f"{path}:1:1: warning[impossible_policy] in policy `never`: ")
    assert passed.stdout.endswith("\n1 policy in 1 file: 0 errors, 1 warning\n")
    denied = run("validate", path, "--schema", schema, "--deny-warnings")
    assert (denied.exit_code, denied.stdout) == (1, passed.stdout)
    assert report(path, "--schema", schema)["passed"] is True
    assert report(path, "--schema", schema, "--deny-warnings")["passed"] is False
    assert run("validate", write(path, GOOD), "--schema", schema, "--deny-warnings").exit_code == 0


def test_characters_that_nobody_sees(schema: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "hidden.cedar", f"// \u202e\n{GOOD}")
    result = run("validate", path, "--schema", schema)
    assert result.exit_code == 0
    assert "warning[confusable_text]" in result.stdout
    assert "\u202e" not in result.stdout


def test_a_level(schema: Path, tmp_path: Path) -> None:
    path = write(
        tmp_path / "deep.cedar", GOOD.replace("resource.owner", "resource.owner.suspended == false && principal")
    )
    assert run("validate", path, "--schema", schema).exit_code == 0
    assert run("validate", path, "--schema", schema, "--level", "2").exit_code == 0
    result = run("validate", path, "--schema", schema, "--level", "1")
    assert result.exit_code == 1
    assert "error[level_exceeded] in policy `policy0`: " in result.stdout
    assert run("validate", path, "--schema", schema, "--level", "-1").exit_code == 2


def test_folders_and_files_each_once(schema: Path, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    first = write(folder / "b" / "one.cedar", GOOD)
    write(folder / "a.cedar", GOOD * 2)
    write(folder / ".hidden.cedar", "nonsense")
    write(folder / "notes.txt", "nonsense")
    (folder / "b" / "circle").symlink_to(folder)
    other = write(tmp_path / "named as it likes", GOOD)
    document = report(folder, first, folder / "b", other, "--schema", schema)
    assert (document["files"], document["policies"]) == (3, 4)


def test_findings_stand_in_the_order_of_the_files(schema: Path, tmp_path: Path) -> None:
    for name in ("c", "a", "b"):
        write(tmp_path / "all" / f"{name}.cedar", NEVER + FAULTY)
    found = [
        (Path(each["file"]).name, each["line"]) for each in report(tmp_path / "all", "--schema", schema)["findings"]
    ]
    assert found == [(f"{name}.cedar", line) for name in "abc" for line in (1, 3, 5, 6)]


def test_policies_and_schema_in_json(tmp_path: Path) -> None:
    schema = write(tmp_path / "schema.json", json.dumps(write_json_schema(parse_fragment(Source("s", SCHEMA)))))
    template = f"permit(principal in ?principal, {READ}, resource);"
    policies = write_policy_set(parse_policy_set(Source("p", GOOD + NEVER + template)))
    link = {"templateId": "policy2", "newId": "link", "values": {"?principal": {"type": "Robot", "id": "x"}}}
    path = write(tmp_path / "all" / "x.cedar.json", json.dumps(policies | {"templateLinks": [link]}))
    document = report(path.parent, "--schema", schema)
    assert (document["files"], document["policies"]) == (1, 4)
    found = [(each["policy"], each["code"], each["line"]) for each in document["findings"]]
    assert sorted(found) == [("link", "unknown_entity_type", None), ("policy1", "impossible_policy", None)]
    write(path, '{"staticPolicies": {}}')
    (fault,) = report(path, "--schema", schema)["findings"]
    assert (fault["code"], fault["line"]) == ("json_form", 1)


def test_two_policies_of_one_name_are_told_apart_by_their_places(schema: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "twice.cedar", NEVER * 2)
    found = [(each["policy"], each["line"]) for each in report(path, "--schema", schema)["findings"]]
    assert found == [("policy0", 1), ("policy1", 2)]


def test_the_rules_of_a_bundle_are_checked_once_nothing_else_is_wrong(files: SmallWorld) -> None:
    path = files.write("teams/files/more.cedar", f'@id("other/x") {GOOD}')
    result = run("validate", files.root)
    assert result.exit_code == 1
    assert f"{path}:1:1: error[policy_set]: the id `other/x` does not begin with `files/`" in result.stdout
    assert result.stdout.endswith("8 policies in 4 files: 1 error, 0 warnings\n")
    # With a schema that is named, a folder is a folder.
    assert run("validate", files.root, "--schema", files.root / "schema.cedarschema").exit_code == 0
    files.write("teams/files/more.cedar", f'@id("other/x") {GOOD}forbid;')
    document = report(files.root)
    assert [finding["code"] for finding in document["findings"]] == ["policy_syntax"]


def test_one_bundle_at_a_time(files: SmallWorld, tmp_path: Path) -> None:
    for words in ((files.root, files.root), (tmp_path,), (files.root / "guardrails",)):
        result = run("validate", *words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("there is no schema to check by\n  help: name it with `--schema`")


def test_a_schema_at_fault_ends_with_2(schema: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "good.cedar", GOOD)
    write(schema, "entity User")
    result = run("validate", path, "--schema", schema)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{schema}:1:12: expected `;`")


@pytest.mark.parametrize("as_json", [True, False])
def test_files_that_cannot_be_read_end_with_2(schema: Path, tmp_path: Path, as_json: bool) -> None:
    more = ("--json",) if as_json else ()
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.cedar").write_bytes(b"// \xe9")
    for path, message in (
        ("missing.cedar", "cannot read the file: no such file or directory"),
        ("latin.cedar", "this is not UTF-8"),
        ("empty", "there is no policy file here: no `*.cedar` or `*.cedar.json`"),
    ):
        result = run("validate", tmp_path / path, "--schema", schema, *more)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr
    assert run("validate", tmp_path / "latin.cedar", "--schema", tmp_path / "missing").exit_code == 2


def test_a_name_or_a_text_cannot_steer_the_terminal(schema: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "\x1b[31m.cedar", 'permit(principal, action, resource) when { "\x1b[2J" == };')
    result = run("validate", path, "--schema", schema)
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout


def test_as_a_process(files: SmallWorld) -> None:
    done = spawn("validate", files.root)
    assert (done.returncode, done.stdout, done.stderr) == (0, "7 policies in 3 files: 0 errors, 0 warnings\n", "")


# Policies about callers

CALLERS: Final = '@id("callers/a") permit (principal, action, resource) when { principal.way == "mtls" };\n'


def test_policies_about_callers(tmp_path: Path) -> None:
    write(tmp_path / "a.cedar", CALLERS)
    result = run("validate", "--callers", tmp_path)
    assert (result.exit_code, result.stdout) == (0, "1 policy in 1 file: 0 errors, 0 warnings\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CALLERS.replace("principal.way", "principal.weg"), "weg"),
        (CALLERS.replace("callers/a", "pdp/a"), "no id of its own"),
        (CALLERS * 2, "callers/a"),
        ("permit", "expected"),
    ],
)
def test_faulty_policies_about_callers(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path / "a.cedar", text)
    result = run("validate", "--callers", tmp_path)
    assert result.exit_code == 1
    assert message in result.stdout


def test_policies_about_callers_are_one_folder_and_have_their_own_schema(schema: Path, tmp_path: Path) -> None:
    for words in ((), (tmp_path, tmp_path), ("--schema", schema, tmp_path)):
        result = run("validate", "--callers", *words)
        assert (result.exit_code, "--callers" in result.stderr) == (2, True)
