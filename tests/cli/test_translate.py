"""`pdp translate`: there and back again, what a file's name says, and what has no translation."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from command_line import PROGRAM, run
from rust_policies import policy_json, read_policies
from rust_schemas import accepts_json, accepts_text
from shared_data import shared_data
from small_world import GUARDRAILS, SCHEMA, TEAM

from pdp.cedar.schema.json_form import parse_json_schema
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.wire.policies import parse_policy_set

POLICIES: Final = f"// a comment\n{GUARDRAILS}\npermit(principal == ?principal, action, resource);\n{TEAM}"
LOST: Final = "the ids of the policies are lost: in text, a policy's id is its position\n"
SCOPES: Final = {"principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"}, "conditions": []}


def policy_set(**static: Any) -> dict[str, Any]:
    return {"staticPolicies": static, "templates": {}, "templateLinks": []}


def translated(*words: str | Path) -> str:
    result = run("translate", *words)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_policies_to_json(tmp_path: Path) -> None:
    text = translated(write(tmp_path / "x.cedar", POLICIES))
    document = json.loads(text)
    assert document["staticPolicies"] | document["templates"] == read_policies(POLICIES)
    assert document["templates"].keys() == {"policy3"}
    assert text == json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def test_policies_there_and_back(tmp_path: Path) -> None:
    path = write(tmp_path / "x.cedar", GUARDRAILS + "// é\n" + TEAM.replace("readers read", "\u202e \\u{1b}é"))
    as_json = write(tmp_path / "x.cedar.json", translated(path))
    back = translated(as_json)
    assert parse_policies(Source("back", back)) == parse_policies(Source("x", path.read_text("utf-8")))


def test_schemas_there_and_back(tmp_path: Path) -> None:
    path = write(tmp_path / "x.cedarschema", SCHEMA)
    as_json = write(tmp_path / "x.cedarschema.json", translated(path))
    back = translated(as_json)
    assert accepts_json(as_json.read_text())
    assert accepts_text(back)
    expected = parse_schema(Source("x", SCHEMA))
    assert parse_json_schema(Source("json", as_json.read_text())) == expected
    assert parse_schema(Source("back", back)) == expected


def test_the_schemas_of_the_benchmarks(tmp_path: Path) -> None:
    for path in sorted(shared_data("cedar/oopsla").rglob("schema.cedarschema.json")):
        text = translated(path)
        assert parse_schema(Source("text", text)) == parse_json_schema(Source("json", path.read_text("utf-8")))
        again = write(tmp_path / "x.cedarschema", text)
        assert parse_json_schema(Source("json", translated(again))) == parse_schema(Source("text", text))


def test_to_a_file(tmp_path: Path) -> None:
    path, output = write(tmp_path / "x.cedar", POLICIES), tmp_path / "y"
    expected = translated(path)
    for words in (("-o", output), ("--output", output)):
        assert translated(path, *words) == ""
        assert output.read_text("utf-8") == expected
        output.write_text("something longer than that" * 1_000)
    assert translated(path, "-o", path) == ""
    assert path.read_text("utf-8") == expected


def test_a_fault_leaves_the_output_as_it_is(tmp_path: Path) -> None:
    output = write(tmp_path / "y", "old")
    result = run("translate", write(tmp_path / "x.cedar", "permit;"), "-o", output)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{tmp_path}/x.cedar:1:7: expected `(`")
    assert output.read_text() == "old"
    result = run("translate", write(tmp_path / "x.cedar", POLICIES), "-o", tmp_path / "no" / "y")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "cannot write the file: no such file or directory" in result.stderr


DOCUMENT: Final = json.dumps(policy_set(policy0={"effect": "permit", **SCOPES}))
JSON_SCHEMA: Final = '{"": {"entityTypes": {"A": {}}, "actions": {}}}'
NAMES: Final[list[tuple[str, str, tuple[str, ...], str]]] = [
    ("a.cedar", POLICIES, (), '{\n  "staticPolicies": {'),
    ("a.cedarschema", SCHEMA, (), '{\n  "": {\n    "commonTypes"'),
    ("a.cedar.json", DOCUMENT, (), "permit(principal, action, resource);\n"),
    ("a.cedarschema.json", JSON_SCHEMA, (), "entity A;\n"),
    ("a.json", DOCUMENT, ("--kind", "policies"), "permit(principal, action, resource);\n"),
    ("a.json", JSON_SCHEMA, ("--kind", "schema", "--to", "text"), "entity A;\n"),
    ("a", SCHEMA, ("--kind", "schema", "--from", "text"), '{\n  "": {\n    "commonTypes"'),
    ("a.txt", POLICIES, ("--kind", "policies", "--from", "text", "--to", "json"), '{\n  "staticPolicies": {'),
    # What is said counts, whatever the name says.
    ("a.cedar", SCHEMA, ("--kind", "schema"), '{\n  "": {\n    "commonTypes"'),
    ("a.cedar", DOCUMENT, ("--from", "json"), "permit(principal, action, resource);\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "options", "begins"), NAMES, ids=[f"{n} {' '.join(o)}" for n, _, o, _ in NAMES]
)
def test_what_a_name_says(tmp_path: Path, name: str, text: str, options: tuple[str, ...], begins: str) -> None:
    assert translated(write(tmp_path / name, text), *options).startswith(begins)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.json",), "the name of the file does not say what it is\n  help: say `--kind policies` or `--kind schema`"),
        (("a", "--kind", "schema"), "the name of the file does not say how it is written"),
        (("-",), "the name of the file does not say what it is"),
        (("a.cedar", "--to", "text"), "the file is written in text as it is\n  help: there is nothing to translate"),
        (("a.cedar.json", "--to", "json"), "the file is written in json as it is"),
        (("a.cedar",), "a.cedar: cannot read the file: no such file or directory"),
        (("a.cedar", "--kind", "entities"), "Usage: "),
        (("a.cedar", "--from", "yaml"), "Usage: "),
        ((), "Usage: "),
    ],
)
def test_wrong_usage(words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("translate", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)


def test_standard_input() -> None:
    def pipe(text: str, *options: str) -> bytes:
        command = [*PROGRAM, "translate", "-", "--kind", "policies", *options]
        return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout

    as_json = pipe('@a("é\\u{1b}") permit(principal, action, resource);', "--from", "text")
    assert '"é\\u001b"'.encode() in as_json
    assert pipe(as_json.decode(), "--from", "json").decode() == '@a("é\\u{1b}")\npermit(principal, action, resource);\n'


def test_links_have_no_form_in_text(tmp_path: Path) -> None:
    slot = {"op": "==", "slot": "?principal"}
    document = policy_set() | {
        "templates": {"t": {"effect": "permit", **SCOPES, "principal": slot}},
        "templateLinks": [{"templateId": "t", "newId": "l", "values": {"?principal": {"type": "A", "id": ""}}}],
    }
    path = write(tmp_path / "x.cedar.json", json.dumps(document))
    result = run("translate", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{path}: the policy set has template links, which text cannot say\n  help: ")
    template = write(path, json.dumps(document | {"templateLinks": []}))
    result = run("translate", template)
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "permit(principal == ?principal, action, resource);\n",
        LOST,
    )


def test_ids_that_are_lost_are_told(tmp_path: Path) -> None:
    permit, forbid = {"effect": "permit", **SCOPES}, {"effect": "forbid", **SCOPES}
    text = "permit(principal, action, resource);\n\nforbid(principal, action, resource);\n"
    for ids, told in ((("policy0", "policy1"), ""), (("policy1", "policy0"), LOST), (("a", "b"), LOST)):
        path = write(tmp_path / "x.cedar.json", json.dumps(policy_set(**dict(zip(ids, (permit, forbid), strict=True)))))
        result = run("translate", path)
        assert (result.exit_code, result.stdout, result.stderr) == (0, text, told)


def test_what_text_cannot_say_of_a_schema(tmp_path: Path) -> None:
    shape = {"commonTypes": {"T": {"type": "Record", "attributes": {}}}, "entityTypes": {"A": {"shape": {"type": "T"}}}}
    path = write(tmp_path / "x.cedarschema.json", json.dumps({"": shape | {"actions": {}}}))
    result = run("translate", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{path}:1:")
    assert "which text cannot say" in result.stderr


def test_the_judge_reads_policies_as_they_were_read(tmp_path: Path) -> None:
    document = parse_policy_set(Source("json", translated(write(tmp_path / "x.cedar", POLICIES))))
    policies = document.static | document.templates
    assert {id: policy_json(policy) for id, policy in policies.items()} == read_policies(POLICIES)
