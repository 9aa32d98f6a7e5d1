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


# Explained


def blocks(result: Result) -> dict[str, list[str]]:
    """The lines of each policy's block, by the policy's id."""
    found = [block.splitlines() for block in result.stdout.split("\n\n")[1:]]
    return {lines[0].split()[1]: lines for lines in found}


def test_explained_every_relevant_policy_shows_what_decided(files: SmallWorld) -> None:
    result = evaluate(files, "--explain", who="bob", action="write")
    assert result.exit_code == 1
    central, team = f"{files.root}/guardrails/central.cedar", f"{files.root}/teams/files/files.cedar"
    text = 'resource.owner == principal && context.auth has acr && context.auth.acr == "phishing-resistant" &...'
    assert result.stdout.split("\n\n")[1:] == [
        "permit files/owners-write  did not apply: this part of `when` is false\n"
        f"  {team}:10:3\n"
        f"  10:3      when {{ {text} }} -> false\n"
        "  10:3        resource.owner == principal -> false\n"
        '  10:3          resource.owner -> User::"ana"\n'
        '  10:21         principal -> User::"bob"',
        "forbid guardrail/secret-needs-encrypted-device  did not apply: this part of `when` is false\n"
        f"  {central}:10:8\n"
        "  10:8      when { resource.secret } -> false",
        "forbid guardrail/suspended  did not apply: this part of `when` is false\n"
        f"  {central}:4:29\n"
        "  4:8       when { principal is User && principal.suspended } -> false\n"
        "  4:29        principal.suspended -> false\n",
    ]


def test_explained_an_allow(files: SmallWorld) -> None:
    result = evaluate(files, "--explain", who="bob")
    assert result.exit_code == 0
    shown = blocks(result)
    assert list(shown) == [
        "grant/bob-plans",
        "files/readers-read",
        "guardrail/secret-needs-encrypted-device",
        "guardrail/suspended",
    ]
    assert "  decided: active grant of entitlement/reader, from " in shown["grant/bob-plans"][0]
    assert shown["files/readers-read"] == [
        "permit files/readers-read  did not apply: it is for another principal",
        f"  {files.root}/teams/files/files.cedar:1:1",
        '            scope principal in Group::"readers" -> false',
        '              principal -> User::"bob"',
    ]


def test_explained_a_deny_with_what_it_stands_above(files: SmallWorld) -> None:
    shown = blocks(evaluate(files, "--explain", who="eve", resource="secret"))
    assert [(lines[0].split("  ")[1]) for lines in shown.values()] == [
        "decided",
        "decided",
        "applied, and a forbid stands above it",
    ]
    assert shown["guardrail/secret-needs-encrypted-device"][2:] == [
        "  10:8      when { resource.secret } -> true",
        "  11:10     unless { context.device has encrypted && context.device.encrypted } -> false",
        "  11:10       context.device has encrypted -> false",
        '  11:10         context.device -> {freshness: "unknown"}',
    ]


def test_explained_a_failure(files: SmallWorld) -> None:
    shown = blocks(evaluate(files, "--explain", action="write", resource="gone"))
    missing = 'entity_missing: entity `Files::File::"gone"` does not exist'
    assert shown["guardrail/secret-needs-encrypted-device"] == [
        f"forbid guardrail/secret-needs-encrypted-device  {missing}",
        f"  {files.root}/guardrails/central.cedar:6:1",
        f"  10:8      when {{ resource.secret }} -> {missing}",
        '  10:8        resource -> Files::File::"gone"',
    ]
    assert f"permit files/owners-write  {missing}" in shown["files/owners-write"]


def test_explained_a_grant_that_is_over(files: SmallWorld) -> None:
    files.replace("context/grants.json", '"-1h"', '"2026-03-02T09:00:00Z"')
    files.replace("context/grants.json", '"1h"', '"2026-03-02T11:00:00Z"')
    shown = blocks(evaluate(files, "--explain", who="bob", at="2026-03-02T11:00:00Z"))
    assert "  did not apply: expired grant of entitlement/reader, " in shown["grant/bob-plans"][0]
    assert shown["grant/bob-plans"][1].endswith("entitlements/reader.cedar:1:1")


def test_explained_in_full(files: SmallWorld) -> None:
    files.replace(
        "teams/files/files.cedar", "resource.owner == principal &&\n", "[principal].contains(resource.owner) &&"
    )
    shown = blocks(evaluate(files, "--explain", "--full", who="bob", action="write"))
    assert shown["files/owners-write"][2:] == [
        '            scope action == Files::Action::"write" -> true',
        '              action -> Files::Action::"write"',
        '              Files::Action::"write" -> Files::Action::"write"',
        "            scope resource is Files::File -> true",
        '              resource -> Files::File::"plan"',
        "  10:3      when { [principal].contains(resource.owner) && context.auth has acr && context.auth.acr == "
        '"phishing-res... } -> false',
        "  10:3        [principal].contains(resource.owner) -> false",
        '  10:3          [principal] -> [User::"bob"]',
        '  10:4            principal -> User::"bob"',
        '  10:24         resource.owner -> User::"ana"',
        '  10:24           resource -> Files::File::"plan"',
        "  10:44       context.auth has acr -> not evaluated",
        '  10:68       context.auth.acr == "phishing-resistant" -> not evaluated',
        '  11:3        context.auth.freshness == "fresh" -> not evaluated',
    ]
    assert shown["guardrail/secret-needs-encrypted-device"][-1] == (
        "  11:10     unless { context.device has encrypted && context.device.encrypted } -> not evaluated"
    )


def test_explained_values_are_shown_as_policies_write_them(files: SmallWorld) -> None:
    many = ", ".join(map(str, range(200)))
    body = (
        f'[{many}].contains(-1) || context has ip && context.ip == ip("::1")'
        ' || context has region && context.region == "\x1b[2J"'
    )
    files.write("guardrails/more.cedar", f'@id("guardrail/x") forbid (principal, action, resource) when {{ {body} }};')
    given = '{"ip": {"__extn": {"fn": "ip", "arg": "10.0.0.1/8"}}, "region": "\\u001b"}'
    result = evaluate(files, "--explain", "--full", "--context", given)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    lines = blocks(result)["guardrail/x"]
    assert any(line.endswith(" -> a set of 200 elements") for line in lines)
    assert any(line.endswith(' context.ip -> ip("10.0.0.1/8")') for line in lines)
    assert any(line.endswith(' context.region -> "\\u{1b}"') for line in lines)
    assert any(" context -> {" in line and line.endswith("...") for line in lines)


def test_explained_a_request_that_is_refused_has_nothing_to_show(files: SmallWorld) -> None:
    plain = evaluate(files, "--context", '{"auth": {}}')
    assert evaluate(files, "--explain", "--context", '{"auth": {}}').stdout == plain.stdout
    assert plain.exit_code == 1


def test_full_is_a_way_to_explain(files: SmallWorld) -> None:
    result = evaluate(files, "--full")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "`--full` says how to explain\n  help: give it together with `--explain`" in result.stderr


def test_explained_as_json(files: SmallWorld) -> None:
    result = evaluate(files, "--json", "--explain", who="bob", action="write")
    assert result.exit_code == 1
    near, secret, suspended = json.loads(result.stdout)["considered"]
    assert (near["role"], near["line"], near["column"]) == ("near_miss", 10, 3)
    assert [item["role"] for item in (secret, suspended)] == ["not_satisfied"] * 2
    place = {"line": 10, "column": 3, "outcome": "value"}
    assert near["conditions"] == [
        {
            "kind": "when",
            **place,
            "text": 'resource.owner == principal && context.auth has acr && context.auth.acr == "phishing-resistant"'
            ' && context.auth.freshness == "fresh"',
            "value": False,
            "parts": [
                {
                    **place,
                    "text": "resource.owner == principal",
                    "value": False,
                    "parts": [
                        {**place, "text": "resource.owner", "value": entity("User", "ana"), "parts": []},
                        {**place, "column": 21, "text": "principal", "value": entity("User", "bob"), "parts": []},
                    ],
                }
            ],
        }
    ]
    assert near["scope"]["principal"] == {
        "text": "true", "line": None, "column": None, "outcome": "value", "value": True, "parts": []
    }  # fmt: skip
    assert [test["outcome"] for test in secret["conditions"]] == ["value", "not_evaluated"]
    assert "conditions" not in json.loads(evaluate(files, "--json", who="bob", action="write").stdout)["considered"][0]


def entity(kind: str, id: str) -> dict[str, dict[str, str]]:
    return {"__entity": {"type": kind, "id": id}}


def test_explained_in_full_as_json(files: SmallWorld) -> None:
    files.write(
        "guardrails/more.cedar",
        '@id("guardrail/x") forbid (principal, action, resource)'
        ' when { {"__expr": "y"} == {"__expr": "z"} } when { context.auth.method == "" };',
    )
    shown = json.loads(evaluate(files, "--json", "--explain", "--full", resource="gone").stdout)["considered"]
    items = {item["id"]: item for item in shown}
    assert items["guardrail/secret-needs-encrypted-device"]["conditions"][0]["error"] == {
        "kind": "entity_missing",
        "message": 'entity `Files::File::"gone"` does not exist',
    }
    first, second = items["guardrail/x"]["conditions"]
    # Records that JSON would take for an escape.
    assert [(part["outcome"], part["value"]) for part in first["parts"]] == [("value", None)] * 2
    assert second == {
        "kind": "when",
        "text": 'context.auth.method == ""',
        "line": 1,
        "column": second["column"],
        "outcome": "not_evaluated",
        "parts": [],
    }
