"""`pdp eval`: the verdict of a server, from files alone, and the policies that mattered."""

import json
from pathlib import Path

import pytest
from command_line import run
from engine_worlds import NOW
from small_world import SmallWorld, token
from typer.testing import Result

AT = "2026-03-02T10:00:00Z"


def evaluate(
    files: SmallWorld,
    *words: str | Path,
    who: str | None = "ana",
    action: str = "read",
    resource: str = "plan",
    at: str = AT,
) -> Result:
    principal = () if who is None else ("--principal", f'User::"{who}"')
    asked = ("--action", f'Files::Action::"{action}"', "--resource", f'Files::File::"{resource}"', "--now", at)
    where = () if "--config" in words or "--policies" in words else ("--config", files.config)
    return run("eval", *principal, *asked, *where, *words)


def test_an_allow_with_the_policy_that_made_it(files: SmallWorld) -> None:
    result = evaluate(files)
    assert (result.exit_code, result.stderr) == (0, "")
    revision = next(line for line in result.stdout.splitlines() if "revision" in line)
    assert result.stdout == (
        "ALLOW  allowed: readers read\n"
        "  permit        files/readers-read\n"
        "  obligation    mask: margin  (files/readers-read)\n"
        "  obligation    header: x-reader=yes  (files/readers-read)\n"
        f"{revision}\n"
        '  context.auth  {"method": "asserted", "freshness": "unknown", "amr": []}\n'
        '  context.device  {"freshness": "unknown"}\n'
        '  context.workload  {"freshness": "unknown"}\n'
        '  context.grant  {"status": "none"}\n'
        "\n"
        "permit files/readers-read  decided\n"
        f"  {files.root}/teams/files/files.cedar:1:1\n"
        '  1 | @id("files/readers-read")\n'
        '  2 | @reason("readers read")\n'
        '  3 | @obligation("mask:margin; header:x-reader=yes")\n'
        '  4 | permit (principal in Group::"readers", action == Files::Action::"read", resource is Files::File);\n'
    )


def test_a_deny_with_every_forbid(files: SmallWorld) -> None:
    result = evaluate(files, who="eve", resource="secret")
    assert result.exit_code == 1
    assert result.stdout.startswith("DENY  forbidden: ")
    blocks = result.stdout.split("\n\n")[1:]
    assert [block.splitlines()[0] for block in blocks] == [
        "forbid guardrail/secret-needs-encrypted-device  decided",
        "forbid guardrail/suspended  decided",
    ]
    assert blocks[1].splitlines()[1:3] == [
        f"  {files.root}/guardrails/central.cedar:1:1",
        '  1 | @id("guardrail/suspended")',
    ]


def test_a_policy_that_failed(files: SmallWorld) -> None:
    result = evaluate(files, resource="gone")
    assert result.exit_code == 1
    assert result.stdout.startswith("DENY  policy_error: ")
    (block,) = result.stdout.split("\n\n")[1:]
    assert block.startswith("forbid guardrail/secret-needs-encrypted-device  entity_missing: ")
    assert "central.cedar:6:1\n" in block
    assert "  10 | when { resource.secret }\n" in block


def test_nothing_permitted_and_what_came_near(files: SmallWorld) -> None:
    result = evaluate(files, who="bob", action="write")
    assert result.exit_code == 1
    assert result.stdout.startswith("DENY  not_permitted: no policy permits this\n")
    assert result.stdout.split("\n\n")[1:] == [
        "permit files/owners-write  did not apply: this part of `when` is false\n"
        f"  {files.root}/teams/files/files.cedar:10:3\n"
        "     |\n"
        "  10 |   resource.owner == principal &&\n"
        "     |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
    ]


def test_a_grant_that_is_over(files: SmallWorld) -> None:
    # Its times are instants here: relative ones would move with --now.
    files.replace("context/grants.json", '"-1h"', '"2026-03-02T09:00:00Z"')
    files.replace("context/grants.json", '"1h"', '"2026-03-02T11:00:00Z"')
    times = "from 2026-03-02T09:00:00.000Z to 2026-03-02T11:00:00.000Z"
    note = f"grant of entitlement/reader, {times}, owner ana: reviews the plans"
    during = evaluate(files, who="bob")
    assert during.exit_code == 0
    assert f"permit grant/bob-plans  decided: active {note}\n" in during.stdout
    for at, status in (("2026-03-02T11:00:00Z", "expired"), ("2026-03-02T08:59:59.999Z", "pending")):
        result = evaluate(files, who="bob", at=at)
        assert result.exit_code == 1
        assert f"permit grant/bob-plans  did not apply: {status} {note}\n" in result.stdout
        assert "entitlements/reader.cedar:1:1\n" in result.stdout


def test_what_came_near_does_not_matter_where_something_forbids(files: SmallWorld) -> None:
    result = evaluate(files, who="eve", action="write")
    assert "owners-write" not in result.stdout
    assert "guardrail/suspended" in result.stdout


def test_a_request_that_is_refused_unasked(files: SmallWorld) -> None:
    result = evaluate(files, "--context", '{"auth": {}}')
    assert result.exit_code == 1
    assert result.stdout.startswith("DENY  invalid_request: the context holds `auth`\n")
    assert "context." not in result.stdout


def test_the_time_may_be_chosen(files: SmallWorld) -> None:
    # Relative times count from it: the laptop was seen five minutes before, whenever that is.
    for at in (AT, "2030-01-01"):
        assert evaluate(files, "--device", 'Device::"laptop"', resource="secret", at=at).exit_code == 0


def test_a_token(files: SmallWorld, tmp_path: Path) -> None:
    allowed = evaluate(files, "--token", token("ana", NOW, acr="mfa", auth_time=NOW // 1000), who=None)
    assert allowed.exit_code == 0
    assert '"method": "jwt", "freshness": "fresh", "amr": [], "acr": "mfa"' in allowed.stdout
    late = evaluate(files, "--token", token("ana", NOW - 3_600_000), who=None)
    assert (late.exit_code, late.stdout) == (1, "DENY  unauthenticated: the token has expired\n")
    files.write("keys.json", "{}")
    assert evaluate(files, "--token", token("ana", NOW), who=None).exit_code == 2


def test_a_bundle_brings_its_own_configuration_or_is_judged_by_another(files: SmallWorld, tmp_path: Path) -> None:
    assert evaluate(files, "--policies", files.root).exit_code == 0
    other = SmallWorld(tmp_path / "other")
    for path in ("schema.cedarschema", "guardrails/central.cedar", "entitlements/reader.cedar"):
        other.write(path, (files.root / path).read_text("utf-8"))
    alone = evaluate(files, "--policies", other.root)
    assert alone.exit_code == 2
    assert "pdp.yaml" in alone.stderr
    result = evaluate(files, "--policies", other.root, "--config", files.config)
    assert result.exit_code == 1, "the other bundle has no teams"
    granted = evaluate(files, "--policies", other.root, "--config", files.config, who="bob")
    assert granted.exit_code == 0
    assert f"{other.root}/entitlements/reader.cedar:1:1" in granted.stdout


def test_the_configuration_of_this_folder_is_the_default(
    files: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files.root.rename(tmp_path / "policies")
    result = run(
        "eval", "--principal", 'User::"ana"', "--action", 'Files::Action::"read"', "--resource", 'Files::File::"plan"'
    )
    assert result.exit_code == 0
    assert "  policies/teams/files/files.cedar:1:1\n" in result.stdout


def test_json(files: SmallWorld) -> None:
    result = evaluate(files, "--json", who="bob", action="write")
    assert result.exit_code == 1
    shown = json.loads(result.stdout)
    assert (shown["decision"], shown["reason"], shown["policies"]) == ("deny", "not_permitted", [])
    assert shown["context"]["grant"] == {"status": "none"}
    assert shown["considered"] == [
        {
            "id": "files/owners-write",
            "effect": "permit",
            "role": "near_miss",
            "note": "did not apply: this part of `when` is false",
            "file": f"{files.root}/teams/files/files.cedar",
            "line": 10,
            "column": 3,
            "text": "resource.owner == principal",
        }
    ]
    refused = json.loads(evaluate(files, "--json", "--context", '{"auth": 1}').stdout)
    assert (refused["context"], refused["considered"]) == (None, [])
    roles = {
        item["role"]
        for words in ({"resource": "gone"}, {"who": "eve"}, {})
        for item in json.loads(evaluate(files, "--json", **words).stdout)["considered"]
    }
    assert roles == {"failed", "determined"}
